"""JSON that anybody may have written or damaged: read, and held to what should be in it."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

#: Deeper than anything of ours, and no trouble to whatever goes through it afterwards.
_DEEPEST = 100


class Schema(BaseModel):
    """What a document must hold. It may hold more."""

    # Strict: no "0.9", no true for 1. Built at the first use, which --help never comes to.
    model_config = ConfigDict(strict=True, defer_build=True)


def load_json(content: bytes, **options: Any) -> Any:
    """What ``content`` says; ``options`` are those of ``json.loads``.

    Raises ValueError for no JSON, and for what is nested deeper than anybody would write.
    """
    try:
        document = json.loads(content, **options)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    level = [document]
    for _ in range(_DEEPEST):
        level = [inner for outer in level for inner in _inside(outer)]
    if level:
        raise ValueError("nested too deeply")
    return document


def fault(schema: type[BaseModel], document: Mapping[str, Any], *, may_lack: bool = False) -> str:
    """The first thing in ``document`` that is not as ``schema`` has it: where, and what is wrong; empty if all is well.

    ``may_lack``: what isn't there is no fault.
    """
    try:
        schema.model_validate(document)
    except ValidationError as error:
        for item in error.errors(include_url=False):
            if not (may_lack and item["type"] == "missing"):
                return f"{'.'.join(map(str, item['loc'])) or 'the whole'}: {item['msg']}"
    return ""


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value.values()]
    return value if isinstance(value, list) else []

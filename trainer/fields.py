"""What a field of `Settings` may hold, beyond pydantic's own types, and what is said of it to people."""

import os.path
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic.fields import FieldInfo

#: What ``trainer.storage`` opens, which is not imported for the sake of ``--help``.
_BUCKET_PLACE = re.compile(r"gs://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9](/(?!\.{1,2}(/|$))[^/\x00-\x1f]+)*")


@dataclass(frozen=True)
class Form:
    """How a type's values are written: ``metavar`` stands for one in ``--help``, ``expected`` says it in words."""

    metavar: str
    expected: str


@dataclass(frozen=True, kw_only=True)
class About:
    """What pydantic has no place for."""

    group: str
    unit: str = ""
    #: Shown in place of the default, after the environment variable if there is one, when it is only found out later.
    later: str | None = None
    #: The environment variable that Vertex AI, or the caller, may set it with.
    environment: str | None = None
    #: False for what can't be given as a flag or in a file, only in the environment.
    has_flag: bool = True
    #: A second, shorter spelling of the flag, such as ``-v``.
    short: str | None = None
    #: False for what leaves the resulting weights alone: it then stays out of the run id.
    shapes_result: bool = True


def _number(raw: object) -> float:
    """By way of text: pydantic would take true for 1, "1e1" for no integer, and any integer for finite."""
    return float(str(raw))


def _split(raw: object) -> Sequence[object]:
    return raw if isinstance(raw, (list, tuple)) else str(raw).split(",")


def _boolean(raw: object) -> object:
    return {"true": True, "false": False}.get(str(raw).lower())


def _place(text: str) -> str:
    if "://" not in text:
        return _expanded(text)
    if not _BUCKET_PLACE.fullmatch(place := text.rstrip("/")):
        raise ValueError(text)
    return place


def _local(raw: object) -> Path:
    return Path(_expanded(str(_unopened(raw))))


def _unopened(raw: object) -> Path:
    if not isinstance(raw, (str, Path)) or "://" in str(raw) or not str(raw).strip():
        raise ValueError(raw)
    return Path(_told(str(raw)))


def _expanded(path: str) -> str:
    """With the home folder for ``~``. Raises ValueError where there is none, and for what no document can hold."""
    expanded = os.path.expanduser(_told(path))
    if expanded.startswith("~"):
        raise ValueError(path)
    return expanded


def _told(path: str) -> str:
    """Raises ValueError for what no document can hold."""
    path.encode()
    if "\0" in path:
        raise ValueError(path)
    return path


Whole = Annotated[int, BeforeValidator(_number), Form("N", "an integer")]
Real = Annotated[float, BeforeValidator(_number), Form("X", "a number")]
Switch = Annotated[bool, BeforeValidator(_boolean), Form("true|false", "true or false")]
#: Of a layer. A wider one is a slip of the pen: it would run out of memory on any machine, and be told to try a larger.
WIDEST = 65_536
#: ``32,64,128`` as text, or a list.
Widths = Annotated[
    tuple[Annotated[Whole, Field(ge=1, le=WIDEST)], ...],
    BeforeValidator(_split),
    Field(min_length=1, max_length=4),
    Form("N,N,…", f"1 to 4 comma-separated values, each an integer ≥ 1 and ≤ {WIDEST}"),
]
Text = Annotated[str, Field(pattern=r"\S"), Form("TEXT", "a text that is not empty")]
#: As ``trainer.release`` has it: also a Vertex AI model id.
ModelName = Annotated[
    str,
    Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$"),
    Form("NAME", "at most 63 of a-z, 0-9, '-', '_', the first a letter"),
]
#: Of Vertex AI Experiments: the id of a run there is this, a dash, and the run id, of 128 characters at most.
ExperimentName = Annotated[
    str,
    Field(pattern=r"^[a-z0-9][a-z0-9-]{0,114}$"),
    Form("NAME", "at most 115 of a-z, 0-9, '-', the first no '-'"),
]
#: A local folder, ``~`` expanded, or ``gs://bucket/prefix`` without trailing slash.
Place = Annotated[Text, AfterValidator(_place), Form("PLACE", "a folder or gs://bucket/prefix")]
Folder = Annotated[Path, BeforeValidator(_local), Form("FOLDER", "a local folder")]
#: ``~`` is left to who opens it: there may be no home folder, nor a need for one.
UnopenedFolder = Annotated[Path, BeforeValidator(_unopened), Form("FOLDER", "a local folder")]

_SIGNS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}


def about(field: FieldInfo) -> About:
    return next(item for item in field.metadata if isinstance(item, About))


def form(field: FieldInfo) -> Form:
    """The names of a choice, or the form of the type, with its bounds."""
    if get_origin(field.annotation) is Literal:
        names = get_args(field.annotation)
        return Form("|".join(names), f"one of {', '.join(names)}")
    # In `Place | None` the form stands within the union. The last wins: one that the field itself declares.
    nested = [item for part in get_args(field.annotation) for item in get_args(part)]
    declared = [item for item in (*nested, *field.metadata) if isinstance(item, Form)][-1]
    limits = [(sign, getattr(item, name, None)) for item in field.metadata for name, sign in _SIGNS.items()]
    bounds = " and ".join(f"{sign} {limit:.10g}" for sign, limit in limits if limit is not None)
    return Form(declared.metavar, f"{declared.expected} {bounds}".rstrip())


def allowed(field: FieldInfo) -> str:
    unit = about(field).unit
    return f"{form(field).expected}, in {unit}" if unit else form(field).expected


def meaning(field: FieldInfo) -> str:
    return " ".join((field.description or "").split())


def default_text(field: FieldInfo) -> str:
    facts = about(field)
    if facts.later and facts.environment and facts.has_flag:
        return f"{facts.environment}, else {facts.later}"
    return facts.later or as_text(field.default)


def as_text(value: Any) -> str:
    """A value the way a flag takes it: ``32,64,128``, ``true``, ``0.001``."""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)

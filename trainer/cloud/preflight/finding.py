"""One thing that is wrong with a job, in the project's words: what – expected – received – what to do."""

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from trainer.errors import SettingsError


@dataclass(frozen=True)
class Finding:
    """``rule`` is a key of `RULES`; ``what`` names the place, such as ``workerPoolSpecs[0].replicaCount``."""

    rule: str
    what: str
    expected: str
    received: str
    do: str

    def __str__(self) -> str:
        received = self.received or ("nothing" if self.expected else "")
        return str(SettingsError(self.what, expected=self.expected, received=received, do=self.do))


def nearest(name: str, known: list[str] | tuple[str, ...], otherwise: str) -> str:
    """``did you mean …?``, if one of ``known`` resembles ``name``."""
    plain = {item.replace("_", "").lower(): item for item in known}
    close = get_close_matches(name.replace("_", "").lower(), list(plain), n=1)
    return f"did you mean {plain[close[0]]}?" if close else otherwise


# Readers for documents of any shape: what is of another type counts as absent here, and as wrong in `schema`.


def mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def whole(value: Any) -> int | None:
    """A count. Protocol buffers take a 64-bit number as text, too."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and value.isdecimal() else None

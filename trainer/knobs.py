"""What one setting is, and what its value may be.

A kind reads a flag's text, an environment variable or a YAML value alike, so that ``1e-3`` means the same
wherever it is written. Plain closures over plain values: `--help` must answer before a validation library
would have been imported.
"""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Kind:
    """``read`` turns a raw value into the typed one, or raises ValueError when it is not ``expected``."""

    metavar: str
    expected: str
    read: Callable[[object], Any]
    #: The text that a flag without a value stands for; empty where it must have one.
    bare: str = ""


@dataclass(frozen=True, kw_only=True)
class Knob:
    """Everything there is to know about one setting, but its name."""

    kind: Kind
    default: Any
    group: str
    help: str
    unit: str = ""
    #: Shown in place of the default when that is only found out later.
    later: str | None = None
    #: The environment variable that Vertex AI, or the caller, may set it with.
    environment: str | None = None
    #: False for what can't be given as a flag or in a file, only in the environment.
    has_flag: bool = True
    #: A one-letter flag, such as ``-v``.
    short: str | None = None
    #: False for what leaves the resulting weights alone: it then stays out of the run id.
    shapes_result: bool = True

    @property
    def allowed(self) -> str:
        return f"{self.kind.expected}, in {self.unit}" if self.unit else self.kind.expected

    @property
    def default_text(self) -> str:
        return self.later or as_text(self.default)


@dataclass(frozen=True, kw_only=True)
class Interval:
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None

    def __contains__(self, number: float) -> bool:
        return (
            math.isfinite(number)
            and (self.ge is None or number >= self.ge)
            and (self.gt is None or number > self.gt)
            and (self.le is None or number <= self.le)
            and (self.lt is None or number < self.lt)
        )

    def __str__(self) -> str:
        bounds = (("≥", self.ge), (">", self.gt), ("≤", self.le), ("<", self.lt))
        return " and ".join(f"{sign} {bound:.10g}" for sign, bound in bounds if bound is not None)


def as_text(value: Any) -> str:
    """A value the way a flag takes it: ``32,64,128``, ``true``, ``0.001``."""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def real(**bounds: float) -> Kind:
    """A finite number within ``bounds`` (keywords of ``Interval``)."""
    interval = Interval(**bounds)

    def read(value: object) -> float:
        number = _number(value)
        if number not in interval:
            raise ValueError(value)
        return number

    return Kind("X", f"a number {interval}", read)


def integer(**bounds: float) -> Kind:
    """A whole number within ``bounds``. 32.0 is taken for 32: tuning services may send it so."""
    interval = Interval(**bounds)

    def read(value: object) -> int:
        number = _number(value)
        if number not in interval or not number.is_integer():
            raise ValueError(value)
        return int(number)

    return Kind("N", f"an integer {interval}", read)


def integers(*, at_most: int, **bounds: float) -> Kind:
    """One to ``at_most`` whole numbers: ``32,64,128`` as text, or a YAML list. Read as a tuple."""
    item = integer(**bounds)

    def read(value: object) -> tuple[int, ...]:
        parts = list(value) if isinstance(value, (list, tuple)) else str(value).split(",")
        if not 1 <= len(parts) <= at_most:
            raise ValueError(value)
        return tuple(item.read(part) for part in parts)

    expected = f"1 to {at_most} comma-separated values, each {item.expected}"
    return Kind("N,N,…", expected, read)


def choice(*names: str) -> Kind:
    def read(value: object) -> str:
        if value not in names:
            raise ValueError(value)
        return str(value)

    return Kind("|".join(names), f"one of {', '.join(names)}", read)


def boolean() -> Kind:
    def read(value: object) -> bool:
        text = str(value).lower()
        if text not in ("true", "false"):
            raise ValueError(value)
        return text == "true"

    return Kind("true|false", "true or false", read, bare="true")


def text() -> Kind:
    return Kind("TEXT", "a text that is not empty", _text)


def location(*words: str) -> Kind:
    """A local folder or ``gs://bucket/prefix`` without trailing slash, or one of ``words``. Read as str."""

    def read(value: object) -> str:
        text = _text(value)
        if text.startswith("gs://"):
            return _bucket_uri(text)
        if "://" in text:
            raise ValueError(value)
        return os.path.expanduser(text)

    return Kind("PLACE", ", ".join((*words, "a folder or gs://bucket/prefix")), read)


def local_folder() -> Kind:
    """A folder of this machine, ``~`` expanded. Read as Path."""

    def read(value: object) -> Path:
        text = _text(str(value) if isinstance(value, Path) else value)
        if "://" in text:
            raise ValueError(value)
        return Path(os.path.expanduser(text))

    return Kind("FOLDER", "a local folder", read)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(value)
    try:
        return float(value)
    except OverflowError as error:  # an integer beyond 1e308
        raise ValueError(value) from error


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(value)
    return value


def _bucket_uri(text: str) -> str:
    bucket, _, prefix = text.removeprefix("gs://").partition("/")
    if not bucket:
        raise ValueError(text)
    return f"gs://{bucket}/{prefix}".rstrip("/")

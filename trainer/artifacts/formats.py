"""Figures as people read them. Whatever is not known is a dash."""

import re
from datetime import UTC, datetime
from typing import Any

DASH = "–"
NBSP = "\N{NO-BREAK SPACE}"
_BEFORE_A_UNIT = re.compile(r"(?<=\d) (?=(?:%|ms\b|points?\b))|\b(?<=n) (?==)|(?<=n =) ")


def typeset(value: Any) -> Any:
    """The last step of every template expression: a dash for None, no line break between a figure and its unit."""
    if value is None:
        return DASH
    return _BEFORE_A_UNIT.sub(NBSP, value) if isinstance(value, str) else value


def moment(iso: str | None) -> str:
    """``2026-01-02T03:04:05+00:00`` as ``2026-01-02 03:04 UTC``, without line breaks; a dash for None."""
    if iso is None:
        return DASH
    return f"{datetime.fromisoformat(iso).astimezone(UTC):%Y-%m-%d %H:%M} UTC".replace(" ", NBSP)


def percent(fraction: float | None, digits: int = 1) -> str:
    """A fraction in [0, 1] as a percentage; a dash for None."""
    return DASH if fraction is None else f"{100 * fraction:.{digits}f}{NBSP}%"


def number(value: float | None, digits: int = 3) -> str:
    """A fixed number of digits after the point; a dash for None."""
    return DASH if value is None else f"{value:.{digits}f}"


def signed(value: float | None, digits: int = 2) -> str:
    """As ``number``, with its sign."""
    return DASH if value is None else f"{value:+.{digits}f}".replace("-", "\N{MINUS SIGN}")


def count(value: float | None) -> str:
    """A number without decimals, with separators of thousands; a dash for None."""
    return DASH if value is None else f"{value:,.0f}"


def duration(seconds: float | None) -> str:
    """``75`` as ``1 min 15 s``; a dash for None."""
    if seconds is None:
        return DASH
    hours, rest = divmod(round(seconds), 3600)
    minutes, left = divmod(rest, 60)
    parts = [(hours, "h"), (minutes, "min"), (left, "s")]
    return " ".join(f"{amount}{NBSP}{unit}" for amount, unit in parts if amount) or f"0{NBSP}s"


def setting_value(value: Any) -> str:
    """A setting as a person writes it: lists with commas, yes and no, a dash for None or nothing."""
    if value is None or value in ("", [], ()):
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    return str(value)


def markdown_cell(value: Any) -> str:
    """Text that stays one cell of a Markdown table and keeps every character it has."""
    one_line = " ".join(setting_value(value).split())
    return re.sub(r"([\\`*_{}\[\]<>|#~])", r"\\\1", one_line)

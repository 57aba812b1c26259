"""What an event and the index hold, in as far as anybody reads it.

``trainer.release.history`` makes its objects of a document that was held to these schemas before.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from trainer.release.plain_json import Schema

#: Each should be a number, or one with its interval, but an older release of this package kept what it was given.
_Figures = Mapping[str, Any]


class _Makings(Schema):
    architecture: str
    recipe: str
    data: str


class _Verdict(Schema):
    gate: str
    passed: bool
    sentence: str
    figures: Mapping[str, Any] = Field(default_factory=dict)


class _Limit(Schema):
    asked: float
    default: float


class _Line(Schema):
    """What the journal keeps of an event."""

    number: Annotated[int, Field(ge=0)]
    kind: str
    version: str
    who: str
    when: str
    why: str
    override: str | None = None
    other_thresholds: Mapping[str, _Limit] = Field(default_factory=dict)
    latest: str | None = None
    restored: str | None = None


class EventFields(_Line):
    """What else it holds depends on its kind; whether that is there is for ``trainer.release.folding`` to say."""

    follows: str = ""
    digest: str = ""
    run_id: str = ""
    makings: _Makings | None = None
    verdicts: Sequence[_Verdict] = ()
    figures: _Figures = Field(default_factory=dict)
    signed: bool = False


class _Override(Schema):
    who: str
    when: str
    reason: str


class _Entry(Schema):
    version: str
    digest: str
    run_id: str
    makings: _Makings
    verdicts: Sequence[_Verdict]
    figures: _Figures
    signed: bool
    who: str
    when: str
    why: str
    event: Annotated[int, Field(ge=0)]
    override: _Override | None
    baseline: bool = False
    other_thresholds: Mapping[str, _Limit] = Field(default_factory=dict)


class _Reservation(Schema):
    version: str
    makings: _Makings
    when: str


class IndexFields(Schema):
    """All of it: what an older package left out has a default."""

    number: Annotated[int, Field(ge=0)]
    head: str = ""
    latest: str | None
    production: Sequence[str]
    versions: Sequence[_Entry]
    reserved: Mapping[str, _Reservation]
    journal: Sequence[_Line]

"""The registry's memory: events, one file each, and what they add up to.

An event is created once and never changed, under the next free number: that creation is the registry's only
compare-and-swap. Each holds the digest of the one before (``trainer.release.chain``). Everything else, ``index.json``
too, is these events folded together (``trainer.release.folding``).
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from trainer.errors import StorageError
from trainer.release.history_schema import EventFields, IndexFields
from trainer.release.plain_json import fault, load_json
from trainer.release.verdict import Verdict
from trainer.release.versions import Makings, Version

SCHEMA = 1
OWN_FIELDS = ("number", "kind", "version", "who", "when", "why")


@dataclass(frozen=True)
class Change:
    """What is about to happen; it becomes an event when it gets its number.

    ``kind``: ``reserve`` (a version for this content, before its files are copied), ``register``, ``import`` (a
    baseline), ``examine`` (again), ``approve``, ``restore`` (its files), ``sign``, ``promote`` or ``rollback``.
    ``detail`` is JSON-able; its keys are the kind's own.
    """

    kind: str
    version: str
    why: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Event:
    """Something that happened.

    Attributes:
        when: UTC, RFC 3339.
        follows: SHA-256 (hex) of the file of the event before; empty in the first, and in those of older packages.
        digest: SHA-256 (hex) of this event's own file; empty until it is read from there.
    """

    number: int
    kind: str
    version: str
    who: str
    when: str
    why: str
    detail: Mapping[str, Any]
    follows: str = ""
    digest: str = ""

    def as_json(self) -> bytes:
        own = {name: getattr(self, name) for name in OWN_FIELDS} | ({"follows": self.follows} if self.follows else {})
        return (json.dumps({"schema": SCHEMA, **own, **self.detail}, indent=2, ensure_ascii=False) + "\n").encode()

    @classmethod
    def from_json(cls, content: bytes, *, place: str) -> Self:
        """Raises StorageError about ``place`` for what is not one of our events."""
        try:
            fields = load_json(content)
            if fields.pop("schema") != SCHEMA:
                raise ValueError("of another schema, so of another version of this package")
            if found := fault(EventFields, fields):
                raise ValueError(found)
            own = {name: fields.pop(name) for name in OWN_FIELDS}
            follows, digest = fields.pop("follows", ""), hashlib.sha256(content).hexdigest()
            return cls(**own, detail=fields, follows=follows, digest=digest)
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            expected = f"a JSON object of schema {SCHEMA}"
            do = "restore this file from a backup"
            raise StorageError(
                f"{place} is not an event of the registry", expected=expected, received=repr(error), do=do
            ) from error


@dataclass(frozen=True)
class Override:
    """Somebody approved a version that a gate had refused."""

    who: str
    when: str
    reason: str


@dataclass(frozen=True)
class Entry:
    """One version. ``verdicts`` come without their figures here, which stand in the event; a baseline has none.

    Attributes:
        digest: SHA-256 (hex) of ``manifest.json``, so of all content.
        figures: the headline figures on test: numbers, or ``{"value", "low", "high"}``.
        signed: whether a signature was made.
        event: number of the event that holds its verdicts: the registration's, or its last examination's.
        other_thresholds: what its gates were asked for instead of the package's own thresholds, by gate and name:
            ``asked`` and ``default``.
    """

    version: str
    digest: str
    run_id: str
    makings: Makings
    verdicts: tuple[Verdict, ...]
    figures: Mapping[str, Any]
    signed: bool
    who: str
    when: str
    why: str
    event: int
    override: Override | None = None
    baseline: bool = False
    other_thresholds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def failed(self) -> tuple[Verdict, ...]:
        return tuple(verdict for verdict in self.verdicts if not verdict.passed)

    @property
    def approved(self) -> bool:
        return not self.baseline and (not self.failed or self.override is not None)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"verdicts": [verdict.as_dict() for verdict in self.verdicts]}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        typed = {
            "makings": Makings(**fields["makings"]),
            "verdicts": tuple(map(Verdict.from_dict, fields["verdicts"])),
            "override": Override(**fields["override"]) if fields["override"] else None,
        }
        return cls(**{name: value for name, value in fields.items() if name != "labels"} | typed)


@dataclass(frozen=True)
class Reservation:
    """A version whose files are being copied, or were never copied to the end: the next attempt goes on with it."""

    version: str
    makings: Makings
    when: str


@dataclass(frozen=True)
class Index:
    """All events up to ``number``, folded together.

    ``entries`` by version, in order of registration; ``reserved`` by digest of the content. ``production`` lists the
    promotions that were not rolled back, oldest first: its last is in production. ``journal`` has who did what, when
    and why, a line each. ``head`` is the digest of event ``number``.
    """

    number: int = 0
    entries: Mapping[str, Entry] = field(default_factory=dict)
    reserved: Mapping[str, Reservation] = field(default_factory=dict)
    latest: str | None = None
    production: tuple[str, ...] = ()
    journal: tuple[Mapping[str, Any], ...] = ()
    head: str = ""

    @property
    def in_production(self) -> str | None:
        return self.production[-1] if self.production else None

    @property
    def ever_in_production(self) -> set[str]:
        return {line["version"] for line in self.journal if line["kind"] in ("promote", "rollback")}

    @property
    def taken(self) -> dict[Version, Makings]:
        """Every version that was ever given away, with what is or will be in it."""
        finished = {Version.parse(entry.version): entry.makings for entry in self.entries.values()}
        return finished | {Version.parse(item.version): item.makings for item in self.reserved.values()}

    def with_digest(self, digest: str) -> Entry | None:
        return next((entry for entry in self.entries.values() if entry.digest == digest), None)

    def as_json(self) -> bytes:
        document = {
            "schema": SCHEMA,
            "number": self.number,
            "head": self.head,
            "latest": self.latest,
            "production": self.production,
            "versions": [entry.as_dict() | {"labels": labels(entry, self)} for entry in self.entries.values()],
            "reserved": {digest: asdict(item) for digest, item in self.reserved.items()},
            "journal": self.journal,
        }
        return (json.dumps(document, ensure_ascii=False) + "\n").encode()

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """Raises ValueError, KeyError, TypeError or AttributeError for anything else than what ``as_json`` wrote."""
        document = load_json(content)
        if document["schema"] != SCHEMA:
            raise ValueError("another schema")
        if found := fault(IndexFields, document):
            raise ValueError(found)
        entries = [Entry.from_dict(fields) for fields in document["versions"]]
        reserved = {
            digest: Reservation(**{**fields, "makings": Makings(**fields["makings"])})
            for digest, fields in document["reserved"].items()
        }
        pointers = [*document["production"], *([document["latest"]] if document["latest"] is not None else [])]
        if unknown := {*pointers} - {entry.version for entry in entries}:
            raise ValueError(f"no version {', '.join(map(repr, unknown))}")
        return cls(
            number=document["number"],
            entries={entry.version: entry for entry in entries},
            reserved=reserved,
            latest=document["latest"],
            production=tuple(document["production"]),
            journal=tuple(document["journal"]),
            head=document.get("head", ""),  # An older package left it out.
        )


def labels(entry: Entry, index: Index) -> dict[str, str]:
    """The labels, in a form that Vertex AI accepts: they follow from gates and events, nobody sets them."""
    marks = {
        "stage": "prod" if entry.version == index.in_production else "dev",
        "approved": "yes" if entry.approved else "no",
        "deployment": "eligible" if entry.approved else "ineligible",
    }
    if not entry.baseline:
        marks["performance"] = "needs-improvement" if entry.failed else "ok"
    if entry.override:
        marks["override"] = "yes"
    if entry.other_thresholds:
        marks["thresholds"] = "other"
    return marks

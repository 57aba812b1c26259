"""What each kind of event does to the index: pure functions."""

from collections.abc import Iterable
from dataclasses import replace
from functools import reduce

from trainer.errors import StorageError
from trainer.release.history import OWN_FIELDS, Entry, Event, Index, Override, Reservation
from trainer.release.verdict import Verdict
from trainer.release.versions import Makings

#: What of an event's detail is kept in the index, for ``history`` to show.
_JOURNALLED = ("override", "other_thresholds", "latest", "restored")


def fold(index: Index, event: Event) -> Index:
    """The index after ``event``.

    Raises StorageError for a kind of event that this version of the package lacks, and for one that doesn't fit.
    """
    if event.kind not in _FOLDS:
        raise StorageError(
            f"event {event.number} of the registry is of an unknown kind",
            expected=f"one of {', '.join(_FOLDS)}",
            received=event.kind,
            do="update this package",
        )
    line = {name: getattr(event, name) for name in OWN_FIELDS}
    line |= {name: event.detail[name] for name in _JOURNALLED if name in event.detail}
    try:
        after = _FOLDS[event.kind](index, event)
    except (KeyError, TypeError) as error:
        raise StorageError(
            f"event {event.number} of the registry can't be used",
            expected="a version that was registered before, and all that belongs to such an event",
            received=repr(error),
            do="restore the history from a backup",
        ) from error
    return replace(after, number=event.number, journal=(*index.journal, line), head=event.digest)


def fold_all(events: Iterable[Event], index: Index | None = None) -> Index:
    """``index``, which is empty if there is none, after all of ``events``."""
    return reduce(fold, events, index or Index())


def _reserve(index: Index, event: Event) -> Index:
    reservation = Reservation(event.version, Makings(**event.detail["makings"]), event.when)
    return replace(index, reserved={**index.reserved, event.detail["digest"]: reservation})


def _register(index: Index, event: Event) -> Index:
    detail = event.detail
    entry = Entry(
        version=event.version,
        digest=detail["digest"],
        run_id=detail["run_id"],
        makings=Makings(**detail["makings"]),
        verdicts=_verdicts(event),
        figures=detail["figures"],
        signed=detail["signed"],
        who=event.who,
        when=event.when,
        why=event.why,
        event=event.number,
        override=_override(event),
        baseline=event.kind == "import",
        other_thresholds=detail.get("other_thresholds", {}),
    )
    reserved = {digest: item for digest, item in index.reserved.items() if digest != entry.digest}
    entries = {**index.entries, entry.version: entry}
    return replace(_move_latest(index, event), entries=entries, reserved=reserved)


def _examine(index: Index, event: Event) -> Index:
    entry, verdicts = index.entries[event.version], _verdicts(event)
    refused = {verdict.gate for verdict in verdicts if not verdict.passed}
    # Whoever overrode a gate has not seen what refuses it now, unless that refused it then.
    overridden = refused and refused <= {verdict.gate for verdict in entry.failed}
    entry = replace(
        entry,
        verdicts=verdicts,
        figures=event.detail["figures"],
        other_thresholds=event.detail.get("other_thresholds", {}),
        event=event.number,
        override=entry.override if overridden else None,
    )
    return replace(_move_latest(index, event), entries={**index.entries, entry.version: entry})


def _approve(index: Index, event: Event) -> Index:
    entry = index.entries[event.version]
    entry = replace(entry, override=_override(event) or entry.override)
    return replace(_move_latest(index, event), entries={**index.entries, entry.version: entry})


def _sign(index: Index, event: Event) -> Index:
    entry = replace(index.entries[event.version], signed=True)
    return replace(index, entries={**index.entries, entry.version: entry})


def _restore(index: Index, event: Event) -> Index:
    """Its files are what they were, and so is all that is known of it."""
    if event.version not in index.entries:
        raise KeyError(event.version)
    return index


def _promote(index: Index, event: Event) -> Index:
    return replace(_move_latest(index, event), production=(*index.production, event.version))


def _rollback(index: Index, event: Event) -> Index:
    return replace(_move_latest(index, event), production=index.production[:-1])


def _move_latest(index: Index, event: Event) -> Index:
    return replace(index, latest=event.detail.get("latest", index.latest))


def _verdicts(event: Event) -> tuple[Verdict, ...]:
    """Without their figures."""
    return tuple(Verdict(item["gate"], item["passed"], item["sentence"], {}) for item in event.detail["verdicts"])


def _override(event: Event) -> Override | None:
    reason = event.detail.get("override")
    return Override(event.who, event.when, reason) if reason else None


_FOLDS = {
    "reserve": _reserve,
    "register": _register,
    "import": _register,
    "examine": _examine,
    "approve": _approve,
    "restore": _restore,
    "sign": _sign,
    "promote": _promote,
    "rollback": _rollback,
}

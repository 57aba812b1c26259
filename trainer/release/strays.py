"""What lies in a registry's folder and no event accounts for."""

from collections.abc import Sequence

from trainer.contract import RELEASE_NAME
from trainer.release.history import Index
from trainer.release.store import INDEX_NAME, event_name


def strays(names: Sequence[str], index: Index) -> list[str]:
    """A line each. ``names`` are all files there, listed before the events of ``index`` were read: one that is written
    in between, and its version, are then none.
    """
    known = {*index.entries, *(item.version for item in index.reserved.values())}
    tops = {name.partition("/")[0] for name in names} - {"history", "signatures", INDEX_NAME}
    events = {event_name(number) for number in range(1, index.number + 1)}
    lost = sorted(name for name in names if name.startswith("history/") and name not in events)
    marks = [name for name in names if name in {f"{version}/{RELEASE_NAME}" for version in known}]
    return [
        *(f"{name} belongs to no event" for name in sorted(tops - known)),
        *(f"{name} comes after a gap in the history" for name in lost),
        *(f"{name} belongs to no version: delete it" for name in marks),
    ]

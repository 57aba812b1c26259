"""What ties the history together: each event holds the digest of the one before, the index that of the last.

There is no secret in that. It shows that an event was changed, exchanged or lost, unless whoever did it also wrote all
later events and the index anew. Events of older versions of this package hold no digest; they fit anywhere.
"""

from collections.abc import Sequence
from itertools import pairwise

from trainer.errors import GateRefusedError
from trainer.release.history import Event, Index


def faults(events: Sequence[Event], index: Index) -> list[str]:
    """What shows that ``events`` are not those that were written, a line each.

    They are consecutive, up to the last there is; ``index`` is the one that was kept beside them.
    """
    found = []
    if events and events[0].number == 1 and events[0].follows:
        found.append("event 1 was not the first")
    for earlier, later in pairwise(events):
        if later.follows not in ("", earlier.digest):
            found.append(
                f"event {later.number} does not follow event {earlier.number} as it is now: one of them was changed"
            )
            break  # What comes after it hangs on it.
    last = events[-1].number if events else 0
    if index.number > last:
        return [*found, f"index.json knows events up to {index.number}, the history ends at {last}"]
    of_index = [event.digest for event in events if event.number == index.number]
    if of_index and index.head not in ("", *of_index):
        found.append(f"event {index.number} is not the one that index.json was made of")
    return found


def unfounded(events: Sequence[Event]) -> int:
    """The number of the last event whose digest should stand in the next one and doesn't, 0 if there is none."""
    return max((earlier.number for earlier, later in pairwise(events) if not later.follows), default=0)


def refuse(faults: Sequence[str]) -> None:
    """Raises GateRefusedError if there are any."""
    if faults:
        raise GateRefusedError(
            "the registry's history is not as it was left",
            expected="the events that were written",
            received="; ".join(faults),
            do="restore it from a backup; docs/release.md says what else may be",
        )

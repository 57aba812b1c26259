"""A version whose files are not those that were registered is not used for anything."""

from pathlib import Path

from trainer.errors import GateRefusedError
from trainer.release.history import Entry
from trainer.release.store import Registry


def refuse_altered(registry: Registry, entry: Entry, public_key: Path | None, *, known_as: str, do: str) -> None:
    """Raise GateRefusedError, which says ``do``, unless the version's files and, by a key, signature are intact."""
    faults = registry.faults(entry, public_key)
    if faults:
        raise GateRefusedError(
            f"{known_as} is not what was registered",
            expected="the files of its manifest",
            received="; ".join(faults),
            do=do,
        )

"""All that must survive a restart, in one file per epoch.

A checkpoint is a plain ``.npz`` (no pickle): the arrays of the model, the optimizer, the best weights and the images'
losses, and one JSON text with everything else. It is one file so that it is committed by one atomic write, on a disk as
on a bucket: a checkpoint that was being written does not exist for a reader. A zip carries a CRC-32 for each array, so
one that was damaged later is noticed.
"""

import io
import json
import re
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.errors import NotFoundError, StorageError
from trainer.storage import Folder
from trainer.training.schedule import EarlyStop, Plateau

CHECKPOINTS_KEPT = 2  # The newest, and the one before it as a way back should the newest be damaged on disk.
_GROUPS = ("model", "optimizer", "best", "losses")
_PREFIX = "epoch-"
_FILE_NAME = re.compile(rf"{_PREFIX}(\d{{5,}})\.npz")

# What a bit that flipped makes of an archive, its directory included: another way of packing, say, or a password.
_DAMAGE = (ValueError, KeyError, TypeError, EOFError, OSError, RuntimeError, zlib.error, zipfile.BadZipFile)

Arrays = list[NDArray[Any]]
Fingerprint = Mapping[str, Any]


@dataclass(frozen=True)
class TrainingState:
    """Where training stands after ``epoch`` whole epochs.

    Attributes:
        epoch: epochs completed, 0 before the first.
        model: every variable of the training model, the random states of its dropout layers included.
        optimizer: every variable of the optimizer: step count, learning rate, moments.
        best: the network's weights after the epoch of the lowest validation loss.
        losses: the latest known loss of every training image, where epochs choose by it; else nothing.
        plateau, early_stop: the state of the two decisions; no plateau where each step has a rate of its own.
        history: one row of figures per epoch, from the first.
        seconds: time spent training so far, over all starts.
        precision: of the arithmetic, float32 or bfloat16.
    """

    plateau: Plateau | None
    early_stop: EarlyStop
    epoch: int = 0
    model: Arrays = field(default_factory=list)
    optimizer: Arrays = field(default_factory=list)
    best: Arrays = field(default_factory=list)
    losses: Arrays = field(default_factory=list)
    history: tuple[dict[str, float], ...] = ()
    seconds: float = 0.0
    precision: str = ""


class Checkpoints:
    """The checkpoints of one run in one folder, each tied to a ``fingerprint`` of what shapes the result."""

    def __init__(self, folder: Folder, fingerprint: Fingerprint) -> None:
        self._folder = folder
        self._fingerprint = dict(fingerprint)
        self._known: set[str] = set()

    def save(self, state: TrainingState) -> None:
        """Commit ``state`` as one file, then drop all but the newest two.

        Raises StorageError, also where another run has begun to commit here meanwhile: each would drop the other's.
        """
        for name in self._names():
            if name not in self._known:
                with suppress(NotFoundError):  # Dropped just now, by the same run started twice.
                    self._read(name)
        self._folder.write(_file_name(state.epoch), encode(state, self._fingerprint))
        self._known.add(_file_name(state.epoch))
        for name in self._names()[:-CHECKPOINTS_KEPT]:
            self._folder.delete(name)

    def latest(self) -> TrainingState | None:
        """The newest checkpoint, or None where there is none.

        Raises:
            StorageError: it can't be read, or belongs to other settings, data or code.
        """
        names = self._names()
        if not names:
            return None
        state = self._read(names[-1])
        self._known.update(names)  # Older ones lie there from before, of whatever state.
        return state

    def clear(self) -> None:
        """Delete every checkpoint, whatever run it belongs to."""
        for name in self._names():
            self._folder.delete(name)

    def _read(self, name: str) -> TrainingState:
        place = f"{self._folder.uri}/{name}"
        state, fingerprint = decode(self._folder.read(name), place)
        _refuse_other_run(fingerprint, self._fingerprint, place)
        self._known.add(name)
        return state

    def _names(self) -> list[str]:
        found = (_FILE_NAME.fullmatch(name) for name in self._folder.names(_PREFIX))
        return [match[0] for match in sorted(filter(None, found), key=lambda match: int(match[1]))]


def encode(state: TrainingState, fingerprint: Fingerprint) -> bytes:
    """The bytes of a checkpoint file."""
    fields = asdict(state)
    arrays = {f"{group}/{position:04d}": array for group in _GROUPS for position, array in enumerate(fields.pop(group))}
    text = json.dumps({"state": fields, "fingerprint": fingerprint, "arrays": sorted(arrays)}, default=str)
    buffer = io.BytesIO()
    np.savez(buffer, json=np.frombuffer(text.encode(), dtype=np.uint8), **arrays)
    return buffer.getvalue()


def decode(data: bytes, place: str) -> tuple[TrainingState, Fingerprint]:
    """The state and the fingerprint in the bytes of a checkpoint file found at ``place``."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            content = {name: archive[name] for name in archive.files}
        document = json.loads(content.pop("json").tobytes())
        # A checksum covers what is in an array, not whether it is listed.
        if sorted(content) != document.get("arrays", sorted(content)):
            raise ValueError("not all arrays are there")
        fields = document["state"]
        fields["plateau"] = Plateau(**fields["plateau"]) if fields["plateau"] else None
        fields["early_stop"] = EarlyStop(**fields["early_stop"])
        fields["history"] = tuple(fields["history"])
        for group in _GROUPS:
            fields[group] = [content[name] for name in sorted(content) if name.startswith(f"{group}/")]
        return TrainingState(**fields), document["fingerprint"]
    except _DAMAGE as error:
        raise StorageError(
            f"the checkpoint {place} is damaged",
            expected="an archive whose checksums agree",
            received=f"{len(data)} bytes ({error})",
            do="delete it to go on from the one before, or start over with --resume never",
        ) from error


def _file_name(epoch: int) -> str:
    return f"{_PREFIX}{epoch:05d}.npz"


def _refuse_other_run(found: Fingerprint, wanted: Fingerprint, place: str) -> None:
    """Raise StorageError, naming each difference, unless both fingerprints are the same."""
    wanted = json.loads(json.dumps(wanted, default=str))
    differences = list(_differences(found, wanted))
    if differences:
        raise StorageError(
            f"the checkpoint {place} belongs to another run",
            expected="the same settings, data and code",
            received="; ".join(differences),
            do="choose another --checkpoint-dir, or start over with --resume never",
        )


def _differences(found: Any, wanted: Any, name: str = "") -> list[str]:
    if isinstance(found, dict) and isinstance(wanted, dict):
        keys = sorted({*found, *wanted})
        return [line for key in keys for line in _differences(found.get(key), wanted.get(key), f"{name} {key}".strip())]
    return [] if found == wanted else [f"{name} {found} instead of {wanted}"]

"""Each epoch's figures for TensorBoard, in a local folder or a bucket."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from tensorboard.summary import Writer

from trainer.storage import Folder

TAGS = {
    "loss": "loss/train",
    "val_loss": "loss/validation",
    "accuracy": "accuracy/train",
    "val_accuracy": "accuracy/validation",
    "learning_rate": "learning_rate",
    "seconds": "seconds_per_epoch",
}


class EpochEvents:
    """Writes event files locally and uploads them after each epoch.

    TensorFlow 2.20 and later can't write to ``gs://`` by itself.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._local = tempfile.TemporaryDirectory(prefix="trainer-events-")
        self._writer = Writer(self._local.name)

    def __enter__(self) -> "EpochEvents":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
        self._local.cleanup()

    def write(self, history: Sequence[Mapping[str, float]]) -> None:
        """Add the newest epoch's figures. Raises StorageError."""
        row = history[-1]
        for name, tag in TAGS.items():
            self._writer.add_scalar(tag, row[name], step=int(row["epoch"]))
        self._writer.flush()
        for path in Path(self._local.name).iterdir():
            self._folder.upload(path.name, path)

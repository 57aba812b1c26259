"""Each epoch's figures for TensorBoard, in a local folder or a bucket."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from tensorboard.summary import Writer

from trainer.errors import StorageError
from trainer.storage import Folder

TAGS = {
    "loss": "loss/train",
    "val_loss": "loss/validation",
    "accuracy": "accuracy/train",
    "val_accuracy": "accuracy/validation",
    "learning_rate": "learning_rate",
    "seconds": "seconds_per_epoch",
}


@contextmanager
def _disk_errors(place: str) -> Iterator[None]:
    """Within the context a full or failing disk is a StorageError: TensorFlow writes there, and calls it its own names.

    One of these is that of a memory that is too small.
    """
    from tensorboard.compat import tf

    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        raise StorageError(
            "the events for TensorBoard can't be written",
            expected="a disk with room for temporary files",
            received=f"{place}: {str(error).splitlines()[0]}",
            do="see to the disk, or name another one by TMPDIR; the same command goes on",
        ) from error


class EpochEvents:
    """Writes event files locally and uploads them after each epoch.

    TensorFlow 2.20 and later can't write to ``gs://`` by itself.
    """

    def __init__(self, folder: Folder) -> None:
        """Raises StorageError, as the other methods do."""
        self._folder = folder
        with _disk_errors(tempfile.gettempdir()):
            self._local = tempfile.TemporaryDirectory(prefix="trainer-events-")
            self._writer = Writer(self._local.name)

    def __enter__(self) -> "EpochEvents":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._local, _disk_errors(self._local.name):
            self._writer.close()

    def write(self, history: Sequence[Mapping[str, float]]) -> None:
        """Add the newest epoch's figures. Raises StorageError."""
        row = history[-1]
        with _disk_errors(self._local.name):
            for name, tag in TAGS.items():
                self._writer.add_scalar(tag, row[name], step=int(row["epoch"]))
            self._writer.flush()
        for path in Path(self._local.name).iterdir():
            self._folder.upload(path.name, path)

"""How far training is: a bar on a terminal, a line per epoch in every log, figures for TensorBoard."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from types import TracebackType
from typing import Any, Protocol

import keras
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from trainer.training.checkpoint import Checkpoints, TrainingState

log = logging.getLogger(__name__)


class Listener(Protocol):
    """Who is told of each epoch, after it was committed."""

    def write(self, history: Sequence[Mapping[str, float]]) -> None:
        """``history``: the figures of all epochs so far, the newest last."""


class EpochReporter:
    """Commits every epoch, then tells of it: the ``Observer`` of ``trainer.training.fit``.

    A context manager, as it holds the terminal.
    """

    def __init__(
        self, checkpoints: Checkpoints, *, epochs: int, steps: int, terminal: bool, listeners: Sequence[Listener]
    ) -> None:
        self._checkpoints = checkpoints
        self._epochs = epochs
        self._listeners = listeners
        self._resources = ExitStack()
        self.callback = keras.callbacks.Callback()
        if terminal:
            self.callback = self._resources.enter_context(ProgressBar(epochs=epochs, steps=steps))

    def __enter__(self) -> "EpochReporter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()

    def commit(self, state: TrainingState) -> None:
        """Save ``state``, then log its last epoch and tell the listeners. Raises StorageError."""
        self._checkpoints.save(state)
        self._log(state.history[-1])
        for listener in self._listeners:
            listener.write(state.history)

    def _log(self, row: Mapping[str, float]) -> None:
        epoch = int(row["epoch"])
        left = timedelta(seconds=round((self._epochs - epoch) * row["seconds"]))
        log.info(
            "epoch %d/%d: loss %.4f, accuracy %.4f, val_loss %.4f, val_accuracy %.4f, learning rate %.2g, "
            "%.1f s, at most %s left",
            epoch,
            self._epochs,
            *(row[name] for name in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds")),
            left,
            extra=dict(row),
        )


class Follower:
    """The ``Observer`` of a replica that is not the primary: it leaves no traces."""

    def __init__(self) -> None:
        self.callback = keras.callbacks.Callback()

    def commit(self, state: TrainingState) -> None:
        """Nothing: the primary commits the same state."""


class ProgressBar(keras.callbacks.Callback):  # type: ignore[misc]
    """One bar over all epochs, ``steps`` to each, with the time left; on the terminal while the context lasts."""

    def __init__(self, *, epochs: int, steps: int) -> None:
        super().__init__()
        self._steps = steps
        self._epoch = 0
        self._progress = Progress(
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("steps"),
            TimeRemainingColumn(),
            TextColumn("loss {task.fields[loss]:.4f}  accuracy {task.fields[accuracy]:.4f}"),
            console=Console(stderr=True),
        )
        fields: dict[str, Any] = {"epoch": 0, "epochs": epochs, "loss": 0.0, "accuracy": 0.0}
        self._task = self._progress.add_task("training", total=epochs * steps, **fields)

    def __enter__(self) -> "ProgressBar":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """``epoch`` counts from 0, as Keras does."""
        self._epoch = epoch
        self._progress.update(self._task, completed=epoch * self._steps, epoch=epoch + 1)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """``batch`` is the index of the last step of this execution, had the epoch as many left as it may hold."""
        figures = logs or {}
        self._progress.update(
            self._task,
            completed=self._epoch * self._steps + min(batch + 1, self._steps),
            loss=figures.get("loss", 0.0),
            accuracy=figures.get("accuracy", 0.0),
        )

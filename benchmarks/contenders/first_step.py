"""The main job up to its second execution of the compiled loop, with the time of each part.

Arguments: when the command was given, in seconds of the monotonic clock; then flags of ``trainer.task``. Prints the
parts in order as a JSON list of [name, seconds, seconds of processor time], and ends.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from trainer import task


class Watch:
    """Laps from the moment the command was given. The clock is the same in all processes of a machine."""

    def __init__(self, started: float) -> None:
        self._at, self._processor = started, 0.0
        self.laps: list[tuple[str, float, float]] = []

    def lap(self, name: str) -> None:
        """What has passed since the lap before was ``name``."""
        now, processor = time.monotonic(), time.process_time()
        self.laps.append((name, now - self._at, processor - self._processor))
        self._at, self._processor = now, processor


def lap_around(watch: Watch, module: Any, function: str, before: str, name: str) -> None:
    """Whenever ``module.function`` is called: a lap ``before`` it, and one of its own."""
    original: Callable[..., Any] = getattr(module, function)

    @wraps(original)
    def timed(*arguments: Any, **named: Any) -> Any:
        if before:
            watch.lap(before)
        result = original(*arguments, **named)
        watch.lap(name)
        return result

    setattr(module, function, timed)


def watch_training(watch: Watch) -> None:
    """The laps from the import of TensorFlow on; ends the process after the second execution."""
    import trainer.training_run
    import keras  # isort: skip – after trainer.model, which starts it

    watch.lap("importing TensorFlow and Keras")
    from trainer.training import fit

    lap_around(watch, trainer.training_run, "epoch_visits", "building and compiling the network", "drawing the warps")
    names = iter(["tracing and the first execution", "second execution"])

    class Ticks(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
            watch.lap(next(names))
            if [name for name, *_ in watch.laps if name == "second execution"]:
                print(json.dumps({"laps": watch.laps, "steps": self.model.steps_per_execution}), flush=True)
                os._exit(0)

    train_epoch = fit.train_epoch
    fit.train_epoch = lambda *given: train_epoch(*given[:-1], Ticks())


def main(started: str, *flags: str) -> None:
    watch = Watch(float(started))
    watch.lap("starting Python, reading the settings")
    from trainer.data import checks, idx, sources

    lap_around(watch, sources, "locate", "importing NumPy", "finding the data, checking their digests")
    lap_around(watch, idx, "read_dataset", "", "reading the data")
    lap_around(watch, checks, "check", "fingerprint of the data", "checking the data")
    open_checkpoints = task.open_checkpoints

    def open_and_watch(job: Any) -> Any:
        opened = open_checkpoints(job)
        watch.lap("splitting, opening the folders")
        watch_training(watch)
        return opened

    task.open_checkpoints = open_and_watch
    sys.exit(task.main(flags))


if __name__ == "__main__":
    main(*sys.argv[1:])

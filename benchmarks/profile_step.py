"""Where a training step's time goes, by kind of op, how much of an epoch passes outside the compiled step, and how long
a step's products would take at the speed of a large matrix product; beside them, what the job does after an epoch.

    python -m benchmarks.profile_step [--images 54000] [--section "training step best"] [-- FLAGS OF trainer.task]

Three epochs on noise: one to warm up, one against the clock, one under TensorFlow's profiler. Writes its tables into
docs/benchmarks.md.
"""

import math
import os
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from benchmarks.arithmetic import training_operations
from benchmarks.document import benchmark_parser, measured, replace_section
from benchmarks.document import table as markdown_table
from benchmarks.ending import run_benchmark
from trainer import settings as flags_of_trainer
from trainer.contract import IMAGE_SHAPE, Examples
from trainer.model.precision import dtype_policy, resolve_precision
from trainer.settings import Settings
from trainer.storage import open_folder
from trainer.training.checkpoint import Checkpoints, TrainingState
from trainer.training.fit import predict, train_epoch
from trainer.training.statistics import StatisticsMeter
from trainer.training_run import CALIBRATION_IMAGES, compiled_model, network_builder, recipe_of
from trainer.visits import epoch_visits, images_per_epoch, steps_per_epoch

import keras  # isort: skip – after trainer.model, which starts it
import tensorflow as tf  # isort: skip

#: What the profiler calls an op that it has seen run: its name in the graph, a colon, its kind.
OP_EVENT = re.compile(r"(?P<name>.*[^:]):(?P<kind>_?[A-Z]\w+)")
#: Kinds that only call the ops which are seen as well.
CALLS = {"StatefulPartitionedCall", "PartitionedCall", "While", "If", "StatelessIf", "StatelessWhile"}
#: The layers' names in ``trainer.model.training_model``.
AUGMENTATION = ("/augment", "/erase", "/cut_mix")
SHOWN = 15
#: Rows and columns of the matrices whose product tells how fast the processor multiplies.
MATRIX, PRODUCTS = 4096, 5
AUGMENTATION_TARGET, OUTSIDE_TARGET = 0.15, 0.05


@dataclass(frozen=True)
class Epoch:
    """Seconds of an epoch, and of them those in the compiled loop, reading its inputs included."""

    seconds: float
    compiled: float

    @property
    def outside(self) -> float:
        """In [0, 1]."""
        return 1 - self.compiled / self.seconds


class Trainer:
    """The main job's network and loop, on noise: how fast a step is does not depend on what it sees."""

    def __init__(self, settings: Settings, images: int) -> None:
        random = np.random.default_rng(0)
        self.precision = resolve_precision(settings.precision)
        noise = random.integers(0, 256, (images, *IMAGE_SHAPE), dtype=np.uint8)
        examples = Examples(noise, random.integers(0, 10, images).astype(np.int32))
        self._network = network_builder(settings)(dtype=dtype_policy(self.precision))
        self.visits, self.steps = images_per_epoch(images, settings), steps_per_epoch(images, settings)
        self.operations = training_operations(self._network, self.visits) / self.steps
        self.validated = round(images * settings.val_fraction / (1 - settings.val_fraction))
        self._model, self._recipe = compiled_model(self._network, settings, images=images), recipe_of(settings)
        self._noise = noise
        self._draw = partial(epoch_visits, examples, np.arange(images), settings, 1, np.zeros(images, np.float32))
        self._compiled = 0.0
        self._model.make_train_function()
        step = self._model.train_function

        def timed(iterator: Any) -> Any:
            started = time.perf_counter()
            logs = step(iterator)
            self._compiled += time.perf_counter() - started
            return logs

        self._model.train_function = timed

    def epoch(self) -> Epoch:
        self._compiled = 0.0
        started = time.perf_counter()
        train_epoch(self._model, self._draw(), 1, self._recipe, keras.callbacks.Callback())
        return Epoch(time.perf_counter() - started, self._compiled)

    def after_epoch(self) -> dict[str, float]:
        """Seconds of each thing that the job does between two epochs, as it takes from the second epoch on."""
        with tempfile.TemporaryDirectory(prefix="checkpoints-") as folder:
            checkpoints = Checkpoints(open_folder(folder), {})
            meter = StatisticsMeter(self._network, self._noise[:CALIBRATION_IMAGES])
            validation = np.resize(self._noise, (self.validated, *IMAGE_SHAPE))
            parts = {
                "measuring batch normalisation's statistics": meter.measure,
                f"validating on {self.validated:,} images": partial(predict, self._network, validation),
                "writing a checkpoint": lambda: checkpoints.save(self._state()),
            }
            for part in parts.values():
                part()
            return {name: seconds_of(part) for name, part in parts.items()}

    def _state(self) -> TrainingState:
        model, optimizer = (
            [keras.ops.convert_to_numpy(variable) for variable in owner.variables]
            for owner in (self._model, self._model.optimizer)
        )
        start = self._recipe.initial_state()
        return replace(start, model=model, optimizer=optimizer, best=self._network.get_weights())


def seconds_of(part: Callable[[], object]) -> float:
    started = time.perf_counter()
    part()
    return time.perf_counter() - started


def profile(trainer: Trainer) -> Counter[tuple[str, bool]]:
    """Seconds of one epoch by kind of op, those of the augmentation apart: (kind, whether of the augmentation)."""
    with tempfile.TemporaryDirectory(prefix="profile-") as folder:
        tf.profiler.experimental.start(folder)
        trainer.epoch()
        tf.profiler.experimental.stop()
        (trace,) = Path(folder).rglob("*.xplane.pb")
        return seconds_by_op(trace.read_bytes())


def seconds_by_op(trace: bytes) -> Counter[tuple[str, bool]]:
    """Of a trace as TensorFlow's profiler writes it (XSpace)."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space = xplane_pb2.XSpace()
    space.ParseFromString(trace)
    seconds: Counter[tuple[str, bool]] = Counter()
    for plane in space.planes:
        # Ops of the input pipeline run beside the step, on threads of their own.
        for line in (line for line in plane.lines if line.name.startswith("tf_Compute")):
            for event in line.events:
                found = OP_EVENT.fullmatch(plane.event_metadata[event.metadata_id].name)
                if found and found["kind"] not in CALLS:
                    augments = any(layer in found["name"] for layer in AUGMENTATION)
                    seconds[found["kind"], augments] += event.duration_ps / 1e12
    return seconds


def matrix_product_rate(precision: str) -> float:
    """Additions and multiplications a second, the best of some products of two large matrices."""
    left, right = tf.cast(tf.random.stateless_uniform((2, MATRIX, MATRIX), seed=(0, 0)), precision)
    shortest = math.inf
    for _ in range(PRODUCTS):
        started = time.perf_counter()
        tf.linalg.matmul(left, right).numpy()
        shortest = min(shortest, time.perf_counter() - started)
    return float(2 * MATRIX**3 / shortest)


def table(seconds: Mapping[tuple[str, bool], float]) -> str:
    """A row for each of the slowest kinds of op, those of the augmentation and the others together."""
    total = sum(seconds.values())
    kinds: Counter[str] = Counter()
    for (kind, augments), spent in seconds.items():
        kinds["augmentation, all its ops" if augments else f"`{kind}`"] += spent
    shown = kinds.most_common(SHOWN)
    rest = total - sum(spent for _, spent in shown)
    rows = [*shown, (f"{len(kinds) - len(shown)} other kinds", rest)] if len(kinds) > len(shown) else shown
    return markdown_table(("op", "share of a step"), [(name, f"{100 * spent / total:.1f} %") for name, spent in rows])


def summary(seconds: Mapping[tuple[str, bool], float], clocked: Epoch, after: Mapping[str, float]) -> str:
    augmenting = sum(spent for (_, augments), spent in seconds.items() if augments) / sum(seconds.values())
    parts = ", ".join(f"{name} ({spent:.2f} s)" for name, spent in after.items())
    return (
        f"The augmentation takes {augmenting:.1%} of a step (aim: {AUGMENTATION_TARGET:.0%} at most). Of an epoch's "
        f"{clocked.seconds:.1f} s without the profiler, {clocked.outside:.1%} pass outside the step (aim: "
        f"{OUTSIDE_TARGET:.0%} at most): drawing the warps, shuffling, averaging the weights, Keras's bookkeeping. "
        f"Not in it is what the job does after an epoch: {parts}, {sum(after.values()):.2f} s in all."
    )


def limit(operations: float, rate: float, step_seconds: float) -> str:
    """What of a step's seconds its convolutions and dense layers need if they run as fast as a large matrix product."""
    least = 1000 * operations / rate
    return (
        f"A step takes {1000 * step_seconds:.1f} ms. Its convolutions and dense layers are {operations / 1e9:.1f} "
        f"GFLOP, and the product of two matrices of {MATRIX:,} × {MATRIX:,} reaches {rate / 1e9:,.0f} GFLOP a second "
        f"here (the best of {PRODUCTS}): at that speed they need {least:.1f} ms of every step."
    )


def main(argv: Sequence[str]) -> None:
    parser = benchmark_parser(__doc__, "training step")
    parser.add_argument("--images", type=int, default=54_000, help="to train on (default 54000)")
    parser.add_argument("flags", nargs="*", help="flags of trainer.task, after --")
    options = parser.parse_args(argv)
    trainer = Trainer(flags_of_trainer.parse(options.flags, {}), options.images)
    trainer.epoch()
    clocked = trainer.epoch()
    seconds = profile(trainer)
    needed = limit(trainer.operations, matrix_product_rate(trainer.precision), clocked.compiled / trainer.steps)
    command = " ".join(["python -m benchmarks.profile_step --", *options.flags])
    how = f"one epoch, which visits {trainer.visits:,} of {options.images:,} images, {trainer.precision}"
    above = (
        f"{measured(command, how)} A share is that of the time during which ops of this kind ran; two may run at once, "
        "and one may use both cores."
    )
    parts = above, table(seconds), summary(seconds, clocked, trainer.after_epoch()), needed
    replace_section(options.document, options.section, "\n\n".join(parts))


if __name__ == "__main__":
    run_benchmark("benchmarks.profile_step", main)

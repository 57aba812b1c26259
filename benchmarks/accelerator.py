"""How fast presets train, and what they reach, with Keras on JAX on this machine's accelerators, or without any.

    python -m benchmarks.accelerator [--presets fast best] [--seeds 42 43 44] [-- FLAGS OF trainer.task]

With JAX_COMPILATION_CACHE_DIR in the environment, an empty folder, the first seed of a recipe compiles and the others
find it done, as a second training on a machine would.

Needs no TensorFlow: nothing is exported. Test is read once a run, after validation has chosen the weights. Writes its
table into docs/benchmarks.md; each run's epochs go to standard error as they end.
"""

import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.document import benchmark_parser, measured, replace_section, table
from benchmarks.ending import run_benchmark
from benchmarks.results import mean_and_deviation
from trainer import settings as trainer_settings
from trainer.artifacts.provenance import running_code
from trainer.data import idx
from trainer.data.sources import locate
from trainer.job import Job, split_dataset
from trainer.settings import Settings

COLUMNS = (
    *("recipe", "seeds", "test accuracy, %", "validation, %", "training, s", "of which the first epoch"),
    *("images/s after it", "s until 90 % on validation by one view", "until 94 %", "until 95 %"),
)
THRESHOLDS = (0.90, 0.94, 0.95)


@dataclass(frozen=True)
class Run:
    """One training: accuracies in [0, 1], seconds, images per second; a threshold that was not reached is infinite.

    ``test`` and ``validation`` are by the network as it is served, ``seconds_until`` by one view of each image.
    """

    seed: int
    precision: str
    test: float
    validation: float
    seconds: float
    seconds_of_first_epoch: float
    images_per_second: float
    seconds_until: tuple[float, ...]


def prepare(settings: Settings) -> Job:
    """What the main job knows before training; the data's checks are left to it."""
    source = locate(settings.data, fashion_mnist_dir=settings.fashion_mnist_dir, cache_dir=settings.data_cache_dir)
    dataset = idx.read_dataset(source.paths)
    code = running_code(settings.commit)
    return Job(settings, "benchmark", source, dataset, split_dataset(dataset, settings), {}, code)


def measure(job: Job) -> Run:
    """Train as the main job does, without checkpoints."""
    from trainer.training.fit import predict
    from trainer.training_run import train
    from trainer.visits import images_per_epoch

    trained = train(job, None, None)
    if trained is None:
        raise SystemExit("a replica that is not the primary has no result")
    state = trained.state
    first, *others = [row["seconds"] for row in state.history]
    validation, test = (
        float((predict(trained.network, part.images).argmax(axis=1) == part.labels).mean())
        for part in (job.validation, job.test)
    )
    return Run(
        seed=job.settings.seed,
        precision=trained.precision,
        test=test,
        validation=validation,
        seconds=state.seconds,
        seconds_of_first_epoch=first,
        images_per_second=images_per_epoch(len(job.split.train), job.settings) / median(others or [first]),
        seconds_until=tuple(seconds_until(state.history, threshold) for threshold in THRESHOLDS),
    )


def seconds_until(history: Sequence[dict[str, float]], threshold: float) -> float:
    """From the start of training to the end of the first epoch whose validation accuracy is ``threshold`` or more."""
    seconds = 0.0
    for row in history:
        seconds += row["seconds"]
        if row["val_accuracy"] >= threshold:
            return seconds
    return float("inf")


def row(recipe: str, runs: Sequence[Run]) -> list[str]:
    return [
        recipe,
        ", ".join(str(run.seed) for run in runs),
        mean_and_deviation([100 * run.test for run in runs], 2),
        mean_and_deviation([100 * run.validation for run in runs], 2),
        # One by one: the first compiles, the others may find it done.
        ", ".join(f"{run.seconds:.1f}" for run in runs),
        ", ".join(f"{run.seconds_of_first_epoch:.1f}" for run in runs),
        mean_and_deviation([run.images_per_second for run in runs], 0),
        *(until([run.seconds_until[number] for run in runs]) for number in range(len(THRESHOLDS))),
    ]


def until(seconds: Sequence[float]) -> str:
    reached = [value for value in seconds if value < float("inf")]
    if len(reached) == len(seconds):
        return ", ".join(f"{value:.1f}" for value in reached)
    return f"reached by {len(reached)} of {len(seconds)}"


def main(argv: Sequence[str]) -> None:
    parser = benchmark_parser(__doc__, "accelerator")
    parser.add_argument("--presets", nargs="+", default=["fast", "best"], help="default fast best")
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 43, 44], help="one training each")
    parser.add_argument("flags", nargs="*", help="more flags of trainer.task, after --")
    options = parser.parse_args(argv)
    os.environ["KERAS_BACKEND"] = "jax"  # Keras reads it when it is imported.
    runs: dict[str, list[Run]] = {}
    for preset in options.presets:
        recipe = ["--preset", preset, *options.flags]
        runs[shlex.join(recipe)] = of_recipe = []
        for seed in options.seeds:
            command = ["--data", "fashion-mnist", "--backend", "jax", *recipe, "--seed", str(seed)]
            of_recipe.append(measure(prepare(trainer_settings.parse(command, os.environ))))
            print(f"{preset}: {of_recipe[-1]}", file=sys.stderr)
    from trainer.model.precision import accelerators

    seeds = [str(seed) for seed in options.seeds]
    own = ["--presets", *options.presets, "--seeds", *seeds, *(["--", *options.flags] if options.flags else [])]
    precisions = sorted({run.precision for of_recipe in runs.values() for run in of_recipe})
    cached = ", JAX's compilation cache between them" if os.environ.get("JAX_COMPILATION_CACHE_DIR") else ""
    how = (
        f"one training a seed{cached}, in {' or '.join(precisions)}; test and validation by the network as it is "
        "served, the seconds until an accuracy by one view of each image, as training validates"
    )
    above = measured(
        shlex.join(["python", "-m", "benchmarks.accelerator", *own]),
        how,
        packages=["keras", "jax"],
        accelerators=accelerators(),
    )
    rows = [row(f"`{recipe}`", of_recipe) for recipe, of_recipe in runs.items()]
    replace_section(options.document, options.section, f"{above}\n\n{table(COLUMNS, rows)}")


if __name__ == "__main__":
    run_benchmark("benchmarks.accelerator", main)

"""Training speed beside what one would use instead, all in one run, taking turns.

    python -m benchmarks.training_throughput --pytorch PYTHON [--rounds 5]

PYTHON is the interpreter of an environment that has torch and NumPy. Writes its table into docs/benchmarks.md. Where
bfloat16 would only be imitated, it is left out.
"""

import shutil
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product

from benchmarks.contenders.processes import Contender, start
from benchmarks.contenders.turns import IMAGES
from benchmarks.document import benchmark_parser, measured, replace_section, table
from benchmarks.ending import run_benchmark
from trainer.errors import SettingsError

COLUMNS = ("what", "images/s, median", "lowest", "highest")


@dataclass
class Racer:
    """A contender, and its images per second in each round."""

    contender: Contender
    speeds: list[float] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.contender.name

    def take_turn(self) -> None:
        self.speeds.append(IMAGES / float(self.contender.ask("go")))


def precisions() -> list[str]:
    """Those worth a race here: where bfloat16 is imitated, by TensorFlow and PyTorch alike, float32 is the faster."""
    from trainer.model.precision import computes_in_bfloat16  # Starts Keras, which --help need not wait for.

    return ["float32", "bfloat16"] if computes_in_bfloat16() else ["float32"]


def start_all(pytorch: str) -> list[Racer]:
    ours, theirs = sys.executable, pytorch
    contenders = [start("the original's way, batch 32", ours, "original", "32")]
    for size, precision in product(("32", "256"), precisions()):
        contenders.append(start(f"this project, {precision}, batch {size}", ours, "ours", size, precision))
        contenders.append(start(f"PyTorch eager, {precision}, batch {size}", theirs, "pytorch", size, precision))
    return [Racer(contender) for contender in contenders]


def fastest(racers: list[Racer], *words: str) -> float:
    """The median speed of the fastest contender whose name holds all ``words``."""
    return max(statistics.median(c.speeds) for c in racers if all(word in c.name for word in words))


def row(racer: Racer) -> list[str]:
    speeds = racer.speeds
    return [racer.name, *(f"{speed:,.0f}" for speed in (statistics.median(speeds), min(speeds), max(speeds)))]


def summary(racers: list[Racer]) -> str:
    """What the targets compare."""
    pytorch = fastest(racers, "this project", "batch 256") / fastest(racers, "PyTorch", "batch 256")
    small = fastest(racers, "this project", "batch 32") / fastest(racers, "PyTorch", "batch 32")
    original = fastest(racers, "this project", "batch 32") / fastest(racers, "original")
    return (
        f"This project is {pytorch:.2f} × as fast as the faster PyTorch at batch 256, {small:.2f} × at batch 32, "
        f"and {original:.2f} × as fast as the original's way at its batch of 32."
    )


def main(argv: Sequence[str]) -> None:
    parser = benchmark_parser(__doc__, "training throughput")
    parser.add_argument("--pytorch", required=True, metavar="PYTHON", help="an interpreter that has torch")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contender (default 5)")
    options = parser.parse_args(argv)
    if shutil.which(options.pytorch) is None:
        expected, do = "a program that can be started", "name the python of an environment that has torch and NumPy"
        raise SettingsError("--pytorch", expected=expected, received=options.pytorch, do=do)
    racers = start_all(options.pytorch)
    for number in range(options.rounds):
        for racer in racers:
            racer.take_turn()
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
    for racer in racers:
        racer.contender.end()
    versions = {name: version for racer in racers for name, version in racer.contender.about.items()}
    how = f"n = {options.rounds} rounds of {IMAGES:,} images each, taking turns"
    above = measured("python -m benchmarks.training_throughput --pytorch PYTHON", how, others=versions)
    parts = above, table(COLUMNS, [row(racer) for racer in racers]), summary(racers)
    replace_section(options.document, options.section, "\n\n".join(parts))


if __name__ == "__main__":
    run_benchmark("benchmarks.training_throughput", main)

"""Training speed beside what one would use instead, all in one run, taking turns.

    python -m benchmarks.training_throughput --pytorch PYTHON [--rounds 5]

PYTHON is the interpreter of an environment that has torch and NumPy. Writes its table into docs/benchmarks.md.
"""

import argparse
import json
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.contenders.turns import IMAGES
from benchmarks.document import hardware_line, replace_section

ROOT = Path(__file__).parents[1]


@dataclass
class Contender:
    """A program that trains a round when told to, and how fast it was in each."""

    name: str
    process: subprocess.Popen[str]
    about: dict[str, str]
    speeds: list[float] = field(default_factory=list)

    def take_turn(self) -> None:
        """Train one round; note the images per second."""
        seconds = float(self._ask())
        self.speeds.append(IMAGES / seconds)

    def _ask(self) -> str:
        if self.process.stdin is None or self.process.stdout is None:
            raise RuntimeError("the contender was started without pipes")
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()

    def end(self) -> None:
        self.process.communicate()


def start(name: str, python: str, program: str, *arguments: str) -> Contender:
    """Start a contender, and wait until it has trained a round to warm up."""
    command = [python, "-m", f"benchmarks.contenders.{program}", *arguments]
    process = subprocess.Popen(  # noqa: S603 – our own programs
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        raise SystemExit(f"{name} did not start: {' '.join(command)}")
    return Contender(name, process, json.loads(line))


def start_all(pytorch: str) -> list[Contender]:
    ours, theirs = sys.executable, pytorch
    contenders = [start("the original's way, batch 32", ours, "original", "32")]
    for size in ("32", "256"):
        for precision in ("float32", "bfloat16"):
            contenders.append(start(f"this project, {precision}, batch {size}", ours, "ours", size, precision))
            contenders.append(start(f"PyTorch eager, {precision}, batch {size}", theirs, "pytorch", size, precision))
    return contenders


def fastest(contenders: list[Contender], *words: str) -> float:
    """The median speed of the fastest contender whose name holds all ``words``."""
    return max(statistics.median(c.speeds) for c in contenders if all(word in c.name for word in words))


def table(contenders: list[Contender]) -> str:
    """Markdown: a row a contender, then what the targets compare."""
    rows = ["| what | images/s, median | lowest | highest |", "|---|---|---|---|"]
    for c in contenders:
        rows.append(f"| {c.name} | {statistics.median(c.speeds):,.0f} | {min(c.speeds):,.0f} | {max(c.speeds):,.0f} |")
    pytorch = fastest(contenders, "this project", "batch 256") / fastest(contenders, "PyTorch", "batch 256")
    small = fastest(contenders, "this project", "batch 32") / fastest(contenders, "PyTorch", "batch 32")
    original = fastest(contenders, "this project", "batch 32") / fastest(contenders, "original")
    rows += [
        "",
        f"This project is {pytorch:.2f} × as fast as the faster PyTorch at batch 256, {small:.2f} × at batch 32, "
        f"and {original:.2f} × as fast as the original's way at its batch of 32.",
    ]
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pytorch", required=True, metavar="PYTHON", help="an interpreter that has torch")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contender (default 5)")
    options = parser.parse_args()
    contenders = start_all(options.pytorch)
    for number in range(options.rounds):
        for contender in contenders:
            contender.take_turn()
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
    for contender in contenders:
        contender.end()
    versions = {name: version for contender in contenders for name, version in contender.about.items()}
    shown = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    context = (
        f"Measured {datetime.now(UTC):%Y-%m-%d} by `python -m benchmarks.training_throughput`, "
        f"n = {options.rounds} rounds of {IMAGES:,} images each, taking turns. {hardware_line()} {shown}."
    )
    text = f"{context}\n\n{table(contenders)}"
    replace_section(ROOT / "docs" / "benchmarks.md", "training throughput", text)
    print(text)


if __name__ == "__main__":
    main()

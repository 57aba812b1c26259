"""How fast an exported model answers, beside other ways to serve it; all in one run, taking turns.

    python -m benchmarks.inference MODEL_FOLDER [--rounds 10] [--seconds 1] [--section "inference best"]

Needs the data that the model was made from: every way answers the test images first, and what it answers is compared.
A way that can't serve the model is told with its reason. Writes its table into docs/benchmarks.md.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.contenders.processes import Contender, start
from benchmarks.document import benchmark_parser, measured, replace_section, table
from benchmarks.ending import run_benchmark
from benchmarks.results import read, recipe
from trainer import settings
from trainer.contract import Examples
from trainer.measurement import DataPlace, find_parts

#: 1, 32 and 1,024 are what the original's figures are compared at; 256 fits the processor's cache.
BATCH_SIZES = (1, 32, 256, 1024)
#: A way to serve a model is one that gives its probabilities, to within this.
AGREEMENT = 1e-4
#: What the original system's documents report: 52.6 ms for a batch of 32.
ORIGINAL_IMAGES_PER_SECOND = 32 / 0.0526
NAMES = {
    "tensorflow": "TensorFlow, the folder as it is",
    "tensorflow_constants": "TensorFlow, weights as constants",
    "tensorflow_bfloat16": "TensorFlow, bfloat16",
    "onnx_runtime": "ONNX Runtime",
    "litert": "LiteRT",
}
SERVED = "tensorflow"
SPEED_COLUMNS = ("served by", "batch", "median ms", "p95 ms", "p99 ms", "images/s", "calls")
AGREEMENT_COLUMNS = ("served by", "largest difference of a probability", f"{AGREEMENT:g} at most", "test accuracy")


@dataclass
class Server:
    """A way to serve the model: its answers to the test images, and the seconds of its calls for each batch size."""

    contender: Contender
    answers: NDArray[np.float32]
    seconds: dict[int, list[float]] = field(default_factory=lambda: {size: [] for size in BATCH_SIZES})

    def take_turn(self, seconds: float) -> None:
        for size in BATCH_SIZES:
            self.seconds[size] += json.loads(self.contender.ask(f"{size} {seconds}"))

    def images_per_second(self, size: int) -> float:
        return size / float(np.median(self.seconds[size]))


def test_part(model: Path) -> Examples:
    """The test images that the model was evaluated on."""
    facts = read(model)
    machine = settings.parse([], os.environ)
    place = DataPlace(None, machine.fashion_mnist_dir, machine.data_cache_dir)
    return find_parts(place, facts.params, facts.data_report).test


def start_all(model: Path, images: NDArray[np.uint8], folder: Path) -> tuple[dict[str, Server], dict[str, str]]:
    """The ways that serve the model, and why the others do not. Ends if the folder as it is does not serve either."""
    questions = folder / "images.npy"
    np.save(questions, images)
    servers, failures = {}, {}
    for way, name in NAMES.items():
        answers = folder / f"{way}.npy"
        contender = start(name, sys.executable, "serving", way, str(model.resolve()), str(questions), str(answers))
        if reason := contender.about.get("failed"):
            if way == SERVED:
                raise SystemExit(f"the model can't be served as it is: {reason}")
            failures[way] = reason
        else:
            servers[way] = Server(contender, np.load(answers))
    return servers, failures


def speed_rows(servers: Mapping[str, Server]) -> list[list[str]]:
    rows = []
    for size in BATCH_SIZES:
        for way, server in servers.items():
            milliseconds = 1000 * np.array(server.seconds[size])
            quantiles = (f"{value:,.2f}" for value in np.percentile(milliseconds, [50, 95, 99]))
            speed = f"{server.images_per_second(size):,.0f}"
            rows.append([NAMES[way], f"{size:,}", *quantiles, speed, f"{len(milliseconds):,}"])
    return rows


def agreement(answers: NDArray[np.float32], served: NDArray[np.float32], labels: NDArray[np.int32]) -> list[str]:
    """What a way of serving changes: the largest difference of a probability, whether that agrees, test accuracy."""
    difference = float(np.abs(answers - served).max())
    accuracy = 100 * float((answers.argmax(axis=1) == labels).mean())
    return [f"{difference:.1e}", "yes" if difference <= AGREEMENT else "**no**", f"{accuracy:.2f} %"]


def tables(servers: Mapping[str, Server], failures: Mapping[str, str], labels: NDArray[np.int32]) -> str:
    """How fast each way answers, and how far it agrees; with the latter, why a way does not serve the model."""
    served = servers[SERVED].answers
    agreements = {way: agreement(server.answers, served, labels) for way, server in servers.items()}
    agreements |= {way: ["—", f"can't serve this model: {reason}", "—"] for way, reason in failures.items()}
    rows = [[NAMES[way], *agreements[way]] for way in NAMES if way in agreements]
    return f"{table(SPEED_COLUMNS, speed_rows(servers))}\n\n{table(AGREEMENT_COLUMNS, rows)}"


def summary(servers: Mapping[str, Server]) -> str:
    """What the targets compare: the folder as it is, in float32, with the original's figure."""
    server = servers[SERVED]
    best = max(BATCH_SIZES, key=server.images_per_second)
    factors = {size: server.images_per_second(size) / ORIGINAL_IMAGES_PER_SECOND for size in (32, best)}
    return (
        f"The original reports 52.6 ms for a batch of 32, {ORIGINAL_IMAGES_PER_SECOND:.0f} images a second, on its own "
        f"machine. The folder as it is, in float32, answers {factors[32]:.1f} times as many at batch 32, and "
        f"{factors[best]:.1f} times as many at batch {best:,}, its best. A way whose probabilities differ by more than "
        f"{AGREEMENT:g} is another model: what it changes is to be judged by the accuracy."
    )


def context(model: Path, options: argparse.Namespace, versions: Mapping[str, str]) -> str:
    facts = read(model)
    how = (
        f"{options.rounds} rounds of {options.seconds:g} s for each batch size and way, taking turns; the model of "
        f"{recipe(facts)}, seed {facts.params['seed']}, {facts.params['parameters']:,} parameters, of commit "
        f"{str(facts.params['commit'])[:7]}"
    )
    return measured("python -m benchmarks.inference MODEL_FOLDER", how, others=versions)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = benchmark_parser(__doc__, "inference")
    parser.add_argument("model", type=Path, metavar="MODEL_FOLDER", help="what a run has committed, on this machine")
    parser.add_argument("--rounds", type=int, default=10, help="turns of each way (default 10)")
    parser.add_argument("--seconds", type=float, default=1.0, help="of a turn, for each batch size (default 1)")
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> None:
    options = parse(argv)
    test = test_part(options.model)
    with tempfile.TemporaryDirectory(prefix="inference-") as folder:
        servers, failures = start_all(options.model, test.images, Path(folder))
        for number in range(options.rounds):
            for server in servers.values():
                server.take_turn(options.seconds)
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
        for server in servers.values():
            server.contender.end()
    versions = {name: text for server in servers.values() for name, text in server.contender.about.items()}
    parts = context(options.model, options, versions), tables(servers, failures, test.labels), summary(servers)
    replace_section(options.document, options.section, "\n\n".join(parts))


if __name__ == "__main__":
    run_benchmark("benchmarks.inference", main)

"""Training speed of one, two and four JAX processes that train one model on this machine, all in one run, in turns.

    python -m benchmarks.scaling [--processes 1 2 4] [--rounds 5] [-- FLAGS OF trainer.task]

Once with all cores shared by all processes, and once with a core for each, as far as there are enough. The global batch
is the same throughout. Writes its table into docs/benchmarks.md.
"""

import os
import statistics
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks.contenders.processes import Contender, greeted, launched
from benchmarks.contenders.turns import IMAGES
from benchmarks.document import benchmark_parser, measured, replace_section
from benchmarks.document import table as markdown_table
from trainer.local_job.run import free_ports

#: Beside these, the defaults of trainer.task: the reference network. XLA has no fast bfloat16 for most processors.
FLAGS = ("--batch-size", "256", "--precision", "float32")
COLUMNS = (
    *("processes", "cores", "images/s, median", "lowest", "highest"),
    *("efficiency, median", "lowest", "highest"),
)


@dataclass(frozen=True)
class Layout:
    """So many processes, which have all cores in common or a core each."""

    processes: int
    core_each: bool

    @property
    def name(self) -> str:
        """The first two cells of its row."""
        if self.core_each:
            return f"{self.processes} | a core each" if self.processes > 1 else "1 | one"
        return f"{self.processes} | all, shared" if self.processes > 1 else "1 | all"

    def cores(self, rank: int, available: Sequence[int]) -> set[int]:
        return {available[rank]} if self.core_each else set(available)


@dataclass
class Job:
    """The processes of a layout, the images that a round visits, and their images per second in each round."""

    layout: Layout
    replicas: list[Contender]
    visits: int
    speeds: list[float] = field(default_factory=list)

    def take_turn(self) -> None:
        for replica in self.replicas:
            replica.tell("go")
        self.speeds.append(self.visits / max(float(replica.answer()) for replica in self.replicas))

    def end(self) -> None:
        for replica in self.replicas:  # All of them before one is waited for: they part together.
            replica.tell_the_end()
        for replica in self.replicas:
            replica.end()


def layouts(processes: Sequence[int], cores: int) -> list[Layout]:
    """With one process first, which the others are compared with."""
    counts = sorted({1, *processes})
    shared = [Layout(count, core_each=False) for count in counts]
    return shared + [Layout(count, core_each=True) for count in counts if count <= cores]


def start(layout: Layout, cores: Sequence[int], images: int, flags: Sequence[str]) -> Job:
    addresses = ",".join(f"127.0.0.1:{port}" for port in free_ports(layout.processes))
    started = []
    for rank in range(layout.processes):
        with confined(layout.cores(rank, cores)):
            arguments = (addresses, str(rank), str(images), *flags)
            started.append(launched(sys.executable, "replica", *arguments, KERAS_BACKEND="jax"))
    replicas = [greeted(f"replica of {layout.name}", process) for process in started]
    return Job(layout, replicas, replicas[0].about["visits"])


@contextmanager
def confined(cores: set[int]) -> Iterator[None]:
    """What is started within the context runs on ``cores`` alone, and sizes its thread pools by them."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def efficiencies(jobs: Sequence[Job], job: Job) -> list[float]:
    """The speed of ``job`` in each round as a share of what its cores give to single processes."""
    single = next(one for one in jobs if one.layout == Layout(1, job.layout.core_each))
    times = job.layout.processes if job.layout.core_each else 1
    return [ours / (times * theirs) for ours, theirs in zip(job.speeds, single.speeds, strict=True)]


def table(jobs: Sequence[Job]) -> str:
    rows = []
    for job in jobs:
        speeds, shares = (
            (statistics.median(rounds), min(rounds), max(rounds)) for rounds in (job.speeds, efficiencies(jobs, job))
        )
        rows.append([job.layout.name, *(f"{speed:,.0f}" for speed in speeds), *(f"{share:.0%}" for share in shares)])
    return markdown_table(COLUMNS, rows)


def main(argv: Sequence[str]) -> None:
    parser = benchmark_parser(__doc__, "scaling")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4], help="of a job (default 1 2 4)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each layout (default 5)")
    parser.add_argument("--images", type=int, default=IMAGES, help=f"of an epoch (default {IMAGES})")
    parser.add_argument("flags", nargs="*", help="flags of trainer.task, after --")
    options = parser.parse_args(argv)
    cores, flags = sorted(os.sched_getaffinity(0)), (*FLAGS, *options.flags)
    jobs = [start(layout, cores, options.images, flags) for layout in layouts(options.processes, len(cores))]
    for number in range(options.rounds):
        for job in jobs:
            job.take_turn()
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
    for job in jobs:
        job.end()
    how = (
        f"n = {options.rounds} rounds of {jobs[0].visits:,} images each, taking turns; `{' '.join(flags)}`, the batch "
        "being that of all processes together"
    )
    above = measured("python -m benchmarks.scaling", how, packages=("jax", "keras"))
    replace_section(options.document, options.section, f"{above}\n\n{table(jobs)}")


if __name__ == "__main__":
    main(sys.argv[1:])

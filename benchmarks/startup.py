"""From the command to the first training step: how long, and where the time goes.

    python -m benchmarks.startup [--runs 7] [-- FLAGS OF trainer.task]

Each run is a process of its own, on the published files, with nothing resumed. The first run only warms the file cache
and is left out. Writes its table into docs/benchmarks.md.
"""

import json
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

from benchmarks.contenders.processes import ROOT
from benchmarks.document import benchmark_parser, measured, replace_section, table

TARGET_SECONDS = 8
#: The compiled loop returns after many steps. The first execution is what the second takes, and tracing.
FIRST, SECOND = "tracing and the first execution", "second execution"
TRACED, STEP = "tracing the step", "one step"
COLUMNS = ("part", "s, median", "lowest", "highest", "s of processor time, median")

Laps = dict[str, tuple[float, float]]


def run(flags: Sequence[str]) -> Laps:
    """Seconds and seconds of processor time of each part of one start, by its name."""
    with tempfile.TemporaryDirectory(prefix="startup-") as folder:
        command = [sys.executable, "-m", "benchmarks.contenders.first_step", str(time.monotonic())]
        done = subprocess.run(  # noqa: S603 – our own program
            [*command, "--output-dir", f"{folder}/model", *flags], cwd=ROOT, capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise SystemExit(f"the job ended with exit code {done.returncode}:\n{done.stderr}")
    told = json.loads(done.stdout)
    return split_first_execution({name: (wall, busy) for name, wall, busy in told["laps"]}, told["steps"])


def split_first_execution(laps: Laps, steps: int) -> Laps:
    """``laps`` with the first execution, of ``steps`` steps, divided into tracing and its first step."""
    first, second = laps[FIRST], laps[SECOND]
    before = {name: lap for name, lap in laps.items() if name not in (FIRST, SECOND)}
    traced = first[0] - second[0], first[1] - second[1]
    return before | {TRACED: traced, STEP: (second[0] / steps, second[1] / steps)}


def rows(runs: Sequence[Laps]) -> list[list[str]]:
    """A row a part, and at last their sum."""
    made = []
    for part in runs[0]:
        walls, busy = zip(*(laps[part] for laps in runs), strict=True)
        made.append([part, *seconds(walls, busy)])
    walls = [sum(wall for wall, _ in laps.values()) for laps in runs]
    busy = [sum(busy for _, busy in laps.values()) for laps in runs]
    median, *others = seconds(walls, busy)
    return [*made, ["**from the command to the first step**", f"**{median}**", *others]]


def seconds(walls: Sequence[float], busy: Sequence[float]) -> list[str]:
    return [f"{value:.2f}" for value in (statistics.median(walls), min(walls), max(walls), statistics.median(busy))]


def main(argv: Sequence[str]) -> None:
    parser = benchmark_parser(__doc__, "start-up")
    parser.add_argument("--runs", type=int, default=7, help="that count (default 7)")
    parser.add_argument("flags", nargs="*", help="flags of trainer.task, after --")
    options = parser.parse_args(argv)
    runs = []
    for number in range(options.runs + 1):
        runs.append(run(options.flags))
        print(f"run {number} of {options.runs}: {sum(wall for wall, _ in runs[-1].values()):.1f} s", file=sys.stderr)
    job = shlex.join(["python", "-m", "trainer.task", *options.flags])
    how = f"n = {options.runs} starts of `{job}`, after one that is left out"
    parts = (
        measured("python -m benchmarks.startup", how),
        table(COLUMNS, rows(runs[1:])),
        f"The aim is {TARGET_SECONDS} s.",
    )
    replace_section(options.document, options.section, "\n\n".join(parts))


if __name__ == "__main__":
    main(sys.argv[1:])

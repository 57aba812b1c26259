"""Peak memory and time of the main job as its data grow: the published files once, twice, four and eight times.

    python -m benchmarks.memory [--copies 1 2 4 8] [-- FLAGS OF trainer.task]

Each size is a process of its own, ``python -m trainer.task --preset small --epochs 1``. Writes its table into
docs/benchmarks.md.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks.contenders.processes import ROOT
from benchmarks.document import benchmark_parser, hardware_line, replace_section
from trainer import settings
from trainer.contract import METADATA_DIR
from trainer.data import idx
from trainer.data.sources import locate

JOB = ("--preset", "small", "--epochs", "1", "--log-format", "text")
#: How the lines of the job's log begin that end its parts.
CHECKED, TRAINED = "training ", "epoch 1/"
GIBIBYTE_IN_KIBIBYTES = 1 << 20


@dataclass(frozen=True)
class Growth:
    """One size. Peaks in GiB, each from the start of the process to the end of that part; seconds of each part."""

    images: int
    peak_checked: float
    peak_trained: float
    peak: float
    seconds_before_training: float
    seconds_of_epoch: float
    seconds: float


def write_copies(dataset: idx.Dataset, copies: int, folder: Path) -> None:
    """The four IDX files, unpacked, each example ``copies`` times."""
    for name, part in (("train", dataset.train), ("test", dataset.test)):
        idx.write_images(folder / idx.FILE_NAMES[f"{name}_images"], np.tile(part.images, (copies, 1, 1, 1)))
        idx.write_labels(folder / idx.FILE_NAMES[f"{name}_labels"], np.tile(part.labels, copies))


def run_job(data: Path, folder: Path, flags: Sequence[str]) -> Growth:
    """Run the main job on ``data`` in ``folder``, and watch its log."""
    model = folder / "model"
    command = [sys.executable, "-m", "trainer.task", *JOB, "--data", str(data), "--output-dir", str(model), *flags]
    started = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603 – our own command
        command, env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=folder, stderr=subprocess.PIPE, text=True
    )
    peaks: dict[str, float] = {}
    seconds: dict[str, float] = {}
    lines = []
    for line in process.stderr or ():
        lines.append(line)
        for part in (CHECKED, TRAINED):
            if line.startswith(part):
                peaks[part], seconds[part] = peak_of(process.pid), time.perf_counter() - started
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"the job ended with exit code {process.returncode}:\n{''.join(lines)}")
    metrics = json.loads((model / METADATA_DIR / "metrics.json").read_text(encoding="utf-8"))
    report = json.loads((model / METADATA_DIR / "data_report.json").read_text(encoding="utf-8"))
    return Growth(
        images=report["counts"]["train"],
        peak_checked=peaks[CHECKED],
        peak_trained=peaks[TRAINED],
        peak=usage.ru_maxrss / GIBIBYTE_IN_KIBIBYTES,
        seconds_before_training=seconds[CHECKED],
        seconds_of_epoch=metrics["history"][0]["seconds"],
        seconds=time.perf_counter() - started,
    )


def peak_of(process: int) -> float:
    """The largest resident memory that a running process has had so far, in GiB."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / GIBIBYTE_IN_KIBIBYTES


def table(sizes: Sequence[Growth]) -> str:
    lines = [
        "| training images | peak until training, GiB | until the epoch's end | whole run "
        "| s until training | s of the epoch | s in all | µs an image in the epoch |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for size in sizes:
        lines.append(
            f"| {size.images:,} | {size.peak_checked:.2f} | {size.peak_trained:.2f} | {size.peak:.2f} "
            f"| {size.seconds_before_training:.1f} | {size.seconds_of_epoch:.1f} | {size.seconds:.1f} "
            f"| {1e6 * size.seconds_of_epoch / size.images:.1f} |"
        )
    return "\n".join([*lines, "", summary(sizes)])


def summary(sizes: Sequence[Growth]) -> str:
    """Memory and time as lines through all sizes, and how far a size is off the line of the time."""
    images = np.array([size.images for size in sizes], dtype=float)
    if len(sizes) < 2:
        return "One size says nothing about growth."
    per_image, fixed = np.polyfit(images, [size.peak for size in sizes], 1)
    rates = np.array([size.seconds_of_epoch for size in sizes]) / images
    deviation = float(np.abs(rates / rates.mean() - 1).max())
    return (
        f"The peak is about {fixed:.2f} GiB and {per_image * GIBIBYTE_IN_KIBIBYTES:.1f} KiB more an image. The "
        f"time of an image in an epoch differs by at most {100 * deviation:.0f} % from its mean over the sizes."
    )


def main(argv: Sequence[str]) -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument("--copies", type=int, nargs="+", default=[1, 2, 4, 8], help="of the data (default 1 2 4 8)")
    parser.add_argument("--data", default="fashion-mnist", help="as trainer.task takes it (default fashion-mnist)")
    parser.add_argument("flags", nargs="*", help="more flags of trainer.task, after --")
    options = parser.parse_args(argv)
    machine = settings.parse(["--data", options.data], os.environ)
    source = locate(machine.data, fashion_mnist_dir=machine.fashion_mnist_dir, cache_dir=machine.data_cache_dir)
    dataset = idx.read_dataset(source.paths)
    sizes = []
    for copies in options.copies:
        with tempfile.TemporaryDirectory(prefix="memory-") as name:
            data = Path(name, "data")
            data.mkdir()
            write_copies(dataset, copies, data)
            sizes.append(run_job(data, Path(name), options.flags))
        print(f"{copies} times: {sizes[-1]}", file=sys.stderr)
    context = (
        f"Measured {datetime.now(UTC):%Y-%m-%d} by `python -m benchmarks.memory`, one run of "
        f"`python -m trainer.task {' '.join([*JOB, *options.flags])}` a size. {hardware_line()}"
    )
    text = f"{context}\n\n{table(sizes)}"
    replace_section(options.document, "memory", text)


if __name__ == "__main__":
    main(sys.argv[1:])

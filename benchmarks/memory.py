"""Peak memory and time of the main job as its data grow: the published files once, twice, four and eight times.

    python -m benchmarks.memory [--copies 1 2 4 8] [--section "memory best"] [-- FLAGS OF trainer.task]

Each size is a process of its own, with the flags ``--preset small --epochs 1`` if there are no others. Writes its table
into docs/benchmarks.md.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.contenders.processes import ROOT
from benchmarks.document import benchmark_parser, measured, replace_section, table
from benchmarks.ending import run_benchmark
from trainer import settings
from trainer.contract import METADATA_DIR
from trainer.data import idx
from trainer.data.sources import locate

FLAGS = ("--preset", "small", "--epochs", "1")
#: How the lines of the job's log begin that end its parts.
CHECKED, TRAINED = "training ", "epoch 1/"
GIBIBYTE_IN_KIBIBYTES = 1 << 20
GIBIBYTE_IN_GIGABYTES = 2**30 / 1e9
#: What the main job may take for the published data.
AIM_GIGABYTES, PUBLISHED_IMAGES = 1.5, 60_000
COLUMNS = (
    *("training images", "peak until training, GiB", "until the epoch's end", "whole run", "whole run, GB"),
    *("s until training", "s of the epoch", "s in all", "µs an image in the epoch"),
)


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
    """Run the main job with ``flags`` on ``data`` in ``folder``, and watch its log. One epoch is what it may train."""
    model = folder / "model"
    command = [sys.executable, "-m", "trainer.task", *flags, "--log-format", "text"]
    command += ["--data", str(data), "--output-dir", str(model)]
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


def row(size: Growth) -> list[str]:
    peaks = (size.peak_checked, size.peak_trained, size.peak, size.peak * GIBIBYTE_IN_GIGABYTES)
    seconds = (size.seconds_before_training, size.seconds_of_epoch, size.seconds)
    return [
        f"{size.images:,}",
        *(f"{peak:.2f}" for peak in peaks),
        *(f"{spent:.1f}" for spent in seconds),
        f"{1e6 * size.seconds_of_epoch / size.images:.1f}",
    ]


def summary(sizes: Sequence[Growth]) -> str:
    """The published data's peak beside the aim, and with several sizes how memory and time grow.

    Memory is a line through all sizes. Of the time, it is the largest difference of an image's from the sizes' mean.
    """
    sentences = [aim(size) for size in sizes if size.images == PUBLISHED_IMAGES]
    if len(sizes) > 1:
        images = np.array([size.images for size in sizes], dtype=float)
        per_image, fixed = np.polyfit(images, [size.peak for size in sizes], 1)
        rates = np.array([size.seconds_of_epoch for size in sizes]) / images
        deviation = float(np.abs(rates / rates.mean() - 1).max())
        sentences.append(
            f"By a line through all sizes, the peak is {fixed:.2f} GiB and {per_image * GIBIBYTE_IN_KIBIBYTES:.1f} KiB "
            f"more an image. The time of an image in an epoch differs by at most {100 * deviation:.0f} % from its mean "
            "over the sizes."
        )
    return " ".join(sentences)


def aim(size: Growth) -> str:
    gigabytes = size.peak * GIBIBYTE_IN_GIGABYTES
    return (
        f"The aim is {AIM_GIGABYTES:g} GB at most for the published data, a GB being 10⁹ bytes, a GiB 2³⁰: they take "
        f"{gigabytes:.2f} GB, which {'meets' if gigabytes <= AIM_GIGABYTES else 'misses'} it."
    )


def main(argv: Sequence[str]) -> None:
    parser = benchmark_parser(__doc__, "memory")
    parser.add_argument("--copies", type=int, nargs="+", default=[1, 2, 4, 8], help="of the data (default 1 2 4 8)")
    parser.add_argument("--data", default="fashion-mnist", help="as trainer.task takes it (default fashion-mnist)")
    default = " ".join(FLAGS)
    parser.add_argument("flags", nargs="*", help=f"flags of trainer.task, after --; one epoch (default {default})")
    options = parser.parse_args(argv)
    flags = options.flags or FLAGS
    machine = settings.parse(["--data", options.data], os.environ)
    source = locate(machine.data, fashion_mnist_dir=machine.fashion_mnist_dir, cache_dir=machine.data_cache_dir)
    dataset = idx.read_dataset(source.paths)
    sizes = []
    for copies in options.copies:
        with tempfile.TemporaryDirectory(prefix="memory-") as name:
            data = Path(name, "data")
            data.mkdir()
            write_copies(dataset, copies, data)
            sizes.append(run_job(data, Path(name), flags))
        print(f"{copies} times: {sizes[-1]}", file=sys.stderr)
    how = f"one run of `python -m trainer.task {shlex.join(flags)}` a size"
    parts = measured("python -m benchmarks.memory", how), table(COLUMNS, [row(size) for size in sizes]), summary(sizes)
    replace_section(options.document, options.section, "\n\n".join(filter(None, parts)))


if __name__ == "__main__":
    run_benchmark("benchmarks.memory", main)

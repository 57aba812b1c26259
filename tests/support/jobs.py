"""The main job as a process of its own, on settings that make it short."""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
NO_TENSORFLOW = PROJECT / "tests" / "support" / "no_tensorflow"

#: Trains in seconds, and learns.
QUICK = (
    *("--data", "synthetic", "--limit-train", "2000", "--limit-test", "500", "--epochs", "3"),
    *("--batch-size", "50", "--learning-rate", "0.003", "--filters", "8,16", "--dense-units", "32"),
    *("--dense-dropout", "0.25", "--rotation-degrees", "5", "--shift-fraction", "0.05"),
)


@dataclass(frozen=True)
class Run:
    """A finished job: the folder it ran in, the model folder it left, and the processor time it took."""

    folder: Path
    model: Path
    cpu_seconds: float


#: Set by a machine's owner, not by a test.
_LEFT_OUT = ("AIP_", "CLOUD_ML_", "CLUSTER_SPEC", "TF_CONFIG", "FASHION_MNIST_DIR", "STORAGE_EMULATOR_HOST")


def environment(**more: str) -> dict[str, str]:
    """This process's environment, but for what would change a job's settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_LEFT_OUT)}
    return kept | more


def command(arguments: Sequence[str], cache: Path) -> list[str]:
    return [sys.executable, "-m", "trainer.task", *arguments, "--data-cache-dir", str(cache)]


def start_job(
    arguments: Sequence[str], *, cache: Path, folder: Path, env: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start the job in ``folder``, where its relative paths lie; stderr goes into stdout."""
    return subprocess.Popen(
        command(arguments, cache),
        cwd=folder,
        env=environment(PYTHONPATH=str(PROJECT), **(env or {})),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run_job(
    arguments: Sequence[str],
    *,
    cache: Path,
    folder: Path,
    env: Mapping[str, str] | None = None,
    light: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run the job to its end. stdout and stderr apart. A ``light`` one fails as soon as it loads TensorFlow."""
    packages = f"{NO_TENSORFLOW}{os.pathsep}{PROJECT}" if light else str(PROJECT)
    return subprocess.run(
        command(arguments, cache),
        cwd=folder,
        env=environment(PYTHONPATH=packages, **(env or {})),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def cpu_seconds(job: subprocess.Popen[str] | subprocess.Popen[bytes]) -> float:
    """The processor time that a running job has taken so far: unlike the clock, not a matter of other work."""
    fields = Path(f"/proc/{job.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_for_line(job: subprocess.Popen[str], text: str, *, seconds: float = 300) -> list[str]:
    """The job's output up to the first line that holds ``text``."""
    lines: list[str] = []
    deadline = time.monotonic() + seconds
    for line in job.stdout or ():
        lines.append(line)
        if text in line:
            return lines
        if time.monotonic() > deadline:
            break
    raise AssertionError(f"{text!r} not seen in:\n{''.join(lines)}")


def weights_digest(model_folder: Path) -> str:
    """SHA-256 of the weights in the SavedModel of a local folder."""
    return files_digest({path.name: path.read_bytes() for path in (model_folder / "variables").iterdir()})


def files_digest(files: Mapping[str, bytes]) -> str:
    """SHA-256 of names and contents."""
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(name.encode() + b"\0" + content)
    return digest.hexdigest()

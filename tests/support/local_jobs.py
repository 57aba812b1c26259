"""``scripts/local_job`` as a process, on settings that make a job short."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.support.jobs import PROJECT, environment

#: Learns in two epochs of a second each, whatever the preset.
TINY = (
    *("--data", "synthetic", "--limit-train", "700", "--limit-test", "200", "--epochs", "2", "--batch-size", "64"),
    *("--network", "cnn", "--filters", "8,8", "--dense-units", "16", "--learning-rate", "0.003"),
    *("--schedule", "plateau", "--conv-dropout", "0.1", "--dense-dropout", "0.1", "--precision", "float32"),
    *("--rotation-degrees", "5", "--shift-fraction", "0", "--shear-fraction", "0", "--zoom-fraction", "0"),
)
BUCKET = Path("gs") / "local-bucket" / "jobs"


def local_job(
    job: str, *arguments: str, work: Path, image: str = "", trainer_flags: Sequence[str] = (), **env: str
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, as processes or in containers of ``image``; stderr goes into stdout."""
    where = ["--image", image] if image else ["--processes"]
    command = [sys.executable, "-P", "-m", "trainer.local_job", job, *arguments, *where, "--work-dir", str(work)]
    if trainer_flags:
        command += ["--", *trainer_flags]
    return subprocess.run(
        command,
        cwd=PROJECT,
        env=environment(PYTHONPATH=str(PROJECT), **env),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=500,
        check=False,
    )


def write_job(folder: Path, program: str, *, workers: int = 0, **fields: Any) -> str:
    """The path of a job whose replicas run a Python ``program`` instead of the trainer."""
    container = {"imageUri": "no.such/image", "command": ["python", "-c", program], "args": ["--one", "--two=2"]}
    pools = [{"machineSpec": {"machineType": "n1-standard-4"}, "replicaCount": 1, "containerSpec": container}]
    if workers:
        pools.append({**pools[0], "replicaCount": workers})
    path = folder / "job.json"
    path.write_text(json.dumps({"workerPoolSpecs": pools, **fields}))
    return str(path)


def weights_after(epoch: int, run: Path) -> dict[str, NDArray[Any]]:
    """The model's and the optimizer's variables in a checkpoint of the job whose output is ``run``."""
    with np.load(run / "checkpoints" / f"epoch-{epoch:05}.npz") as archive:
        return {name: archive[name] for name in archive.files if name != "json"}


def largest_difference(one: dict[str, NDArray[Any]], other: dict[str, NDArray[Any]]) -> float:
    """Over all variables. Infinite where a NaN is; the same infinity in both, as of a loss not yet known, is none."""
    assert {name: value.shape for name, value in one.items()} == {name: value.shape for name, value in other.items()}
    return max(_difference(one[name].astype(np.float64), other[name].astype(np.float64)) for name in one)


def _difference(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    unequal = a != b  # True of NaN, too.
    return float(np.nan_to_num(np.abs(a[unequal] - b[unequal]).max(initial=0), nan=np.inf, posinf=np.inf))

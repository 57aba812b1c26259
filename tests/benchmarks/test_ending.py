"""Measurements that can't be taken: one line, and the exit code of what is wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("program", "code", "said"),
    [
        (["memory"], 3, "benchmarks.memory: {empty} does not hold the data set"),
        (["accelerator", "--", "--data", "nowhere"], 3, "benchmarks.accelerator: no such data"),
        (["accelerator", "--", "--epoch", "3"], 2, "benchmarks.accelerator: command line"),
        (["training_throughput", "--pytorch", "nowhere"], 2, "benchmarks.training_throughput: --pytorch – expected"),
        (["inference", "nowhere"], 1, "nowhere is not a model folder that can be read"),
    ],
)
def test_what_is_missing_is_said_in_a_line(tmp_path: Path, program: list[str], code: int, said: str) -> None:
    environment = {**os.environ, "FASHION_MNIST_DIR": str(tmp_path)}
    command = [sys.executable, "-m", f"benchmarks.{program[0]}", *program[1:]]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (code, 1), done.stderr
    assert done.stderr.startswith(said.format(empty=tmp_path))


def test_a_wrong_flag_is_said_below_the_notices_of_tensorflow() -> None:
    """And it says nothing of kernels: TensorFlow was started by trainer.model."""
    command = [sys.executable, "-m", "benchmarks.profile_step", "--", "--epoch", "3"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1].startswith("benchmarks.profile_step: command line – expected a known setting")
    assert "Traceback" not in done.stderr
    assert "imported before trainer.model" not in done.stderr

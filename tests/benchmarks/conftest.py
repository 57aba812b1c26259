from pathlib import Path
from typing import NamedTuple

import pytest

from benchmarks.memory import Growth, run_job, write_copies
from tests.support.datasets import drawn_dataset

FLAGS = (
    "--preset",
    "small",
    "--epochs",
    "1",
    "--filters",
    "4,8",
    "--dense-units",
    "16",
    "--batch-size",
    "64",
    "--learning-rate",
    "0.01",
)


class Job(NamedTuple):
    """A run of the main job as the memory benchmark starts it: its data, its model's folder, what was measured."""

    data: Path
    model: Path
    growth: Growth
    flags: tuple[str, ...] = FLAGS


@pytest.fixture(scope="session")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    folder = tmp_path_factory.mktemp("job")
    data = folder / "data"
    data.mkdir()
    write_copies(drawn_dataset(700, 200), 2, data)
    return Job(data, folder / "model", run_job(data, folder, FLAGS))

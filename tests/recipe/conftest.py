import os
from pathlib import Path

import pytest

from tests.support.jobs import QUICK, Run, run_job
from tests.support.once import made_once


@pytest.fixture(scope="session")
def finished(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One quick, uninterrupted run of the job."""

    def run(folder: Path) -> float:
        before = os.times()
        process = run_job([*QUICK, "--tensorboard-dir", "events"], cache=cache, folder=folder)
        after = os.times()
        assert process.returncode == 0, process.stderr
        return after.children_user + after.children_system - before.children_user - before.children_system

    folder, cpu_seconds = made_once(tmp_path_factory, "finished", run)
    (model,) = (path for path in (folder / "artifacts").iterdir() if path.name != "checkpoints")
    return Run(folder, model, cpu_seconds)

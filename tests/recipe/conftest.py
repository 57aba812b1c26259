from pathlib import Path

import pytest

from tests.support.jobs import QUICK, Run, run_job


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn data, shared by all jobs of a test session."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def finished(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One quick, uninterrupted run of the job."""
    folder = tmp_path_factory.mktemp("finished")
    process = run_job([*QUICK, "--tensorboard-dir", "events"], cache=cache, folder=folder)
    assert process.returncode == 0, process.stderr
    (model,) = (path for path in (folder / "artifacts").iterdir() if path.name != "checkpoints")
    return Run(process, folder, model)

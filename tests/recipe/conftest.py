import os
from pathlib import Path

import pytest

from tests.support.jobs import QUICK, Run, run_job
from tests.support.once import made_once


@pytest.fixture(scope="session")
def changing_checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a git that gives the checkout another commit as soon as training has written anything."""
    git = tmp_path_factory.mktemp("bin") / "git"
    git.write_text('#!/bin/sh\n[ -e artifacts/checkpoints ] && echo "a later commit" || echo "commit at the start"\n')
    git.chmod(0o755)
    return git.parent


@pytest.fixture(scope="session")
def finished(cache: Path, changing_checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One quick, uninterrupted run of the job."""

    def run(folder: Path) -> float:
        before = os.times()
        path = {"PATH": f"{changing_checkout}{os.pathsep}{os.environ['PATH']}"}
        process = run_job([*QUICK, "--tensorboard-dir", "events"], cache=cache, folder=folder, env=path)
        after = os.times()
        assert process.returncode == 0, process.stderr
        return after.children_user + after.children_system - before.children_user - before.children_system

    folder, cpu_seconds = made_once(tmp_path_factory, "finished", run)
    (model,) = (path for path in (folder / "artifacts").iterdir() if path.name != "checkpoints")
    return Run(folder, model, cpu_seconds)

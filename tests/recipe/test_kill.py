"""Killed at any instant and started again with the same command, a run ends where it would have ended anyway.

``KILL_RUNS=20 scripts/test tests/recipe/test_kill.py`` kills more often than every test run does.
"""

import os
import random
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.jobs import (
    PROJECT,
    QUICK,
    Run,
    command,
    cpu_seconds,
    environment,
    files_digest,
    run_job,
    start_job,
    wait_for_line,
    weights_digest,
)
from tests.support.storage_server import storage_server
from trainer.artifacts.manifest import read_manifest, verify
from trainer.storage import open_folder

pytestmark = pytest.mark.slow

KILL_RUNS = int(os.environ.get("KILL_RUNS", "3"))


def start_and_kill(after_cpu_seconds: float, *, cache: Path, folder: Path, env: Mapping[str, str]) -> bool:
    """Start a run and send SIGKILL once it has used so much processor time; True if it was still running then."""
    job = subprocess.Popen(
        command(QUICK, cache),
        cwd=folder,
        env=environment(PYTHONPATH=str(PROJECT), **env),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while job.poll() is None:
        if cpu_seconds(job) >= after_cpu_seconds:
            job.kill()
            job.wait()
            return True
        time.sleep(0.005)
    return False


@pytest.mark.parametrize("seed", range(KILL_RUNS))
def test_killed_anywhere_it_ends_bit_for_bit_the_same(finished: Run, cache: Path, tmp_path: Path, seed: int) -> None:
    moments = random.Random(seed)  # noqa: S311 – moments, not secrets
    for _ in range(2):
        killed = start_and_kill(moments.uniform(0.2, 1) * finished.cpu_seconds, cache=cache, folder=tmp_path, env={})
        for model in tmp_path.glob("artifacts/*/manifest.json"):
            folder = open_folder(model.parent)
            manifest = read_manifest(folder)
            assert manifest is not None
            assert verify(folder, manifest) == [], "a reader saw a model that was not complete"
        if not killed:
            break
    ended = run_job(QUICK, cache=cache, folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert weights_digest(tmp_path / "artifacts" / finished.model.name) == weights_digest(finished.model)


def test_on_a_bucket_it_is_the_same(finished: Run, cache: Path, tmp_path: Path) -> None:
    with storage_server("jobs-bucket") as server:
        env = {
            **server.environment,
            "AIP_MODEL_DIR": "gs://jobs-bucket/job/model/",
            "AIP_CHECKPOINT_DIR": "gs://jobs-bucket/job/checkpoints/",
        }
        assert start_and_kill(0.6 * finished.cpu_seconds, cache=cache, folder=tmp_path, env=env)
        names = server.objects("jobs-bucket")
        assert "job/model/manifest.json" not in names
        ended = run_job(QUICK, cache=cache, folder=tmp_path, env=env)
        assert ended.returncode == 0, ended.stderr + ended.stdout
        names = server.objects("jobs-bucket")
        assert "job/model/manifest.json" in names
        assert sorted(name for name in names if "/checkpoints/" in name)[-1] == "job/checkpoints/epoch-00003.npz"
        variables = {name.rpartition("/")[2]: data for name, data in names.items() if "/variables/" in name}
        assert files_digest(variables) == weights_digest(finished.model)
        again = run_job(QUICK, cache=cache, folder=tmp_path, env=env, light=True)
        assert (again.returncode, "nothing to do" in again.stdout) == (0, True)


def test_signals_end_it_cleanly_and_it_goes_on(finished: Run, cache: Path, tmp_path: Path) -> None:
    for number, line in ((signal.SIGTERM, "epoch 1/3"), (signal.SIGINT, "going on after epoch")):
        job = start_job(QUICK, cache=cache, folder=tmp_path)
        wait_for_line(job, line)
        job.send_signal(number)
        rest, _ = job.communicate(timeout=60)
        assert job.returncode == 9
        assert rest.splitlines()[-1].startswith(f"trainer.task: interrupted by {number.name} – run the same command")
        assert "Traceback" not in rest
        assert not list(tmp_path.glob("artifacts/*/manifest.json"))
    ended = run_job([*QUICK, "--resume", "require"], cache=cache, folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "going on after epoch" in ended.stderr
    assert weights_digest(tmp_path / "artifacts" / finished.model.name) == weights_digest(finished.model)


def test_resume_require_refuses_to_start_over(cache: Path, tmp_path: Path) -> None:
    refused = run_job([*QUICK, "--resume", "require"], cache=cache, folder=tmp_path, light=True)
    assert refused.returncode == 5
    assert "there is no checkpoint in" in refused.stderr
    assert not list(tmp_path.glob("artifacts/*/manifest.json"))

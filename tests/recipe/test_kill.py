"""Killed at any instant and started again with the same command, a run ends where it would have ended anyway.

``KILL_RUNS=20 scripts/test tests/recipe/test_kill.py`` kills more often than every test run does.
"""

import math
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
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


When = Callable[[subprocess.Popen[bytes]], bool]


def after_using(seconds: float) -> When:
    """Once the job has used so many seconds of processor time."""
    return lambda job: cpu_seconds(job) >= seconds


def in_the_epoch_after(epoch: int, checkpoints: Callable[[], Iterable[str]], *, seconds: float = 0) -> When:
    """So many seconds of processor time after the checkpoint of ``epoch`` is there."""
    moment = math.inf

    def is_due(job: subprocess.Popen[bytes]) -> bool:
        nonlocal moment
        if moment == math.inf and any(name.endswith(f"epoch-{epoch:05}.npz") for name in checkpoints()):
            moment = cpu_seconds(job) + seconds
        return moment < math.inf and cpu_seconds(job) >= moment

    return is_due


def start_and_kill(when: When, *, cache: Path, folder: Path, env: Mapping[str, str]) -> bool:
    """Start a run and send SIGKILL ``when`` it is due; True if it was still running then."""
    job = subprocess.Popen(
        command(QUICK, cache),
        cwd=folder,
        env=environment(PYTHONPATH=str(PROJECT), **env),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while job.poll() is None:
        if when(job):
            job.kill()
            job.wait()
            return True
        time.sleep(0.005)
    return False


@pytest.mark.parametrize("seed", range(KILL_RUNS))
def test_killed_anywhere_it_ends_bit_for_bit_the_same(finished: Run, cache: Path, tmp_path: Path, seed: int) -> None:
    """First in training, where there is most to lose, then at any instant from the start to the end."""

    def checkpoints() -> list[str]:
        return [path.name for path in tmp_path.glob("artifacts/checkpoints/*/*")]

    moments = random.Random(seed)  # noqa: S311 – moments, not secrets
    in_training = in_the_epoch_after(1 + seed % 2, checkpoints, seconds=moments.uniform(0, 0.3))
    assert start_and_kill(in_training, cache=cache, folder=tmp_path, env={})
    start_and_kill(after_using(moments.uniform(0.2, 1) * finished.cpu_seconds), cache=cache, folder=tmp_path, env={})
    for model in tmp_path.glob("artifacts/*/manifest.json"):
        folder = open_folder(model.parent)
        manifest = read_manifest(folder)
        assert manifest is not None
        assert verify(folder, manifest) == [], "a reader saw a model that was not complete"
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
        in_training = in_the_epoch_after(1, lambda: server.objects("jobs-bucket"))
        assert start_and_kill(in_training, cache=cache, folder=tmp_path, env=env)
        names = server.objects("jobs-bucket")
        assert "job/model/manifest.json" not in names
        ended = run_job(QUICK, cache=cache, folder=tmp_path, env=env)
        assert ended.returncode == 0, ended.stderr + ended.stdout
        assert "going on after epoch" in ended.stdout
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


#: The job, in which a signal comes when the first epoch is stored, and its handler raises in a destructor.
PASSED_OVER = """
import os, signal, sys
from trainer.task import main
from trainer.training.checkpoint import Checkpoints

class Passing:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        signal.getsignal(signal.SIGTERM)  # Where Python turns to the handler at the latest.

def save_and_pass(self, state, save=Checkpoints.save):
    save(self, state)
    if state.epoch == 1:
        Passing()

Checkpoints.save = save_and_pass
sys.exit(main(sys.argv[1:]))
"""


def test_a_signal_that_python_passed_over_is_answered_after_the_epoch(cache: Path, tmp_path: Path) -> None:
    job = [sys.executable, "-c", PASSED_OVER, *QUICK, "--data-cache-dir", str(cache)]
    env = environment(PYTHONPATH=str(PROJECT))
    done = subprocess.run(job, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert "Exception ignored in" in done.stderr, "nothing was passed over, so the rest says little"
    assert done.returncode == 9, done.stderr
    assert done.stderr.splitlines()[-1].startswith("trainer.task: interrupted by SIGTERM – run the same command")
    assert "epoch 2/3" not in done.stderr


def test_what_a_killed_run_left_half_written_is_gone_once_nobody_can_be_writing_it(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    left, at_work = (tmp_path / "checkpoints" / f".trainer-{name}.tmp" for name in ("left", "at-work"))
    for path in (left, at_work):
        path.write_bytes(b"half a checkpoint")
    long_ago = time.time() - 3700
    os.utime(left, (long_ago, long_ago))
    words = [*QUICK, "--resume", "require", "--checkpoint-dir", "checkpoints"]
    refused = run_job(words, cache=cache, folder=tmp_path, light=True)
    assert "there is no checkpoint in" in refused.stderr
    assert (left.exists(), at_work.exists()) == (False, True)


def test_resume_require_refuses_to_start_over(cache: Path, tmp_path: Path) -> None:
    refused = run_job([*QUICK, "--resume", "require"], cache=cache, folder=tmp_path, light=True)
    assert refused.returncode == 5
    assert "there is no checkpoint in" in refused.stderr
    assert not list(tmp_path.glob("artifacts/*/manifest.json"))

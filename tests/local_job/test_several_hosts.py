"""Several real processes train one model: the weights of one process, also after a replica was killed.

Equal means to 1e-5 after an epoch of ten steps, the last of them on a smaller batch that no number of devices divides.
Beyond that Adam makes much of the last digit: it divides a gradient by its size, however small.
"""

import importlib.util
import json
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.jobs import start_job, wait_for_line
from tests.support.local_jobs import BUCKET, TINY, largest_difference, local_job, weights_after
from trainer.local_job.run import free_ports

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs the extra: pip install .[jax]"),
]

RUNS = BUCKET / "multi-host"
TOLERANCE = 1e-5
ONE_EPOCH = (*TINY, "--epochs", "1", "--learning-rate", "0.001", "--validation-only")


def train(work: Path, run: str, workers: int, *more: str, flags: Sequence[str], **env: str) -> Any:
    hosts = ["--set", f"workerPoolSpecs.1.replicaCount={workers}", "--set", f"run={run}"]
    return local_job("multi-host", *hosts, *more, work=work, trainer_flags=flags, **env)


@pytest.fixture(scope="module")
def one_epoch(cache: Path) -> tuple[str, ...]:
    return (*ONE_EPOCH, "--data-cache-dir", str(cache))


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hosts")


@pytest.fixture(scope="module")
def alone(work: Path, one_epoch: tuple[str, ...], compiled: dict[str, str]) -> dict[str, Any]:
    """The state after an epoch in one process on one device."""
    done = train(work, "alone", 0, flags=one_epoch, **compiled)
    assert done.returncode == 0, done.stdout
    assert "training on 1 devices" in done.stdout
    return weights_after(1, work / RUNS / "alone")


LAYOUTS = {"two-hosts": (1, 1), "four-hosts": (3, 1), "three-devices-of-one-host": (0, 3)}


@pytest.mark.parametrize("run", LAYOUTS)
def test_the_weights_are_those_of_one_process(alone, work, one_epoch, compiled, run):
    workers, devices = LAYOUTS[run]
    env = {**compiled, "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"}
    done = train(work, run, workers, flags=one_epoch, **env)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count(f"training on {(workers + 1) * devices} devices") == workers + 1
    assert largest_difference(weights_after(1, work / RUNS / run), alone) <= TOLERANCE
    # Only the primary tells of epochs, which is where it writes them, too.
    assert set(re.findall(r"^(\S+) \| INFO epoch", done.stdout, flags=re.MULTILINE)) == {"workerpool0-0"}


def test_so_they_are_with_muon_cut_mix_and_a_selection_by_loss(work, one_epoch, compiled):
    """Ten steps again, in two epochs. In the second, half of the images come for their loss, some for a known one."""
    visits = ("--visit-fraction", "0.9", "--hard-fraction", "0.5", "--cut-mix-probability", "0.2")
    recipe = ("--optimizer", "muon", "--epochs", "2", "--batch-size", "128", *visits)
    after = []
    for workers in (0, 1):
        run = f"selection-{workers + 1}"
        done = train(work, run, workers, flags=(*one_epoch, *recipe), **compiled)
        assert done.returncode == 0, done.stdout
        assert done.stdout.count(f"training on {workers + 1} devices") == workers + 1
        after.append(weights_after(2, work / RUNS / run))
    assert largest_difference(*after) <= TOLERANCE


def test_a_killed_replica_ends_the_job_and_a_restart_goes_on(work, cache, compiled):
    flags = (*TINY, "--data-cache-dir", str(cache))
    loss = ["--preempt-after", "epoch 1/", "--no-notice"]
    lost = train(work, "lost", 1, *loss, "--set", "scheduling.restartJobOnWorkerRestart=false", flags=flags, **compiled)
    assert lost.returncode == 9, lost.stdout
    assert "another replica of this job is gone" in lost.stdout
    assert "Traceback" not in lost.stdout
    assert not (work / RUNS / "lost" / "model" / "manifest.json").exists()
    after_loss = weights_after(1, work / RUNS / "lost")
    ended = train(work, "lost", 1, flags=(*flags, "--resume", "require"), **compiled)
    assert ended.returncode == 0, ended.stdout
    assert re.findall(r"INFO epoch (\d)/", ended.stdout) == ["2"]
    assert (work / RUNS / "lost" / "model" / "manifest.json").exists()
    assert largest_difference(weights_after(1, work / RUNS / "lost"), after_loss) == 0


class Hosts:
    """Both replicas of a job that has its places on this disk, started by hand so that either can be killed."""

    def __init__(self, folder: Path, flags: Sequence[str], cache: Path, env: Mapping[str, str]) -> None:
        self._folder, self._cache, self._env = folder, cache, env
        self._flags = [*flags, "--output-dir", str(folder / "model"), "--log-format", "text"]
        self._addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]

    def start(self, rank: int) -> subprocess.Popen[str]:
        primary, worker = self._addresses
        cluster = {"workerpool0": [primary], "workerpool1": [worker]}
        spec = json.dumps({"cluster": cluster, "task": {"type": f"workerpool{rank}", "index": 0}})
        env = {**self._env, "KERAS_BACKEND": "jax", "CLUSTER_SPEC": spec}
        return start_job(self._flags, cache=self._cache, folder=self._folder, env=env)


def said_at_the_end(process: subprocess.Popen[str], code: int) -> str:
    said, _ = process.communicate(timeout=200)
    assert process.returncode == code, said
    assert "Traceback" not in said
    return said


def test_a_killed_primary_ends_the_others_and_a_restart_goes_on_also_in_the_export(tmp_path, cache, compiled):
    smaller = ("--filters", "4", "--conv-dropout", "0", "--dense-dropout", "0")
    hosts = Hosts(tmp_path, (*TINY, *smaller, "--epochs", "3"), cache, compiled)
    primary, worker = hosts.start(0), hosts.start(1)
    wait_for_line(primary, "epoch 1/3")
    primary.kill()
    # Not always the last line: gRPC's thread may have its word behind it.
    assert "\ntrainer.task: another replica of this job is gone" in said_at_the_end(worker, 9)
    primary, worker = hosts.start(0), hosts.start(1)
    assert "trained along to the end" in said_at_the_end(worker, 0)
    primary.kill()  # Which now has the model to export.
    assert "epoch 3/3" in said_at_the_end(primary, -signal.SIGKILL)
    assert not (tmp_path / "model" / "manifest.json").exists()
    primary, worker = hosts.start(0), hosts.start(1)
    assert "trained along to the end" in said_at_the_end(worker, 0)
    said = said_at_the_end(primary, 0)
    assert "going on after epoch 3" in said
    assert "epoch 3/3" not in said
    assert (tmp_path / "model" / "manifest.json").exists()


def test_one_that_waits_for_another_ends_when_it_is_told_to(tmp_path, cache):
    waiting = Hosts(tmp_path, TINY, cache, {}).start(1)
    wait_for_line(waiting, "waiting for the others")
    waiting.terminate()
    assert said_at_the_end(waiting, 9).splitlines()[-1].startswith("trainer.task: interrupted by SIGTERM – ")


DIFFERENCES = [
    ([1, 2], [1, 2], 0),
    ([1, 2], [1, 2.5], 0.5),
    ([np.inf, 1], [np.inf, 1.25], 0.25),
    ([np.inf, 1], [1, 1], np.inf),
    ([np.inf], [-np.inf], np.inf),
    ([1, np.nan], [1, np.nan], np.inf),
    ([0, np.nan], [2, 1], np.inf),
    ([], [], 0),
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("one", "other", "difference"), DIFFERENCES)
def test_the_comparison_itself(one, other, difference):
    first, second = ({"first": np.zeros(1), "second": np.array(values, dtype=np.float32)} for values in (one, other))
    assert largest_difference(first, second) == largest_difference(second, first) == difference

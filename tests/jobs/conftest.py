import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.job_files import FOLDER
from tests.support.job_server import JobServer, job_server
from tests.support.storage_server import StorageServer, storage_server
from trainer.cloud import follow, job_service, vertex_errors
from trainer.submission.submit import main

IMAGES = "projects/my-project/locations/us-central1/repositories/trainer/packages"


QUOTAS = ("cpus", "g2_cpus", "nvidia_l4_gpus", "preemptible_cpus", "preemptible_nvidia_t4_gpus")


def submit(*words: str) -> int:
    return main(["--jobs-dir", str(FOLDER), *words], dict(os.environ))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name, seconds in (
        (follow, "POLL_SECONDS", 0.02),
        (follow, "GRACE_SECONDS", 0.05),
        (vertex_errors, "FIRST_DELAY_SECONDS", 0.02),
        (job_service, "RETRY_SECONDS", 5.0),
    ):
        monkeypatch.setattr(module, name, seconds)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[JobServer]:
    """A project that has what jobs/cpu.yaml needs, but for the bucket."""
    with job_server() as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        running.state.images |= {f"{IMAGES}/train-{kind}/tags/latest" for kind in ("cpu", "gpu", "jax")}
        running.state.quotas["aiplatform.googleapis.com/custom_model_training_cpus"] = {"us-central1": 8}
        yield running


@pytest.fixture
def buckets(monkeypatch: pytest.MonkeyPatch) -> Iterator[StorageServer]:
    """The bucket that scripts/setup_gcp makes."""
    with storage_server("my-project-trainer") as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """No credentials, and no machine of Google's that would have some."""
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "TRAINER_VERTEX_PROJECT", "TRAINER_VERTEX_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def somebody(server: JobServer, monkeypatch: pytest.MonkeyPatch) -> JobServer:
    """Logged in to a project that has everything."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TRAINER_VERTEX_PROJECT", "my-project")
    server.state.quotas = {f"aiplatform.googleapis.com/custom_model_training_{name}": {"": 100} for name in QUOTAS}
    return server

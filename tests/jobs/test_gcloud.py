"""The real gcloud sends each job file to a local server, and what it sends is what this package sends."""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.job_files import FOLDER, NAMES, job
from tests.support.job_server import JobServer, job_server
from trainer.cloud import job_calls
from trainer.cloud.job_service import JobService

pytestmark = [
    pytest.mark.skipif(shutil.which("gcloud") is None, reason="needs the gcloud CLI"),
    pytest.mark.slow,
]


def gcloud(server: JobServer, tmp_path: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command that was made to be copied from a terminal, without a login."""
    environment = {
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM": f"{server.url}/",
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
        "CLOUDSDK_CONFIG": str(tmp_path / "config"),
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "true",
    }
    server.needs_login = False
    words = shlex.split(command)
    return subprocess.run(
        words, capture_output=True, text=True, check=False, env={**os.environ, **environment}, cwd=tmp_path
    )


@pytest.mark.parametrize("name", NAMES)
def test_gcloud_sends_what_we_send(name: str, server: JobServer, tmp_path: Path) -> None:
    asked = job(name, labels={"job": name, "run": "first"})
    (tmp_path / "a job.yaml").write_text(job_calls.as_yaml(asked))
    done = gcloud(server, tmp_path, job_calls.gcloud(asked, "a job.yaml"))
    assert done.returncode == 0, done.stderr
    JobService("my-project", "us-central1", endpoint=server.url).create(asked)
    by_gcloud, by_us = (stored.message for stored in server.state.jobs.values())
    by_gcloud.name = by_us.name
    assert by_gcloud == by_us


def test_a_file_goes_out_as_it_is_after_plain_editing(server: JobServer, tmp_path: Path) -> None:
    text = (FOLDER / "cpu.yaml").read_text()
    for name, value in (("PROJECT", "my-project"), ("REGION", "us-central1"), ("BUCKET", "b1"), ("RUN", "r1")):
        text = re.sub(rf"\b{name}\b", value, text)
    (tmp_path / "job.yaml").write_text(text)
    place = "--project=my-project --region=us-central1 --display-name=mine"
    done = gcloud(server, tmp_path, f"gcloud ai custom-jobs create {place} --config=job.yaml")
    assert done.returncode == 0, done.stderr
    [stored] = server.state.jobs.values()
    assert stored.message.job_spec.base_output_directory.output_uri_prefix == "gs://b1/jobs/cpu/r1"


def test_what_preflight_says_of_gcloud_is_so(tmp_path: Path) -> None:
    """It forwards a top-level key that it does not know, and leaves the refusal to the service."""
    with job_server() as server:
        asked = job("cpu", {"workerPoolSpec": []})
        (tmp_path / "job.yaml").write_text(job_calls.as_yaml(asked))
        done = gcloud(server, tmp_path, job_calls.gcloud(asked, "job.yaml"))
        assert done.returncode != 0
        assert any("POST" in request for request in server.requests), "it was sent"
        assert server.state.jobs == {}

"""Two jobs don't write to one place, and no model is trained twice."""

import re

import pytest

from tests.jobs.conftest import submit
from tests.support.job_server import JobServer

pytestmark = pytest.mark.usefixtures("nobody", "buckets", "elsewhere")


def test_the_same_command_again_meets_the_job_at_work(somebody: JobServer, capfd: pytest.CaptureFixture[str]) -> None:
    somebody.next_job("RUNNING")
    assert submit("cpu", "--no-follow") == 0
    assert submit("cpu", "--no-follow") == 5
    assert re.search(r"jobs that write to gs://\S+ – expected none at work", capfd.readouterr().err)


def test_a_model_that_is_there_is_not_trained_again_but_may_still_be_registered(
    somebody: JobServer, capfd: pytest.CaptureFixture[str]
) -> None:
    """As after a job that trained, and was stopped, or denied the registry, before it had registered."""
    from google.cloud import storage

    bucket = storage.Client(project="my-project").bucket("my-project-trainer")
    bucket.blob("jobs/cpu/again/model/manifest.json").upload_from_string("{}")
    account = "service-account=model-registry@my-project.iam.gserviceaccount.com"
    words = ("cpu", "--no-follow", "--set", "run=again", "--set", account, "--")
    assert submit(*words) == 5
    assert "the model of this run – expected no such model yet" in capfd.readouterr().err
    assert submit(*words, "--register", "--registry-root=gs://my-project-trainer/registry") == 0
    assert len(somebody.state.jobs) == 1
    elsewhere = "--output-dir=gs://my-project-trainer/jobs/cpu/again/model"
    assert submit("cpu", "--no-follow", "--", elsewhere) == 5
    assert "the model of this run – expected no such model yet" in capfd.readouterr().err


def test_the_end_names_the_models_own_place_and_none_where_there_is_none(
    somebody: JobServer, capfd: pytest.CaptureFixture[str]
) -> None:
    elsewhere = "gs://my-project-trainer/jobs/mine/model"
    assert submit("cpu", "--", f"--output-dir={elsewhere}") == 0
    assert capfd.readouterr().out.splitlines()[-1] == f"done: {elsewhere}"
    assert submit("cpu", "--", "--validation-only") == 0
    assert capfd.readouterr().out.splitlines()[-1].startswith("done: gcloud ai custom-jobs describe")
    assert len(somebody.state.jobs) == 2

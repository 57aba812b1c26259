"""What preflight asks the project: bucket, image, quota, other jobs that write to the same place."""

import re

import pytest

from tests.jobs.conftest import IMAGES
from tests.support.job_files import job
from tests.support.job_server import JobServer
from tests.support.storage_server import StorageServer
from trainer.cloud.google_rest import GoogleRest
from trainer.cloud.job_service import JobService
from trainer.cloud.jobspec import Job
from trainer.cloud.preflight import project
from trainer.cloud.preflight.rules import FROM_THE_PROJECT
from trainer.errors import StorageError

PLACE = "baseOutputDirectory.outputUriPrefix"
BUCKET = {PLACE: "gs://my-project-trainer/jobs/cpu/first"}
QUOTA = "aiplatform.googleapis.com/custom_model_training_"
SERVICES = ("artifactregistry", "serviceusage", "logging")

pytestmark = pytest.mark.usefixtures("server", "buckets")


def ask(server: JobServer, asked: Job, model: str = "") -> project.Answers:
    service = JobService("my-project", asked.region, endpoint=server.url)
    rest = GoogleRest(dict.fromkeys(SERVICES, server.url))
    return project.check(asked, rest, lambda: service.active(asked), model=model)


def rules(answers: project.Answers) -> list[str]:
    found = [finding.rule for finding in answers.findings]
    assert set(found) <= set(FROM_THE_PROJECT)
    return found


def test_a_project_that_has_all_of_it_is_right(server: JobServer) -> None:
    answers = ask(server, job("cpu", BUCKET))
    assert (answers.findings, answers.unchecked) == ([], [])


def test_a_missing_bucket_image_and_quota_are_told_at_once(server: JobServer) -> None:
    server.state.images.clear()
    server.state.quotas[f"{QUOTA}cpus"] = {"us-central1": 3, "": 100}
    answers = ask(server, job("cpu"))
    assert rules(answers) == ["bucket", "image-absent", "quota"]
    lines = [str(finding) for finding in answers.findings]
    assert "the bucket my-bucket" in lines[0]
    assert "train-cpu:latest – build it: gcloud builds submit" in lines[1]
    assert "custom_model_training_cpus – expected at least 4 in us-central1 – received 3" in lines[2]


def test_a_bucket_that_may_not_be_read_is_said_and_stops_nothing(server: JobServer, buckets: StorageServer) -> None:
    buckets.forbid("my-project-trainer")
    answers = ask(server, job("cpu", BUCKET), "gs://my-project-trainer/jobs/cpu/first/model")
    assert rules(answers) == []
    assert len(answers.unchecked) == 2
    for line in answers.unchecked:
        assert "denies access" in line
        assert line.endswith("ask for roles/storage.objectViewer and .bucketViewer on the bucket")


def test_an_image_is_looked_for_by_its_digest_too(server: JobServer) -> None:
    uri = f"us-central1-docker.pkg.dev/my-project/trainer/deep/name@sha256:{'a' * 64}"
    asked = job("cpu", {**BUCKET, "workerPoolSpecs.0.containerSpec.imageUri": uri})
    assert rules(ask(server, asked)) == ["image-absent"]
    server.state.images.add(f"{IMAGES}/deep/name/versions/sha256:{'a' * 64}")
    assert rules(ask(server, asked)) == []


@pytest.mark.parametrize(
    ("limits", "refused"),
    [({"": 4}, False), ({"": 3}, True), ({"": 3, "us-central1": -1}, False), ({"europe-west4": 0, "": 4}, False)],
)
def test_a_quota_holds_for_its_region_else_for_all(server: JobServer, limits: dict[str, int], refused: bool) -> None:
    server.state.quotas[f"{QUOTA}cpus"] = limits
    assert rules(ask(server, job("cpu", BUCKET))) == (["quota"] if refused else [])


def test_spot_accelerators_replicas_and_parallel_trials_count_against_their_quotas() -> None:
    prefix = "custom_model_training_"
    assert project.demands(job("gpu-t4-spot")) == {
        f"{prefix}preemptible_cpus": 8,
        f"{prefix}preemptible_nvidia_t4_gpus": 1,
    }
    three_workers = job("multi-host", {"workerPoolSpecs.1.replicaCount": 3})
    assert project.demands(three_workers) == {f"{prefix}g2_cpus": 32, f"{prefix}nvidia_l4_gpus": 4}
    assert project.demands(job("tuning")) == {f"{prefix}cpus": 8}


def test_a_job_at_work_stops_a_second_that_would_write_to_its_place(server: JobServer) -> None:
    asked = job("cpu", BUCKET, labels={"run": "first"})
    elsewhere = job("cpu", {PLACE: "gs://my-project-trainer/jobs/gpu-l4/first"}, labels={"run": "first"})
    service = JobService("my-project", "us-central1", endpoint=server.url)
    server.next_job("RUNNING")
    name = service.create(asked)
    assert rules(ask(server, elsewhere)) == []
    for same in (BUCKET[PLACE], f"{BUCKET[PLACE]}/"):
        answers = ask(server, job("cpu", {PLACE: same}, labels={"run": "another"}))
        assert rules(answers) == ["already-running"]
    assert f"received {name}" in str(answers.findings[0])
    place = "1 --project=my-project --region=us-central1"
    for words in (f"follow it: gcloud ai custom-jobs stream-logs {place}", f"gcloud ai custom-jobs cancel {place}"):
        assert words in str(answers.findings[0])
    server.state.jobs[name].script.states = ("FAILED",)
    assert rules(ask(server, asked)) == []


def test_the_model_of_this_run_is_trained_once(server: JobServer) -> None:
    from google.cloud import storage

    bucket = storage.Client(project="my-project").bucket("my-project-trainer")
    bucket.blob("jobs/cpu/first/model/manifest.json").upload_from_string("{}")
    assert rules(ask(server, job("cpu", BUCKET), "gs://my-project-trainer/jobs/cpu/first/model")) == ["already-done"]
    for other in ("", "/gcs/my-project-trainer/jobs/cpu/first/model", "gs://my-project-trainer/jobs/cpu/second/model"):
        assert rules(ask(server, job("cpu", BUCKET), other)) == []


def test_the_bucket_of_a_model_that_goes_elsewhere_is_looked_for_too(server: JobServer) -> None:
    answers = ask(server, job("cpu", BUCKET), "gs://nobodys-bucket/model")
    assert [str(found).partition(" –")[0] for found in answers.findings] == ["the bucket nobodys-bucket"]


def test_what_can_not_be_asked_is_said_and_stops_nothing(server: JobServer) -> None:
    server.state.quotas.clear()
    server.fail_next("/repositories/", 403, "Permission 'artifactregistry.tags.get' denied")
    answers = ask(server, job("cpu", BUCKET))
    assert answers.findings == []
    assert len(answers.unchecked) == 2
    assert "artifactregistry.tags.get" in answers.unchecked[0]
    assert "the quota custom_model_training_cpus is not there" in answers.unchecked[1]


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (403, "Artifact Registry denies access – expected permission – received the image us-.*: 403 out of order"),
        (429, "Artifact Registry's quota is used up"),
        (500, "Artifact Registry can't be reached or keeps failing"),
        (400, "Artifact Registry refused the request"),
    ],
)
def test_what_a_service_answers_is_told_by_its_kind(server: JobServer, status: int, sentence: str) -> None:
    server.fail_next("/repositories/", status, "out of order")
    [line] = ask(server, job("cpu", BUCKET)).unchecked
    assert re.match(sentence, line)


def test_a_service_that_nobody_has_enabled_is_no_missing_role(server: JobServer) -> None:
    server.fail_next("/repositories/", 403, "Artifact Registry API has not been used in project 1 before. Enable it")
    [line] = ask(server, job("cpu", BUCKET)).unchecked
    assert line.startswith("Artifact Registry is not enabled in the project – expected its API to be enabled")


@pytest.mark.usefixtures("server")
def test_a_service_out_of_reach_is_said() -> None:
    rest = GoogleRest({"logging": "http://127.0.0.1:1"})
    with pytest.raises(StorageError, match="Cloud Logging can't be reached .* the job's log: .*Connection refused"):
        rest.get("logging", "v2", "the job's log")


@pytest.mark.parametrize(
    ("place", "region", "refused"),
    [
        ("US-CENTRAL1", "us-central1", False),
        ("US", "us-central1", False),
        ("EU", "europe-west4", False),
        ("EU", "us-central1", True),
        ("US-EAST1", "us-central1", True),
        ("NAM4", "us-central1", False),
        ("NAM4", "us-west1", True),
        ("EUR4", "europe-west4", False),
    ],
)
def test_the_bucket_lies_where_the_job_runs(place: str, region: str, refused: bool) -> None:
    class Bucket:
        name, location = "b", place

    assert bool(list(project.place_findings(Bucket(), region))) == refused

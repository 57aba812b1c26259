"""The command: from a job file to a job of Vertex AI."""

import re
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import yaml

from tests.jobs.conftest import IMAGES, submit
from tests.support.certificates import expired_login
from tests.support.job_files import FOLDER, NAMES
from tests.support.job_server import JobServer, digest
from tests.support.vertex_server import vertex_server
from trainer.cloud import job_service

ROOT = FOLDER.parent

pytestmark = pytest.mark.usefixtures("nobody", "buckets", "elsewhere")


@pytest.mark.parametrize("name", NAMES)
def test_a_dry_run_needs_nobody_and_shows_everything(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert submit(name, "--dry-run", "--set", "project=my-project") == 0
    out, err = capfd.readouterr()
    assert err == ""
    for words in (
        "not checked: bucket, image, quota, jobs at work – no Google Cloud credentials",
        ":latest goes by its tag",
        "cost: $",
        "AutoML $27.72",
        "JobServiceClient(",
        "gcloud ai ",
        "dry run: nothing was sent",
    ):
        assert words in out
    [file] = Path("artifacts/jobs").glob(f"fashion-mnist-{name}-*.yaml")
    assert yaml.safe_load(file.read_text()).keys() == yaml.safe_load((FOLDER / f"{name}.yaml").read_text()).keys()
    assert "PROJECT" not in file.read_text()


def test_without_a_project_every_placeholder_left_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    assert submit("cpu", "--dry-run") == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "scripts/submit: the placeholder BUCKET – expected a value for it – received BUCKET – add --set bucket=NAME",
        "scripts/submit: the placeholder PROJECT – expected a value for it – received PROJECT – add --set project=ID",
        "scripts/submit: 2 findings, nothing was sent",
    ]


def test_sending_without_credentials_ends_with_5_and_sends_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    assert submit("cpu", "--set", "project=my-project") == 5
    assert "gcloud auth application-default login" in capfd.readouterr().err


def test_a_wrong_flag_of_the_trainer_stops_it_here(somebody: JobServer, capfd: pytest.CaptureFixture[str]) -> None:
    assert submit("cpu", "--", "--epochs", "0") == 2
    assert "--epochs – expected an integer ≥ 1 – received 0" in capfd.readouterr().err
    assert somebody.requests == []


def test_what_the_project_lacks_ends_with_5(somebody: JobServer, capfd: pytest.CaptureFixture[str]) -> None:
    somebody.state.images.clear()
    assert submit("cpu") == 5
    assert "the image – expected one that is there" in capfd.readouterr().err
    assert somebody.state.jobs == {}


@pytest.mark.parametrize("name", NAMES)
def test_a_job_is_sent_and_followed_to_its_end(
    name: str, somebody: JobServer, capfd: pytest.CaptureFixture[str]
) -> None:
    somebody.log("epoch 1 of 3", second=1)
    assert submit(name, "--max-cost", "30") == 0
    out = capfd.readouterr().out
    assert "kept below $30.00" in out
    assert "epoch 1 of 3" in out
    places = [
        out.index(words) for words in ("submitted projects/my-project", "pending", "running", "succeeded", "done: ")
    ]
    assert places == sorted(places)
    [stored] = somebody.state.jobs.values()
    label = stored.message.labels["run"]
    spec = stored.message.trial_job_spec if name == "tuning" else stored.message.job_spec
    assert spec.base_output_directory.output_uri_prefix == f"gs://my-project-trainer/jobs/{name}/{label}"
    assert stored.message.display_name == f"fashion-mnist-{name}-{label}"


TAG = f"{IMAGES}/train-cpu/tags/latest"
PACKAGE = "us-central1-docker.pkg.dev/my-project/trainer/train-cpu"


def run_and_image(somebody: JobServer) -> tuple[str, str]:
    """Of the job that was sent last."""
    *_, stored = somebody.state.jobs.values()
    return stored.message.labels["run"], stored.message.job_spec.worker_pool_specs[0].container_spec.image_uri


def test_a_job_names_the_image_that_its_tag_stands_for_now(somebody: JobServer) -> None:
    """Attempts that come later, and the checkpoints of the run, belong to this one."""
    sent = []
    for pushes in (0, 1, 1):
        somebody.state.pushes[TAG] = pushes
        assert submit("cpu") == 0
        sent.append(run_and_image(somebody))
        assert sent[-1][1] == f"{PACKAGE}@{digest(somebody.state, TAG)}"
    assert sent[0][0] != sent[1][0]
    assert sent[1] == sent[2]
    # The image before is still there, and with it the run goes on.
    somebody.state.images.add(f"{IMAGES}/train-cpu/versions/{sent[0][1].partition('@')[2]}")
    assert submit("cpu", "--set", f"image={sent[0][1]}") == 0
    assert run_and_image(somebody) == sent[0]


def test_an_image_that_can_not_be_asked_for_goes_by_its_tag(
    somebody: JobServer, capfd: pytest.CaptureFixture[str]
) -> None:
    somebody.fail_next("/repositories/", 403, "Permission 'artifactregistry.tags.get' denied", count=2)
    assert submit("cpu") == 0
    assert run_and_image(somebody)[1] == f"{PACKAGE}:latest"
    assert f"not pinned: {PACKAGE}:latest goes by its tag" in capfd.readouterr().out


def test_a_dry_run_shows_the_run_and_the_image_that_would_be_sent(
    somebody: JobServer, capfd: pytest.CaptureFixture[str]
) -> None:
    assert submit("cpu", "--dry-run") == 0
    out = capfd.readouterr().out
    assert submit("cpu", "--no-follow") == 0
    run, image = run_and_image(somebody)
    assert f"artifacts/jobs/fashion-mnist-cpu-{run}.yaml" in out
    assert f"imageUri: {image}" in Path(f"artifacts/jobs/fashion-mnist-cpu-{run}.yaml").read_text()


def test_a_job_that_fails_ends_with_its_own_code_its_errors_and_the_usual_cause(
    somebody: JobServer, capfd: pytest.CaptureFixture[str]
) -> None:
    somebody.next_job("RUNNING", "FAILED", error="The replica workerpool0-0 exited with a non-zero status of 4.")
    somebody.log("all is well", second=1)
    somebody.log("the loss is nan at epoch 2", severity="ERROR", second=2, plain=True)
    assert submit("cpu") == 4
    out, err = capfd.readouterr()
    assert "error    the loss is nan at epoch 2" in out
    last_error, failure = err.splitlines()
    assert last_error == "the loss is nan at epoch 2"
    assert "failed: The replica workerpool0-0 exited with a non-zero status of 4." in failure
    assert failure.endswith("lower --learning-rate")


def test_no_follow_leaves_at_once(somebody: JobServer, capfd: pytest.CaptureFixture[str]) -> None:
    assert submit("cpu", "--no-follow") == 0
    assert "gcloud ai custom-jobs cancel 1 --project=my-project --region=us-central1" in capfd.readouterr().out
    assert not any("/customJobs/1" in request for request in somebody.requests)


def test_a_lost_answer_is_not_asked_for_again(somebody: JobServer, capfd: pytest.CaptureFixture[str]) -> None:
    somebody.fail_next("POST /v1/projects", 503, "away", has_effect=True)
    assert submit("cpu", "--no-follow") == 5
    assert "the console shows whether the job was made" in capfd.readouterr().err
    assert len(somebody.state.jobs) == 1


def test_a_job_that_can_not_be_followed_any_longer_goes_on_and_the_last_line_says_so(
    somebody: JobServer, capfd: pytest.CaptureFixture[str]
) -> None:
    somebody.fail_next("/hyperparameterTuningJobs/1", 403, "aiplatform.hyperparameterTuningJobs.get denied")
    assert submit("tuning") == 5
    last = capfd.readouterr().err.splitlines()[-1]
    assert "aiplatform.hyperparameterTuningJobs.get denied" in last
    place = "1 --project=my-project --region=us-central1"
    assert last.endswith(f"the job goes on: gcloud ai hp-tuning-jobs stream-logs {place}")


@pytest.mark.parametrize(
    ("status", "words"),
    [(400, "refused the request"), (403, "denies access"), (429, "quota is used up"), (404, "no such")],
)
def test_what_the_service_refuses_is_told_in_its_own_words(
    status: int, words: str, somebody: JobServer, capfd: pytest.CaptureFixture[str]
) -> None:
    somebody.fail_next("POST /v1/projects", status, "Machine type is not supported here.")
    assert submit("cpu", "--no-follow") == 5
    err = capfd.readouterr().err
    assert words in err
    assert "Machine type is not supported here." in err
    assert err.count("\n") == 1


def test_an_expired_login_is_one_line_and_said_at_once(
    somebody: JobServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(job_service, "RETRY_SECONDS", 120)
    monkeypatch.delenv("STORAGE_EMULATOR_HOST")  # With it, the client needs no login.
    with vertex_server() as vertex:
        for name, value in {
            **vertex.environment,
            "GOOGLE_APPLICATION_CREDENTIALS": str(expired_login(tmp_path)),
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM": f"https://{vertex.endpoint}/",
        }.items():
            monkeypatch.setenv(name, value)
        started = time.monotonic()
        assert submit("cpu", "--no-follow") == 5
        assert time.monotonic() - started < 60
        out, err = capfd.readouterr()
    said = "no valid Google Cloud credentials – expected application default credentials – received "
    for what in ("the bucket my-project-trainer", "the image us-", "the quota ", "projects/my-project/"):
        assert f"not checked: {said}{what}" in out
    assert err.startswith(f"scripts/submit: {said}fashion-mnist-cpu-")
    assert err.count("\n") == 1
    assert somebody.requests == []


def test_the_shown_python_sends_the_same_request_as_the_command(
    somebody: JobServer, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("cpu", "tuning"):
        somebody.state.jobs.clear()
        assert submit(name, "--no-follow") == 0
        out = capfd.readouterr().out
        [sent] = somebody.state.jobs.values()
        program = textwrap.dedent(
            out.partition("with Google's client:\n\n")[2].partition("\n\nthe same with gcloud")[0]
        )
        subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
        *_, by_program = somebody.state.jobs.values()
        assert by_program.body == sent.body


def test_help_and_script_pass_everything_on(tmp_path: Path) -> None:
    root = tmp_path / "a check out"
    (root / "scripts").mkdir(parents=True)
    (root / ".venv" / "bin").mkdir(parents=True)
    (root / "scripts" / "submit").write_text((ROOT / "scripts" / "submit").read_text())
    for file, text in (("scripts/setup", 'echo "setup $*"'), (".venv/bin/python", 'printf "%s\\n" "$*"')):
        (root / file).write_text(f"#!/usr/bin/env bash\n{text}\n")
    for file in ("scripts/setup", "scripts/submit", ".venv/bin/python"):
        (root / file).chmod(0o755)
    command = [str(root / "scripts" / "submit"), "cpu", "--dry-run", "--", "--epochs", "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    passed = f"-P -m trainer.submission --jobs-dir {root}/jobs cpu --dry-run -- --epochs 3"
    assert done.stdout.splitlines() == ["setup run", passed]


@pytest.mark.parametrize("cost", ["0", "-1", "nan", "inf", "9" * 400, "1e3", "free"])
def test_a_limit_is_plain_dollars(cost: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert submit("cpu", f"--max-cost={cost}") == 2
    assert re.search("expected dollars above 0 such as 2.50", capfd.readouterr().err)

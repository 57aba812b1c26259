"""A job watched to its end, and what is said of a failure."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.support.job_files import FOLDER, job
from tests.support.job_server import JobServer
from trainer.cloud import follow as follow_module
from trainer.cloud.causes import CAUSES, UNKNOWN, exit_code_in, usual_cause
from trainer.cloud.follow import End, follow
from trainer.cloud.google_rest import GoogleRest
from trainer.cloud.job_logs import JobLogs
from trainer.cloud.job_service import JobService
from trainer.errors import StorageError


def watch(server: JobServer) -> tuple[End, list[str]]:
    service = JobService("my-project", "us-central1", endpoint=server.url)
    name = service.create(job("cpu"))
    logs = JobLogs(GoogleRest({"logging": server.url}), "my-project", name.rpartition("/")[2])
    shown: list[str] = []
    return follow(service, logs, name, shown.append), shown


def test_each_change_of_state_is_shown_once(server: JobServer) -> None:
    server.next_job("QUEUED", "PENDING", "PENDING", "RUNNING", "RUNNING", "SUCCEEDED")
    end, shown = watch(server)
    assert [line.partition("] ")[2] for line in shown] == ["queued", "pending", "running", "succeeded"]
    assert end.succeeded


def test_each_line_of_the_log_is_shown_once_in_order(server: JobServer) -> None:
    for second in range(7):
        server.log(f"epoch {second}", second=second)
    server.log("a plain line", second=8, plain=True, severity="WARNING")
    _, shown = watch(server)
    lines = [line for line in shown if "workerpool0-0" in line]
    assert lines == [
        *(f"12:00:0{second} workerpool0-0 info     epoch {second}" for second in range(7)),
        "12:00:08 workerpool0-0 warning  a plain line",
    ]


def test_a_line_that_arrives_after_the_jobs_end_is_shown_too(
    server: JobServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow_module, "GRACE_SECONDS", 0.5)
    server.next_job("FAILED", error="The replica workerpool0-0 exited with a non-zero status of 1.")

    def log_once_it_was_asked_for() -> None:
        while not any("/v2/entries" in request for request in server.requests):
            time.sleep(0.001)
        server.log("No space left on device", severity="ERROR", second=1)

    late = threading.Thread(target=log_once_it_was_asked_for)
    late.start()
    end, shown = watch(server)
    late.join()
    assert end.errors == ("No space left on device",)
    assert "bootDiskSizeGb" in end.cause
    assert shown[-1].endswith("failed"), "the end is what is told last"


def test_a_service_that_is_away_for_a_moment_changes_nothing(server: JobServer) -> None:
    server.next_job("RUNNING", "RUNNING", "RUNNING", "SUCCEEDED")
    server.fail_next("/customJobs/1", 503, "away", count=3)
    server.fail_next("/entries", 500, "away", count=3)
    end, shown = watch(server)
    assert end.succeeded
    assert sum("warning: Cloud Logging can't be reached" in line for line in shown) == 1


def test_a_job_that_vanishes_ends_with_an_error(server: JobServer) -> None:
    server.fail_next("/customJobs/1", 404, "gone")
    with pytest.raises(StorageError, match="no such project or job"):
        watch(server)


def test_the_last_errors_and_the_exit_code_of_a_failure(server: JobServer) -> None:
    server.next_job("RUNNING", "FAILED", error="The replica workerpool0-0 exited with a non-zero status of 3.")
    for number in range(12):
        server.log(f"trouble {number}", severity="ERROR", second=number)
    end, _ = watch(server)
    assert end.errors == tuple(f"trouble {number}" for number in range(2, 12))
    assert (end.succeeded, end.exit_code) == (False, 3)
    assert end.cause.startswith("the data are missing")


@pytest.mark.parametrize(("state", "words"), [("EXPIRED", "its timeout"), ("CANCELLED", UNKNOWN)])
def test_without_a_word_of_the_service_the_state_tells(server: JobServer, state: str, words: str) -> None:
    server.next_job("RUNNING", state)
    end, _ = watch(server)
    assert words in end.cause
    assert end.exit_code == 5


STATUS = "The replica workerpool0-0 exited with a non-zero status of {}. To find out more, see the logs"
SEEN = [
    (STATUS.format(2), "a setting is wrong"),
    (STATUS.format(3), "the data are missing"),
    (STATUS.format(4), "nothing was learned"),
    (STATUS.format(5), "read or written"),
    (STATUS.format(7), "release gate"),
    (STATUS.format(9), "with the same image it goes on"),
    (STATUS.format(139), "native code"),
    (STATUS.format(137), "out of memory"),
    ("The replica workerpool0-0 exited with code 3", "the data are missing"),
    ("The following quota metrics exceed quota limits: aiplatform.googleapis.com/custom_model_training_cpus", "quota"),
    ("Resources are insufficient in region: us-central1. Please try a different region", "no such machine free"),
    ("Replica workerpool0-0 was preempted 7 times", "spot machine"),
    ("Failed to pull image us-central1-docker.pkg.dev/p/r/i:1: not found", "can't be pulled"),
    ("exec /usr/local/bin/python: exec format error", "another processor"),
    ("caller does not have permission iam.serviceAccounts.actAs on the account", "serviceAccountUser"),
    ("403 POST: training@p.iam.gserviceaccount.com does not have storage.objects.create access", "lacks a right"),
    ("OSError: [Errno 28] No space left on device", "bootDiskSizeGb"),
    ("OOM when allocating tensor with shape[8192,8192]", "out of memory"),
    ("CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected", "the GPU can't be used"),
    ("ModuleNotFoundError: No module named 'trainer'", "lacks a package"),
    ("Job timed out after 10800s", "its timeout"),
    ("Internal error encountered.", UNKNOWN),
    ("a file can't be read or written – expected a disk with room and permissions", UNKNOWN),
    ("ValueError: zoom_fraction", UNKNOWN),
]


@pytest.mark.parametrize(("text", "words"), SEEN)
def test_the_usual_cause_is_told(text: str, words: str) -> None:
    assert words in usual_cause(text)


def test_every_cause_is_one_that_is_tested() -> None:
    assert {usual_cause(text) for text, _ in SEEN} == {cause.sentence for cause in CAUSES} | {UNKNOWN}


def test_the_services_words_count_more_than_the_log() -> None:
    assert "quota" in usual_cause("The following quota metrics exceed quota limits: x", "permission denied")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        *((STATUS.format(code), code) for code in (2, 3, 4, 5, 7, 9)),
        ("exited with code 3", 3),
        (STATUS.format(1), None),
        (STATUS.format(137), None),
        (STATUS.format(33), None),
        ("no reason", None),
    ],
)
def test_only_codes_of_ours_are_passed_on(text: str, code: int | None) -> None:
    assert exit_code_in(text) == code


@pytest.mark.usefixtures("buckets")
def test_an_interrupted_watcher_says_that_the_job_goes_on(server: JobServer, tmp_path: Path) -> None:
    server.next_job("RUNNING")
    server.state.quotas["aiplatform.googleapis.com/custom_model_training_cpus"] = {"": 8}
    command = [sys.executable, "-m", "trainer.submission", "cpu", "--jobs-dir", str(FOLDER)]
    command += ["--set", "project=my-project", "--write", str(tmp_path / "job.yaml")]
    watcher = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not any("/v2/entries" in request for request in server.requests) and time.monotonic() < deadline:
        time.sleep(0.05)
    watcher.send_signal(signal.SIGINT)
    _, err = watcher.communicate(timeout=30)
    assert watcher.returncode == 9
    assert "the job goes on: gcloud ai custom-jobs stream-logs 1 --project=my-project" in err

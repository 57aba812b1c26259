"""A training in the image is the training that runs here."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.container.conftest import JOB, Trained
from tests.support.containers import CONFINED, PROJECT, Images, docker, run_image, told
from tests.support.jobs import environment, run_job
from trainer.artifacts.manifest import read_manifest, verify
from trainer.storage import open_folder

pytestmark = pytest.mark.slow


def document(model: Path, name: str) -> dict:  # type: ignore[type-arg]
    return json.loads((model / "metadata" / f"{name}.json").read_text())


def gates(model: Path, registry: Path) -> dict[str, bool]:
    """What each gate says of a model, asked by the registry's command on this machine."""
    command = [sys.executable, "-m", "trainer.registry", "register", str(model), "--json"]
    done = subprocess.run(
        [*command, "--registry-root", str(registry)],
        env=environment(PYTHONPATH=str(PROJECT)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 7, done.stderr
    verdicts = {verdict["gate"]: verdict["passed"] for verdict in json.loads(done.stdout)["verdicts"]}
    del verdicts["latency"]  # A matter of what else this machine does just now.
    return verdicts


def test_the_model_folder_is_whole_and_says_how_it_was_made(trained: Trained) -> None:
    folder = open_folder(trained.model)
    manifest = read_manifest(folder)
    assert manifest is not None
    assert verify(folder, manifest) == []
    params = document(trained.model, "params")
    assert params["commit"] == "0123abc"
    assert params["epochs_run"] == 2


def test_it_passes_the_same_checks_as_a_model_that_was_trained_here(trained: Trained, tmp_path: Path) -> None:
    local = tmp_path / "model"
    done = run_job([*JOB, "--output-dir", str(local)], cache=tmp_path / "cache", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in local.rglob("*")} == {path.name for path in trained.model.rglob("*")}
    assert document(local, "params")["run_id"] == document(trained.model, "params")["run_id"]
    both = [gates(model, tmp_path / name) for name, model in (("here", local), ("there", trained.model))]
    assert both[0] == both[1]
    assert both[0]["integrity"]
    assert both[0]["agreement"]


def test_every_line_of_its_log_is_an_object_with_a_severity(trained: Trained) -> None:
    entries = [json.loads(line) for line in trained.log.splitlines()]
    assert len(entries) > 4
    assert {entry["severity"] for entry in entries} == {"INFO"}
    assert entries[-1]["message"].startswith("committed /work/model")
    assert trained.errors == ""


def test_everything_it_wrote_is_its_users(trained: Trained) -> None:
    assert trained.owners == "10001:10001\n"


def test_under_vertex_the_last_line_says_the_cause(images: Images) -> None:
    done = run_image(images.train, ["--data", "/nowhere"], "--env", "CLOUD_ML_JOB_ID=1234")
    *_, last = map(json.loads, done.stdout.splitlines())
    assert (done.returncode, done.stderr) == (3, "")
    assert (last["severity"], last["exit_code"]) == ("ERROR", 3)
    assert last["message"].startswith("trainer.task: no such data – expected ")


def wait_for(container: str, text: str, *, seconds: float = 240) -> str:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done = docker("logs", container)
        if text in (log := done.stdout + done.stderr):
            return log
        time.sleep(0.2)
    raise AssertionError(f"{text!r} not seen in:\n{log}")


def stop(container: str, *, after: str) -> None:
    """Stop it once its log says ``after``. It ends as an interrupted job does."""
    wait_for(container, after)
    told("stop", "--time", "60", container)
    assert told("inspect", "--format", "{{.State.ExitCode}}", container) == "9"
    log = docker("logs", container).stderr
    assert log.splitlines()[-1].startswith("trainer.task: interrupted by SIGTERM – run the same command again")


def test_a_container_that_is_stopped_goes_on_when_it_is_started_again(images: Images, tmp_path: Path) -> None:
    """The same container, and then another; as another user than the image's, on a folder of the host."""
    shared = tmp_path / "work"
    shared.mkdir()
    shared.chmod(0o777)
    options = [*CONFINED, "--user", "4242:4242", "--volume", f"{shared}:/work"]
    job = [*JOB, "--epochs", "20", "--early-stop-patience", "20", "--output-dir", "model"]
    container = told("run", "--detach", *options, images.train, *job)
    try:
        wait_for(container, "epoch 2/20")
        _, *processes = told("top", container, "-eo", "pid,uid").splitlines()
        assert {process.split()[1] for process in processes} == {"4242"}, "nothing runs as root"
        stop(container, after="epoch 2/20")
        told("start", container)
        stop(container, after="going on after epoch")
        log = docker("logs", container).stderr
        again = run_image(images.train, job, *options[len(CONFINED) :])
    finally:
        docker("rm", "--force", container)
    assert again.returncode == 0, again.stderr
    for resumed in (log.partition("interrupted by SIGTERM")[2], again.stderr):
        assert "going on after epoch" in resumed
        assert "epoch 1/20" not in resumed
    assert len(document(shared / "model", "metrics")["history"]) == 20

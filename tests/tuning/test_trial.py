"""A trial by the real trainer: what it reports, and that no test image decides anything."""

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.jobs import PROJECT, QUICK, environment
from tests.support.vertex_server import VertexServer, vertex_server
from trainer.settings import parse

pytestmark = pytest.mark.slow

#: The trainer, from which the test part was taken away.
WITHOUT_TEST = """
import sys
from trainer import job, task
def refuse(_):
    raise RuntimeError("a test image was looked at")
job.Job.test = property(refuse)
sys.exit(task.main(sys.argv[1:]))
"""


@pytest.fixture
def vertex() -> Iterator[VertexServer]:
    with vertex_server() as server:
        yield server


def test_a_trial_reports_validation_and_never_looks_at_test(cache: Path, tmp_path: Path, vertex: VertexServer) -> None:
    command = [sys.executable, "-c", WITHOUT_TEST, *QUICK, "--data-cache-dir", str(cache), "--experiment", "first"]
    env = environment(
        PYTHONPATH=str(PROJECT),
        CLUSTER_SPEC=json.dumps(
            {
                "cluster": {"workerpool0": ["host:2222"]},
                "task": {"type": "workerpool0", "index": 0, "trial": "3"},
            }
        ),
        CLOUD_ML_HP_METRIC_FILE="reports",
        TRAINER_VERTEX_PROJECT="my-project",
        TRAINER_VERTEX_REGION="us-central1",
        TRAINER_VERTEX_ENDPOINT=vertex.endpoint,
        **vertex.environment,
    )

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *more], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)

    done = run("--validation-only", "--learning_rate=0.002", "--tensorboard-dir", "events")
    assert done.returncode == 0, done.stderr
    reports = [json.loads(line) for line in (tmp_path / "reports").read_text().splitlines()]
    assert [report["global_step"] for report in reports] == ["1", "2", "3"]
    assert {report["trial"] for report in reports} == {"3"}
    *_, last = (json.loads(line)["message"] for line in done.stdout.splitlines())
    assert last.startswith(f"validation accuracy {float(reports[-1]['val_accuracy']):.4f}, of epoch ")
    assert not list(tmp_path.rglob("manifest.json"))
    assert not list(tmp_path.rglob("saved_model.pb"))
    [told] = (dict(thing.metadata) for name, thing in vertex.experiments.things.items() if "/contexts/first-" in name)
    assert dict(told["_params"]).items() >= {"learning_rate": 0.002, "filters": "8,16", "data": "synthetic"}.items()
    # The run's own last epoch; reports are about the best one so far.
    assert told["_metrics"]["epoch"] == 3
    assert {"loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"} <= set(told["_metrics"])
    assert told["_state"] == "COMPLETE"
    # The whole job goes on from there, on another machine, where the file is not: all is reported again.
    (tmp_path / "reports").unlink()
    whole = run("--learning_rate=0.002")
    assert whole.returncode == 1
    assert "a test image was looked at" in whole.stdout
    again = [json.loads(line)["val_accuracy"] for line in (tmp_path / "reports").read_text().splitlines()]
    assert again == [report["val_accuracy"] for report in reports]


def test_a_search_by_the_real_trainer(cache: Path, tmp_path: Path) -> None:
    own = ["--trials", "1", "--study", "study"]
    fixed = [*QUICK, "--limit-train", "1000", "--epochs", "2", "--data-cache-dir", str(cache)]
    command = [sys.executable, "-m", "trainer.tune", *own, "--", *fixed]
    env = environment(PYTHONPATH=str(PROJECT))
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "study" / "trials" / "0000"
    assert "no model is published" in (folder / "log.txt").read_text()
    assert len((folder / "reports.jsonl").read_text().splitlines()) == 2
    words = shlex.split(done.stdout)
    assert words[:3] == ["python", "-m", "trainer.task"]
    assert parse(words[3:], {}).filters == (8, 16)  # Fixed by a flag, not searched.

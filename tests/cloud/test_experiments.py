"""What reaches Vertex AI Experiments, read back with Google's own client; and what happens when it is away."""

import logging
import socket
import subprocess
import sys
import time
from pathlib import Path

import grpc
import pytest

from tests.support.experiment_store import TENSORBOARD
from tests.support.jobs import PROJECT, environment
from tests.support.vertex_server import VertexServer
from trainer.cloud import experiments
from trainer.cloud.experiments import Destination, ExperimentReport
from trainer.errors import Interrupted, TrainingError

PARAMETERS = {"learning_rate": 0.001, "epochs": 3, "filters": "32,64,128"}
HISTORY = [
    {"epoch": n, "loss": 1 / n, "val_loss": 1.5 / n, "accuracy": 0.7, "val_accuracy": 0.6 + n / 10, "seconds": 2.0}
    for n in (1, 2, 3)
]


def destination(server: VertexServer, *, tensorboard: str | None = None, experiment: str = "first") -> Destination:
    return Destination("my-project", "us-central1", experiment, tensorboard, server.endpoint)


def report(to: Destination, *, epochs: int = 3, after: int = 0, run: str = "0123abc") -> None:
    with ExperimentReport(to, run, PARAMETERS) as running:
        for epoch in range(after + 1, epochs + 1):
            running.write(HISTORY[:epoch])


def end_by(error: BaseException, to: Destination) -> None:
    with ExperimentReport(to, "0123abc", PARAMETERS) as running:
        running.write(HISTORY[:1])
        raise error


def read(run: str = "0123abc"):  # type: ignore[no-untyped-def]
    from google.cloud import aiplatform

    return aiplatform.ExperimentRun(run, "first")


def curve(name: str) -> list[tuple[int, float]]:
    series = read()._backing_tensorboard_run.resource.read_time_series_data()
    return [(point.step, round(point.scalar.value, 6)) for point in series[name].values]


def test_parameters_and_the_newest_figures_are_there(server: VertexServer, caplog: pytest.LogCaptureFixture) -> None:
    report(destination(server))
    run = read()
    assert run.get_params() == PARAMETERS
    assert run.get_metrics() == HISTORY[-1]
    assert run.state.name == "COMPLETE"
    [parent] = server.experiments.children
    assert parent.endswith("/contexts/first")
    assert caplog.records == []


@pytest.mark.parametrize("tensorboard", ["7", TENSORBOARD])
def test_with_a_tensorboard_every_epoch_is_a_point_of_a_curve(server: VertexServer, tensorboard: str) -> None:
    report(destination(server, tensorboard=tensorboard))
    assert curve("val_accuracy") == [(1, 0.7), (2, 0.8), (3, 0.9)]
    assert curve("loss") == [(1, 1.0), (2, 0.5), (3, 0.333333)]


def test_a_run_that_goes_on_goes_on_there(server: VertexServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiments, "INTERRUPTED_SECONDS", 60.0)  # It is interrupted before the client is loaded.
    to = destination(server, tensorboard="7")
    with pytest.raises(Interrupted):
        end_by(Interrupted("by SIGTERM"), to)
    assert read().state.name == "RUNNING"
    report(to, after=1)
    assert curve("val_accuracy") == [(1, 0.7), (2, 0.8), (3, 0.9)]
    assert read().state.name == "COMPLETE"


def test_a_run_that_fails_is_marked(server: VertexServer) -> None:
    with pytest.raises(TrainingError):
        end_by(TrainingError("the loss is not finite", expected="", received="", do=""), destination(server))
    assert read().state.name == "FAILED"


def test_several_runs_share_an_experiment(server: VertexServer, caplog: pytest.LogCaptureFixture) -> None:
    report(destination(server))
    report(destination(server), run="456def")
    assert caplog.records == []  # Of the client's own lines neither.
    [children] = server.experiments.children.values()
    assert {name.rpartition("/")[2] for name in children} == {"first-0123abc", "first-456def"}


DENIED, AWAY = grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("code", "method", "told"),
    [
        (DENIED, "GetMetadataStore", "Vertex AI denies access"),
        (DENIED, "CreateContext", "Vertex AI denies access"),
        (DENIED, "WriteTensorboardRunData", "Vertex AI denies access"),
        (AWAY, "UpdateContext", "Vertex AI"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "CreateTensorboardRun", "Vertex AI"),
    ],
)
def test_a_refusal_is_one_warning_with_its_cause(
    server: VertexServer, caplog: pytest.LogCaptureFixture, code: grpc.StatusCode, method: str, told: str
) -> None:
    server.fail_next(1000, code, method)
    started = time.monotonic()
    report(destination(server, tensorboard="7"))
    assert time.monotonic() - started < experiments.CLOSE_SECONDS + 5
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith("not in Vertex AI Experiments, the run goes on: ")
    assert told in record.getMessage()
    assert "out of order, for a test" in record.getMessage()


@pytest.mark.parametrize("has_effect", [False, True])
@pytest.mark.parametrize("method", ["CreateContext", "UpdateContext", "UpdateExecution", "WriteTensorboardRunData"])
def test_a_hiccup_is_not_even_a_warning(
    server: VertexServer, caplog: pytest.LogCaptureFixture, method: str, has_effect: bool
) -> None:
    server.fail_next(1, AWAY, method, has_effect=has_effect)
    report(destination(server, tensorboard="7"))
    assert caplog.records == []
    assert read().state.name == "COMPLETE"
    # A point whose answer got lost may stand there twice.
    assert {step for step, _ in curve("val_accuracy")} == {1, 2, 3}


def test_a_run_that_goes_on_with_a_tensorboard_has_curves_from_then_on(
    server: VertexServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(experiments, "INTERRUPTED_SECONDS", 60.0)
    with pytest.raises(Interrupted):
        end_by(Interrupted("by SIGTERM"), destination(server))
    report(destination(server, tensorboard="7"), after=1)
    assert caplog.records == []
    assert curve("val_accuracy") == [(2, 0.8), (3, 0.9)]


@pytest.mark.parametrize(
    ("project", "tensorboard", "told"),
    [
        ("other-project", None, "projects/other-project/"),
        ("my-project", "8", "tensorboards/8"),
        ("my-project", "no number at all", "no number at all"),
    ],
)
def test_a_name_that_is_none_is_one_warning(
    server: VertexServer, caplog: pytest.LogCaptureFixture, project: str, tensorboard: str | None, told: str
) -> None:
    report(Destination(project, "us-central1", "first", tensorboard, server.endpoint))
    [record] = caplog.records
    assert told in record.getMessage()


def test_an_experiment_that_is_something_else_is_one_warning(
    server: VertexServer, caplog: pytest.LogCaptureFixture
) -> None:
    report(destination(server))
    # The run's own context has that id, and is no experiment.
    report(destination(server, experiment="first-0123abc"))
    [record] = caplog.records
    assert "ValueError" in record.getMessage()


#: Where nobody answers: the process must end all the same, and soon.
ALONE = """
import logging, sys, time
logging.basicConfig(format="%(levelname)s %(message)s")
from trainer.cloud import experiments
experiments.CLOSE_SECONDS = float(sys.argv[2])
to = experiments.Destination("my-project", "us-central1", "first", None, sys.argv[1])
started = time.monotonic()
with experiments.ExperimentReport(to, "0123abc", {"epochs": 3}) as running:
    running.write([{"epoch": 1, "loss": 0.5}])
    print(f"trained {time.monotonic() - started < 1.0}")
print(f"ended {time.monotonic() - started < experiments.CLOSE_SECONDS + 3.0}")
"""


def run_alone(server: VertexServer, address: str, *, wait: float, **more: str) -> list[str]:
    """The warnings of a run that reports to ``address``."""
    env = environment(PYTHONPATH=str(PROJECT), **server.environment) | more
    done = subprocess.run(
        [sys.executable, "-c", ALONE, address, str(wait)],
        env=env, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["trained True", "ended True"]
    return [line for line in done.stderr.splitlines() if line.startswith("WARNING")]


def test_where_nobody_answers_the_run_does_not_wait(server: VertexServer) -> None:
    """A port that takes connections and says nothing: the worst way of being away."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        warnings = run_alone(server, f"localhost:{silent.getsockname()[1]}", wait=2.0)
    assert warnings == ["WARNING not in Vertex AI Experiments, the run goes on: no answer within 2 s"]


#: The same, ended by a signal.
NOTICED = """
import os, signal, sys, time
from trainer.cloud import experiments
from trainer.ending import interrupt_on_signals
from trainer.errors import Interrupted
interrupt_on_signals()
to = experiments.Destination("my-project", "us-central1", "first", None, sys.argv[1])
try:
    with experiments.ExperimentReport(to, "0123abc", {"epochs": 3}) as running:
        running.write([{"epoch": 1, "loss": 0.5}])
        noticed = time.monotonic()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
except Interrupted:
    print(f"ended {time.monotonic() - noticed < 8.0}")
"""


def test_a_machine_that_is_taken_away_is_not_kept_by_it(server: VertexServer) -> None:
    """``docker stop`` gives ten seconds, the parent of a replica eight."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        words = [sys.executable, "-c", NOTICED, f"localhost:{silent.getsockname()[1]}"]
        env = environment(PYTHONPATH=str(PROJECT), **server.environment)
        done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "ended True\n"


def test_without_credentials_it_is_one_warning(server: VertexServer, tmp_path: Path) -> None:
    missing = str(tmp_path / "none.json")
    [warning] = run_alone(server, server.endpoint, wait=60.0, GOOGLE_APPLICATION_CREDENTIALS=missing)
    assert warning.startswith(
        "WARNING not in Vertex AI Experiments, the run goes on: no valid Google Cloud credentials"
    )
    assert "none.json" in warning

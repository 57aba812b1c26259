"""A run's parameters and figures in Vertex AI Experiments, for as long as the service answers.

Best effort: a thread of its own speaks to the service, so that training never waits for it; what goes wrong there is
one warning, and ends the report, not the run.
"""

import logging
import textwrap
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from types import TracebackType
from typing import TYPE_CHECKING

from trainer.cloud.vertex_errors import EXPERIMENTS, patience
from trainer.errors import StorageError
from trainer.google_errors import google_errors

if TYPE_CHECKING:
    from google.cloud.aiplatform import ExperimentRun

#: At the end of training, for what has not been sent yet; where a signal ends it, the machine may be gone in seconds.
CLOSE_SECONDS, INTERRUPTED_SECONDS = 15.0, 5.0
#: How long each call is repeated while it fails for a passing reason.
RETRY_SECONDS = 10.0

log = logging.getLogger("trainer.vertex")

Row = Mapping[str, float]


@dataclass(frozen=True)
class Destination:
    """Where to report.

    Attributes:
        tensorboard: id or resource name of a Vertex AI TensorBoard, for curves; None for the newest figures alone.
        endpoint: host and port instead of the region's own.
    """

    project: str
    region: str
    experiment: str
    tensorboard: str | None
    endpoint: str | None

    def __str__(self) -> str:
        return f"experiment {self.experiment} of projects/{self.project}/locations/{self.region}"


class ExperimentReport:
    """Reports one run: a ``Listener`` of ``trainer.training.progress``, and a context manager.

    A run that goes on after a restart goes on here too. ``parameters``: numbers and texts by name.
    """

    def __init__(self, destination: Destination, run: str, parameters: Mapping[str, float | str]) -> None:
        self._destination = destination
        self._name = run
        self._parameters = dict(parameters)
        # A row is an epoch's; a text is the state in which the run has ended; None ends the report.
        self._queue: SimpleQueue[Row | str | None] = SimpleQueue()
        self._failed = threading.Event()
        self._thread = threading.Thread(target=self._report, name="experiments", daemon=True)

    def __enter__(self) -> "ExperimentReport":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        seconds = CLOSE_SECONDS
        if kind is None:
            self._queue.put("COMPLETE")
        elif issubclass(kind, Exception):
            self._queue.put("FAILED")
        else:  # An interruption: the run goes on later.
            seconds = INTERRUPTED_SECONDS
        self._queue.put(None)
        self._thread.join(seconds)
        if self._thread.is_alive():
            self._warn(f"no answer within {seconds:g} s")

    def write(self, history: Sequence[Row]) -> None:
        """Report the newest epoch, some time."""
        self._queue.put(history[-1])

    def _report(self) -> None:
        try:
            with google_errors(str(self._destination), EXPERIMENTS):
                # Each of these says what is to be there, and may be said again: a point stands there twice at worst.
                again = patience(RETRY_SECONDS, on_error=lambda _: None)
                run = again(_open)(self._destination, self._name)
                again(run.log_params)(self._parameters)
                while (item := self._queue.get()) is not None:
                    if isinstance(item, str):
                        again(run.update_state)(_state(item))
                    else:
                        again(self._write)(run, item)
        except StorageError as error:
            self._warn(str(error))
        except Exception as error:
            # Google's client has many kinds of errors for a name that means something else there; none may end a run.
            self._warn(f"{self._destination}: {type(error).__name__}: {error}")

    def _write(self, run: "ExperimentRun", row: Row) -> None:
        figures = {name: float(value) for name, value in row.items() if name != "epoch"}
        run.log_metrics({**figures, "epoch": int(row["epoch"])})
        if self._destination.tensorboard:
            run.log_time_series_metrics(figures, step=int(row["epoch"]))

    def _warn(self, cause: str) -> None:
        if not self._failed.is_set():
            self._failed.set()
            log.warning("not in Vertex AI Experiments, the run goes on: %s", textwrap.shorten(cause, 400))


def _open(destination: Destination, run: str) -> "ExperimentRun":
    """The run, made with its experiment if it is not there yet."""
    from google.api_core.exceptions import AlreadyExists, NotFound
    from google.cloud import aiplatform

    _quieten_client()
    aiplatform.init(
        project=destination.project,
        location=destination.region,
        api_endpoint=destination.endpoint,
        api_transport="grpc",
    )
    experiment = aiplatform.Experiment.get_or_create(destination.experiment)
    try:
        found = aiplatform.ExperimentRun(run, experiment)
    except NotFound:
        try:
            return aiplatform.ExperimentRun.create(run, experiment=experiment, tensorboard=destination.tensorboard)
        except AlreadyExists:  # By the same command, started twice, or by a call whose answer got lost.
            found = aiplatform.ExperimentRun(run, experiment)
    found.update_state(_state("RUNNING"))
    if destination.tensorboard:
        with suppress(ValueError):  # It has one already.
            found.assign_backing_tensorboard(destination.tensorboard)
    return found


def _quieten_client() -> None:
    """Of the client's lines only warnings: it sets its loggers' levels itself, again and again."""
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("google.cloud.aiplatform"):
            logging.getLogger(name).addFilter(_is_warning)


def _is_warning(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING


def _state(name: str) -> object:
    from google.cloud.aiplatform_v1.types import Execution

    return Execution.State[name]

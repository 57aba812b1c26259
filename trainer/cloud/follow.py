"""A job watched until it ends: its states, its log, and on failure the last errors and the usual cause."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from trainer.cloud.causes import exit_code_in, usual_cause
from trainer.cloud.job_logs import JobLogs, LogLine
from trainer.cloud.job_service import SUCCEEDED, JobService, JobState
from trainer.errors import StorageError

#: Between two looks, and how long the last lines may take to arrive after the job's end.
POLL_SECONDS, GRACE_SECONDS = 10.0, 10.0
_LAST_ERRORS = 10


@dataclass(frozen=True)
class End:
    """How a job ended. ``errors``: its last lines of severity ERROR; plain lines on stderr count as such."""

    state: JobState
    errors: tuple[str, ...]

    @property
    def succeeded(self) -> bool:
        return self.state.name == SUCCEEDED

    @property
    def cause(self) -> str:
        return usual_cause(self.state.error, *reversed(self.errors), self.state.word)

    @property
    def exit_code(self) -> int:
        """The trainer's own where the service tells it, else 5."""
        return exit_code_in(self.state.error) or StorageError.exit_code


def follow(service: JobService, logs: JobLogs, name: str, show: Callable[[str], None]) -> End:
    """Show each change of state and each log line until the job ``name`` has ended."""
    begun, shown = time.monotonic(), ""
    errors: deque[str] = deque(maxlen=_LAST_ERRORS)
    read = _Reader(logs, show)
    while True:
        state = service.state(name)
        for line in read.lines():
            _keep(line, errors)
        if state.word != shown:
            shown = state.word
            show(f"[{time.monotonic() - begun:,.0f} s] {shown}")
        if state.has_ended:
            break
        time.sleep(POLL_SECONDS)
    time.sleep(GRACE_SECONDS)
    for line in read.lines():
        _keep(line, errors)
    return End(state, tuple(errors))


class _Reader:
    """Reads and shows log lines. A log that can't be read is said once: the job goes on all the same."""

    def __init__(self, logs: JobLogs, show: Callable[[str], None]) -> None:
        self._logs, self._show, self._complaint = logs, show, ""

    def lines(self) -> Iterator[LogLine]:
        try:
            for line in self._logs.new():
                self._show(str(line))
                yield line
        except StorageError as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                self._show(f"warning: {error}")


def _keep(line: LogLine, errors: deque[str]) -> None:
    if line.is_error and line.text:
        errors.append(line.text)

"""A job watched until it ends: its states, its log, and on failure the last errors and the usual cause."""

import time
from collections import deque
from collections.abc import Callable
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
    while not (state := service.state(name)).has_ended:
        if state.word != shown:
            shown = state.word
            show(f"[{time.monotonic() - begun:,.0f} s] {shown}")
        errors.extend(read.errors())
        time.sleep(POLL_SECONDS)
    # The last lines arrive after the end.
    errors.extend(read.errors())
    time.sleep(GRACE_SECONDS)
    errors.extend(read.errors())
    show(f"[{time.monotonic() - begun:,.0f} s] {state.word}")
    return End(state, tuple(errors))


class _Reader:
    """Reads and shows log lines. A log that can't be read is said once: the job goes on all the same."""

    def __init__(self, logs: JobLogs, show: Callable[[str], None]) -> None:
        self._logs, self._show, self._complaint = logs, show, ""

    def errors(self) -> list[str]:
        """Show what is new; the texts of those lines that are errors."""
        lines: list[LogLine] = []
        try:
            for line in self._logs.new():
                self._show(str(line))
                lines.append(line)
        except StorageError as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                self._show(f"warning: {error}")
        return [line.text for line in lines if line.is_error and line.text]

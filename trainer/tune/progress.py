"""How far a search is: a bar on a terminal, a line per finished trial in every log."""

import logging
import time
from contextlib import ExitStack
from datetime import timedelta
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

log = logging.getLogger(__name__)


class SearchProgress:
    """Of ``trials`` trials of up to ``epochs`` epochs, ``done`` of them before this start."""

    def __init__(self, trials: int, epochs: int, *, done: int, terminal: bool) -> None:
        self._trials = trials
        self._epochs = epochs
        self._before = self._done = min(done, trials)
        self._begun: dict[int, int] = {}
        self._started = time.monotonic()
        self._best = "no result yet"
        self._resources = ExitStack()
        columns = (
            TextColumn("trials"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[left]}"),
            TextColumn("{task.fields[best]}"),
        )  # fmt: skip
        self._bar = Progress(*columns, console=Console(stderr=True), disable=not terminal)
        self._task = self._bar.add_task("", total=trials, completed=self._done, left="", best=self._best)

    def __enter__(self) -> "SearchProgress":
        self._resources.enter_context(self._bar)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()

    def epochs(self, trial: int, seen: int) -> None:
        """So many epochs of ``trial`` are done."""
        self._begun[trial] = seen
        self._show()

    def ended(self, trial: int, outcome: str, best: float | None) -> None:
        """``trial`` is over; ``best`` is the best validation accuracy so far."""
        self._begun.pop(trial, None)
        self._done += 1
        self._best = "no result yet" if best is None else f"best {best:.4f}"
        self._show()
        log.info("trial %d: %s; %s; %d/%d, %s", trial, outcome, self._best, self._done, self._trials, self.left())

    def left(self) -> str:
        """The time until the end, if the rest goes as fast as what was done since this start."""
        begun = sum(min(1.0, seen / self._epochs) for seen in self._begun.values())
        done = self._done - self._before + begun
        if not done:
            return "time left unknown yet"
        seconds = (time.monotonic() - self._started) / done * max(0.0, self._trials - self._done - begun)
        return f"about {timedelta(seconds=round(seconds))} left"

    def _show(self) -> None:
        self._bar.update(self._task, completed=self._done, left=self.left(), best=self._best)

"""Searches whose trials are those of ``stand_in_trainer``: real processes without TensorFlow, of some milliseconds."""

import json
import logging
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.jobs import PROJECT, environment
from trainer.tune import search
from trainer.tune.trials import TrialProcess

#: ``sys.executable`` is what the search starts its trials with.
_SEARCH = """
import sys
sys.executable = {stand_in!r}
from trainer.tune import search
search.POLL_SECONDS = 0.01
sys.exit(search.main(sys.argv[1:]))
"""


class Ended(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


class Searches:
    """Runs searches in ``folder``, on data in ``cache``. ``asked``: what the stand-in for the trainer is to do."""

    def __init__(self, folder: Path, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._home = folder / "home"
        (self._home / ".cache").mkdir(parents=True)
        (self._home / ".cache" / "fashion-mnist-trainer").symlink_to(cache)
        self._capsys = capsys
        self._stand_in = folder / "python"
        self._stand_in.write_text(
            f'#!/bin/sh\nexec {sys.executable} {PROJECT}/tests/support/stand_in_trainer.py "$@"\n'
        )
        self._stand_in.chmod(0o755)

    def run(self, arguments: Sequence[str], asked: Mapping[str, Any] | None = None, *, in_step: bool = False) -> Ended:
        """In this process, which has loaded Optuna already. ``in_step``: no trial is ahead of what the search knows."""
        with pytest.MonkeyPatch.context() as patch, _as_before():
            patch.chdir(self.folder)
            patch.delenv("FASHION_MNIST_DIR", raising=False)
            patch.setattr(sys, "executable", str(self._stand_in))
            patch.setattr(search, "POLL_SECONDS", 0.01)
            if in_step:
                asked = {**(asked or {}), "held": True}
                patch.setattr(TrialProcess, "new_reports", _let_go_on_and_read)
            for name, value in self._environment(asked).items():
                patch.setenv(name, value)
            code = search.main(arguments)
        return Ended(code, *self._capsys.readouterr())

    def start(self, arguments: Sequence[str], asked: Mapping[str, Any] | None = None) -> subprocess.Popen[str]:
        """As a process of its own, to be interrupted or killed."""
        command = [sys.executable, "-P", "-c", _SEARCH.format(stand_in=str(self._stand_in)), *arguments]
        pipe, env = subprocess.PIPE, environment(**self._environment(asked))
        return subprocess.Popen(command, cwd=self.folder, env=env, stdout=pipe, stderr=pipe, text=True)

    def starts(self, trial: str, study: str = "tuning") -> list[dict[str, Any]]:
        """How the trial of this folder was started, each time."""
        path = self.folder / study / "trials" / trial / "starts.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def let_go_on(self, trial: str, *epochs: int) -> None:
        """The trial of this folder was asked to be ``held``, and no longer is after these epochs."""
        _let_go_on(self.folder / "tuning" / "trials" / trial, epochs)

    def _environment(self, asked: Mapping[str, Any] | None) -> dict[str, str]:
        """With what would send a model elsewhere, were it passed on, and without a way to the dataset's hosts."""
        nowhere = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
        ours = {"PYTHONPATH": str(PROJECT), "STAND_IN": json.dumps(asked or {}), "AIP_MODEL_DIR": "gs://bucket/model"}
        return {"HOME": str(self._home), **nowhere, **ours}


def _let_go_on(folder: Path, epochs: Iterable[int]) -> None:
    for epoch in epochs:
        (folder / f"go-on-{epoch}").touch()


_read = TrialProcess.new_reports


def _let_go_on_and_read(trial: TrialProcess) -> list[tuple[int, float]]:
    """A search that asks again has done with the reports it has seen; a trial it has ended waits for the signal."""
    if trial.stopped is None:
        _let_go_on(trial.folder, trial.seen)
    return _read(trial)


@contextmanager
def _as_before() -> Iterator[None]:
    """A command takes over signals and the log."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    signals = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        root.handlers, root.level = handlers, level
        logging.captureWarnings(False)
        for number, handler in signals.items():
            signal.signal(number, handler)

"""What somebody at a terminal sees of the training, and what a log file gets."""

import logging
import os
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from trainer.storage import open_folder
from trainer.training.checkpoint import Checkpoints, TrainingState
from trainer.training.progress import EpochReporter
from trainer.training.schedule import EarlyStop, Plateau

ROW = {"epoch": 1, "loss": 0.5, "accuracy": 0.8, "val_loss": 0.4, "val_accuracy": 0.9, "learning_rate": 1e-3}
STATE = TrainingState(Plateau(0.2, 3, 0.0), EarlyStop(10), epoch=1, history=({**ROW, "seconds": 2.0},), seconds=2.0)
LINE = "epoch 1/3: loss 0.5000, accuracy 0.8000, val_loss 0.4000, val_accuracy 0.9000"


def first_epoch(folder: Path, *, terminal: bool) -> None:
    checkpoints = Checkpoints(open_folder(folder), {})
    with EpochReporter(checkpoints, epochs=3, steps=40, terminal=terminal, listeners=[]) as reporter:
        reporter.callback.on_epoch_begin(0)
        # Keras counts on to the end of an execution of 16 steps, of which the last has 8 left.
        reporter.callback.on_train_batch_end(47, {"loss": 0.5, "accuracy": 0.8})
        reporter.commit(STATE)


def read_to_the_end(terminal: int) -> str:
    """What was written to the other side, which is closed: at its end Linux reports an error."""
    parts: list[bytes] = []
    with open(terminal, "rb", buffering=0) as file, suppress(OSError):
        while part := file.read(4096):
            parts.append(part)
    return b"".join(parts).decode()


def test_a_terminal_shows_a_bar_with_how_far_and_how_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TERM": "xterm", "COLUMNS": "120"}.items():
        monkeypatch.setenv(name, value)
    ours, theirs = os.openpty()
    with open(theirs, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        first_epoch(tmp_path, terminal=True)
    shown = read_to_the_end(ours)
    assert "━" in shown
    for part in ("epoch 1/3", "40/120", "loss 0.5000  accuracy 0.8000"):
        assert part in shown


def test_elsewhere_it_is_a_line_an_epoch(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)
    first_epoch(tmp_path, terminal=False)
    assert [record.getMessage()[: len(LINE)] for record in caplog.records] == [LINE]
    assert capfd.readouterr().err == ""

"""What presets reach with Keras on JAX, where there is no TensorFlow."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.accelerator import Run, measure, row, seconds_until
from benchmarks.contenders.processes import ROOT
from benchmarks.memory import write_copies
from tests.support.datasets import drawn_dataset
from trainer.artifacts.provenance import Code
from trainer.job import Job, Trained, split_dataset
from trainer.model.views import with_flips
from trainer.settings import Settings
from trainer.training.checkpoint import TrainingState
from trainer.training.schedule import EarlyStop
from trainer.training_run import network_builder

EPOCHS = [{"val_accuracy": accuracy, "seconds": seconds} for accuracy, seconds in ((0.8, 9.0), (0.91, 2.0), (0.9, 2.5))]
NEVER = float("inf")


def run(seed: int, *seconds_until: float) -> Run:
    return Run(seed, "float32", 0.9 + seed / 1000, 0.95, 20.0, 15.0, 1000.0, seconds_until)


def test_time_to_accuracy_is_that_of_the_first_epoch_that_reaches_it() -> None:
    assert seconds_until(EPOCHS, 0.7) == 9
    assert seconds_until(EPOCHS, 0.9) == 11
    assert seconds_until(EPOCHS, 0.95) == NEVER


def test_a_row_has_every_seed_s_seconds_and_says_what_was_not_reached() -> None:
    cells = row("`--preset fast`", [run(1, 4.0, 9.0, NEVER), run(3, 6.0, NEVER, NEVER)])
    assert cells == [
        *("`--preset fast`", "1, 3", "90.20 ± 0.14", "95.00 ± 0.00", "20.0, 20.0", "15.0, 15.0", "1,000 ± 0"),
        *("4.0, 6.0", "reached by 1 of 2", "reached by 0 of 2"),
    ]


def test_validation_and_test_are_by_the_network_that_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, settings = drawn_dataset(200, 100), Settings(filters=(4,), dense_units=8)
    job = Job(settings, "", None, dataset, split_dataset(dataset, settings), {}, Code(None, ""))
    served = with_flips(network_builder(settings)(dtype="float32"))
    state = TrainingState(None, EarlyStop(10, best_epoch=2), epoch=3, history=tuple(EPOCHS), seconds=13.5)
    monkeypatch.setattr("trainer.training_run.train", lambda *_: Trained(served, state, "float32"))
    found = measure(job)
    for accuracy, part in ((found.validation, job.validation), (found.test, job.test)):
        assert accuracy == (served.predict(part.images, verbose=0).argmax(axis=1) == part.labels).mean()
    assert found.validation != EPOCHS[1]["val_accuracy"]
    assert found.seconds_until == (11, NEVER, NEVER)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs the extra: pip install .[jax]")
def test_a_preset_is_trained_without_tensorflow_and_written_down(tmp_path: Path) -> None:
    data, document = tmp_path / "data", tmp_path / "document.md"
    data.mkdir()
    write_copies(drawn_dataset(700, 200), 1, data)
    document.write_text("<!-- accelerator -->\n<!-- /accelerator -->\n", encoding="utf-8")
    without_tensorflow = (
        "import sys; from benchmarks.accelerator import main; main(sys.argv[1:]); sys.exit('tensorflow' in sys.modules)"
    )
    own = ("--document", str(document), "--presets", "fast", "--seeds", "1")
    flags = ("--data", str(data), "--filters", "4,8", "--epochs", "8", "--batch-size", "50", "--precision", "float32")
    subprocess.run(
        [sys.executable, "-c", without_tensorflow, *own, "--", *flags],
        env={**os.environ, "PYTHONPATH": str(ROOT), "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "compiled")},
        check=True,
    )
    written = document.read_text(encoding="utf-8").splitlines()
    cached = "JAX's compilation cache between them"
    shown = f"--presets fast --seeds 1 -- {' '.join(flags)}`, one training a seed, {cached}, in float32;"
    assert f"by `python -m benchmarks.accelerator {shown}" in written[1]
    assert "no accelerator; commit" in written[1]
    assert written[5].startswith(f"| `--preset fast {' '.join(flags)}` | 1 | ")

"""A checkpoint is gone on from by the same settings, data, split, code and versions, and by nothing else."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainer.artifacts import provenance
from trainer.artifacts.provenance import Code
from trainer.contract import Examples
from trainer.data.idx import Dataset
from trainer.data.sources import Source
from trainer.data.split import Split
from trainer.errors import StorageError
from trainer.job import Job
from trainer.settings import Settings
from trainer.task import open_checkpoints
from trainer.training.checkpoint import TrainingState
from trainer.training.schedule import EarlyStop

VERSIONS = {"python": "3", "keras": "3.1", "tensorflow": "2.1", "jax": "0.1"}
NOTHING = np.array([], dtype=np.int64)
NO_EXAMPLES = Examples(np.zeros((0, 28, 28, 1), np.uint8), NOTHING.astype(np.int32))


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    """One that has left a checkpoint after its first epoch."""
    monkeypatch.setattr(provenance, "versions", lambda: VERSIONS)
    settings = Settings(checkpoint_dir=str(tmp_path), backend="tensorflow")
    source, dataset = Source("synthetic", "drawn", {}, {}), Dataset(NO_EXAMPLES, NO_EXAMPLES)
    split = Split(NOTHING, NOTHING, NOTHING, "old split")
    made = Job(settings, "a-run", source, dataset, split, {"fingerprint": "old data"}, Code("a commit", "old code"))
    checkpoints, start = open_checkpoints(made)
    assert start is None
    checkpoints.save(TrainingState(None, EarlyStop(10), epoch=1))
    return made


def changed_settings(job: Job, **changes: Any) -> dict[str, Settings]:
    return {"settings": job.settings.model_copy(update=changes)}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda job: changed_settings(job, seed=7), "settings seed 42 instead of 7"),
        (lambda _: {"data_report": {"fingerprint": "new data"}}, "data old data instead of new data"),
        (lambda job: {"split": replace(job.split, fingerprint="new split")}, "split old split instead of new split"),
        (lambda _: {"code": Code("a commit", "new code")}, "code old code instead of new code"),
    ],
    ids=["settings", "data", "split", "code"],
)
def test_another_runs_checkpoint_is_refused(job: Job, change: Any, said: str) -> None:
    with pytest.raises(StorageError, match=f"belongs to another run – .* – received {said} – "):
        open_checkpoints(replace(job, **change(job)))


@pytest.mark.parametrize("name", ["keras", "tensorflow"])
def test_the_checkpoint_of_another_version_is_refused(job: Job, name: str, monkeypatch) -> None:
    monkeypatch.setattr(provenance, "versions", lambda: {**VERSIONS, name: "9"})
    with pytest.raises(
        StorageError, match=f"another run – .* – received versions {name} {VERSIONS[name]} instead of 9"
    ):
        open_checkpoints(job)


def test_what_shapes_no_result_may_change(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "versions", lambda: {**VERSIONS, "python": "4", "jax": "9"})
    again = replace(job, code=Code("another commit", "old code"), **changed_settings(job, verbose=True))
    _, start = open_checkpoints(again)
    assert start is not None
    assert start.epoch == 1

"""What replicas tell each other before the first step, in real processes: each says what it saw as a line of JSON."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from trainer.local_job.run import free_ports

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs the extra: pip install .[jax]"),
]

ROOT = Path(__file__).parents[2]
PROGRAM = """
import json, os, sys
import trainer.model
from trainer.errors import TrainerError
from trainer.training import replicas
from trainer.training.checkpoint import TrainingState
from trainer.training.schedule import EarlyStop, Plateau
import numpy as np

addresses, rank, seconds, identity = sys.argv[1].split(","), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]

def state(epoch):
    return TrainingState(None, EarlyStop(3), epoch=epoch, model=[np.full((2, 3), epoch, dtype=np.float32)])

def seen():
    replicas.join(addresses, rank, seconds=seconds)
    replicas.agree(identity)
    nothing = replicas.told_by_primary(state(7) if rank else None)
    told = replicas.told_by_primary(None if rank else state(4))
    shown = None if told is None else [told.epoch, told.early_stop.patience, told.model[0].tolist()]
    devices = replicas.use_all_devices()
    replicas.leave()
    return {"nothing": nothing is None, "told": shown, "devices": devices, "several": replicas.several()}

try:
    print(json.dumps(seen()), file=sys.stderr)
except TrainerError as error:
    print(json.dumps({"error": str(error), "code": error.exit_code}), file=sys.stderr)
sys.stderr.flush()
os._exit(0)
"""


def run(identities: list[str], *, replicas: int, seconds: int = 100) -> list[dict[str, Any]]:
    """The last word of each of the first processes, of as many as there are identities."""
    addresses = ",".join(f"127.0.0.1:{port}" for port in free_ports(replicas))
    started = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, addresses, str(rank), str(seconds), identity],
            env={**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank, identity in enumerate(identities)
    ]
    said = [process.communicate(timeout=200)[1] for process in started]
    assert [process.returncode for process in started] == [0] * len(started), said
    return [json.loads(lines.splitlines()[-1]) for lines in said]


def test_all_start_from_what_the_primary_has() -> None:
    told = [4, 3, [[4.0] * 3] * 2]
    assert run(["same", "same"], replicas=2) == [{"nothing": True, "told": told, "devices": 2, "several": False}] * 2


def test_all_are_refused_where_one_is_about_to_train_something_else() -> None:
    found = run(["same", "another", "same"], replicas=3)
    assert [end["code"] for end in found] == [2, 2, 2]
    for end in found:
        assert "the replicas are not about to train the same model" in end["error"]
        assert "received others in replica 1 than in the primary" in end["error"]


def test_one_that_does_not_come_is_not_waited_for_without_end() -> None:
    [end] = run(["same"], replicas=2, seconds=2)
    assert end["code"] == 5
    assert "the replicas did not find each other – expected 2 replicas within 2 s, the primary at 127.0" in end["error"]

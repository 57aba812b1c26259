"""What the process that exports for JAX may end with, and what the run that waits for it then says."""

import sys
import time

import pytest

from trainer import export_process
from trainer.errors import StorageError

FAILURES = [
    ("import os; os.kill(os.getpid(), 9)", "received its end by SIGKILL, as where memory runs out"),
    ("import sys; sys.exit('first\\ntrainer.export_process: no room')", "received no room (exit code 1)"),
    ("import os; os._exit(7)", "received nothing on stderr (exit code 7)"),
]


@pytest.mark.parametrize(("program", "received"), FAILURES)
def test_a_process_that_fails_is_one_line(program: str, received: str) -> None:
    with pytest.raises(StorageError) as failed:
        export_process._run([sys.executable, "-c", program])
    assert f"the model can't be exported – expected a SavedModel from a process on TensorFlow – {received} – " in str(
        failed.value
    )


def test_a_process_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_process, "EXPORT_SECONDS", 1)
    started = time.monotonic()
    with pytest.raises(StorageError, match="received nothing within 1 s"):
        export_process._run([sys.executable, "-c", "import time; time.sleep(60)"])
    assert time.monotonic() - started < 20


def test_it_computes_on_tensorflow_whatever_its_parent_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    code = "import os, sys; sys.exit(os.environ['KERAS_BACKEND'] + os.environ['CUDA_VISIBLE_DEVICES'])"
    with pytest.raises(StorageError, match="received tensorflow-1"):
        export_process._run([sys.executable, "-c", code])

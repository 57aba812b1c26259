"""How the client's process ends by itself or is ended, and what that says of the model."""

from pathlib import Path

import numpy as np
import pytest

from trainer import measurement
from trainer.errors import Interrupted, StorageError

IMAGES = np.zeros((2, 28, 28, 1), np.uint8)


@pytest.fixture(autouse=True)
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A script in place of Python."""
    script = tmp_path / "python"
    script.touch(mode=0o755)
    monkeypatch.setattr(measurement.sys, "executable", str(script))
    return script


@pytest.mark.parametrize(
    ("ending", "received"),
    [
        ("kill -KILL $$", "SIGKILL"),
        ("kill -TERM $$", "SIGTERM"),
        ("echo client: full >&2; exit 9", "full"),
        ("echo std::bad_alloc >&2; kill -ABRT $$", "SIGABRT"),
    ],
)
def test_a_client_that_the_machine_ends_says_nothing_of_the_model(
    client: Path, tmp_path: Path, ending: str, received: str
) -> None:
    client.write_text(f"#!/bin/sh\n{ending}\n")
    with pytest.raises(Interrupted, match=f"nothing is known of it – .* – received {received} – start the same"):
        measurement.ask(tmp_path, {"some": IMAGES})


@pytest.mark.parametrize("name", ["SEGV", "FPE", "ABRT"])
def test_a_model_that_crashes_its_client_does_not_answer(client: Path, tmp_path: Path, name: str) -> None:
    client.write_text(f"#!/bin/sh\necho Check failed >&2; kill -{name} $$\n")
    with pytest.raises(StorageError, match=f"does not answer – expected .* – received SIG{name}, Check failed"):
        measurement.ask(tmp_path, {"some": IMAGES})

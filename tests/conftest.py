"""What tests of several stages share."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before any test imports TensorFlow: its start-up notices would bury what pytest says.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# And with the kernels that trainer.model would turn on, had no test imported Keras before it.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

SERVING = Path(__file__).parents[1] / ".venvs" / "serving_2_15" / "bin" / "python"


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn data, shared by all jobs of a test session."""
    from tests.support.once import made_once
    from trainer.data import sketches

    def draw(folder: Path) -> None:
        sketches.locate(folder)

    folder, _ = made_once(tmp_path_factory, "cache", draw)
    return folder


@pytest.fixture(scope="session")
def serving_python() -> Path:
    """The Python that has TensorFlow 2.15, as Vertex AI's prebuilt prediction container has."""
    if not SERVING.exists():
        pytest.skip("needs TensorFlow 2.15: run scripts/setup serving, on x86-64 with Python 3.11")
    return SERVING


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of 64 KiB."""
    mounted = tmp_path / "small"
    mounted.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(mounted)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk can only be mounted by root")
    yield mounted
    subprocess.run(["umount", str(mounted)], check=True)

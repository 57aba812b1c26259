"""A disk that is full is no memory that is too small, whatever TensorFlow calls it."""

import subprocess
import sys
from pathlib import Path

import pytest

# A limit on the size of files, since a disk can't be filled here.
FILLED = """
import resource, sys
from trainer.errors import StorageError
from trainer.storage import open_folder
from trainer.training.tensorboard import TAGS, EpochEvents
try:
    with EpochEvents(open_folder(sys.argv[1])) as events:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        for epoch in range(1, 100):
            events.write([dict.fromkeys(TAGS, 0.5) | {"epoch": epoch}])
except StorageError as error:
    print(error)
"""


@pytest.mark.slow
def test_it_is_told_as_the_disks_trouble(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FILLED, str(tmp_path / "events")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("the events for TensorBoard can't be written – expected a disk with room"), (
        done.stdout
    )
    assert done.stdout.count("\n") == 1
    assert (tmp_path / "events").is_dir()

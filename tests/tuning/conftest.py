from pathlib import Path

import pytest

from tests.support.once import made_once
from tests.support.searches import Searches
from trainer.data import sketches


@pytest.fixture
def searches(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Searches:
    return Searches(tmp_path, capsys)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn data, shared by all jobs of a test session."""
    folder, _ = made_once(tmp_path_factory, "cache", lambda place: sketches.locate(place) and None)
    return folder

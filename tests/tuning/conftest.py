from pathlib import Path

import pytest

from tests.support.searches import Searches


@pytest.fixture
def searches(tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]) -> Searches:
    return Searches(tmp_path, cache, capsys)

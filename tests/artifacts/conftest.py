from pathlib import Path

import pytest

from tests.support.facts import draw_example_pictures


@pytest.fixture(scope="session")
def example_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the four figures. Drawn once: don't change it."""
    folder = tmp_path_factory.mktemp("pictures")
    draw_example_pictures(folder)
    return folder

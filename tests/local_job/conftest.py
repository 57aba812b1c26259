from pathlib import Path

import pytest

from tests.support.once import made_once
from trainer.data import sketches


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn data, shared by all jobs of a test session."""

    def draw(folder: Path) -> None:
        sketches.locate(folder)

    folder, _ = made_once(tmp_path_factory, "cache", draw)
    return folder


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment in which JAX compiles once for all jobs of a test session."""
    folder, _ = made_once(tmp_path_factory, "compiled", lambda _: None)
    return {"JAX_COMPILATION_CACHE_DIR": str(folder), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}

import pytest

from tests.support.once import made_once


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment in which JAX compiles once for all jobs of a test session."""
    folder, _ = made_once(tmp_path_factory, "compiled", lambda _: None)
    return {"JAX_COMPILATION_CACHE_DIR": str(folder), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}

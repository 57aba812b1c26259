import pytest


@pytest.fixture
def config(tmp_path):
    """Writes a configuration file and returns the flags that name it."""

    def write(text):
        path = tmp_path / "run.yaml"
        path.write_text(text, encoding="utf-8")
        return ["--config", str(path)]

    return write

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.storage_server import StorageServer, storage_server

BUCKET = "registry-bucket"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StorageServer]:
    """A local Cloud Storage with one empty bucket, which Google's client finds by itself."""
    with storage_server(BUCKET) as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture(params=["local", "gs"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The root of a registry in both kinds of folder, empty."""
    if request.param == "gs":
        request.getfixturevalue("server")
        return f"gs://{BUCKET}/some/registry"
    return str(tmp_path / "registry")

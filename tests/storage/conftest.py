from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.storage_server import StorageServer, storage_server
from trainer.storage import Folder, open_folder

BUCKET = "my-bucket"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StorageServer]:
    """A local Cloud Storage with one empty bucket, which Google's client finds by itself."""
    with storage_server(BUCKET) as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture(params=["local", "gs"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    """Both kinds of folder, empty."""
    if request.param == "gs":
        request.getfixturevalue("server")
        return open_folder(f"gs://{BUCKET}/some/where")
    return open_folder(tmp_path / "some" / "where")

from collections.abc import Iterator

import pytest

from tests.support.vertex_server import VertexServer, vertex_server
from trainer.cloud import vertex_errors
from trainer.cloud.vertex import VertexRegistry


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("FIRST_DELAY_SECONDS", 0.02), ("LONGEST_DELAY_SECONDS", 0.2)):
        monkeypatch.setattr(vertex_errors, name, seconds)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[VertexServer]:
    """A local Vertex AI without any model, which Google's client trusts."""
    with vertex_server() as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def registry(server: VertexServer) -> VertexRegistry:
    return VertexRegistry("my-project", "us-central1", endpoint=server.endpoint)

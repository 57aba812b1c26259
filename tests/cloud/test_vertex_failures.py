"""What goes wrong on the way to Vertex AI, by Google's own client over the wire: said in one line, or tried again."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from tests.support.certificates import expired_login
from tests.support.vertex_server import VertexServer
from tests.support.vertex_versions import APPROVED, aliases, example_version, shown
from trainer.cloud import vertex
from trainer.cloud.vertex import VertexRegistry
from trainer.errors import NotFoundError, SettingsError, StorageError


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in {"RETRY": 5, "GRACE": 0.2}.items():
        monkeypatch.setattr(vertex, f"{name}_SECONDS", seconds)


MISSING = [("custom-cnn", "1.1.0"), ("other", "1.0.0")]


@pytest.mark.parametrize(("model_id", "version"), MISSING)
def test_what_is_not_there_cannot_be_promoted(
    registry: VertexRegistry, server: VertexServer, model_id: str, version: str
) -> None:
    registry.mirror(example_version("1.0.0"))
    with pytest.raises(
        NotFoundError, match=rf"no such model, version or project – expected one that is there – received .*{model_id}"
    ) as caught:
        registry.move_aliases(model_id, version)
    assert "\n" not in str(caught.value)
    assert aliases(server) == [["default", "v1-0-0"]]


def test_a_denied_project_is_said_at_once(server: VertexServer) -> None:
    registry = VertexRegistry("other", "us-central1", endpoint=server.endpoint)
    with pytest.raises(
        StorageError,
        match=r"denies access – expected permission – received .*models\.upload.* – see docs/vertex-registry",
    ):
        registry.mirror(example_version())
    assert server.calls.count("UploadModel") == 1


def test_a_bucket_that_vertex_may_not_read_is_said(registry: VertexRegistry, server: VertexServer) -> None:
    """The bucket of another project, without a role for this project's service agent."""
    server.store.unreadable_buckets.add("my-bucket")
    with pytest.raises(StorageError, match=r"denies access.*gcp-sa-aiplatform.*does not have storage\.objects\.list"):
        registry.mirror(example_version())
    server.store.unreadable_buckets.clear()
    registry.mirror(example_version())
    assert aliases(server) == [["default", "v1-0-0"]]


PASSING = [
    *(
        (code, "UploadModel")
        for code in ("RESOURCE_EXHAUSTED", "UNAVAILABLE", "ABORTED", "INTERNAL", "DEADLINE_EXCEEDED")
    ),
    *(("RESOURCE_EXHAUSTED", method) for method in ("MergeVersionAliases", "ImportModelEvaluation")),
]


@pytest.mark.parametrize(("code", "method"), PASSING)
@pytest.mark.parametrize("has_effect", [False, True], ids=["refused", "answer lost"])
def test_what_passes_is_tried_again(
    registry: VertexRegistry, server: VertexServer, code: str, method: str, has_effect: bool
) -> None:
    server.fail_next(3, grpc.StatusCode[code], method, has_effect=has_effect)
    registry.mirror(example_version())
    (found,) = shown(server)
    assert (found["aliases"], len(found["evaluations"])) == (["default", "v1-0-0"], 1)
    assert server.calls.count(method) == (1 if has_effect else 4)


@pytest.mark.parametrize("method", ["MergeVersionAliases", "ListModelEvaluations", "ImportModelEvaluation"])
def test_what_another_registrar_has_removed_is_looked_for_again(
    registry: VertexRegistry, server: VertexServer, method: str
) -> None:
    server.fail_next(1, grpc.StatusCode.NOT_FOUND, method)
    registry.mirror(example_version())
    (found,) = shown(server)
    assert (found["aliases"], len(found["evaluations"])) == (["default", "v1-0-0"], 1)


FOREVER = [
    (grpc.StatusCode.RESOURCE_EXHAUSTED, "Vertex AI's quota is used up – expected room in it – received .*429"),
    (grpc.StatusCode.UNAVAILABLE, "Vertex AI can't be reached or keeps failing – expected an answer – received .*503"),
]


@pytest.mark.parametrize(("code", "message"), FOREVER, ids=lambda value: getattr(value, "name", ""))
def test_patience_ends(
    registry: VertexRegistry,
    server: VertexServer,
    monkeypatch: pytest.MonkeyPatch,
    code: grpc.StatusCode,
    message: str,
) -> None:
    monkeypatch.setattr(vertex, "RETRY_SECONDS", 0.5)
    server.fail_next(10_000, code)
    started = time.monotonic()
    for action in (lambda: registry.mirror(example_version()), lambda: registry.move_aliases("custom-cnn", "1.0.0")):
        with pytest.raises(StorageError, match=message):
            action()
    assert time.monotonic() - started < 30


def test_a_timeout_after_the_upload_really_happened(
    registry: VertexRegistry, server: VertexServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client's own deadline, on a real connection."""
    registry.mirror(example_version("1.0.0"))
    monkeypatch.setattr(vertex, "REQUEST_SECONDS", 0.3)
    server.stall_next(3, "UploadModel")
    registry.mirror(example_version("1.1.0"))
    assert aliases(server) == [["default", "v1-0-0"], ["v1-1-0"]]
    assert server.calls.count("UploadModel") == 2


def test_a_lost_answer_while_the_upload_still_goes_on(registry: VertexRegistry, server: VertexServer) -> None:
    """It is uploaded again, as nothing can be seen of it; when both are there, one is taken away."""
    registry.mirror(example_version("1.0.0"))
    expected = shown(server)
    server.store.upload_seconds = 2.0
    server.fail_next(1, grpc.StatusCode.DEADLINE_EXCEEDED, "UploadModel", has_effect=True)
    registry.mirror(example_version("1.1.0"))
    assert server.calls.count("UploadModel") == 3
    assert aliases(server) == [["default", "v1-0-0"], ["v1-1-0"]]
    assert shown(server)[0] == expected[0]


def test_an_upload_without_an_end_is_said(
    registry: VertexRegistry, server: VertexServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vertex, "OPERATION_SECONDS", 0.3)
    server.store.upload_seconds = 60
    with pytest.raises(StorageError, match="still at work"):
        registry.mirror(example_version())


def test_an_unreachable_endpoint_is_said(server: VertexServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vertex, "RETRY_SECONDS", 0.3)
    registry = VertexRegistry("my-project", "us-central1", endpoint="localhost:1")
    with pytest.raises(StorageError, match="can't be reached"):
        registry.mirror(example_version())
    assert server.calls == []


def test_without_credentials_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    with pytest.raises(StorageError, match="no valid Google Cloud credentials – expected application default"):
        VertexRegistry("my-project", "us-central1")


def test_an_expired_login_is_said_at_once(
    server: VertexServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """gRPC calls it "unavailable", which is otherwise tried again."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(expired_login(tmp_path)))
    monkeypatch.setattr(vertex, "RETRY_SECONDS", 120)
    started = time.monotonic()
    with pytest.raises(StorageError, match="no valid Google Cloud credentials – .* – received .*token.* – run `gcloud"):
        VertexRegistry("my-project", "us-central1", endpoint=server.endpoint).mirror(example_version())
    assert time.monotonic() - started < 60
    assert "looking again" not in caplog.text
    assert server.calls == []


MALFORMED = [
    ({"model_id": "Custom"}, "not a model id"),
    ({"version": "1.2"}, "not a version"),
    ({"digest": "abc"}, "not a digest"),
    ({"labels": {**APPROVED, "a:b": "c"}}, "not a label"),
    ({"labels": {**APPROVED, "stage": "Prod"}}, "not a value for the label stage"),
]


@pytest.mark.parametrize(("change", "message"), MALFORMED, ids=lambda value: str(value)[:30])
def test_what_vertex_would_refuse_is_refused_before(
    registry: VertexRegistry, server: VertexServer, change: dict[str, object], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        registry.mirror(replace(example_version(), **change))
    assert server.calls == []


def test_the_regions_own_endpoint_is_the_default(server: VertexServer) -> None:
    found = VertexRegistry("my-project", "europe-west4")._client
    assert found.api_endpoint == "europe-west4-aiplatform.googleapis.com"
    assert server.calls == []


def test_googles_library_is_loaded_only_when_asked() -> None:
    code = (
        "import sys, trainer.cloud.vertex; print([m for m in sys.modules if m.startswith(('google.cloud.ai', 'grpc'))])"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "[]\n"

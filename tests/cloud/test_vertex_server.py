"""The local Vertex AI is no use unless it holds to the service's rules: Google's own client against it."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import grpc
import pytest
from google.api_core import exceptions as api
from google.auth.credentials import AnonymousCredentials
from google.cloud.aiplatform_v1.services.model_service import ModelServiceClient

from tests.support.racing import race
from tests.support.vertex_server import VertexServer

LOCATION = "projects/my-project/locations/us-central1"
MODEL = f"{LOCATION}/models/custom-cnn"
SCHEMA = "gs://google-cloud-aiplatform/schema/modelevaluation/classification_metrics_1.0.0.yaml"


@pytest.fixture
def client(server: VertexServer) -> ModelServiceClient:
    return ModelServiceClient(client_options={"api_endpoint": server.endpoint})


def upload(client: ModelServiceClient, *, parent: str = LOCATION, new: bool = False, **fields: object) -> str:
    """Upload a version; its number."""
    model = {
        "display_name": "custom-cnn",
        "artifact_uri": "gs://my-bucket/custom-cnn/1.0.0",
        "container_spec": {"image_uri": "us-docker.pkg.dev/vertex-ai/prediction/tf2-cpu.2-15:latest"},
        **fields,
    }
    place = {"model_id": "custom-cnn"} if new else {"parent_model": MODEL}
    return client.upload_model({"parent": parent, "model": model, **place}).result(timeout=20).model_version_id


def aliases(client: ModelServiceClient) -> dict[str, list[str]]:
    return {version.version_id: sorted(version.version_aliases) for version in client.list_model_versions(name=MODEL)}


def test_versions_are_numbered_and_the_first_is_the_default(client: ModelServiceClient) -> None:
    assert upload(client, new=True, version_aliases=["v1-0-0"]) == "1"
    assert upload(client) == "2"
    assert aliases(client) == {"1": ["default", "v1-0-0"], "2": []}
    assert client.get_model(name=MODEL).version_id == "1"
    assert client.get_model(name=f"{MODEL}@2").version_id == "2"
    assert client.get_model(name=f"{MODEL}@v1-0-0").version_id == "1"


def test_a_model_id_is_given_once(client: ModelServiceClient) -> None:
    upload(client, new=True)
    with pytest.raises(api.AlreadyExists):
        upload(client, new=True)


def test_of_sixteen_that_create_a_model_one_does(client: ModelServiceClient) -> None:
    results = race(lambda _: upload(client, new=True))
    assert [result for result in results if not isinstance(result, Exception)] == ["1"]
    assert sum(isinstance(result, api.AlreadyExists) for result in results) == 15


def test_an_alias_is_of_one_version(client: ModelServiceClient) -> None:
    upload(client, new=True, version_aliases=["latest"])
    upload(client, version_aliases=["latest"])
    assert aliases(client) == {"1": ["default"], "2": ["latest"]}
    client.merge_version_aliases(name=f"{MODEL}@1", version_aliases=["latest", "good"])
    client.merge_version_aliases(name=f"{MODEL}@2", version_aliases=["default"])
    assert aliases(client) == {"1": ["good", "latest"], "2": ["default"]}
    client.merge_version_aliases(name=f"{MODEL}@1", version_aliases=["-good"])
    assert aliases(client) == {"1": ["latest"], "2": ["default"]}


BAD_UPLOADS = [
    {"version_aliases": ["v1.0.0"]},
    {"version_aliases": ["V1"]},
    {"version_aliases": ["12"]},
    {"version_aliases": ["a_b"]},
    {"labels": {"stage:dev": ""}},
    {"labels": {"stage": "Dev"}},
    {"labels": {"goog-stage": "dev"}},
    {"labels": {"stage": "x" * 64}},
    {"display_name": ""},
    {"artifact_uri": "/a/folder"},
    {"container_spec": {}},
]


@pytest.mark.parametrize("fields", BAD_UPLOADS, ids=str)
def test_what_is_malformed_is_refused(client: ModelServiceClient, fields: dict[str, object]) -> None:
    with pytest.raises(api.InvalidArgument):
        upload(client, new=True, **fields)
    with pytest.raises(api.NotFound):
        client.get_model(name=MODEL)


def test_what_is_not_there_is_not_found(client: ModelServiceClient) -> None:
    for action in (upload, aliases):
        with pytest.raises(api.NotFound):
            action(client)
    upload(client, new=True)
    for name in (f"{MODEL}@2", f"{MODEL}@v1-0-0", f"{LOCATION}/models/other"):
        with pytest.raises(api.NotFound):
            client.get_model(name=name)


def test_another_project_is_denied(client: ModelServiceClient) -> None:
    with pytest.raises(api.PermissionDenied, match=r"aiplatform\.models\.upload"):
        upload(client, new=True, parent="projects/other/locations/us-central1")


def test_a_bucket_that_vertex_may_not_read_fails_the_operation(
    client: ModelServiceClient, server: VertexServer
) -> None:
    server.store.unreadable_buckets.add("my-bucket")
    with pytest.raises(api.PermissionDenied, match=r"storage\.objects\.list"):
        upload(client, new=True)
    server.store.unreadable_buckets.clear()
    assert upload(client, new=True) == "1", "nothing was left of it"


def test_an_upload_takes_its_time(client: ModelServiceClient, server: VertexServer) -> None:
    upload(client, new=True)
    server.store.upload_seconds = 0.4
    started = time.monotonic()
    upload(client)
    assert time.monotonic() - started >= 0.4
    server.store.upload_seconds = 60
    model = {**BASIC, "artifact_uri": "gs://my-bucket/custom-cnn/1.0.1"}
    assert not client.upload_model({"parent": LOCATION, "parent_model": MODEL, "model": model}).done()
    assert sorted(aliases(client)) == ["1", "2"], "what is not done is not listed"


BASIC = {"display_name": "x", "container_spec": {"image_uri": "x"}}


def test_lists_come_in_pages_and_filtered_by_label(client: ModelServiceClient) -> None:
    for number in range(5):
        upload(client, new=not number, labels={"digest": "a" if number % 2 else "b"})
    assert sorted(aliases(client)) == ["1", "2", "3", "4", "5"]
    found = client.list_model_versions({"name": MODEL, "filter": 'labels.digest="b"'})
    assert [version.version_id for version in found] == ["1", "3", "5"]
    with pytest.raises(api.InvalidArgument):
        client.list_model_versions({"name": MODEL, "filter": 'alias="latest"'})


def test_labels_and_description_can_be_replaced_and_nothing_else(client: ModelServiceClient) -> None:
    upload(client, new=True, labels={"stage": "dev", "other": "x"})
    changed = {"name": f"{MODEL}@1", "labels": {"stage": "prod"}, "version_description": "good", "display_name": "y"}
    request = {"model": changed, "update_mask": {"paths": ["labels", "version_description"]}}
    client.update_model(request)
    found = client.get_model(name=MODEL)
    assert (dict(found.labels), found.version_description) == ({"stage": "prod"}, "good")
    assert found.display_name == "custom-cnn"
    for bad in ({**request, "update_mask": {}}, {**request, "model": {**changed, "name": MODEL}}):
        with pytest.raises(api.InvalidArgument):
            client.update_model(bad)


def test_a_version_can_be_deleted_but_not_the_default(client: ModelServiceClient) -> None:
    upload(client, new=True)
    upload(client)
    client.delete_model_version(name=f"{MODEL}@2").result(timeout=20)
    assert aliases(client) == {"1": ["default"]}
    with pytest.raises(api.FailedPrecondition):
        client.delete_model_version(name=f"{MODEL}@1")
    with pytest.raises(api.NotFound):
        client.delete_model_version(name=f"{MODEL}@2")
    assert upload(client) == "3", "numbers are not used again"


def test_evaluations_belong_to_a_version(client: ModelServiceClient) -> None:
    upload(client, new=True)
    upload(client)
    evaluation = {"display_name": "test", "metrics_schema_uri": SCHEMA, "metrics": {"auPrc": 0.9}}
    client.import_model_evaluation(parent=f"{MODEL}@2", model_evaluation=evaluation)
    found = list(client.list_model_evaluations(parent=f"{MODEL}@2"))
    assert [(one.display_name, dict(one.metrics)["auPrc"]) for one in found] == [("test", 0.9)]
    assert list(client.list_model_evaluations(parent=MODEL)) == []
    with pytest.raises(api.InvalidArgument):
        client.import_model_evaluation(parent=MODEL, model_evaluation={**evaluation, "metrics_schema_uri": "x"})


def test_faults_are_counted(client: ModelServiceClient, server: VertexServer) -> None:
    server.fail_next(1, grpc.StatusCode.RESOURCE_EXHAUSTED, "UploadModel")
    with pytest.raises(api.ResourceExhausted):
        upload(client, new=True)
    server.fail_next(1, grpc.StatusCode.UNAVAILABLE, "UploadModel", has_effect=True)
    with pytest.raises(api.ServiceUnavailable):
        upload(client, new=True)
    assert aliases(client) == {"1": ["default"]}, "it took place all the same"
    server.fail_next(1, grpc.StatusCode.ABORTED, skip=1)
    client.get_model(name=MODEL)
    with pytest.raises(api.Aborted):
        client.get_model(name=MODEL)
    client.get_model(name=MODEL)


def test_a_stalled_answer_comes_too_late_for_the_client(client: ModelServiceClient, server: VertexServer) -> None:
    server.stall_next(5, "UploadModel")
    request = {"parent": LOCATION, "model_id": "custom-cnn", "model": {**BASIC, "artifact_uri": "gs://my-bucket/x"}}
    with pytest.raises(api.DeadlineExceeded):
        client.upload_model(request, timeout=0.2)
    assert aliases(client) == {"1": ["default"]}


def test_nobody_is_let_in_without_an_account(server: VertexServer) -> None:
    options = {"api_endpoint": server.endpoint}
    stranger = ModelServiceClient(client_options=options, credentials=AnonymousCredentials())
    with pytest.raises(api.Unauthenticated):
        stranger.get_model(name=MODEL)


def test_what_it_does_not_know_is_unimplemented(client: ModelServiceClient) -> None:
    with pytest.raises(api.MethodNotImplemented):
        client.copy_model(parent=LOCATION, source_model=MODEL)


CLIENT = """
import sys
from google.cloud.aiplatform_v1.services.model_service import ModelServiceClient
client = ModelServiceClient(client_options={"api_endpoint": sys.argv[1]})
try:
    client.get_model(name=sys.argv[2])
except Exception as error:
    print(type(error).__name__)
"""


def test_it_also_runs_as_a_process(tmp_path: Path) -> None:
    file, root = tmp_path / "server.json", Path(__file__).parents[2]
    command = [sys.executable, "-m", "tests.support.vertex_server", "--file", file]
    with subprocess.Popen(command, cwd=root) as process:
        try:
            deadline = time.monotonic() + 60
            while not file.exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            found = json.loads(file.read_text())
            ask = [sys.executable, "-c", CLIENT, found["endpoint"], MODEL]
            environment = {**os.environ, **found["environment"]}
            done = subprocess.run(ask, env=environment, capture_output=True, text=True, check=True)
            assert done.stdout == "NotFound\n"
        finally:
            process.kill()

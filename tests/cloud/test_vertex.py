"""The mirror in Vertex AI, by Google's own client over the wire."""

from dataclasses import replace

import pytest

from tests.support.vertex_server import VertexServer
from tests.support.vertex_versions import APPROVED, MODEL, REFUSED, aliases, example_version, shown
from trainer.cloud import vertex
from trainer.cloud.vertex import VertexRegistry
from trainer.errors import GateRefusedError, SettingsError, StorageError

WRITES = {"UploadModel", "UpdateModel", "MergeVersionAliases", "DeleteModelVersion", "ImportModelEvaluation"}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in {"RETRY": 5, "GRACE": 0.2}.items():
        monkeypatch.setattr(vertex, f"{name}_SECONDS", seconds)


def written(server: VertexServer) -> list[str]:
    """What was asked for that changes something, since the last question."""
    calls = [call for call in server.calls if call in WRITES]
    server.calls.clear()
    return calls


def test_a_version_is_shown_whole(registry: VertexRegistry, server: VertexServer) -> None:
    version = example_version("1.2.0")
    assert registry.mirror(version) == f"{MODEL}@1"
    (found,) = server.store.versions(MODEL)
    assert found.display_name == "custom-cnn"
    assert found.artifact_uri == "gs://my-bucket/registry/custom-cnn/1.2.0"
    assert found.version_description == version.description
    assert dict(found.labels) == {**APPROVED, "version": "v1-2-0", "digest": version.digest[:40]}
    assert found.container_spec.image_uri == "us-docker.pkg.dev/vertex-ai/prediction/tf2-cpu.2-15:latest"
    assert sorted(found.version_aliases) == ["default", "v1-2-0"], "Vertex makes a first version the default"


def test_its_evaluation_is_imported(registry: VertexRegistry, server: VertexServer) -> None:
    version = example_version()
    (evaluation,) = server.store.evaluations[registry.mirror(version)]
    assert evaluation.metrics_schema_uri.endswith("/classification_metrics_1.0.0.yaml")
    metrics = dict(evaluation.metrics)
    assert sorted(metrics) == ["auPrc", "auRoc", "confidenceMetrics", "confusionMatrix", "logLoss"]
    assert metrics["auPrc"] == pytest.approx(version.metrics["average_precision_micro"])
    assert len(metrics["confidenceMetrics"]) == 24


def test_without_figures_there_is_no_evaluation(registry: VertexRegistry, server: VertexServer) -> None:
    registry.mirror(example_version(metrics={}))
    assert shown(server)[0]["evaluations"] == []


def test_the_next_version_is_one_of_the_same_model_and_not_the_default(
    registry: VertexRegistry, server: VertexServer
) -> None:
    registry.mirror(example_version("1.0.0"))
    registry.mirror(example_version("1.1.0", labels=REFUSED))
    assert aliases(server) == [["default", "v1-0-0"], ["v1-1-0"]]
    assert server.calls.count("UploadModel") == 2


def test_promotion_moves_latest_and_default_and_rollback_moves_them_back(
    registry: VertexRegistry, server: VertexServer
) -> None:
    registry.mirror(example_version("1.0.0"))
    registry.mirror(example_version("1.1.0"))
    registry.move_aliases("custom-cnn", "1.1.0")
    assert aliases(server) == [["v1-0-0"], ["default", "latest", "v1-1-0"]]
    registry.move_aliases("custom-cnn", "1.0.0")
    assert aliases(server) == [["default", "latest", "v1-0-0"], ["v1-1-0"]]
    registry.move_aliases("custom-cnn", "1.1.0", ["latest"])
    assert aliases(server) == [["default", "v1-0-0"], ["latest", "v1-1-0"]]


def test_the_same_again_changes_nothing_and_waits_for_nobody(
    registry: VertexRegistry, server: VertexServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vertex.time, "sleep", lambda seconds: pytest.fail(f"waits for {seconds} s"))
    registry.mirror(example_version())
    registry.move_aliases("custom-cnn", "1.0.0")
    before, _ = shown(server), written(server)
    registry.mirror(example_version())
    registry.move_aliases("custom-cnn", "1.0.0")
    assert (written(server), shown(server)) == ([], before)


def test_changed_labels_and_a_changed_card_are_written_and_nothing_else(
    registry: VertexRegistry, server: VertexServer
) -> None:
    registry.mirror(example_version())
    written(server)
    for change in ({"labels": {**APPROVED, "stage": "prod"}}, {"labels": APPROVED}, {"description": "by hand"}):
        registry.mirror(example_version(**change))
        assert written(server) == ["UpdateModel"]
        (found,) = shown(server)
        assert found["labels"]["stage"] == change.get("labels", APPROVED)["stage"]
    assert found["description"] == "by hand"


def test_labels_of_others_stay(registry: VertexRegistry, server: VertexServer) -> None:
    registry.mirror(example_version())
    server.store.versions(MODEL)[0].labels["cost-centre"] = "12"
    registry.mirror(example_version(labels={**APPROVED, "stage": "prod"}))
    assert shown(server)[0]["labels"].items() >= {"cost-centre": "12", "stage": "prod", "version": "v1-0-0"}.items()


def test_a_refused_version_never_becomes_vertexs_default(registry: VertexRegistry, server: VertexServer) -> None:
    with pytest.raises(GateRefusedError, match="expected an approved version to be the first – received approved=no"):
        registry.mirror(example_version("1.0.0", labels=REFUSED))
    assert written(server) == []
    registry.mirror(example_version("1.1.0"))
    registry.mirror(example_version("1.0.0", labels=REFUSED))
    assert aliases(server) == [["default", "v1-1-0"], ["v1-0-0"]]


def test_a_registry_in_a_folder_cannot_be_mirrored(registry: VertexRegistry, server: VertexServer) -> None:
    with pytest.raises(SettingsError, match=r"from a bucket only – expected a registry in a bucket.*received /a/b"):
        registry.mirror(example_version(artifact_uri="/a/b"))
    assert server.calls == []


def test_another_model_under_the_same_name_is_left_alone(registry: VertexRegistry, server: VertexServer) -> None:
    registry.mirror(example_version())
    before = shown(server)
    with pytest.raises(StorageError, match=r"holds another model as custom-cnn 1\.0\.0 – expected the label digest=f"):
        registry.mirror(example_version(digest="f" * 64))
    assert shown(server) == before


def test_the_same_content_under_another_version_is_another_version(
    registry: VertexRegistry, server: VertexServer
) -> None:
    first = example_version("1.0.0")
    registry.mirror(first)
    registry.mirror(replace(example_version("2.0.0"), digest=first.digest))
    assert aliases(server) == [["default", "v1-0-0"], ["v2-0-0"]]


def test_duplicates_are_removed_and_what_pointed_to_them_moves(registry: VertexRegistry, server: VertexServer) -> None:
    """As two uploads leave them, of which one was thought lost and finished late."""
    registry.mirror(example_version("1.0.0"))
    registry.mirror(example_version("1.1.0"))
    expected = shown(server)
    expected[1]["aliases"].append("latest")
    client = registry._client
    model = {**_as_uploaded(server), "version_aliases": ["latest"]}
    client.upload_model({"parent": MODEL.partition("/models")[0], "parent_model": MODEL, "model": model}).result()
    assert len(shown(server)) == 3
    assert registry.mirror(example_version("1.1.0")) == f"{MODEL}@2", "the older one may be in use"
    assert [{**one, "aliases": sorted(one["aliases"])} for one in expected] == shown(server)


def test_a_copy_in_another_bucket_is_not_removed(registry: VertexRegistry, server: VertexServer) -> None:
    registry.mirror(example_version("1.0.0"))
    registry.mirror(example_version("1.1.0"))
    model = {**_as_uploaded(server), "artifact_uri": "gs://other/place"}
    request = {"parent": MODEL.partition("/models")[0], "parent_model": MODEL, "model": model}
    registry._client.upload_model(request).result()
    registry.mirror(example_version("1.1.0"))
    assert len(shown(server)) == 3


def _as_uploaded(server: VertexServer) -> dict[str, object]:
    last = server.store.versions(MODEL)[-1]
    names = ("display_name", "artifact_uri", "container_spec", "labels", "version_description")
    return {name: getattr(last, name) for name in names}

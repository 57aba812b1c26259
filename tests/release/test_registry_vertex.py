"""Vertex AI follows the registry: the real client against local servers, both for the bucket and for Vertex."""

import json
from collections.abc import Iterator

import grpc
import pytest

from tests.support.predictions import predictions
from tests.support.registries import Examiner, make_model, registered, registry_at
from tests.support.vertex_server import VertexServer, vertex_server
from trainer.errors import GateRefusedError, StorageError
from trainer.evaluation.metrics import classification_metrics
from trainer.registry import registration
from trainer.registry.commandline import parse
from trainer.registry.run import run
from trainer.registry.vertex import Mirror
from trainer.release import decisions
from trainer.release.decisions import Wishes
from trainer.storage import open_folder

ROOT = "gs://registry-bucket/registry"
MODEL = "projects/my-project/locations/us-central1/models/custom-cnn"


@pytest.fixture
def vertex(monkeypatch: pytest.MonkeyPatch) -> Iterator[VertexServer]:
    with vertex_server() as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def go(server, vertex):  # noqa: ARG001 – it has to run
    """Runs a command that Vertex follows."""
    flags = ["--registry-root", ROOT, "--vertex-project=my-project", "--vertex-region=us-central1"]

    def command(*words):
        return run(parse([*words, *flags, f"--vertex-endpoint={vertex.endpoint}"], {}), {})

    return command


@pytest.fixture
def versions(server, tmp_path):  # noqa: ARG001 – it has to run
    """1.0.0 and 1.0.1 are approved, 1.0.2 was refused, 1.0.3 was approved all the same."""
    figures = classification_metrics(*predictions(500))
    registry = registry_at(ROOT)
    for number, failing in enumerate([(), (), ("absolute",), ("calibration",)]):
        wishes = Wishes(reason="the demo is today") if number == 3 else Wishes()
        model = make_model(tmp_path / str(number), str(number), figures=figures)
        registered(registry, model, *failing, wishes=wishes)
    return registry


def held(vertex):
    """What Vertex holds, by our version."""
    found = {}
    for item in vertex.store.versions(MODEL):
        (alias,) = (name for name in item.version_aliases if name.startswith("v"))
        found[alias] = item
    return found


def aliases(vertex):
    return {alias: sorted(set(item.version_aliases) - {alias}) for alias, item in held(vertex).items()}


def test_what_is_approved_is_mirrored_and_nothing_else(go, vertex, versions):
    report = go("mirror")
    assert [name.rpartition("@")[0] for name in report.document["vertex"]] == [MODEL] * 3
    assert sorted(held(vertex)) == ["v1-0-0", "v1-0-1", "v1-0-3"]
    first = held(vertex)["v1-0-0"]
    assert first.artifact_uri == versions.version_folder("1.0.0").uri
    assert first.version_description == "# Model card of 0"
    ours = {"stage": "dev", "approved": "yes", "deployment": "eligible", "performance": "ok"}
    assert dict(first.labels).items() >= ours.items()


def test_figures_that_are_damaged_are_not_mirrored(go, versions):
    versions.version_folder("1.0.0").write("metadata/metrics.json", b'{"test": ')
    report = go("mirror")
    assert "metadata/metrics.json of version 1.0.0 is damaged" in str(report.failure)
    assert report.failure.exit_code == 5


def test_vertex_gets_the_figures_that_were_measured(go, vertex, versions, tmp_path):
    figures = classification_metrics(*predictions(500))
    measured = {"log_loss": 0.7, "roc_auc_micro": 0.8}
    for number, failing in enumerate([(), ("agreement",)]):
        model = make_model(tmp_path / f"m{number}", f"m{number}", figures=figures)
        wishes = Wishes(reason="the demo is today")
        registered(versions, model, *failing, measured=measured, wishes=wishes)
    go("mirror")
    found = [vertex.store.evaluations[f"{MODEL}@{held(vertex)[alias].version_id}"] for alias in ("v1-0-4", "v1-0-5")]
    agreeing, other = (dict(evaluation.metrics) for (evaluation,) in found)
    assert (agreeing["logLoss"], other["logLoss"]) == (0.7, 0.7)
    assert "confidenceMetrics" in agreeing
    assert set(other) == {"auPrc", "auRoc", "logLoss"}


def test_an_override_is_shown_in_vertex_too(go, vertex, versions):  # noqa: ARG001 – there they are
    go("mirror")
    overridden = held(vertex)["v1-0-3"]
    assert overridden.labels["override"] == "yes"
    assert overridden.labels["performance"] == "needs-improvement"
    assert overridden.version_description.startswith(
        "Refused by calibration; approved all the same by me@here: the demo"
    )


def test_an_override_that_is_not_needed_any_more_is_taken_back_in_vertex(go, vertex, versions, tmp_path):
    go("mirror")
    registered(versions, tmp_path / "3")
    go("mirror")
    labels = held(vertex)["v1-0-3"].labels
    assert ("override" in labels, labels["performance"]) == (False, "ok")
    assert held(vertex)["v1-0-3"].version_description == "# Model card of 3"


def test_other_thresholds_are_shown_in_vertex_too(go, vertex, versions, tmp_path):
    (tmp_path / "open.yaml").write_text("absolute: {recall_at_least: 0.0}")
    registered(versions, make_model(tmp_path / "weak", "weak"), gates=tmp_path / "open.yaml")
    go("mirror")
    lenient = held(vertex)["v1-0-4"]
    assert lenient.labels["thresholds"] == "other"
    assert lenient.version_description.startswith("Judged with other thresholds: absolute.recall_at_least 0 (0.6)\n\n#")


def test_aliases_follow_promotion_and_rollback(go, vertex, versions):  # noqa: ARG001 – there they are
    go("promote", "1.0.0")
    assert aliases(vertex) == {"v1-0-0": ["default", "latest"]}
    go("promote", "1.0.1")
    assert aliases(vertex) == {"v1-0-0": [], "v1-0-1": ["default", "latest"]}
    assert {alias: item.labels["stage"] for alias, item in held(vertex).items()} == {"v1-0-0": "dev", "v1-0-1": "prod"}
    go("rollback")
    assert aliases(vertex) == {"v1-0-0": ["default", "latest"], "v1-0-1": []}
    assert {alias: item.labels["stage"] for alias, item in held(vertex).items()} == {"v1-0-0": "prod", "v1-0-1": "dev"}


def test_what_vertex_missed_is_made_up_for_by_the_same_command(go, vertex, versions):
    go("promote", "1.0.0")
    vertex.fail_next(1, grpc.StatusCode.PERMISSION_DENIED, "UploadModel")
    report = go("promote", "1.0.1")
    assert isinstance(report.failure, StorageError)
    assert str(report.failure).startswith("Vertex AI denies access")
    assert report.document["production"] == "1.0.1"
    assert versions.read().in_production == "1.0.1", "the registry is what counts"
    go("promote", "1.0.1")
    assert aliases(vertex) == {"v1-0-0": [], "v1-0-1": ["default", "latest"]}
    assert [line["kind"] for line in versions.read().journal].count("promote") == 2
    assert held(vertex)["v1-0-0"].labels["stage"] == "dev"


def test_what_was_in_production_while_vertex_missed_it_gets_its_label_back(go, vertex, versions):
    go("promote", "1.0.0")
    # Killed before Vertex followed: the next promotion has to set more than its own two versions right.
    versions.append(lambda index: decisions.promote(index, "1.0.1", seen=index, why=""))
    go("promote", "1.0.3")
    stages = {alias: item.labels["stage"] for alias, item in held(vertex).items()}
    assert stages == {"v1-0-0": "dev", "v1-0-1": "dev", "v1-0-3": "prod"}


def test_whoever_mirrors_last_leaves_the_last_state(go, vertex, versions, monkeypatch):
    def mirror_slowly(self, index, entry):
        name = mirror(self, index, entry)
        if index.in_production == "1.0.0":
            versions.append(lambda now: decisions.promote(now, "1.0.1", seen=now, why="meanwhile"))
        return name

    mirror = Mirror._mirror
    monkeypatch.setattr(Mirror, "_mirror", mirror_slowly)
    go("promote", "1.0.0")
    assert aliases(vertex) == {"v1-0-0": [], "v1-0-1": ["default", "latest"]}


def test_vertex_follows_no_history_that_was_shortened(go, vertex, versions):
    go("promote", "1.0.0")
    go("promote", "1.0.1")
    go("rollback", "--why", "harmful")
    folder = open_folder(ROOT).child("custom-cnn")
    folder.delete(f"history/{versions.read().number:06d}.json")
    report = go("mirror")
    assert isinstance(report.failure, GateRefusedError)
    assert "index.json knows events up to" in str(report.failure)
    assert aliases(vertex)["v1-0-0"] == ["default", "latest"]


def test_vertex_follows_no_cache_that_was_edited(go, vertex, versions):  # noqa: ARG001
    go("promote", "1.0.0")
    folder = open_folder(ROOT).child("custom-cnn")
    index = folder.read("index.json")
    for old, new in ((b'"passed": false', b'"passed": true'), (b'"production": ["1.0.0"]', b'"production": ["1.0.1"]')):
        folder.write("index.json", index.replace(old, new))
        report = go("mirror")
        assert "index.json says something else of" in str(report.failure)
        assert aliases(vertex) == {"v1-0-0": ["default", "latest"]}


def test_a_refusal_counts_for_more_than_what_vertex_says(go, vertex, versions, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(registration, "examination_of", lambda *_: Examiner("absolute"))
    go("promote", "1.0.0")
    vertex.fail_next(1, grpc.StatusCode.PERMISSION_DENIED)
    report = go("register", str(tmp_path / "2"))
    assert isinstance(report.failure, GateRefusedError)
    assert report.document["version"] == "1.0.2"
    assert versions.read().journal[-1]["kind"] == "examine"
    assert "Vertex AI denies access" in caplog.text


def test_the_same_again_changes_nothing(go, vertex, versions):  # noqa: ARG001 – there they are
    go("promote", "1.0.0")
    go("mirror")
    before = json.dumps([type(item).to_json(item) for item in held(vertex).values()])
    go("mirror")
    go("promote", "1.0.0")
    assert json.dumps([type(item).to_json(item) for item in held(vertex).values()]) == before


def test_approving_brings_a_version_into_vertex(go, vertex, versions):  # noqa: ARG001 – there they are
    go("promote", "1.0.0")
    go("approve", "1.0.2", "--override", "--reason", "good enough")
    assert sorted(held(vertex)) == ["v1-0-0", "v1-0-2"]
    assert aliases(vertex)["v1-0-2"] == []

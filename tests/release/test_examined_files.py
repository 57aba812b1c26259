"""What an examination says of files, documents, signatures and data before any model is loaded: on a folder by hand."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.datasets import random_dataset, write_dataset
from tests.support.evidence import sound_evidence
from tests.support.keys import key_pair
from trainer import measurement
from trainer.artifacts.manifest import Manifest, describe_files, write_manifest
from trainer.contract import CLASS_NAMES
from trainer.data import idx, sketches
from trainer.data.split import stratified_split
from trainer.errors import DataError, Interrupted, StorageError
from trainer.examination import DataPlace, Examination, Seal, examine, with_comparison
from trainer.release.gates import GATES, judge
from trainer.release.signing import sign
from trainer.release.thresholds import load
from trainer.storage import open_folder

DATASET = random_dataset(train=60, test=60)
SPLIT_SETTINGS = {"seed": 3, "val_fraction": 0.25, "limit_train": 50, "limit_test": 50}
SPLIT = stratified_split(DATASET.train.labels, DATASET.test.labels, **SPLIT_SETTINGS)
ROW = {"recall": 1.0, "support": 2, "mistaken_for": [{"class": "Bag", "count": 1, "rate": 0.5}]}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A committed folder whose documents are in order. Its artifact is none."""
    write_dataset(tmp_path / "data", DATASET)
    source = {"name": "somewhere", "origin": str(tmp_path / "data"), "synthetic": False, "published": False}
    documents = {
        "params": {"run_id": "0123", "split_fingerprint": SPLIT.fingerprint, "settings": SPLIT_SETTINGS},
        "metrics": {"test": {"n": 15}, "validation": {"n": 12}},
        "class_performance": {"classes": dict.fromkeys(CLASS_NAMES, ROW)},
        "data_report": {
            "fingerprint": idx.fingerprint(DATASET),
            "blocking": [],
            "source": source,
            "leakage": {"copies": 0},
        },
    }
    folder = tmp_path / "model"
    (folder / "metadata").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"no graph at all")
    for name, document in documents.items():
        (folder / "metadata" / f"{name}.json").write_text(json.dumps(document))
    return commit(folder)


def commit(folder: Path) -> Path:
    write_manifest(folder, Manifest("0123", "2026-11-24T00:00:00+00:00", False, (), describe_files(folder)))
    return folder


def rewrite(folder: Path, name: str, **changes: Any) -> Path:
    path = folder / "metadata" / f"{name}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return commit(folder)


def look(folder: Path, *, data: Path | None = None, seal: Seal | None = None) -> Examination:
    place = DataPlace(str(data) if data else None, None, Path("no cache"))
    return examine(open_folder(folder), place=place, thresholds=load(), seal=seal)


def findings(folder: Path) -> str:
    """What the first gate refuses the model for. Nothing else may have been looked at."""
    found = look(folder, data=Path("not looked for"))
    assert not found.intact
    assert not found.takes_over
    assert {verdict.gate for verdict in found.failed} == set(GATES)
    others = {verdict.sentence for verdict in found.failed[1:]}
    assert others == {"Not measured: the artifact was not loaded, because its files are not in order."}
    return found.verdicts[0].sentence


@pytest.mark.parametrize("name", ["saved_model.pb", *(f"metadata/{name}.json" for name in ("params", "data_report"))])
def test_one_changed_bit_is_found_and_nothing_is_loaded(model: Path, name: str) -> None:
    content = bytearray((model / name).read_bytes())
    content[len(content) // 2] ^= 1
    (model / name).write_bytes(bytes(content))
    assert f"{name} was changed" in findings(model)


def test_a_missing_and_a_strange_file_are_found(model: Path) -> None:
    (model / "metadata" / "params.json").unlink()
    (model / "extra").touch()
    sentence = findings(model)
    assert "metadata/params.json is missing" in sentence
    assert "extra is not in the manifest" in sentence


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("params", {"run_id": "another"}, "the manifest is of run 0123, metadata/params.json of run another"),
        ("params", {"settings": {"seed": 1}}, "params.json is not as the trainer writes it: settings.val_fraction: "),
        ("params", {"settings": SPLIT_SETTINGS | {"seed": -1}}, "as the trainer writes it: settings.seed: "),
        (
            "params",
            {"settings": SPLIT_SETTINGS | {"val_fraction": 1e308}},
            "trainer writes it: settings.val_fraction: ",
        ),
        (
            "params",
            {"settings": SPLIT_SETTINGS | {"limit_train": -3}},
            "as the trainer writes it: settings.limit_train: ",
        ),
        ("data_report", {"blocking": "no"}, "metadata/data_report.json is not as the trainer writes it: blocking: "),
        ("data_report", {"leakage": {}}, "metadata/data_report.json is not as the trainer writes it: leakage.copies: "),
        ("metrics", {"test": 0.9}, "metadata/metrics.json is not as the trainer writes it: test: "),
        (
            "metrics",
            {"test": {"n": 15, "log_loss": "0.2"}},
            "metrics.json is not as the trainer writes it: test.log_loss: ",
        ),
        ("metrics", {"test": {"log_loss": 0.2}}, "metrics.json is not as the trainer writes it: test.n: "),
        ("metrics", {"validation": {"n": 0}}, "metrics.json is not as the trainer writes it: validation.n: "),
        ("metrics", {"test": {"n": 15, "accuracy": 0.9}}, "is not as the trainer writes it: test.accuracy: "),
        ("metrics", {"test": {"n": 15, "accuracy": {"value": 0.9, "low": "0.8", "high": 1}}}, ": test.accuracy.low: "),
        ("metrics", {"test": {"n": 15, "f1_macro": True}}, "is not as the trainer writes it: test.f1_macro: "),
        ("metrics", {"test": {"n": 10**400}}, "is not as the trainer writes it: test.n: "),
        ("metrics", {"test": {"n": 15, "confidence_metrics": [math.nan]}}, "NaN, which JSON has no number for"),
        ("params", {"learning_rate": -math.inf}, "-Infinity, which JSON has no number for"),
        (
            "class_performance",
            {"classes": {"Bag": ROW | {"support": 10**400}}},
            "trainer writes it: classes.Bag.support: ",
        ),
        ("class_performance", {"classes": {"Bag": ROW | {"recall": "1"}}}, "trainer writes it: classes.Bag.recall: "),
        ("class_performance", {"classes": []}, "class_performance.json is not as the trainer writes it: classes: "),
    ],
)
def test_documents_that_can_not_be_right_are_found(model: Path, name: str, changes: Any, reason: str) -> None:
    assert reason in findings(rewrite(model, name, **changes))


@pytest.mark.parametrize("content", ["{", "", "\udcff", "[1]", '{"test": {"n": 15, "log_loss": 1e999}}'])
def test_a_document_that_is_none_is_found(model: Path, content: str) -> None:
    (model / "metadata" / "metrics.json").write_bytes(content.encode(errors="surrogateescape"))
    assert "metadata/metrics.json is not " in findings(commit(model))


def test_the_registrys_mark_is_no_part_of_the_model(model: Path) -> None:
    (model / "release.json").write_text("{}")
    (model / "saved_model.pb").unlink()
    assert findings(model) == "Not intact: saved_model.pb is missing."


def test_what_is_no_committed_model_is_an_error(model: Path) -> None:
    (model / "manifest.json").unlink()
    with pytest.raises(StorageError, match=r"no model is committed here – expected a folder with manifest\.json"):
        look(model)


@pytest.mark.parametrize(
    ("content", "reason"),
    [("{", "is not a manifest – expected a JSON object"), (None, "can't be read – expected schema")],
)
def test_a_manifest_that_can_not_be_read_is_named_as_the_user_knows_it(
    model: Path, content: str | None, reason: str
) -> None:
    manifest = model / "manifest.json"
    manifest.write_text(content or json.dumps(json.loads(manifest.read_text()) | {"schema": 99}))
    with pytest.raises(StorageError) as raised:
        look(model)
    assert str(raised.value).startswith(f"{model}/manifest.json {reason}")
    assert "--output-dir" not in str(raised.value)


def test_without_keys_it_says_so_and_a_model_that_is_not_signed_yet_is_no_fault(model: Path, tmp_path: Path) -> None:
    (model / "saved_model.pb").unlink()
    _, public = key_pair(tmp_path)
    said = [look(model, seal=seal).verdicts[0].figures for seal in (None, Seal(public))]
    assert [figures["signature"] for figures in said] == [
        "no keys are set up, so no signature was asked for",
        "not signed yet",
    ]
    assert [figures["findings"] for figures in said] == [["saved_model.pb is missing"]] * 2


def test_a_signature_of_other_files_or_of_another_key_is_a_finding(model: Path, tmp_path: Path) -> None:
    private, public = key_pair(tmp_path)
    _, other = key_pair(tmp_path, "other")
    sign(model, tmp_path / "sig", private)
    (model / "saved_model.pb").unlink()
    for key in (public, other):
        figures = look(model, seal=Seal(key, tmp_path / "sig")).verdicts[0].figures
        assert figures["signature"] == "the signature is not the key's"
        assert len(figures["findings"]) == 2


def test_a_damaged_champion_is_said_to_be_damaged(model: Path) -> None:
    (model / "saved_model.pb").write_bytes(b"another")
    predicted = DATASET.test.labels.astype(np.intp)
    found = with_comparison(sound_evidence(), predicted, DATASET.test, open_folder(model))
    assert "is damaged: saved_model.pb was changed" in found.uncompared
    assert [verdict.gate for verdict in judge(found, load()) if not verdict.passed] == ["champion"]


def test_other_data_are_refused_and_the_right_ones_asked_for(model: Path, tmp_path: Path) -> None:
    write_dataset(tmp_path / "other", random_dataset(train=60, test=60, seed=1))
    with pytest.raises(DataError, match=r"not those that the model was made from – expected fingerprint .* --data"):
        look(model, data=tmp_path / "other")


def test_data_that_are_gone_are_an_error(model: Path, tmp_path: Path) -> None:
    (tmp_path / "data").rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="no such data"):
        look(model)


def test_data_that_can_not_be_split_as_they_were_are_refused(model: Path) -> None:
    with pytest.raises(DataError, match="can't be split as they were for training"):
        look(rewrite(model, "params", split_fingerprint="0"))


def test_the_parts_are_those_of_training(model: Path, tmp_path: Path) -> None:
    documents = [json.loads((model / "metadata" / f"{name}.json").read_text()) for name in ("params", "data_report")]
    place = DataPlace(str(tmp_path / "data"), None, tmp_path)
    parts = measurement.find_parts(place, *documents)
    np.testing.assert_array_equal(parts.test.images, DATASET.test.images[SPLIT.test])
    np.testing.assert_array_equal(parts.validation.labels, DATASET.train.labels[SPLIT.validation])
    assert parts.copies == 0
    assert not parts.synthetic


def test_drawings_are_known_whatever_the_documents_call_them(cache: Path) -> None:
    paths = sketches.locate(cache)
    drawn, place = idx.read_dataset(paths), str(paths["train_images"].parent)
    split = stratified_split(drawn.train.labels, drawn.test.labels, **SPLIT_SETTINGS)
    params = {"split_fingerprint": split.fingerprint, "settings": SPLIT_SETTINGS}
    source = {"name": place, "origin": place, "synthetic": False, "published": False}
    report = {"fingerprint": idx.fingerprint(drawn), "source": source}
    assert measurement.find_parts(DataPlace(None, None, cache), params, report).synthetic


def test_published_data_are_looked_for_elsewhere_if_their_folder_is_gone(model: Path, tmp_path: Path) -> None:
    """That the folder in FASHION_MNIST_DIR is asked next shows in what is said of it."""
    report = json.loads((model / "metadata" / "data_report.json").read_text())
    source = report["source"] | {"published": True, "origin": str(tmp_path / "gone")}
    rewrite(model, "data_report", source=source)
    place = DataPlace(None, tmp_path / "nor here", tmp_path)
    with pytest.raises(DataError, match="FASHION_MNIST_DIR is not a folder"):
        examine(open_folder(model), place=place, thresholds=load())


@pytest.mark.slow
def test_an_artifact_that_is_none_is_not_measured(model: Path) -> None:
    """It takes the client's process down: no gate passes, and the reason is said."""
    found = look(model)
    assert found.intact
    assert {verdict.gate for verdict in found.failed} == set(GATES) - {"integrity"}
    assert "the artifact does not answer – expected probabilities – received" in found.failed[0].sentence
    assert "Error parsing message" in found.failed[0].sentence


def test_an_artifact_that_does_not_answer_in_time_is_not_judged(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measurement, "CLIENT_SECONDS", 0.01)
    with pytest.raises(Interrupted, match=r"all answers within 0\.01 s – received none in time – start"):
        look(model)


def test_a_champion_that_the_machine_lets_not_answer_is_not_damaged(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measurement, "CLIENT_SECONDS", 0.01)
    predicted = DATASET.test.labels.astype(np.intp)
    with pytest.raises(Interrupted, match="start the same command again"):
        with_comparison(sound_evidence(), predicted, DATASET.test, open_folder(model))

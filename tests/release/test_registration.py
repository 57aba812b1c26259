"""How a model folder gets into the registry, on a folder and on a bucket."""

import json
from pathlib import Path

import pytest

from tests.support.registries import Examiner, OvertakenExaminer, make_model, registered, registry_at
from trainer.contract import RELEASE_NAME
from trainer.errors import GateRefusedError, SettingsError, StorageError
from trainer.registry.registration import Terms, register
from trainer.release import decisions
from trainer.release.decisions import Content, Wishes
from trainer.release.history import Index
from trainer.release.strays import strays
from trainer.release.verdict import Verdict
from trainer.release.versions import Makings, Version
from trainer.storage import open_folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make_model(tmp_path / "model")


def mark_of(model: Path) -> dict:
    return json.loads((model / RELEASE_NAME).read_text())


def test_a_model_gets_in_as_it_is(root, model):
    registry = registry_at(root)
    entry = registered(registry, model)
    assert (entry.version, entry.who, entry.approved) == ("1.0.0", "me@here", True)
    assert entry.figures["accuracy"] == {"value": 0.93, "low": pytest.approx(0.925), "high": pytest.approx(0.935)}
    theirs = registry.version_folder("1.0.0")
    assert theirs.names() == [name for name in open_folder(model).names() if name != RELEASE_NAME]
    assert all(theirs.read(name) == (model / name).read_bytes() for name in theirs.names())
    assert registry.faults(entry, None) == []
    assert strays(registry.names(), registry.read()) == []


def test_its_figures_are_those_that_were_measured(root, model):
    measured = {"accuracy": {"value": 0.81, "low": 0.78, "high": 0.84}, "log_loss": 0.5}
    entry = registered(registry_at(root), model, "agreement", measured=measured)
    assert entry.figures.items() >= measured.items()


def test_the_same_content_has_one_version(root, model):
    registry = registry_at(root)
    first = registered(registry, model)
    number = registry.read().number
    examiner = Examiner()
    assert register(registry, str(model), Terms(), examiner) == first
    assert (registry.read().number, examiner.asked) == (number, 0)
    copied = make_model(model.parent / "elsewhere")
    assert registered(registry, copied) == first


def test_the_mark_of_another_registry_is_not_taken_along(root, tmp_path, model):
    registered(registry_at(tmp_path / "another"), model)
    assert (model / RELEASE_NAME).exists()
    registry = registry_at(root)
    registered(registry, model)
    assert RELEASE_NAME not in registry.version_folder("1.0.0").names()


def test_versions_follow_from_what_changed(root, tmp_path):
    registry = registry_at(root)
    made = [{}, {"seed": 2}, {"epochs": 3}, {"fingerprint": "g"}, {"filters": [16]}]
    models = [make_model(tmp_path / str(i), str(i), **settings) for i, settings in enumerate(made)]
    versions = [registered(registry, model).version for model in models]
    assert versions == ["1.0.0", "1.0.1", "1.1.0", "1.2.0", "2.0.0"]


def test_a_version_may_be_asked_for(root, tmp_path, model):
    registry = registry_at(root)
    assert registered(registry, model, version=Version(3, 0, 0)).version == "3.0.0"
    with pytest.raises(SettingsError, match=r"has a version already – expected 3\.0\.0 – received --version 4\.0\.0"):
        registered(registry, model, version=Version(4, 0, 0))
    other = make_model(tmp_path / "other", "b")
    with pytest.raises(SettingsError, match=r"--version can only go upwards – expected 3\.0\.1"):
        registered(registry, other, version=Version(2, 0, 0))
    assert registry.read().number == 2


def test_the_folder_it_came_from_is_marked(root, model):
    registry = registry_at(root)
    registered(registry, model, "absolute")
    mark = mark_of(model)
    assert (mark["version"], mark["approved"], mark["override"]) == ("1.0.0", False, None)
    assert [verdict["gate"] for verdict in mark["verdicts"] if not verdict["passed"]] == ["absolute"]
    registered(registry, model, "absolute", wishes=Wishes(reason="a demo"))
    assert mark_of(model)["override"]["reason"] == "a demo"


def test_a_folder_that_cant_be_marked_is_no_obstacle(root, model, monkeypatch, caplog):
    def refuse(*_):
        raise StorageError("the file system is read-only")

    registry = registry_at(root)
    monkeypatch.setattr(type(open_folder(model)), "write", refuse)
    if not root.startswith("gs://"):
        monkeypatch.setattr(registry, "_write_index", lambda _: None)
    assert registered(registry, model).version == "1.0.0"
    assert "could not be marked" in caplog.text


def test_an_altered_model_leaves_no_trace_in_the_registry(root, model):
    registry = registry_at(root)
    for wishes in (Wishes(), Wishes(reason="I know what I do")):
        with pytest.raises(
            GateRefusedError, match="nothing of it was registered – expected .* – received integrity: .* overridden"
        ):
            registered(registry, model, "integrity", wishes=wishes)
    assert registry.read() == Index()
    assert not registry.version_folder("1.0.0").names()
    assert mark_of(model)["version"] is None


def test_an_altered_model_is_not_taken_for_the_one_it_was(root, model):
    registry = registry_at(root)
    registered(registry, model)
    (model / "saved_model.pb").write_text("another graph")
    with pytest.raises(GateRefusedError, match=r"received saved_model\.pb was changed"):
        registered(registry, model)
    assert mark_of(model)["approved"] is False


def test_a_folder_without_a_model_is_refused(root, tmp_path):
    with pytest.raises(StorageError, match="no model is committed here – expected a folder with manifest"):
        registered(registry_at(root), tmp_path / "nothing")


def test_a_champion_that_was_replaced_meanwhile_is_compared_with_anew(root, tmp_path, model):
    registry = registry_at(root)
    registered(registry, model)
    examine = OvertakenExaminer(registry, make_model(tmp_path / "faster", "b"))
    entry = register(registry, str(make_model(tmp_path / "slower", "c")), Terms(), examine)
    assert examine.compared == ["1.0.0", "1.0.1"]
    assert (entry.version, registry.read().latest) == ("1.0.2", "1.0.1")


def test_the_champion_is_the_latest_version(root, tmp_path, model):
    registry = registry_at(root)
    asked = []

    def examine(folder, champion, seal):
        asked.append(champion and champion.uri)
        return Examiner()(folder, champion, seal)

    for path in (model, make_model(tmp_path / "b", "b")):
        register(registry, str(path), Terms(), examine)
    assert asked == [None, f"{registry.uri}/1.0.0"]


def reserve(registry, model):
    """The version that a process got which was killed before it had copied anything."""
    seen = []

    def stop(index):
        change = decisions.reserve(index, content_of(model), None)
        seen.append(change.version)
        return change

    registry.append(stop)
    return seen[0]


def content_of(model):
    import hashlib

    digest = hashlib.sha256((model / "manifest.json").read_bytes()).hexdigest()
    return Content(digest, "run", Makings("?", "?", "?"), {}, [Verdict("absolute", True, "", {})])


def test_what_a_killed_process_reserved_is_used_by_the_next(root, tmp_path, model):
    registry = registry_at(root)
    assert reserve(registry, model) == "1.0.0"
    assert registered(registry, make_model(tmp_path / "b", "b")).version == "2.0.0"
    assert registered(registry, model).version == "1.0.0"


def test_what_a_killed_process_copied_is_adopted(root, model):
    registry = registry_at(root)
    version = reserve(registry, model)
    (model / "half").mkdir()
    registry.version_folder(version).write("saved_model.pb", b"half")
    assert registered(registry, model).version == "1.0.0"
    assert registry.faults(registry.read().entries["1.0.0"], None) == []


def test_a_version_folder_with_other_content_is_not_adopted(root, model, tmp_path):
    registry = registry_at(root)
    version = reserve(registry, model)
    registry.publish(make_model(tmp_path / "b", "b"), version)
    with pytest.raises(StorageError, match="this version's folder is taken"):
        registered(registry, model)

"""The registry on a folder and on a bucket: idempotent, mending itself, and telling what was touched."""

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.registries import make_model, registered, registry_at
from tests.support.storage_server import storage_server
from trainer.errors import SettingsError, StorageError
from trainer.release.decisions import Change
from trainer.release.history import Index
from trainer.release.store import INDEX_NAME
from trainer.release.strays import strays
from trainer.storage import open_folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make_model(tmp_path / "model")


def test_the_index_is_made_again_when_lost_behind_or_broken(root, tmp_path, model):
    registry = registry_at(root)
    folder = open_folder(root).child("custom-cnn")
    registered(registry, model)
    behind = folder.read(INDEX_NAME)
    registered(registry, make_model(tmp_path / "b", "b"))
    whole = folder.read(INDEX_NAME)
    for content in (None, behind, b"{", b'{"schema": 7}', whole[:-9]):
        folder.delete(INDEX_NAME)
        if content:
            folder.write(INDEX_NAME, content)
        assert registry.read().latest == "1.0.1"
        assert folder.read(INDEX_NAME) == whole


@pytest.mark.parametrize(
    ("way", "value"),
    [
        *((("versions", 0, "figures"), None), (("versions", 0, "event"), "2"), (("versions", 0, "signed"), "no")),
        *((("versions", 0, "when"), None), (("journal", 0, "who"), 5), (("journal", 1, "latest"), 7)),
        *((("reserved",), {"x": {"version": 1, "makings": {}, "when": ""}}), (("head",), 5)),
        pytest.param(("versions", 0, "figures"), json.loads("[" * 500 + "]" * 500), id="deep"),
    ],
)
def test_an_index_that_holds_something_of_another_type_is_made_again(tmp_path, model, way, value):
    registry = registry_at(tmp_path / "registry")
    registered(registry, model)
    path = tmp_path / "registry" / "custom-cnn" / INDEX_NAME
    whole = path.read_bytes()
    document = place = json.loads(whole)
    for step in way[:-1]:
        place = place[step]
    place[way[-1]] = value
    for content in (json.dumps(document), "[" * 200_000):
        path.write_text(content)
        assert registry.read().latest == "1.0.0"
        assert path.read_bytes() == whole


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("number", "2"), ("kind", []), ("who", 5), ("when", None), ("follows", 7), ("makings", {"data": 1})),
        *(("digest", []), ("figures", "x"), ("verdicts", [{"gate": 1, "passed": 0}]), ("latest", 1), ("override", {})),
        ("other_thresholds", {"absolute.recall_at_least": {"asked": 0}}),
        pytest.param("figures", json.loads('{"accuracy":' * 500 + "1" + "}" * 500), id="deep"),
    ],
)
def test_an_event_that_holds_something_of_another_type_is_refused(tmp_path, model, name, value):
    registry = registry_at(tmp_path / "registry")
    registered(registry, model)
    path = tmp_path / "registry" / "custom-cnn" / "history" / "000002.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))
    with pytest.raises(StorageError, match=rf"000002\.json is not an event .* received ValueError\('({name}|nested)"):
        registry.events()


def test_reading_needs_no_right_to_write(root, model, monkeypatch):
    registry = registry_at(root)
    registered(registry, model)
    folder = open_folder(root).child("custom-cnn")
    folder.delete(INDEX_NAME)

    def refuse(*_):
        raise StorageError("no permission")

    monkeypatch.setattr(type(folder), "write", refuse)
    assert registry.read().latest == "1.0.0"


def test_a_registry_that_is_not_there_is_empty(root):
    assert registry_at(root).read() == Index()


@pytest.mark.parametrize("name", ["Custom", "1cnn", "a/b", "..", "", "a" * 64, "a b"])
def test_a_name_that_vertex_would_refuse_is_refused(tmp_path, name):
    with pytest.raises(SettingsError, match="not a usable name for a registered model"):
        registry_at(tmp_path, name)


@pytest.mark.parametrize("change", ["edit", "delete", "add", "manifest", "all"])
def test_whatever_happens_to_a_versions_files_is_found(root, model, change):
    registry = registry_at(root)
    entry = registered(registry, model)
    folder = registry.version_folder("1.0.0")
    name = "variables/variables.data-00000-of-00001"
    content = folder.read(name)
    expected = {
        "edit": f"{name} was changed",
        "delete": f"{name} is missing",
        "add": "extra is not in the manifest",
        "manifest": "manifest.json is not the one that was registered",
        "all": "manifest.json is missing, or the whole folder",
    }
    if change == "edit":
        folder.write(name, content[:-1] + bytes([content[-1] ^ 1]))
    elif change == "add":
        folder.write("extra", b"")
    elif change == "manifest":
        folder.write("manifest.json", folder.read("manifest.json").replace(b"false", b"true"))
    else:
        for gone in [name] if change == "delete" else folder.names():
            folder.delete(gone)
    assert registry.faults(entry, None) == [expected[change]]


def test_what_no_event_accounts_for_is_found(root, model):
    registry = registry_at(root)
    registered(registry, model)
    folder = open_folder(root).child("custom-cnn")
    folder.write("7.0.0/saved_model.pb", b"x")
    folder.write("history/000009.json", b"{}")
    assert strays(registry.names(), registry.read()) == [
        "7.0.0 belongs to no event",
        "history/000009.json comes after a gap in the history",
    ]


def test_the_loser_of_a_race_decides_again(root):
    registry = registry_at(root)
    other = registry_at(root)
    numbers = []

    def decide(index):
        numbers.append(index.number)
        if len(numbers) == 1:
            other.append(lambda _: Change("reserve", "1.0.0", "faster", {"digest": "x", "makings": makings}))
        return Change("reserve", "1.0.1", "slower", {"digest": "y", "makings": makings})

    makings = {"architecture": "a", "recipe": "r", "data": "d"}
    registry.append(decide)
    assert numbers == [0, 1]
    assert [event.why for event in registry.events()] == ["faster", "slower"]


def test_an_event_is_made_once_though_the_answer_gets_lost(model, server):
    registry = registry_at("gs://registry-bucket/r")
    server.lose_responses(1, "POST")
    registered(registry, model)
    assert [event.kind for event in registry.events()] == ["reserve", "register"]


def test_a_thousand_versions_are_read_in_far_less_than_a_second(tmp_path, model):
    registry = registry_at(tmp_path / "registry")
    entry = registered(registry, model)
    versions = [f"1.0.{number}" for number in range(1000)]
    entries = {version: replace(entry, version=version, digest=version) for version in versions}
    index = replace(registry.read(), entries=entries)
    (tmp_path / "registry" / "custom-cnn" / INDEX_NAME).write_bytes(index.as_json())
    seconds = []
    for _ in range(3):  # Memory is cleared up at times, and that belongs to the tests before this one.
        started = time.process_time()
        assert registry.read() == index
        seconds.append(time.process_time() - started)
    assert min(seconds) < 0.5


def test_a_missing_bucket_is_not_an_empty_registry(server):  # noqa: ARG001 – it has to run
    with pytest.raises(StorageError, match="no such bucket"):
        registry_at("gs://no-such-bucket/r").read()


def test_a_forbidden_bucket_is_said(monkeypatch):
    with storage_server("secret-bucket") as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        server.forbid("secret-bucket")
        with pytest.raises(StorageError, match="denies access"):
            registry_at("gs://secret-bucket/r").read()

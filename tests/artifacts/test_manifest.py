import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from trainer.artifacts.manifest import Manifest, describe_files, read_manifest, verify, write_manifest
from trainer.errors import StorageError
from trainer.storage import open_folder

WITHOUT_FILES = b'{"run_id": "1", "created": "", "synthetic": false, "blocking": [], "files": null}'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "variables").mkdir()
    (tmp_path / "saved_model.pb").write_bytes(b"graph")
    (tmp_path / "variables" / "data").write_bytes(b"weights")
    return tmp_path


@pytest.fixture
def manifest(folder: Path) -> Manifest:
    manifest = Manifest("0123", "2026-11-23T00:00:00+00:00", False, (), describe_files(folder))
    write_manifest(folder, manifest)
    return manifest


def test_lists_every_file_but_itself(folder: Path, manifest: Manifest) -> None:
    assert set(manifest.files) == {"saved_model.pb", "variables/data"}
    assert manifest.files["saved_model.pb"]["size"] == 5
    assert manifest.files["saved_model.pb"]["sha256"] == hashlib.sha256(b"graph").hexdigest()
    assert describe_files(folder) == manifest.files, "written, it does not list itself"


def test_is_read_back(folder: Path, manifest: Manifest) -> None:
    found = read_manifest(open_folder(folder))
    assert found is not None
    assert replace(found, blocking=tuple(found.blocking)) == manifest


def test_no_manifest_is_no_model(tmp_path: Path) -> None:
    assert read_manifest(open_folder(tmp_path)) is None
    assert read_manifest(open_folder(tmp_path / "missing")) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"run_id": "1"}', b'{"schema": 1, "other": 2}', WITHOUT_FILES])
def test_says_that_a_manifest_is_none_of_ours(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(StorageError, match=r"manifest\.json is not a manifest.*schema 1") as raised:
        read_manifest(open_folder(tmp_path))
    assert str(raised.value).startswith(str(tmp_path))
    assert str(raised.value).endswith(" – restore it from a backup, or name another folder")


@pytest.mark.parametrize("schema", [99, 0])
def test_a_manifest_of_another_schema_is_refused(folder: Path, manifest: Manifest, schema: int) -> None:
    write_manifest(folder, replace(manifest, schema=schema))
    with pytest.raises(StorageError, match=f"expected schema 1 – received schema {schema} – update this package"):
        read_manifest(open_folder(folder))


def test_an_untouched_folder_is_verified(folder: Path, manifest: Manifest) -> None:
    assert verify(open_folder(folder), manifest) == []


def test_every_change_is_found(folder: Path, manifest: Manifest) -> None:
    (folder / "saved_model.pb").write_bytes(b"grapH")
    (folder / "variables" / "data").unlink()
    (folder / "extra").write_bytes(b"")
    assert verify(open_folder(folder), manifest) == [
        "variables/data is missing",
        "extra is not in the manifest",
        "saved_model.pb was changed",
    ]


@pytest.mark.parametrize("name", ["evil.py", "keras_metadata/evil.py", "variables.py", "metadata.d/x"])
def test_what_is_no_part_of_a_model_is_found_though_the_manifest_lists_it(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"import os")
    (folder / "assets").mkdir()
    (folder / "assets" / "words.txt").write_bytes(b"of the model")
    manifest = Manifest("0123", "2026-11-23T00:00:00+00:00", False, (), describe_files(folder))
    assert verify(open_folder(folder), manifest) == [f"{name} is no part of a model"]


def test_the_registrys_mark_is_no_part_of_the_model(folder: Path, manifest: Manifest) -> None:
    (folder / "release.json").write_bytes(b"{}")
    assert verify(open_folder(folder), manifest) == []
    assert describe_files(folder) == manifest.files

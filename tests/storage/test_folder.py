"""What both kinds of folder promise."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.racing import race
from trainer.errors import AlreadyExistsError, NotFoundError, StorageError
from trainer.storage import Folder, open_folder


def test_what_is_written_is_read(folder: Folder) -> None:
    folder.write("metadata/metrics.json", b"old")
    folder.write("metadata/metrics.json", b"new")
    assert folder.read("metadata/metrics.json") == b"new"
    assert folder.child("metadata").read("metrics.json") == b"new"
    assert folder.exists("metadata/metrics.json")
    assert not folder.exists("metadata")
    assert not folder.exists("metadata/other.json")


@pytest.mark.parametrize("content", [b"", b"\x00\r\n\xff", bytes(9_000_000)], ids=["empty", "odd", "9 MB"])
def test_files_travel_unchanged(folder: Folder, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "source").write_bytes(content)
    folder.upload("variables/data", tmp_path / "source")
    folder.download("variables/data", tmp_path / "new folder" / "target")
    assert (tmp_path / "new folder" / "target").read_bytes() == content
    assert [path.name for path in (tmp_path / "new folder").iterdir()] == ["target"]


def test_of_sixteen_creations_exactly_one_wins(folder: Folder) -> None:
    outcomes = race(lambda number: folder.create("lock", bytes([number])), count=16)
    winners = [number for number, outcome in enumerate(outcomes) if outcome is None]
    assert len(winners) == 1
    assert folder.read("lock") == bytes(winners)
    assert sum(isinstance(outcome, AlreadyExistsError) for outcome in outcomes) == 15


def test_equal_content_does_not_make_two_winners(folder: Folder) -> None:
    outcomes = race(lambda _: folder.create("lock", b"same"), count=8)
    assert outcomes.count(None) == 1


def test_create_says_what_is_there(folder: Folder) -> None:
    folder.create("lock", b"")
    with pytest.raises(AlreadyExistsError, match=f"only once – expected .* – received {folder.uri}/lock, which exists"):
        folder.create("lock", b"")


def test_names_are_recursive_relative_and_sorted(folder: Folder) -> None:
    assert folder.names() == []
    for name in ("b", "a/2", "a/10/x", "ab", ".gitkeep"):
        folder.write(name, b"")
    assert folder.names() == [".gitkeep", "a/10/x", "a/2", "ab", "b"]
    assert folder.names("a/") == ["a/10/x", "a/2"]
    assert folder.names("a") == ["a/10/x", "a/2", "ab"]
    assert folder.child("a").names() == ["10/x", "2"]
    assert folder.child("missing").names() == []


def test_delete_may_be_repeated(folder: Folder) -> None:
    folder.write("x", b"")
    folder.delete("x")
    folder.delete("x")
    assert folder.names() == []


def test_a_missing_file_is_named(folder: Folder, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=f"{folder.uri}/none"):
        folder.read("none")
    with pytest.raises(NotFoundError, match=f"{folder.uri}/none"):
        folder.download("none", tmp_path / "target")
    with pytest.raises(NotFoundError, match="/no-source"):
        folder.upload("x", tmp_path / "no-source")
    assert not (tmp_path / "target").exists()
    assert folder.names() == []


def test_check_writable_leaves_nothing(folder: Folder, server) -> None:
    folder.check_writable()
    assert folder.names() == []
    assert server.objects("my-bucket") == {}
    if not folder.uri.startswith("gs://"):
        assert list(Path(folder.uri).iterdir()) == []


def test_what_is_whole_is_no_leftover(folder: Folder) -> None:
    folder.write("epoch-00001.npz", b"1")
    folder.remove_unfinished()
    assert folder.names() == ["epoch-00001.npz"]


BAD_NAMES = ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a/", "./a", "a\n", "a\0b"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_can_not_lead_out(folder: Folder, tmp_path: Path, name: str) -> None:
    (tmp_path / "x").write_bytes(b"outside")
    actions = [
        lambda: folder.read(name),
        lambda: folder.write(name, b""),
        lambda: folder.create(name, b""),
        lambda: folder.exists(name),
        lambda: folder.delete(name),
        lambda: folder.child(name),
        lambda: folder.upload(name, tmp_path / "x"),
        lambda: folder.download(name, tmp_path / "y"),
    ]
    for action in actions:
        with pytest.raises(StorageError, match="not a usable file name – expected a relative name"):
            action()
    assert (tmp_path / "x").read_bytes() == b"outside"


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("", "a folder needs a name – expected a local folder, or gs://bucket/folder – received ''"),
        ("gs://", "not a valid bucket name – .* – received gs://"),
        ("gs:///folder", "not a valid bucket name"),
        ("gs://UPPER/folder", "not a valid bucket name"),
        ("gs://a", "not a valid bucket name"),
        ("gs://bucket//folder", "not a usable file name"),
        ("gs://bucket/a/../b", "not a usable file name"),
        (
            "s3://bucket/folder",
            "not supported – expected a local folder, or gs://bucket/folder – received s3",
        ),
        ("file:///tmp/x", "not supported"),
        ("https://storage.googleapis.com/bucket", "not supported"),
        ("a\0b", "a folder needs a name"),
    ],
)
@pytest.mark.usefixtures("server")
def test_addresses_of_no_folder(uri: str, message: str) -> None:
    with pytest.raises(StorageError, match=message) as caught:
        open_folder(uri)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 5


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("gs://my-bucket", "gs://my-bucket"),
        ("gs://my-bucket/", "gs://my-bucket"),
        ("gs://my-bucket/model/", "gs://my-bucket/model"),
        ("relative/folder/", f"{os.getcwd()}/relative/folder"),
        (Path("/absolute"), "/absolute"),
    ],
)
@pytest.mark.usefixtures("server")
def test_addresses_of_folders(uri: str | Path, expected: str) -> None:
    assert open_folder(uri).uri == expected
    assert open_folder(uri).child("a/b").uri == f"{expected}/a/b"


def test_the_home_folder(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert open_folder("~/models").uri == f"{tmp_path}/models"


def test_importing_the_door_is_light() -> None:
    script = "import sys, trainer.storage; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert "trainer.storage.local" in loaded
    assert not loaded & {"google.cloud.storage", "google.api_core", "google.auth", "requests", "numpy"}

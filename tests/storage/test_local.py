"""What can go wrong on a disk, and how it is said."""

import errno
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.racing import race
from trainer.errors import AlreadyExistsError, StorageError
from trainer.storage import open_folder

NOBODY = 65534


def _everything(path: Path) -> list[str]:
    """All files, also those that ``names`` hides."""
    return sorted(str(file.relative_to(path)) for file in path.rglob("*") if not file.is_dir())


def test_a_reader_never_sees_a_part(tmp_path: Path) -> None:
    folder = open_folder(tmp_path)
    folder.write("x", b"0" * 300_000)
    stop = threading.Event()
    seen: set[bytes] = set()

    def read() -> None:
        while not stop.is_set():
            content = folder.read("x")
            seen.add(content[:1] + content[-1:] + str(len(content)).encode())

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(60):
        folder.write("x", bytes([48 + number % 10]) * 300_000)
    stop.set()
    reader.join()
    assert len(seen) > 1
    assert seen <= {f"{digit}{digit}300000".encode() for digit in range(10)}


def test_what_a_killed_writer_leaves_is_no_file(tmp_path: Path) -> None:
    script = f"""
import os, signal
from trainer.storage import atomic
from pathlib import Path
with atomic.replacing(Path({str(tmp_path)!r}, "x")) as file:
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", script], check=False)
    assert len(_everything(tmp_path)) == 1
    assert open_folder(tmp_path).names() == []
    assert not open_folder(tmp_path).exists("x")


def test_what_nobody_writes_any_more_is_removed(tmp_path: Path) -> None:
    folder = open_folder(tmp_path)
    folder.remove_unfinished()
    long_ago = time.time() - 3700
    for name in (".trainer-old.tmp", ".trainer-publish.lock", "old.tmp", "within/.trainer-old.tmp", "epoch-00001.npz"):
        folder.write(name, b"half")
        os.utime(tmp_path / name, (long_ago, long_ago))
    folder.write(".trainer-new.tmp", b"half")
    (tmp_path / ".trainer-folder.tmp").mkdir()
    os.utime(tmp_path / ".trainer-folder.tmp", (long_ago, long_ago))
    folder.remove_unfinished()
    kept = [".trainer-new.tmp", ".trainer-publish.lock", "epoch-00001.npz", "old.tmp", "within/.trainer-old.tmp"]
    assert _everything(tmp_path) == kept


def test_without_hard_links_one_creation_wins_all_the_same(tmp_path: Path, monkeypatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    folder = open_folder(tmp_path)
    outcomes = race(lambda number: folder.create("lock", bytes([number])))
    winners = [number for number, outcome in enumerate(outcomes) if outcome is None]
    assert len(winners) == 1
    assert folder.read("lock") == bytes(winners)
    assert sum(isinstance(outcome, AlreadyExistsError) for outcome in outcomes) == 15


def test_links_are_not_followed_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "file").symlink_to(tmp_path / "secret")
    (inside / "folder").symlink_to(tmp_path)
    (inside / "loop").symlink_to("loop")
    folder = open_folder(inside)
    for action in (
        lambda: folder.read("file"),
        lambda: folder.write("file", b""),
        lambda: folder.delete("folder/secret"),
        lambda: folder.child("folder"),
    ):
        with pytest.raises(StorageError, match="a symbolic link leads out of the folder – expected a file"):
            action()
    assert folder.names() == []
    assert (tmp_path / "secret").read_bytes() == b"secret"


def test_a_folder_may_be_reached_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "models").symlink_to("disk")
    open_folder(tmp_path / "models").write("a/x", b"1")
    assert open_folder(tmp_path / "disk").names() == open_folder(tmp_path / "models").names() == ["a/x"]


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "x").write_bytes(b"")
    for action in (
        lambda: open_folder(tmp_path / "file").names(),
        lambda: open_folder(tmp_path / "file").check_writable(),
        lambda: open_folder(tmp_path / "file" / "below").write("x", b""),
        lambda: open_folder(tmp_path).write("folder", b""),
        lambda: open_folder(tmp_path).read("folder"),
    ):
        with pytest.raises(StorageError, match=f"a file where a folder should .*{tmp_path}.* – choose"):
            action()
    assert (tmp_path / "file").read_bytes() == b"mine"
    assert _everything(tmp_path) == ["file", "folder/x"]


@contextmanager
def without_roots_powers() -> Iterator[None]:
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


@pytest.fixture
def forbidden(tmp_path: Path) -> Iterator[Path]:
    """A folder that this process may not write to."""
    target = tmp_path / "forbidden"
    target.mkdir(mode=0o555)
    with without_roots_powers():
        yield target


def test_no_permission(forbidden: Path) -> None:
    message = (
        f"no permission – expected a place .* – received {forbidden}.*: Permission denied – change the permissions"
    )
    for folder in (open_folder(forbidden), open_folder(forbidden / "new")):
        with pytest.raises(StorageError, match=message):
            folder.check_writable()


def test_a_home_that_there_is_none_of() -> None:
    with pytest.raises(StorageError, match="no such home folder – expected a path, .* – received ~no-such-user/x"):
        open_folder("~no-such-user/x")


def test_a_folder_that_is_closed_to_us_hides_nothing_beside_it() -> None:
    """As lost+found at the top of a fresh disk."""
    with tempfile.TemporaryDirectory() as name:  # tmp_path lets nobody else in.
        place, folder = Path(name), open_folder(name)
        for file in ("epoch-1", "epochs/2", "other"):
            folder.write(file, b"x")
        place.chmod(0o755)
        closed = place / "lost+found"
        closed.mkdir(mode=0)
        with without_roots_powers():
            assert folder.names("epoch") == ["epoch-1", "epochs/2"]
            assert folder.names("epochs/") == ["epochs/2"]
            with pytest.raises(StorageError, match=rf"no permission .* received {place}/lost\+found: Permission"):
                folder.names()
        closed.rmdir()


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk]
    mount = subprocess.run(command, capture_output=True, text=True, check=False)
    if mount.returncode:
        pytest.skip(f"mounting a small disk needs root: {mount.stderr.strip()}")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_full_disk(mounted: Path, tmp_path: Path) -> None:
    folder = open_folder(mounted)
    folder.write("x", b"old")
    (tmp_path / "big").write_bytes(bytes(300_000))
    message = f"the disk is full – expected room for the file – received {mounted}/.*: No space left on device – free"
    for action in (
        lambda: folder.write("x", bytes(300_000)),
        lambda: folder.create("y", bytes(300_000)),
        lambda: folder.upload("z", tmp_path / "big"),
        lambda: open_folder(tmp_path).download("big", mounted / "big"),
    ):
        with pytest.raises(StorageError, match=message):
            action()
    assert _everything(mounted) == ["x"]
    assert folder.read("x") == b"old"


def test_a_read_only_disk(mounted: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", mounted], check=True)
    with pytest.raises(StorageError, match=f"the file system is read-only – expected .* – received {mounted}"):
        open_folder(mounted).check_writable()


def test_a_file_over_the_limit_of_the_process(tmp_path: Path) -> None:
    script = f"""
from trainer.storage import open_folder
open_folder({str(tmp_path)!r}).write("x", bytes(100_000))
"""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    command = [sys.executable, "-B", "-c", script]
    run = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=limit)
    assert "the file is too large – expected a file that this process may write" in run.stderr
    assert _everything(tmp_path) == []


def test_an_unforeseen_error_keeps_its_words(tmp_path: Path, monkeypatch) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(
        StorageError, match=f"reports an error – expected .* – received {tmp_path}/x: Input/output error"
    ):
        open_folder(tmp_path).write("x", b"")
    assert _everything(tmp_path) == []

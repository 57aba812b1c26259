"""What is on the disk, and in which order, when a file counts as written."""

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from trainer.errors import StorageError
from trainer.storage import open_folder
from trainer.storage.atomic import creating, replacing


def refuse_links(*_: object) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


@pytest.mark.parametrize(
    ("place", "link", "expected"),
    [
        (replacing, os.link, [(7, False), ("folder", True)]),
        (creating, os.link, [(7, False), ("folder", True)]),
        (creating, refuse_links, [(7, False), (7, True), ("folder", True)]),
    ],
    ids=["replacing", "creating", "creating without hard links"],
)
def test_content_is_synced_whole_then_named_then_the_folder_is_synced(
    tmp_path: Path, monkeypatch, place, link: Callable[..., None], expected: list[tuple[object, bool]]
) -> None:
    """``expected``: of each sync the size of the file, and whether the target was there."""
    fsync, synced = os.fsync, []

    def record(descriptor: int) -> None:
        status = os.fstat(descriptor)
        is_folder = os.path.samestat(status, tmp_path.stat())
        synced.append(("folder" if is_folder else status.st_size, (tmp_path / "x").exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    monkeypatch.setattr(os, "link", link)
    with place(tmp_path / "x") as file:
        file.write(b"content")
    assert synced == expected


def fail_for_folders(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    fsync = os.fsync

    def fail(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fail)


def test_a_folder_that_can_not_be_kept_is_told(tmp_path: Path, monkeypatch) -> None:
    fail_for_folders(monkeypatch, errno.EIO)
    with pytest.raises(StorageError, match=f"reports an error – .* – received {tmp_path}/x: Input/output error"):
        open_folder(tmp_path).write("x", b"")


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF])
def test_a_file_system_that_syncs_no_folders_is_taken(tmp_path: Path, monkeypatch, number: int) -> None:
    fail_for_folders(monkeypatch, number)
    open_folder(tmp_path).write("x", b"content")
    assert open_folder(tmp_path).read("x") == b"content"

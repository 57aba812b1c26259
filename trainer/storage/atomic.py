"""Local files that appear complete or not at all, and operating system errors in plain words."""

import errno
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO

from trainer.errors import AlreadyExistsError, NotFoundError, StorageError
from trainer.storage.folder import HIDDEN_PREFIX

UNFINISHED_SUFFIX = ".tmp"

# What file systems without hard links (FAT, most FUSE mounts) answer.
_NO_HARD_LINKS = {errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EOPNOTSUPP, errno.EXDEV, errno.EMLINK}
# What file systems answer that can't sync a folder, mostly those that have nothing to sync.
_NO_FOLDER_SYNC = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF}

# What happened, what was expected, what to do.
_ANOTHER = "choose another folder"
_FULL = ("the disk is full", "room for the file", f"free some space or {_ANOTHER}")
_DENIED = ("no permission", "a place that this account may use", f"change the permissions or {_ANOTHER}")
_IN_THE_WAY = ("there is a file where a folder should be, or the reverse", "nothing in the way", _ANOTHER)
_IN_WORDS = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: ("the disk quota is used up", *_FULL[1:]),
    errno.EFBIG: ("the file is too large", "a file that this process may write", "raise the limit (ulimit -f)"),
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EROFS: ("the file system is read-only", "one that can be written", _ANOTHER),
    errno.ENOTDIR: _IN_THE_WAY,
    errno.EISDIR: _IN_THE_WAY,
    errno.EEXIST: _IN_THE_WAY,
    errno.ENAMETOOLONG: ("the name is too long", "one that the file system takes", "choose a shorter one"),
}
_OTHERWISE = ("the file system reports an error", "none", "see the reason")


def replacing(target: Path) -> AbstractContextManager[IO[bytes]]:
    """A file to write to, which takes the place of ``target`` when the block ends without an error."""
    return _staged(target, os.replace)


def creating(target: Path) -> AbstractContextManager[IO[bytes]]:
    """Like ``replacing``, but exactly one process wins; AlreadyExistsError if ``target`` is there by then."""
    return _staged(target, _link)


@contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """Turn an OSError of the block into a StorageError about ``path``."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotFoundError(
            "no such file",
            expected=str(error.filename or path),
            received="nothing there",
            do="see whether it was moved or deleted",
        ) from error
    except OSError as error:
        what, expected, do = _IN_WORDS.get(error.errno or 0, _OTHERWISE)
        raise StorageError(what, expected=expected, received=f"{path}: {error.strerror or error}", do=do) from error


@contextmanager
def _staged(target: Path, place: Callable[[Path, Path], None]) -> Iterator[IO[bytes]]:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f"{HIDDEN_PREFIX}{uuid.uuid4().hex}{UNFINISHED_SUFFIX}")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        place(temporary, target)
        sync_folder(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _link(temporary: Path, target: Path) -> None:
    try:
        _link_or_copy(temporary, target)
    except FileExistsError as error:
        raise AlreadyExistsError(
            "this may be created only once",
            expected="no such file",
            received=f"{target}, which exists",
            do="keep it, or choose another name",
        ) from error


def _link_or_copy(temporary: Path, target: Path) -> None:
    """Without hard links the exclusive open decides who wins, and a kill may cut the winner's file short."""
    try:
        os.link(temporary, target)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        content = temporary.read_bytes()
        with target.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make the folder's entries survive a power failure, where the file system can."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)

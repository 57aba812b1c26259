"""A folder of this machine, or one that is mounted like one (``/gcs/bucket/…``)."""

import fcntl
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from trainer.errors import StorageError
from trainer.storage.atomic import UNFINISHED_SUFFIX, creating, file_errors, replacing
from trainer.storage.folder import HIDDEN_PREFIX, check_name, is_hidden

_LOCK_NAME = f"{HIDDEN_PREFIX}publish.lock"
_UNFINISHED = f"{HIDDEN_PREFIX}*{UNFINISHED_SUFFIX}"
#: A file that nothing was written to for so long has no writer any more.
_UNFINISHED_SECONDS = 3600


def with_home(path: str | Path) -> Path:
    """``path`` with the home folder for ``~``. Raises StorageError where there is none."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise StorageError(
            "there is no such home folder",
            expected="a path, with ~ only for a user who has a home on this machine",
            received=str(path),
            do="write the path out",
        ) from error


class LocalFolder:
    """Never renames a folder and never follows a symbolic link out of itself."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    @property
    def uri(self) -> str:
        return str(self._root)

    def child(self, name: str) -> "LocalFolder":
        return LocalFolder(self._path(name))

    def read(self, name: str) -> bytes:
        path = self._path(name)
        with file_errors(path):
            return path.read_bytes()

    def write(self, name: str, data: bytes) -> None:
        path = self._path(name)
        with file_errors(path), replacing(path) as file:
            file.write(data)

    def create(self, name: str, data: bytes) -> None:
        path = self._path(name)
        with file_errors(path), creating(path) as file:
            file.write(data)

    def exists(self, name: str) -> bool:
        path = self._path(name)
        with file_errors(path):
            return path.is_file()

    def names(self, prefix: str = "") -> list[str]:
        """Symbolic links that lead to a folder, out of this one or nowhere are left out."""
        with file_errors(self._root):
            files = [path for path in self._walk(prefix) if path.is_file() and self._is_inside(path)]
        names = [path.relative_to(self._root).as_posix() for path in files]
        return sorted(name for name in names if name.startswith(prefix) and not is_hidden(name))

    def delete(self, name: str) -> None:
        path = self._path(name)
        with file_errors(path):
            path.unlink(missing_ok=True)

    def upload(self, name: str, path: Path) -> None:
        target = self._path(name)
        with file_errors(path):
            source = path.open("rb")
        with source, file_errors(target), replacing(target) as file:
            shutil.copyfileobj(source, file)

    def download(self, name: str, path: Path) -> None:
        LocalFolder(path.parent).upload(path.name, self._path(name))

    def check_writable(self) -> None:
        probe = f"{HIDDEN_PREFIX}{uuid.uuid4().hex}.probe"
        self.write(probe, b"probe")
        self.delete(probe)

    def remove_unfinished(self) -> None:
        for path in self._root.glob(_UNFINISHED):
            with suppress(OSError):  # Another process was faster, or it is not ours to remove: it is in nobody's way.
                if path.stat().st_mtime < time.time() - _UNFINISHED_SECONDS:
                    path.unlink()

    @contextmanager
    def publication(self, marker: str, content: bytes) -> Iterator["LocalPublication"]:
        """Raises StorageError at once if another process holds the right. A killed process loses it."""
        with _lock(self._root / _LOCK_NAME):
            self._remove_killed_publishers()
            yield LocalPublication(self, marker, content)

    def _path(self, name: str) -> Path:
        path = self._root / check_name(name)
        if not self._is_inside(path):
            raise StorageError(
                "a symbolic link leads out of the folder",
                expected=f"a file below {self._root}",
                received=str(path),
                do="remove the link, or choose another folder",
            )
        return path

    def _is_inside(self, path: Path) -> bool:
        return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self._root))

    def _remove_killed_publishers(self) -> None:
        """What they were just writing, however lately, here and in folders within: nobody else publishes now."""
        with file_errors(self._root):
            for path in self._walk():
                if path.match(_UNFINISHED):
                    path.unlink()

    def _walk(self, prefix: str = "") -> Iterator[Path]:
        """All files but those in folders where no name begins with ``prefix``: those may be closed to us."""
        if not self._root.exists():
            return
        for folder, folders, files in os.walk(self._root, onerror=_raise):
            within = Path(folder).relative_to(self._root)
            folders[:] = [name for name in folders if _may_hold(f"{(within / name).as_posix()}/", prefix)]
            for file in files:
                yield Path(folder, file)


class LocalPublication:
    """Filling a folder under its lock."""

    def __init__(self, folder: LocalFolder, marker: str, content: bytes) -> None:
        self._folder = folder
        self._marker = marker
        self._content = content

    def put(self, name: str, path: Path) -> None:
        self._folder.upload(name, path)

    def remove(self, name: str) -> None:
        self._folder.delete(name)

    def commit(self) -> None:
        self._folder.create(self._marker, self._content)


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold the lock file at ``path``. The kernel frees the lock when the process ends, however it ends."""
    with file_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
    with file:
        _acquire(file, path)
        yield
        path.unlink()


def _acquire(file: IO[bytes], path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise _busy(path.parent) from error
    except OSError as error:
        raise StorageError(
            "this folder can't be locked",
            expected="a file system that has file locks",
            received=f"{path}: {error.strerror}",
            do="choose a folder on another one",
        ) from error
    # The holder before us removes its lock file at the end: a lock on a file without a name guards nothing.
    if os.fstat(file.fileno()).st_nlink == 0:
        raise _busy(path.parent)


def _busy(folder: Path) -> StorageError:
    return StorageError(
        "another process is publishing here",
        expected="to be the only one",
        received=str(folder),
        do="wait for it, then start this command again",
    )


def _may_hold(folder: str, prefix: str) -> bool:
    return folder.startswith(prefix) or prefix.startswith(folder)


def _raise(error: OSError) -> None:
    """Of the folder within that can't be listed."""
    with file_errors(Path(error.filename)):
        raise error

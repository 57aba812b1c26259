"""What every folder can do, whichever machine it lies on, and which names it accepts."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from trainer.errors import StorageError

# Files of the storage layer itself: half-written data, locks, claims. Readers never see them.
HIDDEN_PREFIX = ".trainer-"


class Publication(Protocol):
    """The right to fill a folder, held by one process at a time; see ``trainer.storage.publish``."""

    def put(self, name: str, path: Path) -> None:
        """Place the file at ``path``, over whatever a killed publisher left under ``name``."""

    def remove(self, name: str) -> None:
        """Remove what a killed publisher left under ``name``."""

    def commit(self) -> None:
        """Create the marker. Raises StorageError when another process has taken the right over."""


class Folder(Protocol):
    """A tree of files. Names are relative, with ``/`` between the parts, on every platform.

    Each method raises StorageError with one line that a person can act on, NotFoundError for a missing file.
    """

    @property
    def uri(self) -> str:
        """An absolute path or ``gs://bucket/folder``, without a slash at its end."""

    def child(self, name: str) -> "Folder":
        """The folder ``name`` inside this one; it need not exist."""

    def read(self, name: str) -> bytes:
        """The whole content of one file."""

    def write(self, name: str, data: bytes) -> None:
        """Put ``data`` in place at once: a reader sees the old content or the new, never a part."""

    def create(self, name: str, data: bytes) -> None:
        """Like ``write``, but of several processes exactly one succeeds; AlreadyExistsError for the rest."""

    def exists(self, name: str) -> bool:
        """Whether there is a file of this name."""

    def names(self, prefix: str = "") -> list[str]:
        """Every file at any depth whose name begins with ``prefix``, sorted; empty for a missing folder."""

    def delete(self, name: str) -> None:
        """Remove one file. A file that is gone already is fine, so that a repeated request is."""

    def upload(self, name: str, path: Path) -> None:
        """``write`` with the content of a local file."""

    def download(self, name: str, path: Path) -> None:
        """``read`` into a local file, which appears complete or not at all."""

    def check_writable(self) -> None:
        """Write and delete a probe, creating the folder, so that a long run does not fail at its end."""

    def remove_unfinished(self) -> None:
        """Remove what killed writers have left half-written here, not in folders within; best effort, as it is hidden.

        What is younger than an hour stays: another process may be writing it.
        """

    def publication(self, marker: str, content: bytes) -> AbstractContextManager[Publication]:
        """The right to fill this folder and then create ``marker`` with ``content``."""


def check_name(name: str) -> str:
    """``name`` itself. Raises StorageError if it is absolute, or could lead out of its folder."""
    parts = name.split("/")
    if any(part in ("", ".", "..") for part in parts) or any(ord(letter) < 32 for letter in name):
        raise StorageError(
            "not a usable file name",
            expected="a relative name such as metadata/metrics.json, without '..' or empty parts",
            received=repr(name),
            do="choose another name",
        )
    return name


def is_hidden(name: str) -> bool:
    """Whether the file belongs to the storage layer itself."""
    return name.rpartition("/")[2].startswith(HIDDEN_PREFIX)

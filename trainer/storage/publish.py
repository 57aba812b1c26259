"""Payload first, marker last.

No storage can replace a whole folder at once: ``gs://`` has no folders, and a FUSE mount such as
``/gcs/bucket`` renames them file by file. So every file of the payload is placed on its own, and the marker,
which lists them, is created when all are there. Readers ignore a folder without its marker. A publisher may
be killed at any moment: what it leaves has no marker, and the next publisher writes over it.
"""

from collections.abc import Collection
from pathlib import Path

from trainer.errors import AlreadyExistsError, NotFoundError, StorageError
from trainer.storage.folder import Folder
from trainer.storage.local import LocalFolder


def publish(local: Path, folder: Folder, *, marker: str) -> None:
    """Copy every file below ``local`` to ``folder``, sorted by name, then create ``marker``.

    Of several processes at most one commits. Raises AlreadyExistsError if the marker is there already,
    StorageError if another process publishes into this folder, or if it holds files that are not ours.
    """
    payload, content = _read_payload(local, marker)
    owned = {_top(name) for name in payload}
    ensure_vacant(folder, marker=marker, owned=owned)
    with folder.publication(marker, content) as publication:
        # Once more, as another process may have committed between the first look and the lock.
        ensure_vacant(folder, marker=marker, owned=owned)
        for name in payload:
            publication.put(name, local / name)
        for name in sorted(set(folder.names()) - set(payload)):
            publication.remove(name)
        publication.commit()


def ensure_vacant(folder: Folder, *, marker: str, owned: Collection[str]) -> None:
    """Refuse a folder that is committed, or that holds anything but what a killed publisher left.

    ``owned`` are the top-level names we publish, such as ``variables``: only below these is anything ever
    overwritten or removed. A recipe calls this before a long run, ``publish`` calls it again at the end.
    """
    present = folder.names()
    if marker in present:
        raise AlreadyExistsError(
            "this folder holds a published model, which is never overwritten",
            expected=f"a folder without {marker}",
            received=folder.uri,
            do="choose another output folder",
        )
    foreign = [name for name in present if _top(name) not in owned]
    if foreign:
        raise StorageError(
            f"{folder.uri} holds files that are not part of a model",
            expected="an empty folder, or what an interrupted run of the same command left",
            received=", ".join(foreign[:3]) + (f" and {len(foreign) - 3} more" if len(foreign) > 3 else ""),
            do="choose another output folder",
        )


def _read_payload(local: Path, marker: str) -> tuple[list[str], bytes]:
    source = LocalFolder(local)
    names = source.names()
    if marker not in names:
        raise NotFoundError(
            f"nothing to publish in {local}",
            expected=f"a file {marker} beside the payload",
            received="none",
            do="write it first",
        )
    return [name for name in names if name != marker], source.read(marker)


def _top(name: str) -> str:
    return name.partition("/")[0]

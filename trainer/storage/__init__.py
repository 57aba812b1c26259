"""The door to files: a local folder and a ``gs://`` prefix behind one small interface.

``open_folder`` gives a ``Folder``; ``publish`` fills one payload first, marker last, so that a reader who
waits for the marker sees a complete folder or none. Google's client is imported only when a ``gs://``
folder is opened.
"""

import re
from pathlib import Path

from trainer.errors import StorageError
from trainer.storage.folder import Folder, check_name
from trainer.storage.local import LocalFolder, with_home
from trainer.storage.publish import ensure_vacant, publish

__all__ = ["Folder", "ensure_vacant", "open_folder", "publish", "with_home"]

_EXPECTED = "a local folder, or gs://bucket/folder"
_NAME_ANOTHER = "name another folder"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")
# https://cloud.google.com/storage/docs/buckets#naming; names with dots may have up to 222 characters.
_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")


def open_folder(uri: str | Path) -> Folder:
    """Nothing is created or contacted yet: a folder may be missing until the first write.

    Raises StorageError for what is neither a local path nor a valid ``gs://`` URI, for ``~`` where there is no home,
    and when there are no credentials for a bucket.
    """
    text = str(uri)
    if not text or "\0" in text:
        raise StorageError("a folder needs a name", expected=_EXPECTED, received=repr(text), do=_NAME_ANOTHER)
    if text.startswith("gs://"):
        return _open_bucket(text)
    if isinstance(uri, str) and _SCHEME.match(text):
        raise StorageError("this kind of storage is not supported", expected=_EXPECTED, received=text, do=_NAME_ANOTHER)
    return LocalFolder(with_home(uri))


def _open_bucket(uri: str) -> Folder:
    from trainer.storage.bucket import open_bucket

    bucket, _, prefix = uri.removeprefix("gs://").partition("/")
    if not _BUCKET_NAME.fullmatch(bucket):
        raise StorageError(
            "not a valid bucket name",
            expected="gs://bucket/folder, the bucket of 3 or more lower-case letters, digits, '-', '_', '.'",
            received=uri,
            do=_NAME_ANOTHER,
        )
    prefix = prefix.removesuffix("/")
    return open_bucket(bucket, check_name(prefix) if prefix else "")

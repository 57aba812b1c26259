"""Buckets whose objects are files, so that they outlive the server: one folder a bucket, as ``gs://`` paths read.

What a file can't say of an object, its generation above all, stands in ``.objects`` beside the buckets. One server at a
time: the rules hold in its memory, and each change is on the disk before it is answered.
"""

import json
import os
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

from tests.support.object_store import ObjectStore, ServiceError, StoredObject


class ObjectFolder(ObjectStore):
    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._notes = folder / ".objects"
        found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(self._notes.glob("*/*.json"))]
        for note in found:
            self._load(note)
        newest = max((note["generation"] for note in found), default=0)
        if newest:
            self._generations = iter(range(newest + 1, newest + 10**15))

    def create_bucket(self, bucket: str) -> None:
        """One that is there already, from an earlier server, stays as it is."""
        if bucket not in self._buckets:
            super().create_bucket(bucket)

    def put(self, bucket: str, new: StoredObject, conditions: Mapping[str, str]) -> StoredObject:
        with self._lock:
            if ".." in new.name.split("/") or new.name.startswith("/") or new.name.endswith("/"):
                raise ServiceError(HTTPStatus.BAD_REQUEST, "this name can't be a file")
            stored = super().put(bucket, new, conditions)
            path = self._path(bucket, stored.name)
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(path, stored.data)
            note = {
                "bucket": bucket,
                "name": stored.name,
                "generation": stored.generation,
                "content_type": stored.content_type,
                "metadata": dict(stored.metadata),
            }
            note_path = self._note(bucket, stored.name)
            note_path.parent.mkdir(parents=True, exist_ok=True)
            _replace(note_path, json.dumps(note).encode())
            return stored

    def delete(self, bucket: str, name: str, conditions: Mapping[str, str]) -> None:
        with self._lock:
            super().delete(bucket, name, conditions)
            self._note(bucket, name).unlink()
            self._path(bucket, name).unlink()

    def _load(self, note: Mapping[str, object]) -> None:
        bucket, name = str(note["bucket"]), str(note["name"])
        self._buckets.setdefault(bucket, {})[name] = StoredObject(
            name=name,
            data=self._path(bucket, name).read_bytes(),
            content_type=str(note["content_type"]),
            metadata=dict(note["metadata"]),  # type: ignore[call-overload]
            generation=int(str(note["generation"])),
        )

    def _path(self, bucket: str, name: str) -> Path:
        return self._folder / bucket / name

    def _note(self, bucket: str, name: str) -> Path:
        return self._notes / bucket / f"{quote(name, safe='')}.json"


def _replace(path: Path, data: bytes) -> None:
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_bytes(data)
    os.replace(unfinished, path)

"""The rules of Cloud Storage, in memory: generations, preconditions, checksums, listing, error texts."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import google_crc32c

MAX_RESULTS = 1000


class ServiceError(Exception):
    """An answer other than success, as the service words it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True)
class StoredObject:
    name: str
    data: bytes
    content_type: str = "application/octet-stream"
    metadata: Mapping[str, str] = field(default_factory=dict)
    generation: int = 0

    def resource(self, bucket: str) -> dict[str, Any]:
        """The JSON that stands for the object."""
        now = datetime.now(UTC).isoformat()
        return {
            "kind": "storage#object",
            "id": f"{bucket}/{self.name}/{self.generation}",
            "name": self.name,
            "bucket": bucket,
            "generation": str(self.generation),
            "metageneration": "1",
            "contentType": self.content_type,
            "storageClass": "STANDARD",
            "size": str(len(self.data)),
            "metadata": dict(self.metadata),
            "etag": str(self.generation),
            "timeCreated": now,
            "updated": now,
            **checksums(self.data),
        }


def checksums(data: bytes) -> dict[str, str]:
    """CRC32C, big-endian, and MD5, both in base64."""
    crc32c = google_crc32c.value(data).to_bytes(4, "big")
    md5 = hashlib.md5(data, usedforsecurity=False).digest()
    return {"crc32c": base64.b64encode(crc32c).decode(), "md5Hash": base64.b64encode(md5).decode()}


def split_multipart(content_type: str, body: bytes) -> tuple[dict[str, Any], bytes]:
    """The two parts of ``multipart/related``: a JSON description and the bytes."""
    boundary = b"--" + content_type.partition("boundary=")[2].strip('"').encode()
    _, first, second = body.split(boundary, 2)
    description: dict[str, Any] = json.loads(first.partition(b"\r\n\r\n")[2])
    head, _, data = second.partition(b"\r\n\r\n")
    kind = re.search(rb"(?i)content-type: *([^\r]+)", head)
    description.setdefault("contentType", kind[1].decode() if kind else "")
    return description, data[: data.rindex(b"\r\n" + boundary)]


def described(description: dict[str, Any], data: bytes) -> StoredObject:
    """Refuses data that does not have the checksums which its description announces."""
    for name, digest in checksums(data).items():
        if description.get(name, digest) != digest:
            raise ServiceError(HTTPStatus.BAD_REQUEST, f"Provided {name} does not match the data.")
    return StoredObject(
        name=description["name"],
        data=data,
        content_type=description["contentType"],
        metadata=description.get("metadata", {}),
    )


class ObjectStore:
    """Buckets of objects. A lock makes each precondition and its effect one step."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._buckets: dict[str, dict[str, StoredObject]] = {}
        self._forbidden: set[str] = set()
        self._generations = iter(range(1_700_000_000_000_001, 2_000_000_000_000_000))

    def create_bucket(self, bucket: str) -> None:
        with self._lock:
            if bucket in self._buckets:
                raise ServiceError(HTTPStatus.CONFLICT, "The requested bucket name is not available.")
            self._buckets[bucket] = {}

    def forbid(self, bucket: str) -> None:
        with self._lock:
            self._forbidden.add(bucket)

    def objects(self, bucket: str) -> dict[str, StoredObject]:
        """By name; raises 404 and 403 for the whole bucket."""
        with self._lock:
            if bucket in self._forbidden:
                text = f"anonymous does not have storage.objects.get access to {bucket}. Permission denied."
                raise ServiceError(HTTPStatus.FORBIDDEN, text)
            if bucket not in self._buckets:
                raise ServiceError(HTTPStatus.NOT_FOUND, "The specified bucket does not exist.")
            return self._buckets[bucket]

    def get(self, bucket: str, name: str, conditions: Mapping[str, str]) -> StoredObject:
        with self._lock:
            found = self.objects(bucket).get(name)
            if found is None or conditions.get("generation", found.generation) not in (
                found.generation,
                str(found.generation),
            ):
                raise ServiceError(HTTPStatus.NOT_FOUND, f"No such object: {bucket}/{name}")
            self.check_generation(bucket, name, conditions.get("ifGenerationMatch"))
            return found

    def put(self, bucket: str, new: StoredObject, conditions: Mapping[str, str]) -> StoredObject:
        with self._lock:
            objects = self.objects(bucket)
            self.check_generation(bucket, new.name, conditions.get("ifGenerationMatch"))
            stored = replace(new, generation=next(self._generations))
            objects[new.name] = stored
            return stored

    def delete(self, bucket: str, name: str, conditions: Mapping[str, str]) -> None:
        with self._lock:
            self.get(bucket, name, conditions)
            del self.objects(bucket)[name]

    def copy(self, source: tuple[str, str], bucket: str, name: str, conditions: Mapping[str, str]) -> StoredObject:
        """Content and metadata of ``source``: (bucket, name)."""
        with self._lock:
            original = self.get(*source, {})
            self.check_generation(*source, conditions.get("ifSourceGenerationMatch"))
            return self.put(bucket, replace(original, name=name), conditions)

    def check_generation(self, bucket: str, name: str, expected: str | None) -> None:
        """``expected``: a generation, "0" for "no such object", or None for any."""
        with self._lock:
            found = self.objects(bucket).get(name)
            actual = found.generation if found else 0
        if expected is not None and int(expected) != actual:
            text = "At least one of the pre-conditions you specified did not hold."
            raise ServiceError(HTTPStatus.PRECONDITION_FAILED, text)

    def list(self, bucket: str, query: Mapping[str, str]) -> dict[str, Any]:
        """One page of objects and, with a delimiter, of folder-like prefixes."""
        with self._lock:
            objects = dict(self.objects(bucket))
        entries = list(_entries(objects, query.get("prefix", ""), query.get("delimiter", "")))
        start = int(query.get("pageToken", "0"))
        end = start + min(int(query.get("maxResults", MAX_RESULTS)), MAX_RESULTS)
        page = entries[start:end]
        answer: dict[str, Any] = {
            "kind": "storage#objects",
            "items": [objects[entry].resource(bucket) for entry in page if entry in objects],
            "prefixes": [entry for entry in page if entry not in objects],
        }
        return answer | ({"nextPageToken": str(end)} if end < len(entries) else {})


def _entries(objects: Mapping[str, StoredObject], prefix: str, delimiter: str) -> Iterator[str]:
    seen: set[str] = set()
    for name in sorted(objects):
        if not name.startswith(prefix):
            continue
        head, cut, _ = name[len(prefix) :].partition(delimiter) if delimiter else (name, "", "")
        entry = prefix + head + cut if cut else name
        if entry not in seen:
            seen.add(entry)
            yield entry

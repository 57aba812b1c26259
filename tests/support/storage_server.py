"""A small Cloud Storage for tests: Google's JSON API over HTTP, with preconditions that hold.

    with storage_server("my-bucket") as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)

As a process: ``python -m tests.support.storage_server --port-file FILE my-bucket``; with ``--folder FOLDER`` its
objects are files there, and outlive it.
"""

import argparse
import json
import re
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.support.object_folder import ObjectFolder
from tests.support.object_store import (
    ObjectStore,
    ServiceError,
    StoredObject,
    checksums,
    described,
    split_multipart,
)
from tests.support.serving import serving


@dataclass
class _Fault:
    """What the next requests suffer instead of, or after, having an effect."""

    count: int
    status: int
    method: str | None
    has_effect: bool


@dataclass
class _Session:
    """One resumable upload."""

    bucket: str
    description: dict[str, Any]
    conditions: dict[str, str]
    data: bytearray = field(default_factory=bytearray)
    result: StoredObject | None = None


class StorageServer(ThreadingHTTPServer):
    """Serves on a free port of this machine."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, store: ObjectStore | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.store = store or ObjectStore()
        self.sessions: dict[str, _Session] = {}
        self.latency_seconds = 0.0
        self.damaging = False
        self.requests: list[str] = []
        self._faults: list[_Fault] = []
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def environment(self) -> dict[str, str]:
        """What makes Google's client come here, and send nothing of its own, which would use up faults."""
        return {"STORAGE_EMULATOR_HOST": self.url, "DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA": "true"}

    def create_bucket(self, bucket: str) -> None:
        self.store.create_bucket(bucket)

    def forbid(self, bucket: str) -> None:
        """Answer 403 to everything about this bucket."""
        self.store.forbid(bucket)

    def objects(self, bucket: str) -> dict[str, bytes]:
        """The content of every object, by name."""
        return {name: stored.data for name, stored in sorted(self.store.objects(bucket).items())}

    def fail_next(self, count: int, status: int, method: str | None = None) -> None:
        """Answer the next ``count`` requests (of this method) with ``status``; they have no effect."""
        self._faults.append(_Fault(count, status, method, has_effect=False))

    def lose_responses(self, count: int, method: str | None = None) -> None:
        """The next ``count`` requests have their effect, but the client is told 503."""
        self._faults.append(_Fault(count, HTTPStatus.SERVICE_UNAVAILABLE, method, has_effect=True))

    def on_its_way(self, content: bytes) -> bytes:
        """What arrives of the bytes of an object: with ``damaging`` zeros, as many."""
        return bytes(len(content)) if self.damaging else content

    def take_fault(self, method: str) -> _Fault | None:
        with self._lock:
            for fault in self._faults:
                if fault.count > 0 and fault.method in (None, method):
                    fault.count -= 1
                    return fault
        return None


@dataclass
class _Answer:
    status: int
    body: bytes
    headers: dict[str, str]


def _json(body: dict[str, Any], status: int = HTTPStatus.OK) -> _Answer:
    return _Answer(status, json.dumps(body).encode(), {"Content-Type": "application/json"})


def _error(status: int, message: str) -> _Answer:
    return _json({"error": {"code": status, "message": message, "errors": [{"message": message}]}}, status)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # one packet for the header and a short body
    disable_nagle_algorithm = True
    server: StorageServer

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 – names fixed by http.server

    def log_message(self, format: str, *args: object) -> None:
        """Tests read ``server.requests`` instead of a log on stderr."""

    def _serve(self) -> None:
        self.body = self._read_body()
        self.server.requests.append(f"{self.command} {self.path}")
        time.sleep(self.server.latency_seconds)
        fault = self.server.take_fault(self.command)
        if fault is None or fault.has_effect:
            answer = self._answer()
        if fault is not None:
            answer = _error(fault.status, "The service is out of order, for a test.")
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            raise NotImplementedError("chunked request bodies")
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _answer(self) -> _Answer:
        address = urlsplit(self.path)
        self.query = dict(parse_qsl(address.query))
        for method, pattern, respond in _ROUTES:
            match = re.fullmatch(pattern, address.path)
            if method == self.command and match:
                try:
                    return respond(self, *(unquote(group) for group in match.groups()))
                except ServiceError as error:
                    return _error(error.status, error.message)
        return _error(HTTPStatus.NOT_IMPLEMENTED, f"no route for {self.command} {address.path}")

    def _create_bucket(self) -> _Answer:
        name = json.loads(self.body)["name"]
        self.server.create_bucket(name)
        return self._get_bucket(name)

    def _get_bucket(self, bucket: str) -> _Answer:
        self.server.store.objects(bucket)
        return _json({"kind": "storage#bucket", "id": bucket, "name": bucket, "location": "US"})

    def _list(self, bucket: str) -> _Answer:
        return _json(self.server.store.list(bucket, self.query))

    def _get(self, bucket: str, name: str) -> _Answer:
        stored = self.server.store.get(bucket, name, self.query)
        return self._media(stored) if self.query.get("alt") == "media" else _json(stored.resource(bucket))

    def _media(self, stored: StoredObject) -> _Answer:
        digests, data = checksums(stored.data), self.server.on_its_way(stored.data)
        headers = {
            "Content-Type": stored.content_type,
            "X-Goog-Generation": str(stored.generation),
            "X-Goog-Hash": f"crc32c={digests['crc32c']},md5={digests['md5Hash']}",
        }
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not asked:
            return _Answer(HTTPStatus.OK, data, headers)
        size = len(data)
        first, last = int(asked[1]), min(int(asked[2] or size), size - 1)
        if first >= size:
            headers["Content-Range"] = f"bytes */{size}"
            return _Answer(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, b"", headers)
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        return _Answer(HTTPStatus.PARTIAL_CONTENT, data[first : last + 1], headers)

    def _delete(self, bucket: str, name: str) -> _Answer:
        self.server.store.delete(bucket, name, self.query)
        return _Answer(HTTPStatus.NO_CONTENT, b"", {})

    def _copy(self, source_bucket: str, source: str, bucket: str, name: str) -> _Answer:
        stored = self.server.store.copy((source_bucket, source), bucket, name, self.query)
        return _json(stored.resource(bucket))

    def _upload(self, bucket: str) -> _Answer:
        match self.query.get("uploadType"):
            case "resumable":
                return self._start_session(bucket)
            case "multipart":
                description, data = split_multipart(self.headers["Content-Type"], self.body)
            case _:
                kind = self.headers["Content-Type"]
                description, data = {"name": self.query["name"], "contentType": kind}, self.body
        stored = self.server.store.put(bucket, described(description, self.server.on_its_way(data)), self.query)
        return _json(stored.resource(bucket))

    def _start_session(self, bucket: str) -> _Answer:
        description = json.loads(self.body)
        description.setdefault("contentType", self.headers.get("X-Upload-Content-Type", ""))
        self.server.store.check_generation(bucket, description["name"], self.query.get("ifGenerationMatch"))
        session = uuid.uuid4().hex
        self.server.sessions[session] = _Session(bucket, description, self.query)
        address = f"{self.server.url}/upload/storage/v1/b/{bucket}/o?uploadType=resumable&upload_id={session}"
        return _Answer(HTTPStatus.OK, b"", {"Location": address})

    def _continue_session(self, bucket: str) -> _Answer:
        """A chunk (``bytes 0-99/200``, total ``*`` while unknown) or a question (``bytes */200``)."""
        session = self.server.sessions.get(self.query.get("upload_id", ""))
        if session is None:
            raise ServiceError(HTTPStatus.NOT_FOUND, "no such upload")
        span, _, total = self.headers["Content-Range"].removeprefix("bytes ").partition("/")
        if span != "*" and session.result is None:
            first = int(span.partition("-")[0])
            if first > len(session.data):
                raise ServiceError(HTTPStatus.BAD_REQUEST, "a chunk is missing")
            session.data[first:] = self.server.on_its_way(self.body)
        if session.result is None and total == str(len(session.data)):
            new = described(session.description, bytes(session.data))
            session.result = self.server.store.put(bucket, new, session.conditions)
        if session.result is not None:
            return _json(session.result.resource(bucket))
        received = {"Range": f"bytes=0-{len(session.data) - 1}"} if session.data else {}
        return _Answer(HTTPStatus.PERMANENT_REDIRECT, b"", received)


_ROUTES = (
    ("POST", "/storage/v1/b", _Handler._create_bucket),
    ("GET", "/storage/v1/b/([^/]+)", _Handler._get_bucket),
    ("GET", "/storage/v1/b/([^/]+)/o", _Handler._list),
    ("GET", "(?:/download)?/storage/v1/b/([^/]+)/o/([^/]+)", _Handler._get),
    ("DELETE", "/storage/v1/b/([^/]+)/o/([^/]+)", _Handler._delete),
    ("POST", "/storage/v1/b/([^/]+)/o/([^/]+)/copyTo/b/([^/]+)/o/([^/]+)", _Handler._copy),
    ("POST", "/upload/storage/v1/b/([^/]+)/o", _Handler._upload),
    ("PUT", "/upload/storage/v1/b/([^/]+)/o", _Handler._continue_session),
)


@contextmanager
def storage_server(*buckets: str, store: ObjectStore | None = None) -> Iterator[StorageServer]:
    """A running server with these buckets, in memory unless another ``store`` is given."""
    server = StorageServer(store)
    for bucket in buckets:
        server.create_bucket(bucket)
    with serving(server):
        yield server


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port-file", type=Path, required=True, help="gets the port, when the server listens")
    parser.add_argument("--folder", type=Path, help="keeps the objects as files")
    parser.add_argument("bucket", nargs="*")
    arguments = parser.parse_args()
    store = ObjectFolder(arguments.folder) if arguments.folder else None
    with storage_server(*arguments.bucket, store=store) as server:
        unfinished = arguments.port_file.with_suffix(".tmp")
        unfinished.write_text(str(server.server_port))
        unfinished.rename(arguments.port_file)
        threading.Event().wait()


if __name__ == "__main__":
    main()

"""A container registry on this machine for a real Docker engine, to push to and pull from: all is kept in memory."""

import hashlib
import json
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.serving import serving


class ImageRegistry(ThreadingHTTPServer):
    """``manifests``: by ``name:tag``, in the order of the pushes; ``every_manifest``: those of moved tags too."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.uploads: dict[str, bytes] = {}
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, bytes] = {}
        self.every_manifest: list[bytes] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


@contextmanager
def image_registry() -> Iterator[ImageRegistry]:
    with serving(ImageRegistry()) as server:
        yield server


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ImageRegistry

    def do_GET(self) -> None:
        if self.path == "/v2/":
            self._answer(HTTPStatus.OK)
        else:
            self.do_HEAD()
            self.wfile.write(self._stored() or b"")

    def do_HEAD(self) -> None:
        stored = self._stored()
        if stored is None:
            self._answer(HTTPStatus.NOT_FOUND)
            return
        is_blob = "/blobs/" in self.path
        kind = "application/octet-stream" if is_blob else json.loads(stored)["mediaType"]
        headers = {"Docker-Content-Digest": self._digest(stored), "Content-Length": str(len(stored))}
        self._answer(HTTPStatus.OK, {"Content-Type": kind, **headers})

    def _stored(self) -> bytes | None:
        """The blob, or the manifest by its tag or its digest."""
        last = self.path.rpartition("/")[2]
        if "/blobs/" in self.path:
            return self.server.blobs.get(last)
        if manifest := re.fullmatch(r"/v2/(.+)/manifests/(.+)", self.path):
            by_digest = {self._digest(content): content for content in self.server.every_manifest}
            return by_digest.get(last) or self.server.manifests.get(f"{manifest[1]}:{manifest[2]}")
        return None

    def do_POST(self) -> None:
        upload = uuid.uuid4().hex
        self.server.uploads[upload] = b""
        self._answer(HTTPStatus.ACCEPTED, {"Location": f"{self.path}{upload}", "Docker-Upload-UUID": upload})

    def do_PATCH(self) -> None:
        upload = self.path.rpartition("/")[2]
        self.server.uploads[upload] += self._body()
        received = f"0-{len(self.server.uploads[upload]) - 1}"
        self._answer(HTTPStatus.ACCEPTED, {"Location": self.path, "Range": received})

    def do_PUT(self) -> None:
        content = self._body()
        if manifest := re.fullmatch(r"/v2/(.+)/manifests/(.+)", self.path):
            self.server.manifests[f"{manifest[1]}:{manifest[2]}"] = content
            self.server.every_manifest.append(content)
        else:
            path, _, query = self.path.partition("?")
            content = self.server.uploads.pop(path.rpartition("/")[2]) + content
            if query.replace("%3A", ":") != f"digest={self._digest(content)}":
                self._answer(HTTPStatus.BAD_REQUEST)
                return
            self.server.blobs[self._digest(content)] = content
        self._answer(HTTPStatus.CREATED, {"Docker-Content-Digest": self._digest(content)})

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""

    @staticmethod
    def _digest(content: bytes) -> str:
        return "sha256:" + hashlib.sha256(content).hexdigest()

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _answer(self, status: HTTPStatus, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": "0", **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()

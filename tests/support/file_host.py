"""A web server for tests that delivers files well or badly.

with file_host({"/file.gz": delivers(b"content")}) as host:
    download(host.url + "file.gz")
"""

import gzip
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.serving import serving

Answer = Callable[["_Handler"], None]


class FileHost(ThreadingHTTPServer):
    """Serves on a free port of this machine; ``requests`` are the paths that were asked for."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = answers
        self.requests: list[str] = []
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"


@contextmanager
def file_host(answers: Mapping[str, Answer]) -> Iterator[FileHost]:
    with serving(FileHost(answers)) as server:
        yield server
        server.closing.set()


def delivers(content: bytes) -> Answer:
    """The whole content."""

    def answer(handler: "_Handler") -> None:
        handler.begin(len(content))
        handler.wfile.write(content)

    return answer


def packs(content: bytes) -> Answer:
    """The whole content, packed on the way unless the client says that it wants none of that."""

    def answer(handler: "_Handler") -> None:
        accepted = "gzip" in handler.headers.get("Accept-Encoding", "gzip")
        sent = gzip.compress(content) if accepted else content
        handler.begin(len(sent), encoding="gzip" if accepted else None)
        handler.wfile.write(sent)

    return answer


def breaks_off(content: bytes) -> Answer:
    """Announces the whole content, sends half and closes the connection."""

    def answer(handler: "_Handler") -> None:
        handler.begin(len(content))
        handler.wfile.write(content[: len(content) // 2])

    return answer


def stalls(content: bytes) -> Answer:
    """Sends half and then nothing, with the connection open."""

    def answer(handler: "_Handler") -> None:
        handler.begin(len(content))
        handler.wfile.write(content[: len(content) // 2])
        handler.wfile.flush()
        handler.host.closing.wait(30)

    return answer


def trickles(content: bytes) -> Answer:
    """A byte every 50 ms."""

    def answer(handler: "_Handler") -> None:
        handler.begin(len(content))
        for number in range(len(content)):
            if handler.host.closing.wait(0.05):
                return
            handler.wfile.write(content[number : number + 1])

    return answer


def never_answers(handler: "_Handler") -> None:
    """Takes the request and stays silent."""
    handler.host.closing.wait(30)


def refuses(status: HTTPStatus) -> Answer:
    """Answers with an error."""
    return lambda handler: handler.send_error(status)


class _Handler(BaseHTTPRequestHandler):
    @property
    def host(self) -> FileHost:
        if not isinstance(self.server, FileHost):
            raise TypeError(f"served by {self.server!r}")
        return self.server

    def begin(self, length: int, *, encoding: str | None = None) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/gzip")
        self.send_header("Content-Length", str(length))
        if encoding:
            self.send_header("Content-Encoding", encoding)
        self.end_headers()

    def do_GET(self) -> None:
        self.host.requests.append(self.path)
        self.host.answers.get(self.path, refuses(HTTPStatus.NOT_FOUND))(self)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

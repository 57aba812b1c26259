"""Artifact Analysis's scan on demand, on this machine, that a real gcloud asks."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.serving import serving


class ScanService(ThreadingHTTPServer):
    """Finds ``vulnerable``, severities by id, in every image, or refuses; ``asked``: the packages of each, by image."""

    daemon_threads = True

    def __init__(self, vulnerable: Mapping[str, str], *, refuses: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.vulnerable = vulnerable
        self.refuses = refuses
        self.asked: dict[str, set[str]] = {}

    @property
    def environment(self) -> dict[str, str]:
        """Leads gcloud here, without an account."""
        return {
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_ONDEMANDSCANNING": f"http://127.0.0.1:{self.server_address[1]}/",
            "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
            "CLOUDSDK_CORE_DISABLE_PROMPTS": "true",
            "CLOUDSDK_CORE_PROJECT": "p",
        }


@contextmanager
def scan_service(vulnerable: Mapping[str, str], *, refuses: bool = False) -> Iterator[ScanService]:
    with serving(ScanService(vulnerable, refuses=refuses)) as server:
        yield server


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ScanService

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.partition("?")[0] != "/v1/projects/p/locations/us/scans:analyzePackages":
            self._answer(HTTPStatus.NOT_FOUND, {"error": {"code": 404, "message": self.path}})
        elif self.server.refuses:
            message = "On-Demand Scanning API has not been used in project p before or it is disabled."
            self._answer(HTTPStatus.FORBIDDEN, {"error": {"code": 403, "message": message}})
        else:
            self.server.asked[asked["resourceUri"]] = {package["package"] for package in asked.get("packages", [])}
            self._answer(HTTPStatus.OK, {"name": "projects/p/locations/us/operations/o"})

    def do_GET(self) -> None:
        place = "/v1/projects/p/locations/us"
        occurrences = [
            {"vulnerability": {"effectiveSeverity": severity, "shortDescription": name}}
            for name, severity in self.server.vulnerable.items()
        ]
        scan = {"scan": "projects/p/locations/us/scans/s"}
        answers = {
            f"{place}/operations/o": {"name": "projects/p/locations/us/operations/o", "done": True, "response": scan},
            f"{place}/scans/s/vulnerabilities": {"occurrences": occurrences},
        }
        answer = answers.get(self.path.partition("?")[0])
        if answer is None:
            self._answer(HTTPStatus.NOT_FOUND, {"error": {"code": 404, "message": self.path}})
        else:
            self._answer(HTTPStatus.OK, answer)

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""

    def _answer(self, status: HTTPStatus, answer: dict[str, Any]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

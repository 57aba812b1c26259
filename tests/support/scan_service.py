"""Artifact Analysis's scan on demand, on this machine, that a real gcloud asks."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import ThreadingHTTPServer

from tests.support.serving import JsonHandler, serving


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


class _Handler(JsonHandler):
    server: ScanService

    def do_POST(self) -> None:  # noqa: N802 – the name that http.server calls
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.partition("?")[0] != "/v1/projects/p/locations/us/scans:analyzePackages":
            self.reply(HTTPStatus.NOT_FOUND, {"error": {"code": 404, "message": self.path}})
        elif self.server.refuses:
            message = "On-Demand Scanning API has not been used in project p before or it is disabled."
            self.reply(HTTPStatus.FORBIDDEN, {"error": {"code": 403, "message": message}})
        else:
            self.server.asked[asked["resourceUri"]] = {package["package"] for package in asked.get("packages", [])}
            self.reply(HTTPStatus.OK, {"name": "projects/p/locations/us/operations/o"})

    def do_GET(self) -> None:  # noqa: N802 – the name that http.server calls
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
            self.reply(HTTPStatus.NOT_FOUND, {"error": {"code": 404, "message": self.path}})
        else:
            self.reply(HTTPStatus.OK, answer)

"""A small Vertex AI job service for tests, over REST, with what a submission asks other services besides.

    with job_server() as server:
        os.environ.update(server.environment)

It speaks to Google's client, to gcloud, and to plain requests: jobs (custom and tuning), the log, images, quotas, and
the exchange of a service account's key for a token. Jobs are read by the service's own protocol buffers.
"""

import hashlib
import json
import re
import tempfile
import threading
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from google.cloud.aiplatform_v1 import types
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError

from tests.support.certificates import local_identity
from tests.support.serving import JsonHandler, serving

_KINDS: dict[str, Any] = {"customJobs": types.CustomJob, "hyperparameterTuningJobs": types.HyperparameterTuningJob}
_PAGE = 2  # So small that every client has to turn pages.


class ServiceError(Exception):
    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message


@dataclass
class Script:
    """What becomes of the next job: a state at each look, the last one for good, then an error."""

    states: tuple[str, ...] = ("PENDING", "RUNNING", "SUCCEEDED")
    error: str = ""


@dataclass
class StoredJob:
    """``body`` is the request as it came; ``message`` what the service understood."""

    body: dict[str, Any]
    message: Any
    script: Script
    looks: int = 0

    @property
    def now(self) -> str:
        return self.script.states[min(max(self.looks - 1, 0), len(self.script.states) - 1)]


@dataclass
class _Fault:
    part: str
    status: int
    message: str
    count: int
    #: The request is carried out all the same, as when an answer gets lost.
    has_effect: bool = False


@dataclass
class State:
    """What the services know."""

    jobs: dict[str, StoredJob] = field(default_factory=dict)
    scripts: list[Script] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)
    #: ``repository/package/tags/TAG`` or ``…/versions/DIGEST``, below projects/P/locations/L/repositories.
    images: set[str] = field(default_factory=set)
    #: How often each tag was moved to another image.
    pushes: Counter[str] = field(default_factory=Counter)
    #: By metric, then region; "" is for all regions.
    quotas: dict[str, dict[str, int]] = field(default_factory=dict)


class JobServer(ThreadingHTTPServer):
    """``requests`` lists method and path of everything that was asked, ``state`` is what it answers from."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.state = State()
        self.requests: list[str] = []
        self.needs_login = True
        self.lock = threading.Lock()
        self._faults: list[_Fault] = []
        self._folder = tempfile.TemporaryDirectory(prefix="trainer-test-account-")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def environment(self) -> dict[str, str]:
        """What makes Google's clients come here, as a service account whose token this server grants."""
        account = json.loads(local_identity()["account"].read_text()) | {"token_uri": f"{self.url}/token"}
        file = Path(self._folder.name, "account.json")
        file.write_text(json.dumps(account))
        services = ("AIPLATFORM", "ARTIFACTREGISTRY", "LOGGING", "SERVICEUSAGE")
        overrides = {f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{service}": f"{self.url}/" for service in services}
        return {**overrides, "GOOGLE_APPLICATION_CREDENTIALS": str(file)}

    def next_job(self, *states: str, error: str = "") -> None:
        self.state.scripts.append(Script(states, error))

    def log(self, text: str, *, severity: str = "INFO", second: int = 0, job: str = "1", plain: bool = False) -> None:
        """A log line of the job with this number."""
        payload = {"textPayload": text} if plain else {"jsonPayload": {"message": text}}
        self.state.entries.append(
            {
                "insertId": str(len(self.state.entries)),
                "timestamp": f"2026-11-24T12:00:{second:02d}.5Z",
                "severity": severity,
                "resource": {"type": "ml_job", "labels": {"job_id": job, "task_name": "workerpool0-0"}},
                **payload,
            }
        )

    def fail_next(self, part: str, status: int, message: str, *, count: int = 1, has_effect: bool = False) -> None:
        """Answer the next requests with ``status`` whose method and path hold ``part``."""
        self._faults.append(_Fault(part, status, message, count, has_effect))

    def take_fault(self, request: str) -> _Fault | None:
        for fault in self._faults:
            if fault.count > 0 and fault.part in request:
                fault.count -= 1
                return fault
        return None

    def server_close(self) -> None:
        super().server_close()
        self._folder.cleanup()


class _Handler(JsonHandler):
    server: JobServer

    def do_GET(self) -> None:  # noqa: N802 – the name that http.server calls
        self._serve()

    do_POST = do_GET  # noqa: N815 – the base class's naming

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.server.lock:
            try:
                status, answer = 200, self._answer(body)
            except ServiceError as error:
                status = error.status
                answer = {"error": {"code": error.status, "status": error.reason, "message": error.message}}
        self.reply(status, answer)

    def _answer(self, body: bytes) -> dict[str, Any]:
        path, _, query = self.path.partition("?")
        self.server.requests.append(f"{self.command} {path}")
        if path == "/token":
            return {"access_token": "granted", "expires_in": 3600, "token_type": "Bearer"}
        if self.server.needs_login and not re.fullmatch(r"Bearer \S+", self.headers.get("Authorization", "")):
            raise ServiceError(401, "UNAUTHENTICATED", "Request is missing required authentication credential.")
        fault = self.server.take_fault(f"{self.command} {path}")
        if fault and not fault.has_effect:
            raise ServiceError(fault.status, "UNKNOWN", fault.message)
        answer = self._dispatch(path, dict(urllib.parse.parse_qsl(query)), json.loads(body or "{}"))
        if fault:
            raise ServiceError(fault.status, "UNKNOWN", fault.message)
        return answer

    def _dispatch(self, path: str, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
        state, part = self.server.state, "[^/]+"
        routes: list[tuple[str, Callable[..., dict[str, Any]]]] = [
            (r"POST /v1(?:beta1)?/(projects/[^/]+/locations/[^/]+)/(\w+Jobs)", lambda *m: create(state, *m, body)),
            (r"GET /v1/(projects/[^/]+/locations/[^/]+)/(\w+Jobs)", lambda *m: list_jobs(state, *m, query)),
            (r"GET /v1/(projects/[^/]+/locations/[^/]+/(\w+Jobs)/\d+)", lambda *m: look(state, m[0])),
            (r"POST /v2/entries:list", lambda: read_log(state, body)),
            (
                rf"GET /v1/(projects/{part}/locations/{part}/repositories/{part}/packages/{part}/{part}/{part})",
                partial(image, state),
            ),
            (r"GET /v1beta1/projects/[^/]+/services/.+/consumerQuotaMetrics/(.+)", lambda name: quota(state, name)),
        ]
        for pattern, answer in routes:
            if match := re.fullmatch(pattern, f"{self.command} {path}"):
                return answer(*match.groups())
        raise ServiceError(404, "NOT_FOUND", f"no method for {self.command} {path}")


def create(state: State, parent: str, kind: str, body: dict[str, Any]) -> dict[str, Any]:
    if kind not in _KINDS:
        raise ServiceError(404, "NOT_FOUND", kind)
    message = _KINDS[kind].pb()()
    try:
        ParseDict(body, message)
    except ParseError as error:
        raise ServiceError(400, "INVALID_ARGUMENT", f"Invalid JSON payload received. {error}") from error
    spec = message.job_spec if kind == "customJobs" else message.trial_job_spec
    if not message.display_name:
        raise ServiceError(400, "INVALID_ARGUMENT", "display_name is required.")
    if not spec.worker_pool_specs or spec.worker_pool_specs[0].replica_count != 1:
        raise ServiceError(400, "INVALID_ARGUMENT", "worker_pool_specs[0].replica_count must be 1.")
    message.name = f"{parent}/{kind}/{len(state.jobs) + 1}"
    script = state.scripts.pop(0) if state.scripts else Script()
    state.jobs[message.name] = StoredJob(body, message, script)
    return _shown(state.jobs[message.name], "PENDING")


def look(state: State, name: str) -> dict[str, Any]:
    if name not in state.jobs:
        raise ServiceError(404, "NOT_FOUND", f"The CustomJob does not exist: {name}")
    job = state.jobs[name]
    job.looks += 1
    return _shown(job, job.now)


def list_jobs(state: State, parent: str, kind: str, query: dict[str, str]) -> dict[str, Any]:
    """Leaves out states, as ``state!="A" AND state!="B"``; any other filter is refused, so that none is ignored."""
    matches = [re.fullmatch(r'state!="(JOB_STATE_\w+)"', part) for part in query.get("filter", "").split(" AND ")]
    if not all(matches):
        raise ServiceError(400, "INVALID_ARGUMENT", f"Invalid filter: {query.get('filter')}")
    left_out = [match[1] for match in matches if match]
    names = [name for name in state.jobs if name.startswith(f"{parent}/{kind}/")]
    found = [name for name in names if f"JOB_STATE_{state.jobs[name].now}" not in left_out]
    start = int(query.get("pageToken") or 0)
    page = [_shown(job, job.now) for job in map(state.jobs.__getitem__, found[start : start + _PAGE])]
    following = {"nextPageToken": str(start + _PAGE)} if start + _PAGE < len(found) else {}
    return {kind: page, **following}


def read_log(state: State, body: dict[str, Any]) -> dict[str, Any]:
    match = re.fullmatch(
        r'resource\.type="ml_job" AND resource\.labels\.job_id="(\d+)"(?: AND timestamp>="([^"]+)")?', body["filter"]
    )
    if match is None or body["resourceNames"] != ["projects/my-project"] or body["orderBy"] != "timestamp asc":
        raise ServiceError(400, "INVALID_ARGUMENT", f"Unparseable filter: {body}")
    since = (match[2] or "")[:19]
    found = [item for item in state.entries if item["resource"]["labels"]["job_id"] == match[1]]
    found = sorted((item for item in found if item["timestamp"][:19] >= since), key=lambda item: item["timestamp"])
    start = int(body.get("pageToken") or 0)
    following = {"nextPageToken": str(start + _PAGE)} if start + _PAGE < len(found) else {}
    return {"entries": found[start : start + _PAGE], **following}


def image(state: State, name: str) -> dict[str, Any]:
    """A tag, with the version that it names, or a version."""
    asked = urllib.parse.unquote(name)
    tags = (name for name in state.images if "/tags/" in name)
    named = {tag: f"{tag.partition('/tags/')[0]}/versions/{digest(state, tag)}" for tag in tags}
    if asked not in {*state.images, *named.values()}:
        raise ServiceError(404, "NOT_FOUND", "Requested entity was not found.")
    return {"name": name, **({"version": named[asked]} if "/tags/" in asked else {})}


def digest(state: State, tag: str) -> str:
    """Of the image that the tag names."""
    return f"sha256:{hashlib.sha256(f'{tag} {state.pushes[tag]}'.encode()).hexdigest()}"


def quota(state: State, name: str) -> dict[str, Any]:
    metric = urllib.parse.unquote(name)
    if metric not in state.quotas:
        raise ServiceError(404, "NOT_FOUND", f"no metric {metric}")
    buckets = [
        {"effectiveLimit": str(limit), **({"dimensions": {"region": region}} if region else {})}
        for region, limit in state.quotas[metric].items()
    ]
    return {"metric": metric, "consumerQuotaLimits": [{"unit": "1/{project}/{region}", "quotaBuckets": buckets}]}


def _shown(job: StoredJob, state: str) -> dict[str, Any]:
    shown = MessageToDict(job.message) | {"state": f"JOB_STATE_{state}"}
    if job.script.error and state == "FAILED":
        shown["error"] = {"code": 3, "message": job.script.error}
    return shown


@contextmanager
def job_server() -> Iterator[JobServer]:
    """A running server."""
    with serving(JobServer()) as server:
        yield server

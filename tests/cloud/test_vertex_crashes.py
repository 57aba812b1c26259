"""Registrars that die at any point, and registrars at once: Vertex ends in the same state."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import grpc
import pytest

from tests.support.racing import race
from tests.support.vertex_server import VertexServer, vertex_server
from tests.support.vertex_versions import APPROVED, MODEL, aliases, example_version, shown
from trainer.cloud import vertex
from trainer.cloud.vertex import VertexRegistry
from trainer.errors import StorageError

ROOT = Path(__file__).parents[2]
PROMOTED = {**APPROVED, "stage": "prod"}


def _promote(registry: VertexRegistry) -> None:
    registry.mirror(example_version("1.1.0", labels=PROMOTED))
    registry.move_aliases("custom-cnn", "1.1.0")


SCENARIOS: dict[str, Callable[[VertexRegistry], object]] = {
    "register the first": lambda registry: registry.mirror(example_version("1.0.0")),
    "register another": lambda registry: registry.mirror(example_version("1.1.0")),
    "promote": _promote,
}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in {"RETRY": 20, "GRACE": 0.3}.items():
        monkeypatch.setattr(vertex, f"{name}_SECONDS", seconds)


def connect(server: VertexServer) -> VertexRegistry:
    return VertexRegistry("my-project", "us-central1", endpoint=server.endpoint)


def prepare(registry: VertexRegistry, scenario: str) -> None:
    """What comes before the scenario."""
    for name, action in SCENARIOS.items():
        if name == scenario:
            return
        action(registry)


@pytest.mark.parametrize("has_effect", [False, True], ids=["before it is done", "after it is done"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_registrar_that_dies_at_any_request_is_made_good_by_the_next(
    server: VertexServer, scenario: str, has_effect: bool
) -> None:
    """Nothing is kept on our side, so an end of the registrar at a request is an end of the requests."""
    registry, action = connect(server), SCENARIOS[scenario]
    prepare(registry, scenario)
    first = len(server.calls)
    action(registry)
    requests, expected = len(server.calls) - first, shown(server)
    assert requests >= 5
    for number in range(requests):
        with vertex_server() as other:
            registry = connect(other)
            prepare(registry, scenario)
            other.fail_next(1, grpc.StatusCode.PERMISSION_DENIED, skip=number, has_effect=has_effect)
            with pytest.raises(StorageError):
                action(registry)
            action(connect(other))
            assert shown(other) == expected, f"after an end at request {number}"


@pytest.mark.parametrize("existing", [False, True], ids=["a new model", "a known model"])
def test_of_eight_registrars_of_one_version_all_are_done_and_it_is_there_once(
    server: VertexServer, existing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vertex, "GRACE_SECONDS", 3.0)  # on a busy machine
    server.store.upload_seconds = 0.2
    registries = [connect(server) for _ in range(8)]
    if existing:
        registries[0].mirror(example_version("1.0.0"))
    before = len(server.store.versions(MODEL)) if existing else 0
    results = race(lambda number: registries[number].mirror(example_version("1.1.0")), 8)
    assert [result for result in results if isinstance(result, Exception)] == []
    found = shown(server)[before:]
    assert [one["aliases"] for one in found] == [["v1-1-0"] if existing else ["default", "v1-1-0"]]
    assert [len(one["evaluations"]) for one in found] == [1]


def test_eight_registrars_of_a_version_each_make_one_model(server: VertexServer) -> None:
    server.store.upload_seconds = 0.1
    registries = [connect(server) for _ in range(8)]
    results = race(lambda number: registries[number].mirror(example_version(f"1.{number}.0")), 8)
    assert [result for result in results if isinstance(result, Exception)] == []
    names = sorted(name for names in aliases(server) for name in names)
    assert names == sorted(["default", *(f"v1-{number}-0" for number in range(8))])
    assert [len(one["evaluations"]) for one in shown(server)] == [1] * 8


def test_of_eight_promotions_at_once_one_is_the_last(server: VertexServer) -> None:
    registry = connect(server)
    for number in range(3):
        registry.mirror(example_version(f"1.{number}.0"))
    results = race(lambda number: connect(server).move_aliases("custom-cnn", f"1.{number % 3}.0"), 8)
    assert results == [None] * 8
    holders = [{"default", "latest"} & set(names) for names in aliases(server)]
    assert sorted(name for holder in holders for name in holder) == ["default", "latest"]


REGISTRAR = """
import json, sys
from trainer.cloud import vertex, vertex_errors
vertex_errors.FIRST_DELAY_SECONDS, vertex.GRACE_SECONDS = 0.02, 0.1
registry = vertex.VertexRegistry("my-project", "us-central1", endpoint=sys.argv[1])
version = vertex.ModelVersion(**json.loads(sys.argv[2]))
print("ready", flush=True)
registry.mirror(version)
registry.move_aliases(version.model_id, version.version)
"""


@pytest.fixture
def registrar(server: VertexServer) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Starts a process that registers 1.1.0 and promotes it; it has printed ``ready`` when it is returned."""
    running: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        version = json.dumps(asdict(example_version("1.1.0")))
        command = [sys.executable, "-c", REGISTRAR, server.endpoint, version]
        environment = {**os.environ, **server.environment}
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        running.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_a_killed_registrar_is_made_good_by_the_next(
    server: VertexServer, registrar: Callable[[], subprocess.Popen[str]]
) -> None:
    server.store.upload_seconds = 0.3
    connect(server).mirror(example_version("1.0.0"))
    for delay in (0.05, 0.35):
        process = registrar()
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert registrar().wait() == 0
    time.sleep(0.3)  # an upload that a killed one has begun
    assert registrar().wait() == 0
    assert [(one["aliases"], len(one["evaluations"])) for one in shown(server)] == [
        (["v1-0-0"], 1),
        (["default", "latest", "v1-1-0"], 1),
    ]

import json
import logging
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.registries import make_model, registered, registry_at
from tests.support.storage_server import StorageServer, storage_server
from trainer.registry import run as command

BUCKET = "registry-bucket"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StorageServer]:
    """A local Cloud Storage with one empty bucket, which Google's client finds by itself."""
    with storage_server(BUCKET) as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture(params=["local", "gs"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The root of a registry in both kinds of folder, empty."""
    if request.param == "gs":
        request.getfixturevalue("server")
        return f"gs://{BUCKET}/some/registry"
    return str(tmp_path / "registry")


@pytest.fixture
def run(capsys, monkeypatch):
    """Runs a command in this process, as it would run by itself: the exit code, stdout, stderr."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    logging.captureWarnings(False)

    def main(*argv, **env):
        code = command.main([str(word) for word in argv], env)
        return code, *capsys.readouterr()

    yield main
    logging.captureWarnings(False)
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def filled(tmp_path):
    """1.0.0 and 1.1.0 are approved, 2.0.0 was refused by two gates."""
    root = tmp_path / "registry"
    registry = registry_at(root)
    registered(registry, make_model(tmp_path / "a", "a", accuracy=0.93))
    registered(registry, make_model(tmp_path / "b", "b", accuracy=0.95, epochs=3, output_dir="b"))
    registered(registry, make_model(tmp_path / "c", "c", accuracy=0.45, filters=[16]), "absolute", "calibration")
    return root


@pytest.fixture
def at(run, filled):
    """Runs a command on that registry; fails with what it said if it did not end with ``code``."""

    def go(words, *more, code=0):
        verb, *rest = words.split()
        ended, out, err = run(verb, "--registry-root", filled, *rest, *more)
        assert ended == code, err
        return err if code else out

    return go


@pytest.fixture
def figures_file(tmp_path):
    """Writes a file of a baseline's figures."""

    def write(content):
        path = tmp_path / "figures.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write

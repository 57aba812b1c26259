"""Buckets on this machine, for a job that knows ``gs://`` only: a server of the checkout's tests, as a process."""

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trainer.errors import StorageError

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60
_BUCKET = re.compile(r"gs://([a-z0-9][a-z0-9._-]*)")


def buckets_in(text: str) -> list[str]:
    """The names of the buckets that ``text`` mentions."""
    return sorted(set(_BUCKET.findall(text)))


@contextmanager
def storage_server(folder: Path, buckets: list[str]) -> Iterator[dict[str, str]]:
    """A running server whose objects are the files below ``folder``; yields what makes Google's client go there.

    Raises StorageError if it does not start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="local-job-") as name:
        port_file, log = Path(name, "port"), Path(name, "log")
        command = [sys.executable, "-m", "tests.support.storage_server"]
        command += ["--port-file", str(port_file), "--folder", str(folder), *buckets]
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 – the arguments are ours
                command, cwd=ROOT, stdout=output, stderr=output, start_new_session=True
            )
        try:
            port = _wait_for_port(process, port_file, log)
            yield {
                "STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{port}",
                "DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA": "true",
            }
        finally:
            process.terminate()
            process.wait()


def _wait_for_port(process: "subprocess.Popen[bytes]", port_file: Path, log: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while not port_file.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            last = (log.read_text(errors="replace").strip().splitlines() or ["nothing"])[-1]
            raise StorageError(
                "the local storage server did not start",
                expected=f"a port within {START_SECONDS} s",
                received=last,
                do="run it by hand: python -m tests.support.storage_server --help; it is part of the checkout",
            )
        time.sleep(0.05)
    return port_file.read_text()

"""The replicas of a job while they run: a process each, or a container each, and the lines they write."""

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from trainer.errors import SettingsError
from trainer.local_job.contract import Replica
from trainer.local_job.rules import shown_code

ROOT = Path(__file__).resolve().parents[2]
#: What of this process's environment would be taken for Vertex AI's, or change the job.
_LEFT_OUT = (
    "AIP_",
    "CLOUD_ML_",
    "CLUSTER_SPEC",
    "TF_CONFIG",
    "KERAS_BACKEND",
    "TRAINER_",
    "GOOGLE_",
    "CLOUDSDK_",
    "STORAGE_EMULATOR",
)
_DATA = "FASHION_MNIST_DIR"
_ENTRY_POINT = ("-P", "-m", "trainer.task")

Lines = queue.Queue[tuple[str, str]]


class Running:
    """One started replica. Its lines, stdout and stderr together, go into ``lines`` with its name."""

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str], lines: Lines) -> None:
        self.name = name
        self._process = subprocess.Popen(  # noqa: S603 – what the job's file says
            command,
            env=dict(environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # So that a kill takes its children, and Ctrl-C does not reach it past us.
        )
        self._reader = threading.Thread(target=self._read, args=(lines,), daemon=True)
        self._reader.start()

    def exit_code(self) -> int | None:
        """As a container reports it, once all lines have been read; None while it runs."""
        if self._process.poll() is None:
            return None
        self._reader.join()
        return shown_code(self._process.returncode)

    def terminate(self) -> None:
        """SIGTERM to the entry point, as a container engine sends it."""
        if self._process.poll() is None:
            self._process.terminate()

    def kill(self) -> None:
        """SIGKILL to all of it."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)

    def wait(self, seconds: float | None) -> bool:
        """Whether it has ended within so many seconds."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        self._reader.join()
        return True

    def _read(self, lines: Lines) -> None:
        if self._process.stdout is None:
            return
        for line in self._process.stdout:
            lines.put((self.name, line.decode(errors="replace").rstrip("\n")))


class RunningContainer(Running):
    """The same in a container: signals go by way of the engine."""

    def __init__(self, name: str, container: str, command: list[str], lines: Lines) -> None:
        self._container = container
        super().__init__(name, command, os.environ, lines)

    def terminate(self) -> None:
        self._engine("kill", "--signal", "TERM")

    def kill(self) -> None:
        self._engine("kill")

    def _engine(self, *words: str) -> None:
        if self._process.poll() is None:
            subprocess.run(  # noqa: S603
                ["docker", *words, self._container],  # noqa: S607 – docker is wherever the user has it
                capture_output=True,
                check=False,
            )


@contextmanager
def no_credentials() -> Iterator[dict[str, str]]:
    """What keeps Google's clients from those of whoever is signed in here, and of a machine in the cloud."""
    with tempfile.TemporaryDirectory(prefix="local-job-") as empty:
        yield {"CLOUDSDK_CONFIG": empty, "NO_GCE_CHECK": "true"}


def start_process(replica: Replica, more: Mapping[str, str], lines: Lines) -> Running:
    """Run ``replica`` as a process of this Python, on this checkout's code."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_LEFT_OUT)}
    paths = os.pathsep.join([str(ROOT), *filter(None, [kept.get("PYTHONPATH")])])
    environment = {**kept, **replica.environment, **more, "PYTHONPATH": paths, "PYTHONUNBUFFERED": "1"}
    words = list(replica.entry_point) or ["python", *_ENTRY_POINT]
    if words[0] in ("python", "python3"):
        words[0] = sys.executable
    if not shutil.which(words[0], path=environment.get("PATH")):
        do = "mend containerSpec.command, or run it in its image"
        raise SettingsError(words[0], expected="a program of this machine", received="none", do=do)
    return Running(replica.name, [*words, *replica.arguments], environment, lines)


def start_container(replica: Replica, more: Mapping[str, str], writable: Sequence[Path], lines: Lines) -> Running:
    """Run ``replica`` in its image. ``writable``: folders of this machine that it may write to."""
    name = f"local-job-{os.getpid()}-{replica.name}"
    subprocess.run(["docker", "rm", "--force", name], capture_output=True, check=False)  # noqa: S603, S607
    command = ["docker", "run", "--rm", "--name", name, "--network", "host"]
    for folder in writable:
        command += ["--volume", f"{folder}:{folder}"]
    environment = {**replica.environment, **more}
    if os.environ.get(_DATA) and _DATA not in replica.environment:
        folder = Path(os.environ[_DATA]).resolve()
        command += ["--volume", f"{folder}:{folder}:ro"]
        environment[_DATA] = str(folder)
    for variable, value in environment.items():
        command += ["--env", f"{variable}={value}"]
    entry_point, arguments = list(replica.entry_point), list(replica.arguments)
    if entry_point:
        command += ["--entrypoint", entry_point[0]]
        arguments = entry_point[1:] + arguments
    return RunningContainer(replica.name, name, [*command, replica.image, *arguments], lines)


def image_is_here(image: str) -> bool:
    """Whether a container engine is there, and has ``image``."""
    if not image or not shutil.which("docker"):
        return False
    asked = ["docker", "image", "inspect", image]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0  # noqa: S603


def require_image(image: str) -> None:
    """Raise SettingsError unless ``image`` is here: it is not pulled."""
    if not image_is_here(image):
        raise SettingsError(
            f"--image {image}",
            expected="a running container engine that has this image",
            received=_missing(),
            do="build it with scripts/build_image, or leave --image out to run processes",
        )


def _missing() -> str:
    if not shutil.which("docker"):
        return "no engine"
    asked = subprocess.run(["docker", "version"], capture_output=True, check=False)  # noqa: S607
    return "no such image" if asked.returncode == 0 else "an engine that does not answer"


def readable(line: str) -> tuple[str, str]:
    """Severity and message of a line as the service would show it; plain lines have no severity of their own."""
    try:
        entry = json.loads(line)
    except ValueError:
        return "", line
    if not (isinstance(entry, dict) and "message" in entry):
        return "", line
    return str(entry.get("severity", "")), str(entry["message"])

"""Running the images the way a careful host does: nothing writable but /work and /tmp, no privileges, no network."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).resolve().parents[2]

CONFINED = (*("--network=none", "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges"),)


class Images(NamedTuple):
    """The names of what was built from this checkout."""

    train: str
    test: str


def docker(*arguments: str, seconds: float = 300) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end, whatever its exit code."""
    command = ["docker", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)


def told(*arguments: str) -> str:
    """What the command line said. Fails with it if it failed."""
    done = docker(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def run_image(
    image: str, arguments: Sequence[str], *options: str, entrypoint: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``image`` confined to its end: exit code, stdout, stderr."""
    instead = ("--entrypoint", entrypoint) if entrypoint else ()
    return docker("run", "--rm", *CONFINED, *instead, *options, image, *arguments)


def run_script(name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one of scripts/* to its end, with more in its environment."""
    command = [str(PROJECT / "scripts" / name), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=900, check=False, env=os.environ | environment
    )

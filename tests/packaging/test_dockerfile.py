"""hadolint on the Dockerfile. tests/container builds it and runs what came out."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HADOLINT = ROOT / ".venv" / "bin" / "hadolint"

pytestmark = pytest.mark.skipif(not HADOLINT.exists(), reason="hadolint has no package for this platform")


def hadolint(text: str) -> list[str]:
    """What it says of a Dockerfile, a line each."""
    done = subprocess.run([HADOLINT, "-"], input=text, capture_output=True, text=True, check=False)
    return done.stdout.splitlines()


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    assert hadolint((ROOT / "Dockerfile").read_text(encoding="utf-8")) == []


def test_hadolint_would_find_something() -> None:
    (found,) = hadolint("FROM debian:12\nENTRYPOINT python -m trainer.task\n")
    assert "DL3025" in found

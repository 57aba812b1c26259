import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.gcloud_stand_in import RefusedError, StandIn, empty_project
from trainer import setup_gcp
from trainer.cloud.project import gcloud
from trainer.errors import StorageError

ROOT = Path(__file__).parents[2]
PROJECT = "my-project"
EVERYTHING = (
    *("--budget", "50", "--github", "me/trainer", "--data-bucket", "their-images"),
    *("--reader-project", "other-project", "--build-submits", "--image", "cpu", "--image", "gpu"),
)
BUCKET = f"{PROJECT}-trainer"


class Project:
    """A project behind the stand-in for gcloud, which is the first gcloud in the PATH."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "state.json"
        self.write(empty_project(PROJECT))
        command = folder / "bin" / "gcloud"
        command.parent.mkdir()
        program = f'{sys.executable} -S -P -m tests.support.gcloud_stand_in "{self._path}" "$@"'
        command.write_text(f"#!/bin/sh\nPYTHONPATH={ROOT} exec {program}\n")
        command.chmod(0o755)
        self.folder = command.parent

    @property
    def state(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads(self._path.read_text())
        return read

    def write(self, state: dict[str, Any]) -> None:
        self._path.write_text(json.dumps(state))

    def change(self, change: Callable[[dict[str, Any]], Any]) -> None:
        """Somebody else changes something; what was called so far is forgotten."""
        state = {**self.state, "calls": [], "changes": 0}
        change(state)
        self.write(state)

    def set_up(self, *flags: str) -> int:
        return setup_gcp.main([PROJECT, *flags])


def held(state: dict[str, Any]) -> dict[str, Any]:
    """What the project holds, without how it came to that."""
    return {
        name: value
        for name, value in state.items()
        if name not in ("calls", "changes", "unknown_yet", "not_enabled_yet")
    }


def changing(state: dict[str, Any]) -> list[str]:
    calls = (" ".join(call[1:]) for call in state["calls"])
    return [call for call in calls if not any(word in call for word in (" list ", " describe ", "get-iam-policy"))]


class PowerCutError(Exception):
    """The machine went off."""


Quickly = Callable[..., None]


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> Quickly:
    """Sets up the project of a state with every flag, with the stand-in in this process.

    ``stop_at``: interrupted at that change, before it happens or, if it ``has_effect``, before its answer.
    """
    plan = setup_gcp.parse([PROJECT, *EVERYTHING]).plan

    def set_up(state: dict[str, Any], *, stop_at: int | None = None, has_effect: bool = False) -> None:
        stand_in = StandIn(state)

        def run(command: list[str], _seconds: float) -> str:
            is_due = "--format=json" not in command and state["changes"] == stop_at
            if is_due and not has_effect:
                raise PowerCutError
            try:
                answer = stand_in.answer(command[1:])
            except RefusedError as error:
                raise StorageError("failed", expected="", received=str(error), do="") from error
            if is_due:
                raise PowerCutError
            return answer

        monkeypatch.setattr(gcloud, "_run", run)
        setup_gcp.set_up(plan, dry_run=False)

    return set_up


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    made = Project(tmp_path)
    monkeypatch.setenv("PATH", str(made.folder), prepend=":")
    return made

"""Runs gcloud: looks that change nothing, and changes, each of which is shown."""

import json
import shlex
import subprocess
import time
from collections.abc import Callable
from typing import Any

from trainer.errors import StorageError
from trainer.google_errors import NOT_ENABLED

LOOK_SECONDS, CHANGE_SECONDS = 120.0, 600.0
#: What was just made or enabled is not known everywhere at once.
PATIENCE_SECONDS, PAUSE_SECONDS = 120.0, 5.0
_PASSING = (*NOT_ENABLED, "does not exist", "NOT_FOUND", "concurrent policy changes")
#: In spite of its words: somebody has to connect the repository with Cloud Build, in a browser.
_LASTING = ("Repository mapping does not exist",)


class Gcloud:
    """gcloud for one project. A dry run starts nothing, and takes everything for missing.

    Attributes:
        say: prints a line.
        changes: how many commands that change something were run, or shown in a dry run.
    """

    def __init__(self, project: str, *, dry_run: bool, say: Callable[[str], None]) -> None:
        self._project = project
        self.say = say
        self.dry_run = dry_run
        self.changes = 0

    def look(self, *words: str) -> Any:
        """The answer, from JSON: a list or a mapping. In a dry run None. Raises StorageError.

        It is repeated while a service that was just enabled here is not so everywhere.
        """
        command = self._command(words, "--format=json")
        if self.dry_run:
            self.say(f"# looks: {shlex.join(command)}")
            return None
        return json.loads(_run_again(command, LOOK_SECONDS, NOT_ENABLED if self.changes else ()) or "null")

    def change(self, *words: str) -> None:
        """Show and run a command; repeat it while it fails because something is not known yet. Raises StorageError."""
        command = self._command(words, "--quiet")
        self.say(shlex.join(command))
        self.changes += 1
        if not self.dry_run:
            _run_again(command, CHANGE_SECONDS, _PASSING)

    def _command(self, words: tuple[str, ...], last: str) -> list[str]:
        # Its name is an argument of these. Of budgets, which belong to no project, it says whose quota is used, and
        # where their service has to be enabled: without it that is whatever project gcloud is set to.
        names_it = words[0] == "projects" or words[:2] == ("billing", "projects")
        project = [] if names_it else [f"--project={self._project}"]
        return ["gcloud", *words, *project, last]


def _run_again(command: list[str], seconds: float, passing: tuple[str, ...]) -> str:
    """Its output. While it fails with one of the words ``passing``, it is repeated. Raises StorageError."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return _run(command, seconds)
        except StorageError as error:
            said = str(error)
            passes = any(sign in said for sign in passing) and not any(sign in said for sign in _LASTING)
            if time.monotonic() > deadline or not passes:
                raise
            time.sleep(PAUSE_SECONDS)


def _run(command: list[str], seconds: float) -> str:
    expected, again = (
        "gcloud, signed in, with the rights of docs/setup-gcp.md",
        "the same command again goes on from there",
    )
    try:
        done = subprocess.run(  # noqa: S603 – the words are ours
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=seconds, check=False
        )
    except FileNotFoundError as error:
        do = "install the Google Cloud CLI, or look at what would be done with --dry-run"
        raise StorageError("gcloud is not installed", expected="it in the PATH", received="none", do=do) from error
    except subprocess.TimeoutExpired as error:
        what, received = f"gcloud does not end: {shlex.join(command)}", f"nothing within {seconds:g} s"
        raise StorageError(what, expected=expected, received=received, do=again) from error
    if done.returncode:
        received = done.stderr.strip() or f"exit code {done.returncode}"
        raise StorageError(f"failed: {shlex.join(command)}", expected=expected, received=received, do=again)
    return done.stdout

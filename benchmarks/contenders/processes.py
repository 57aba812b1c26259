"""Contenders as processes of their own: one that waits for its turn takes nothing from the one whose turn it is."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


@dataclass
class Contender:
    """A program of this folder that does a piece of work for each line it is sent, and answers with a line."""

    name: str
    process: subprocess.Popen[str]
    about: dict[str, Any]

    def ask(self, line: str) -> str:
        self.tell(line)
        return self.answer()

    def tell(self, line: str) -> None:
        if self.process.stdin is None:
            raise RuntimeError("the contender was started without pipes")
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def answer(self) -> str:
        """The next line that it prints."""
        if self.process.stdout is None:
            raise RuntimeError("the contender was started without pipes")
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"{self.name} ended early, with exit code {self.process.wait()}")
        return answer

    def tell_the_end(self) -> None:
        if self.process.stdin:
            self.process.stdin.close()

    def end(self) -> None:
        self.tell_the_end()
        self.process.wait()


def start(name: str, python: str, program: str, *arguments: str) -> Contender:
    """Start a contender, and wait for the line about itself that it prints once it is warm."""
    return greeted(name, launched(python, program, *arguments))


def launched(python: str, program: str, *arguments: str, **env: str) -> subprocess.Popen[str]:
    """A program of this folder that has just been started, with ``env`` beside this process's environment."""
    command = [python, "-m", f"benchmarks.contenders.{program}", *arguments]
    return subprocess.Popen(  # noqa: S603 – our own programs
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **env}
    )


def greeted(name: str, process: subprocess.Popen[str]) -> Contender:
    """``process`` as a contender, once it has printed the line about itself."""
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        raise SystemExit(f"{name} did not start: {process.args!r}")
    return Contender(name, process, json.loads(line))

"""Contenders as processes of their own: one that waits for its turn takes nothing from the one whose turn it is."""

import json
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
        if self.process.stdin is None or self.process.stdout is None:
            raise RuntimeError("the contender was started without pipes")
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"{self.name} ended early, with exit code {self.process.wait()}")
        return answer

    def end(self) -> None:
        self.process.communicate()


def start(name: str, python: str, program: str, *arguments: str) -> Contender:
    """Start a contender, and wait for the line about itself that it prints once it is warm."""
    command = [python, "-m", f"benchmarks.contenders.{program}", *arguments]
    process = subprocess.Popen(  # noqa: S603 – our own programs
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        raise SystemExit(f"{name} did not start: {' '.join(command)}")
    return Contender(name, process, json.loads(line))

"""Processes that use a registry, forked from one that has imported everything, so that races and kills hit the store.

python -m tests.support.registrars race ROOT ACTION…
    all at once, and all by what they saw before; prints, for each, the version or the error's name
python -m tests.support.registrars kill PREFIX ACTION SETUP…
    in PREFIX-1, PREFIX-2, … what SETUP says, then ACTION: killed right before its 1st, 2nd, … change of the storage,
    and done once more; prints at which one it is through. In PREFIX-whole it is not disturbed.
python -m tests.support.registrars moments PREFIX COUNT ACTION…
    in PREFIX-1 … PREFIX-COUNT all actions, each killed twice at a random moment before it is done; in PREFIX-whole too,
    undisturbed

An ACTION is a word and what it is about: ``register:FOLDER`` or ``promote:1.0.0``; in a race also ``approve:1.0.0``,
``latest:1.0.0`` or ``rollback:``. With ``TRAINER_SIGNING_KEY`` what is registered is signed.
"""

import json
import os
import random
import signal
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any

from tests.support.registries import Examiner, registry_at
from trainer.registry import commands, registration
from trainer.registry.registration import Terms
from trainer.release import decisions, signing
from trainer.release.decisions import Wishes
from trainer.release.history import Change, Index
from trainer.storage.bucket import BucketFolder
from trainer.storage.local import LocalFolder

KEY = Path(os.environ["TRAINER_SIGNING_KEY"]) if os.environ.get("TRAINER_SIGNING_KEY") else None
#: What changes something: a kill between two of these is the same wherever it comes.
METHODS = ("write", "create", "delete", "upload", "put", "copy", "remove")


def act(root: str, action: str) -> str:
    """Register or promote as the command does, and say which version it was about."""
    deed, _, subject = action.partition(":")
    registry = registry_at(root)
    if deed == "register":
        return registration.register(registry, subject, Terms(signing_key=KEY), Examiner()).version
    options = Namespace(version=subject, why="", public_key=None)
    return str(commands.promote(registry, options).document["version"])


def decide(root: str, action: str, seen: Index) -> str:
    """Do what was decided by looking at ``seen``, and say which version it was about."""
    deed, _, subject = action.partition(":")
    if deed == "register":
        return act(root, action)
    wishes = Wishes(reason="a race" if deed == "approve" else "", make_latest=deed == "latest")
    decisions_by_deed: dict[str, Callable[[Index], Change | None]] = {
        "promote": lambda index: decisions.promote(index, subject, seen=seen, why=""),
        "approve": lambda index: decisions.approve(index, subject, seen=seen, wishes=wishes),
        "latest": lambda index: decisions.approve(index, subject, seen=seen, wishes=wishes),
        "rollback": lambda index: decisions.rollback(index, seen=seen, why=""),
    }
    registry_at(root).append(decisions_by_deed[deed])
    return subject


def main(command: str, root: str, *arguments: str) -> None:
    _import_what_is_imported_late(root)
    if command == "race":
        print(json.dumps(_race(root, arguments)))
    elif command == "kill":
        print(_kill(root, *arguments))
    else:
        _moments(root, int(arguments[0]), arguments[1:])


def _import_what_is_imported_late(root: str) -> None:
    registry_at(root).read()
    import_module("trainer.examination")
    if KEY:
        with tempfile.TemporaryDirectory() as scratch:
            Path(scratch, "model").mkdir()
            Path(scratch, "model", "file").write_bytes(b"x")
            signing.sign(Path(scratch, "model"), Path(scratch, "signature"), KEY)


def _kill(prefix: str, action: str, *setup: str) -> int:
    for word in (*setup, action):
        _finish(f"{prefix}-whole", word)
    for number in count(1):
        root = f"{prefix}-{number}"
        for word in setup:
            _finish(root, word)
        killed = _code(_fork(lambda: _die_at(number), lambda: act(root, action))) != 0  # noqa: B023 – runs at once
        _finish(root, action)
        if not killed:
            break
    return number


def _moments(prefix: str, runs: int, actions: Sequence[str]) -> None:
    moments = random.Random(runs)  # noqa: S311 – moments, not secrets
    longest = 0.0
    for action in actions:
        started = time.monotonic()
        _finish(f"{prefix}-whole", action)
        longest = max(longest, time.monotonic() - started)
    for number in range(1, runs + 1):
        for action in actions:
            for _ in range(2):
                child = _fork(lambda: None, lambda: act(f"{prefix}-{number}", action))  # noqa: B023 – runs at once
                time.sleep(moments.uniform(0, longest))
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
            _finish(f"{prefix}-{number}", action)


def _finish(root: str, action: str) -> None:
    code = _code(_fork(lambda: None, lambda: act(root, action)))
    if code:
        raise SystemExit(f"{action} in {root} ended with {code}")


def _code(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _race(root: str, actions: tuple[str, ...]) -> list[str]:
    gate, opener = os.pipe()
    seen = registry_at(root).read()
    results = []
    for action in actions:
        reader, writer = os.pipe()

        def run(action: str = action, writer: int = writer) -> None:
            os.close(opener)
            os.read(gate, 1)
            try:
                answer = decide(root, action, seen)
            except Exception as error:
                answer = type(error).__name__
            os.write(writer, answer.encode())

        _fork(lambda: None, run)
        os.close(writer)
        results.append(reader)
    os.close(opener)
    return [os.read(reader, 1000).decode() for reader in results]


def _die_at(number: int) -> None:
    """Let this process kill itself right before its ``number``th change of the storage."""
    calls = [0]

    def counted(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            calls[0] += 1
            if calls[0] == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return method(*arguments, **options)

        return call

    for kind in (LocalFolder, BucketFolder):
        for name in METHODS:
            if hasattr(kind, name):
                setattr(kind, name, counted(getattr(kind, name)))


def _fork(prepare: Callable[[], None], run: Callable[[], object]) -> int:
    child = os.fork()
    if child:
        return child
    try:
        prepare()
        run()
    except Exception as error:
        print(repr(error), file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])

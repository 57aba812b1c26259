"""Processes that publish, forked from one that has imported everything, so that a kill hits the publishing.

python -m tests.support.publishers race FOLDER SOURCE...     all at once; prints error names or null
python -m tests.support.publishers kill FOLDER SOURCE COUNT  into FOLDER/0, FOLDER/1, …, each killed a bit later
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from trainer import errors
from trainer.storage import open_folder, publish

MARKER = "manifest.json"
_FAILURES = (None, errors.AlreadyExistsError, errors.StorageError, Exception)


def main(command: str, folder: str, *arguments: str) -> None:
    open_folder(folder)  # imports what is imported late
    if command == "race":
        print(json.dumps(_race(folder, arguments)))
    else:
        _kill(folder, arguments[0], int(arguments[1]))


def _race(folder: str, sources: tuple[str, ...]) -> list[str | None]:
    gate, opener = os.pipe()

    def publish_when_open(source: str) -> None:
        os.close(opener)
        os.read(gate, 1)
        _publish(source, folder)

    children = [_fork(publish_when_open, source) for source in sources]
    os.close(opener)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    return [getattr(_FAILURES[code], "__name__", None) for code in codes]


def _kill(folder: str, source: str, count: int) -> None:
    # The first of all takes longer than those that follow.
    for name in ("first", "whole"):
        started = time.monotonic()
        os.waitpid(_fork(_publish, source, f"{folder}/{name}"), 0)
        whole_seconds = time.monotonic() - started
    for number in range(count):
        child = _fork(_publish, source, f"{folder}/{number}")
        time.sleep(whole_seconds * number / count)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _publish(source: str, folder: str) -> None:
    publish(Path(source), open_folder(folder), marker=MARKER)


def _fork(action: Callable[..., None], *arguments: str) -> int:
    """The id of a child that runs the action and exits with the index of its failure in ``_FAILURES``."""
    child = os.fork()
    if child:
        return child
    try:
        action(*arguments)
    except Exception as error:
        print(repr(error), file=sys.stderr, flush=True)
        os._exit(next(code for code, kind in enumerate(_FAILURES) if kind and isinstance(error, kind)))
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])

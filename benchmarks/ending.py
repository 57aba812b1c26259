"""How a measurement ends that can't be taken: in one line, with the exit code of what is wrong."""

import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from trainer.ending import fail
from trainer.errors import TrainerError


def run_benchmark(name: str, main: Callable[[Sequence[str]], None]) -> NoReturn:
    """Do what this process's command line asks of ``main``, the program ``name``, and end."""
    try:
        main(sys.argv[1:])
    except TrainerError as error:
        sys.exit(fail(name, error, verbose=False))
    sys.exit(0)

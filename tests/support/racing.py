"""Many threads that start the same thing at the same moment."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


def race(action: Callable[[int], Result], count: int = 16) -> list[Result | Exception]:
    """``action(0)`` … ``action(count - 1)`` at once: what each returned or raised."""
    barrier = threading.Barrier(count)

    def run(number: int) -> Result | Exception:
        barrier.wait()
        try:
            return action(number)
        except Exception as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))

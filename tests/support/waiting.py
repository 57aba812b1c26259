"""Waiting for what has happened, whatever the load."""

import time
from collections.abc import Callable


def wait_until(is_so: Callable[[], bool], seconds: float = 30) -> None:
    """Raise TimeoutError if ``is_so`` never is: ``seconds`` outlast any load."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError("waited in vain")
        time.sleep(0.005)

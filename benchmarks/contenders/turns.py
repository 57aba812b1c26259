"""What the contenders share: the images, and taking turns. Needs nothing but NumPy."""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

IMAGES = 8192
ROTATION_DEGREES, SHIFT, SHEAR, ZOOM = 15.0, 0.15, 0.15, 0.15


def batch_size() -> int:
    return int(sys.argv[1])


def data(count: int = IMAGES) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Noise: uint8 (N, 28, 28, 1) and int32 (N,). How fast a step is does not depend on what it sees."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (count, 28, 28, 1), dtype=np.uint8)
    return images, random.integers(0, 10, count).astype(np.int32)


def take_turns(train: Callable[[], object], **about: object) -> None:
    """Train one round to warm up, then one for each line on stdin."""
    train()
    print(json.dumps(about), flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        train()
        print(time.perf_counter() - started, flush=True)

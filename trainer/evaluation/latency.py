"""How long one answer takes, as one caller after the other would see it."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

WARM_UP_RUNS = 5
MAX_RUNS = 500


def measure_latency(
    predict: Callable[[NDArray[np.uint8]], Any],
    images: NDArray[np.uint8],
    *,
    batch_sizes: Sequence[int] = (1, 32),
    seconds_per_batch_size: float = 2.0,
) -> dict[str, dict[str, float]]:
    """Wall-clock time of ``predict`` for each batch size, as ``{"batch_1": …, "batch_32": …}``.

    ``predict`` takes uint8 (B, 28, 28, 1) and returns when its answer can be read; ``images`` uint8
    (N, 28, 28, 1) with N > 0 are repeated where a batch needs more. Per batch size: ``median_ms`` and
    ``p95_ms`` over ``n`` timed runs, and ``images_per_second`` at the median. Five untimed runs come first,
    because a first call traces the graph.
    """
    return {
        f"batch_{size}": _time_batches(
            predict, np.resize(images, (size, *images.shape[1:])), seconds=seconds_per_batch_size
        )
        for size in batch_sizes
    }


def _time_batches(
    predict: Callable[[NDArray[np.uint8]], Any], batch: NDArray[np.uint8], *, seconds: float
) -> dict[str, float]:
    for _ in range(WARM_UP_RUNS):
        predict(batch)
    durations: list[float] = []
    deadline = time.perf_counter() + seconds
    while not durations or (len(durations) < MAX_RUNS and time.perf_counter() < deadline):
        started = time.perf_counter()
        predict(batch)
        durations.append(time.perf_counter() - started)
    median, p95 = np.percentile(durations, [50, 95])
    return {
        "median_ms": 1000 * float(median),
        "p95_ms": 1000 * float(p95),
        "n": len(durations),
        "images_per_second": len(batch) / float(median),
    }

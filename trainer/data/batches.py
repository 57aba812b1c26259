"""The order in which training examples are met, a function of (seed, epoch) alone.

So a run that goes on after a restart sees the same batches as one that was never interrupted.
"""

import numpy as np
from numpy.typing import NDArray

_EPOCH_STREAM = 3


def epoch_order(count: int, *, seed: int, epoch: int) -> NDArray[np.int64]:
    """A permutation int64 (count,) of 0 … count-1 for this ``epoch``."""
    return permutation(count, seed=seed, stream=(_EPOCH_STREAM, epoch))


def permutation(count: int, *, seed: int, stream: tuple[int, ...]) -> NDArray[np.int64]:
    """A random permutation int64 (count,); other streams of the same seed are independent of it.

    It sorts raw Philox words (Salmon et al., 2011) instead of calling ``Generator.permutation``: NumPy promises
    that the former stay the same in all versions, the latter may change (NEP 19).
    """
    words = np.random.Philox(np.random.SeedSequence(seed, spawn_key=stream)).random_raw(count)
    return np.argsort(words, kind="stable").astype(np.int64)

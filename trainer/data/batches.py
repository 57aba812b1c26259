"""The order in which training examples are met, a function of (seed, epoch) alone.

So a run that goes on after a restart sees the same batches as one that was never interrupted.
"""

import numpy as np
from numpy.typing import NDArray

_EPOCH_STREAM = 3


def epoch_order(count: int, *, seed: int, epoch: int) -> NDArray[np.int64]:
    """A permutation int64 (count,) of 0 … count-1 for this ``epoch``."""
    return permutation(count, seed=seed, stream=(_EPOCH_STREAM, epoch))


def visited(order: NDArray[np.int64], losses: NDArray[np.float32], *, visits: int, hardest: int) -> NDArray[np.int64]:
    """The images int64 (visits,) that an epoch visits, in its ``order`` int64 (N,), where it leaves some out.

    The ``hardest`` images by their latest loss, float32 (N,) and infinite where none is known, and the rest at random.
    Most garments are learned within an epoch or two; the few that are confused keep teaching. After Loshchilov and
    Hutter, Online Batch Selection for Faster Training of Neural Networks, 2016, https://arxiv.org/abs/1511.06343.
    """
    by_loss = np.argsort(-losses[order], kind="stable")
    others = np.sort(by_loss[hardest:])[: visits - hardest]
    chosen: NDArray[np.int64] = order[np.sort(np.concatenate([by_loss[:hardest], others]))]
    return chosen


def permutation(count: int, *, seed: int, stream: tuple[int, ...]) -> NDArray[np.int64]:
    """A random permutation int64 (count,); other streams of the same seed are independent of it.

    It sorts raw Philox words (Salmon et al., 2011) instead of calling ``Generator.permutation``: NumPy promises
    that the former stay the same in all versions, the latter may change (NEP 19).
    """
    words = np.random.Philox(np.random.SeedSequence(seed, spawn_key=stream)).random_raw(count)
    return np.argsort(words, kind="stable").astype(np.int64)

"""What training wants the network to say of each image: a distribution over the classes."""

import numpy as np
from numpy.typing import NDArray

from trainer.contract import NUM_CLASSES

Targets = NDArray[np.float32]


def targets_of(labels: NDArray[np.int32], *, smoothing: float) -> Targets:
    """One in the place of each of ``labels`` (N,), of which ``smoothing`` is spread over all classes: (N, 10).

    Source: Szegedy et al., Rethinking the Inception Architecture, 2016, https://arxiv.org/abs/1512.00567.
    """
    targets = np.full((len(labels), NUM_CLASSES), smoothing / NUM_CLASSES, dtype=np.float32)
    targets[np.arange(len(labels)), labels] += np.float32(1 - smoothing)
    return targets


def mixed(targets: Targets, partners: NDArray[np.int64], kept: NDArray[np.float32]) -> Targets:
    """Of each row the share ``kept`` (N,), the rest from the row ``partners`` (N,) names."""
    own = kept[:, None]
    return own * targets + (1 - own) * targets[partners]

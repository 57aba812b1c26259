"""Seeds that make a network's first weights and its random layers a function of one seed."""

from collections.abc import Iterator

import numpy as np


def layer_seeds(seed: int) -> Iterator[int]:
    """Endless seeds in [0, 2**31 - 1), the range that every backend accepts, from ``seed`` alone."""
    generator = np.random.Generator(np.random.Philox(np.random.SeedSequence(seed)))
    while True:
        yield int(generator.integers(2**31 - 1))

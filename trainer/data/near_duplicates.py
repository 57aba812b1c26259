"""How near test images are to training images: those that show the same garment, and what is usual."""

import numpy as np
from numpy.typing import NDArray

from trainer.data.statistics import HEIGHT, WIDTH, blocks

# Distances are computed for so many test times train images at once.
_TEST_BLOCK, _TRAIN_BLOCK = 256, 4096
_ROUNDING_LEVELS = 0.01  # Of a mean or a distance in float32: far more than it can be.

Thumbnails = NDArray[np.float32]
Distances = NDArray[np.float32]


def thumbnails(images: NDArray[np.uint8]) -> Thumbnails:
    """Means of 2×2 pixels of uint8 (N, 28, 28, 1): float32 (N, 14, 14), in grey levels."""
    return np.concatenate([_halved(block.reshape(-1, HEIGHT, WIDTH).astype(np.uint16)) for block in blocks(images)])


def nearest_distances(train: Thumbnails, test: Thumbnails) -> Distances:
    """How far the nearest training image is from each test image, float32 (M,).

    Grey levels: the root of the mean square over `thumbnails`, which forgives noise and resampling.
    """
    products = _Products(train, test)
    highest = np.full(len(test), -np.inf, np.float32)
    for some in _slices(0, len(test), _TEST_BLOCK):
        for others in _slices(0, len(train), _TRAIN_BLOCK):
            np.maximum(highest[some], products.of(some, others).max(axis=1), out=highest[some])
    distances: Distances = np.sqrt(np.maximum(products.squares - 2 * highest, 0) / products.length)
    return distances


def distances_within(train: Thumbnails, test: Thumbnails, *, within: float) -> Distances:
    """`nearest_distances`, but infinite where no training image is as near as ``within``; much faster where few are.

    The mean square of differences is never less than that of their means: over the whole image, so that only images of
    about the same brightness have to be compared, and over 4×4 pixels, at a quarter of the work. What may be near by
    both is compared in full.
    """
    train_means, test_means = train.mean(axis=(1, 2)), test.mean(axis=(1, 2))
    train_order, test_order = np.argsort(train_means), np.argsort(test_means)
    brightness, wanted = train_means[train_order], test_means[test_order]
    coarse = _Products(_halved(train)[train_order], _halved(test)[test_order])
    reach = within + _ROUNDING_LEVELS
    near = (coarse.squares - coarse.length * reach**2) / 2
    nearest = np.full(len(test), np.inf)
    for some in _slices(0, len(test), _TEST_BLOCK):
        first, last = np.searchsorted(brightness, [wanted[some][0] - reach, wanted[some][-1] + reach])
        for others in _slices(first, last, _TRAIN_BLOCK):
            maybe = coarse.of(some, others) >= near[some, None]
            rows = np.flatnonzero(maybe.any(axis=1))
            if len(rows):
                columns = np.flatnonzero(maybe[rows].any(axis=0))
                queries = test_order[some][rows]
                found = _distances(train[train_order[others][columns]], test[queries])
                nearest[queries] = np.minimum(nearest[queries], found.min(axis=1))
    return np.where(nearest <= within, nearest, np.inf).astype(np.float32)


class _Products:
    """Of rows q of ``test`` and r of ``train``: q·r − |r|²/2, float32, by which |q − r|² = |q|² − 2 (q·r − |r|²/2).

    One more column of the matrices does the subtraction.
    """

    def __init__(self, train: Thumbnails, test: Thumbnails) -> None:
        references, queries = train.reshape(len(train), -1), test.reshape(len(test), -1)
        centre = references.mean(axis=0)  # Smaller numbers, so less is lost to rounding.
        self.length = len(centre)
        self._references, self._queries = _about(centre, references), _about(centre, queries)
        self.squares = _squares(self._queries[:, :-1])
        self._references[:, -1] = _squares(self._references[:, :-1]) / -2

    def of(self, some: slice, others: slice) -> NDArray[np.float32]:
        """Those of ``some`` rows of test (M,) and ``others`` of train (N,): (M, N)."""
        products: NDArray[np.float32] = self._queries[some] @ self._references[others].T
        return products


def _about(centre: NDArray[np.float32], rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """``rows`` (N, K) less ``centre`` (K,), and a column of ones: (N, K + 1)."""
    moved = np.ones((len(rows), len(centre) + 1), np.float32)
    np.subtract(rows, centre, out=moved[:, :-1])
    return moved


def _squares(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """The squared length of each of ``rows`` (N, K): (N,)."""
    squares: NDArray[np.float32] = np.einsum("np,np->n", rows, rows)
    return squares


def _slices(first: int, last: int, size: int) -> list[slice]:
    """The range from ``first`` up to ``last`` in pieces of at most ``size``."""
    return [slice(start, min(start + size, last)) for start in range(first, last, size)]


def _halved(images: NDArray[np.uint16] | Thumbnails) -> Thumbnails:
    """Means of 2×2 pixels of (N, H, W): float32 (N, H // 2, W // 2)."""
    rows = images[:, 0::2] + images[:, 1::2]
    means: Thumbnails = (rows[:, :, 0::2] + rows[:, :, 1::2]) * np.float32(1 / 4)
    return means


def _distances(train: Thumbnails, test: Thumbnails) -> NDArray[np.float64]:
    """Those of all pairs, (M, N), in float64."""
    references, queries = (part.reshape(len(part), -1).astype(np.float64) for part in (train, test))
    lengths = np.square(queries).sum(axis=1)[:, None] + np.square(references).sum(axis=1)
    distances: NDArray[np.float64] = np.sqrt(np.maximum(lengths - 2 * queries @ references.T, 0) / queries.shape[1])
    return distances

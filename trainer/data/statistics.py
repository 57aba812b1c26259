"""What can be measured about images to tell whether two sets of them were made in the same way."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.contract import IMAGE_SHAPE, NUM_CLASSES, Examples
from trainer.data.batches import permutation

HEIGHT, WIDTH, _ = IMAGE_SHAPE
PIXELS = HEIGHT * WIDTH
_BLOCK = 2048  # Images that are floats at the same time: few enough for the processor's cache.

Floats = NDArray[np.float64]
Block = NDArray[np.float32]


def measure(images: NDArray[np.uint8]) -> Mapping[str, Floats]:
    """Six figures of each image, float64 (N,): brightnesses in grey levels, centres of brightness in pixels."""
    flat = images.reshape(-1, PIXELS)
    rows, columns = np.divmod(np.arange(PIXELS), WIDTH)
    weights = np.stack([np.ones_like(rows), rows, columns], axis=1).astype(np.float32)
    parts = []
    for block in (piece.astype(np.float32) for piece in blocks(images)):
        parts.append(np.column_stack([block @ weights, np.einsum("np,np->n", block, block)]))
    total, down, right, squares = np.concatenate(parts).astype(np.float64).T
    mean = total / PIXELS
    return {
        "mean brightness": mean,
        "contrast": np.sqrt(np.maximum(squares / PIXELS - mean**2, 0)),
        "brightest pixel": flat.max(axis=1).astype(np.float64),
        "darkest pixel": flat.min(axis=1).astype(np.float64),
        "vertical centre": down / np.maximum(total, 1),  # An image that is black all over has it at 0.
        "horizontal centre": right / np.maximum(total, 1),
    }


def sampled(images: NDArray[Any], count: int) -> NDArray[Any]:
    """At most ``count`` of ``images`` (N, …), the same ones each time, in their order.

    Not one in so many: where classes come in turn, that would be some classes only.
    """
    if len(images) <= count:
        return images
    return images[np.sort(permutation(len(images), seed=0, stream=())[:count])]


def blocks(images: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """``images`` uint8 (N, 28, 28, 1) in pieces of (at most 2048, 784)."""
    for start in range(0, len(images), _BLOCK):
        yield images[start : start + _BLOCK].reshape(-1, PIXELS)


def level_use(images: NDArray[np.uint8]) -> tuple[Floats, Floats]:
    """For each grey level, float64 (256,), in [0, 1]: the share of all pixels, and the share of images that have it."""
    pixels, having = np.zeros(256), np.zeros(256)
    for block in blocks(images):
        offsets = np.arange(len(block), dtype=np.int32)[:, None] * 256
        counts = np.bincount((block + offsets).ravel(), minlength=len(block) * 256).reshape(-1, 256)
        pixels += counts.sum(axis=0)
        having += np.count_nonzero(counts, axis=0)
    return pixels / pixels.sum(), having / len(images)


def class_shares(labels: NDArray[np.int32]) -> Floats:
    """Float64 (10,), sum 1."""
    return np.bincount(labels, minlength=NUM_CLASSES) / len(labels)


def balancing_weights(labels: NDArray[np.int32], other: NDArray[np.int32]) -> Floats:
    """A weight for each of ``labels``, float64 (N,), sum 1, that gives them the class shares of ``other``.

    Weighted so, two splits can be compared although the one has more dark shoes and the other more bright shirts.
    """
    own, wanted = class_shares(labels), class_shares(other)
    weights = np.divide(wanted, own, out=np.zeros(NUM_CLASSES), where=own > 0)[labels]
    return weights / weights.sum() if weights.any() else np.full(len(labels), 1 / len(labels))


def effective_count(weights: Floats) -> float:
    """Kish's effective sample size: that many examples of equal weight tell as much."""
    return float(weights.sum() ** 2 / np.square(weights).sum())


def distribution_distance(first: Floats, second: Floats, *, weights: Floats, tolerance: float) -> float:
    """The Kolmogorov-Smirnov distance of two samples, in [0, 1]; ``first`` (N,) is weighted, sum 1.

    It is 0 if one is the other moved by at most ``tolerance``, which a plain one would call as different as can be
    where all values are alike.
    """
    order = np.argsort(first)
    first, second = first[order], np.sort(second)
    cumulated = np.concatenate([[0.0], np.cumsum(weights[order])])

    def share_of_first(values: Floats) -> Floats:
        return cumulated[np.searchsorted(first, values, side="right")]

    def share_of_second(values: Floats) -> Floats:
        return np.searchsorted(second, values, side="right") / len(second)

    above = np.max(share_of_first(first) - share_of_second(first + tolerance))
    below = np.max(share_of_second(second) - share_of_first(second + tolerance))
    return float(max(above, below, 0.0))


def class_means(examples: Examples) -> Floats:
    """The mean of each class's standardised images, float64 (10, 784); zeros for a class without examples."""
    totals = np.zeros((NUM_CLASSES, PIXELS))
    membership = np.eye(NUM_CLASSES, dtype=np.float32)[examples.labels]
    done = 0
    for block in map(_standardise, blocks(examples.images)):
        totals += membership[done : done + len(block)].T @ block
        done += len(block)
    return totals / np.maximum(np.bincount(examples.labels, minlength=NUM_CLASSES), 1)[:, None]


def nearest_mean_accuracy(examples: Examples, means: Floats, *, own_factor: Floats) -> float:
    """The share of examples, in [0, 1], that are nearest to the mean of their own class.

    The squared distance to the mean of the own class is multiplied by that class's ``own_factor`` (10,) first.
    """
    means = means.astype(np.float32)
    hits, done = 0, 0
    for block in map(_standardise, blocks(examples.images)):
        labels = examples.labels[done : done + len(block)]
        own = np.arange(len(block)), labels
        squares = np.einsum("np,np->n", block, block)[:, None]
        distances = squares - 2 * block @ means.T + np.square(means).sum(axis=1)
        distances[own] *= own_factor[labels]
        hits += int((distances.argmin(axis=1) == labels).sum())
        done += len(block)
    return hits / len(examples)


def left_out_factor(labels: NDArray[np.int32]) -> Floats:
    """The ``own_factor`` (10,) for examples that the means were computed from: as if each had been left out.

    Without x, the mean m of n becomes (n m − x)/(n − 1), at n/(n − 1) times the distance from x.
    """
    counts = np.bincount(labels, minlength=NUM_CLASSES)
    return np.square(counts / np.maximum(counts - 1, 0.5))


def correlation(first: Floats, second: Floats) -> float:
    """Pearson's r in [-1, 1] of two arrays of one shape; 0 if one of them is constant."""
    first, second = first - first.mean(), second - second.mean()
    scale = float(np.sqrt(np.square(first).sum() * np.square(second).sum()))
    return float((first * second).sum()) / scale if scale > 0 else 0.0


def _standardise(block: NDArray[np.uint8]) -> Block:
    """Each image (N, 784) with mean 0 and length 1, so that brightness and contrast no longer matter."""
    centred = block.astype(np.float32)
    # As products: with NumPy's mean and norm of rows all of it takes two and a half times as long.
    centred -= (centred @ np.ones(PIXELS, np.float32))[:, None] / PIXELS
    lengths = np.sqrt(np.einsum("np,np->n", centred, centred))
    centred *= (1 / np.maximum(lengths, np.float32(1e-6)))[:, None]
    return centred

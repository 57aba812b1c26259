"""Images that are there twice: in train and in test, moved by up to two pixels, or within one split."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.contract import Examples
from trainer.data.statistics import HEIGHT, PIXELS, WIDTH, blocks

#: How far, in pixels and in both directions, an image may have been moved and still count as a copy.
REACH_PX = 2
_CROP = (HEIGHT - 2 * REACH_PX, WIDTH - 2 * REACH_PX)
_OFFSETS = 2 * REACH_PX + 1
# A crop's hash is a sum of pixels times random integers. With 784 pixels up to 255 and weights below this it stays
# below 2^53, so a matrix product in float64 gives it exactly, in whatever order the terms are added.
_WEIGHT_LIMIT = 1 << 28
_SEED = 20_170_825  # Everybody may know what is drawn from it: what hashes find is compared byte by byte.
# Few of the hashes of train fall into one of the buckets, a power of two, that hashes of test fall into.
_BUCKETS = 1 << 20

Hashes = NDArray[np.float64]


@dataclass(frozen=True)
class Copy:
    """Test image number ``test`` is training image number ``train``, moved down and to the right by so many pixels."""

    test: int
    train: int
    down_px: int
    right_px: int


@dataclass(frozen=True)
class Repeats:
    """``count``: images of a split that equal an earlier one; ``conflicts``: index pairs with different labels."""

    count: int
    conflicts: list[tuple[int, int]]


def find_copies(train: NDArray[np.uint8], test: NDArray[np.uint8]) -> list[Copy]:
    """One Copy for each test image that is a training image or one moved by at most two pixels, both ways.

    An image and its moved copy share a crop of 24×24, wherever the border pixels came from: the middle of the one is
    one of the 25 crops of the other. Crops of a single grey level are ignored: they show nothing, so that two of them
    are equal says nothing about the images.
    """
    weights = _crop_weights()
    wanted = _hash(test, weights[:, [_OFFSETS * REACH_PX + REACH_PX]])[:, 0]
    crops = _crop(test, REACH_PX, REACH_PX).reshape(len(test), -1)
    wanted[crops.min(axis=1) == crops.max(axis=1)] = -1  # No hash is negative.
    hashes = _hash(train, weights).ravel()
    places = _likely(wanted, hashes)
    places = places[np.argsort(hashes[places], kind="stable")]
    first = np.searchsorted(hashes[places], wanted, "left")
    last = np.searchsorted(hashes[places], wanted, "right")
    copies = []
    for index in np.flatnonzero(first < last):
        candidates = (_describe(int(index), int(place)) for place in places[first[index] : last[index]])
        copies.append(next((copy for copy in candidates if _is_copy(copy, train, test)), None))
    return [copy for copy in copies if copy]


def find_repeats(examples: Examples) -> Repeats:
    """Which images of a split are byte for byte equal."""
    hashes = _hash_whole(examples.images)
    order = np.lexsort((examples.labels, hashes))
    same = np.flatnonzero(hashes[order[1:]] == hashes[order[:-1]])
    pairs = [(int(order[i]), int(order[i + 1])) for i in same]
    pairs = [(i, j) for i, j in pairs if np.array_equal(examples.images[i], examples.images[j])]
    return Repeats(len(pairs), [(i, j) for i, j in pairs if examples.labels[i] != examples.labels[j]])


def _crop_weights() -> Hashes:
    """Float64 (784, 25): column 5·r + c hashes the 24×24 crop whose corner is in row r, column c."""
    weights = np.zeros((HEIGHT, WIDTH, _OFFSETS, _OFFSETS))
    drawn = np.random.default_rng(_SEED).integers(1, _WEIGHT_LIMIT, _CROP)
    for row, column in np.ndindex(_OFFSETS, _OFFSETS):
        weights[row : row + _CROP[0], column : column + _CROP[1], row, column] = drawn
    return weights.reshape(PIXELS, -1)


def _hash(images: NDArray[np.uint8], weights: Hashes) -> Hashes:
    """One exact integer for each image and column of ``weights`` (784, K), float64 (N, K)."""
    return np.concatenate([block.astype(np.float64) @ weights for block in blocks(images)])


def _hash_whole(images: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """One integer (N,) for each image. Words of four pixels times random numbers, summed modulo 2^64.

    Were a word eight pixels, the highest bit of the last would be lost in every product with an even number.
    """
    words = images.reshape(len(images), PIXELS).view(np.uint32)
    weights = np.random.default_rng(_SEED).integers(1 << 63, size=words.shape[1], dtype=np.uint64)
    hashes: NDArray[np.uint64] = np.einsum("nw,w->n", words, weights, dtype=np.uint64)
    return hashes


def _likely(wanted: Hashes, hashes: Hashes) -> NDArray[np.intp]:
    """Where one of ``wanted`` may be among ``hashes``, and few other places: far fewer than all to be sorted."""
    buckets = np.zeros(_BUCKETS, np.bool_)
    buckets[_bucket(wanted)] = True
    return np.flatnonzero(buckets[_bucket(hashes)])


def _bucket(hashes: Hashes) -> NDArray[np.int64]:
    return hashes.astype(np.int64) & (_BUCKETS - 1)


def _crop(images: NDArray[np.uint8], row: int, column: int) -> NDArray[np.uint8]:
    """The 24×24 crops (…, 24, 24, 1) whose corner is in that row and column."""
    return images[..., row : row + _CROP[0], column : column + _CROP[1], :]


def _describe(test: int, place: int) -> Copy:
    """``place`` counts the crops of all training images."""
    train, crop = divmod(place, _OFFSETS * _OFFSETS)
    row, column = divmod(crop, _OFFSETS)
    return Copy(test, train, down_px=REACH_PX - row, right_px=REACH_PX - column)


def _is_copy(copy: Copy, train: NDArray[np.uint8], test: NDArray[np.uint8]) -> bool:
    own = _crop(test[copy.test], REACH_PX, REACH_PX)
    return np.array_equal(own, _crop(train[copy.train], REACH_PX - copy.down_px, REACH_PX - copy.right_px))

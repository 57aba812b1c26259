"""``synthetic``: the ten garment classes drawn procedurally, for machines that can't reach the real set.

Each drawing has its own proportions, place, size, tilt, brightness, texture and noise, and some are partly covered.
It is a stand-in to see the whole pipeline work on: what is trained on it knows nothing of real garments.
"""

import gzip
import hashlib
import logging
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.contract import IMAGE_SHAPE, NUM_CLASSES, Examples
from trainer.data.batches import permutation
from trainer.data.garments import GARMENTS
from trainer.data.idx import FILE_NAMES, GZIP_MAGIC, write_images, write_labels
from trainer.data.published import sha256
from trainer.data.shapes import Dice, Field, triangle_wave
from trainer.storage import open_folder

log = logging.getLogger(__name__)

#: Part of the cache folder's name: raise it when the drawings change.
VERSION = 1
TRAIN_COUNT, TEST_COUNT = 12_000, 2_000
_SEED, _TRAIN_STREAM, _TEST_STREAM = 20_170_825, 1, 2
_SIZE = IMAGE_SHAPE[0]
_POINTS = _SIZE * _SIZE
_BLOCK = 200  # Images drawn at once: few enough for the processor's cache.
_DIGESTS = "SHA256SUMS"
#: Hex SHA-256 of the files with images, of this and of any earlier version: by them the drawings are known elsewhere.
_IMAGES = (
    "b1b97c70ff45f7445274e9e9184c278cd845d54fa176b2fc849161d89b8679b5",
    "995951d9a63080396d50bdbabe354e5b3f9fa1503b1dc8a7c0b04335893707ca",
)
_IMAGES_BYTES = 9_408_016  # At most.


def locate(cache_dir: Path) -> Mapping[str, Path]:
    """The four IDX files, drawn unless ``cache_dir`` has them. Raises StorageError if it can't be written."""
    folder = cache_dir / f"synthetic-{VERSION}"
    paths = {key: folder / name for key, name in FILE_NAMES.items()}
    if not _are_whole(folder, paths):
        log.info("drawing %d synthetic images", TRAIN_COUNT + TEST_COUNT)
        train = draw(TRAIN_COUNT, stream=_TRAIN_STREAM)
        test = draw(TEST_COUNT, stream=_TEST_STREAM)
        write_images(paths["train_images"], train.images)
        write_labels(paths["train_labels"], train.labels)
        write_images(paths["test_images"], test.images)
        write_labels(paths["test_labels"], test.labels)
        open_folder(folder).write(_DIGESTS, _digests(paths))
    return paths


def are_among(paths: Mapping[str, Path]) -> bool:
    """Whether one of the files holds the images drawn here, gzipped or not, wherever the files lie."""
    return any(_image_digest(paths[key]) in _IMAGES for key in ("train_images", "test_images"))


def draw(count: int, *, stream: int) -> Examples:
    """``count`` drawings, as many of each class as of any other give or take one, in random order.

    Another ``stream`` gives other drawings, the same one always the same.
    """
    labels = (permutation(count, seed=_SEED, stream=(stream,)) % NUM_CLASSES).astype(np.int32)
    images = np.empty((count, _POINTS), np.uint8)
    for label in range(NUM_CLASSES):
        members = np.flatnonzero(labels == label)
        for start in range(0, len(members), _BLOCK):
            block = members[start : start + _BLOCK]
            dice = Dice(len(block), seed=_SEED, stream=(stream, label, start))
            images[block] = _draw_block(label, dice)
    return Examples(images.reshape(-1, *IMAGE_SHAPE), labels)


def _draw_block(label: int, dice: Dice) -> NDArray[np.uint8]:
    """Drawings of one class, uint8 (N, 784)."""
    x, y = _place(dice)
    garment = GARMENTS[label](x, y, dice)
    sharpness = dice.between(7, 14)
    cover = np.clip(garment.inside * sharpness + np.float32(0.5), 0, 1)
    lines = np.clip(garment.lines * sharpness + np.float32(0.5), 0, 1)
    shade = _texture(x, y, dice) * (1 - lines * dice.between(0.5, 0.95))
    shade = shade + dice.between(0, 0.16) * dice.between(-1, 1, points=_POINTS)
    picture = np.clip(cover * shade * dice.between(0.45, 1.15), 0, 1) * _occlusion(dice)
    pixels: NDArray[np.uint8] = (picture * np.float32(255) + np.float32(0.5)).astype(np.uint8)
    return pixels


def _place(dice: Dice) -> tuple[Field, Field]:
    """The coordinates of each pixel in its garment's own frame: shifted, tilted, scaled, some mirrored."""
    steps = (np.arange(_SIZE, dtype=np.float32) + np.float32(0.5)) * np.float32(2 / _SIZE) - 1
    x = np.tile(steps, _SIZE) - dice.between(-0.12, 0.12)
    y = np.repeat(steps, _SIZE) - dice.between(-0.1, 0.1)
    slope = dice.between(-0.17, 0.17)  # The tilt's tangent: about ±10°.
    cosine = 1 / np.sqrt(1 + slope * slope)
    mirrored = np.where(dice.chance(0.2), np.float32(-1), np.float32(1))
    turned_x = (x + slope * y) * cosine * mirrored
    turned_y = (y - slope * x) * cosine
    return turned_x / dice.between(0.75, 1.08), turned_y / dice.between(0.82, 1.05)


def _texture(x: Field, y: Field, dice: Dice) -> Field:
    """Brightness in [0, 1]: a gradient, on half of the garments with stripes, checks where both directions meet."""
    frequency, phase = dice.between(2, 7), dice.between(0, 2)
    gradient = 1 - dice.between(0, 0.35) * (y * dice.between(-1, 1) + 1) * np.float32(0.5)
    across = np.where(dice.chance(0.3), dice.between(0.1, 0.6), np.float32(0))
    along = np.where(dice.chance(0.3), dice.between(0.1, 0.6), np.float32(0))
    stripes = (1 - across * triangle_wave(y * frequency + phase)) * (1 - along * triangle_wave(x * frequency + phase))
    return gradient * stripes


def _occlusion(dice: Dice) -> Field:
    """Zeros in a random rectangle of a quarter of the images, ones elsewhere."""
    column, row = np.tile(np.arange(_SIZE), _SIZE), np.repeat(np.arange(_SIZE), _SIZE)
    left, top = dice.between(0, 22), dice.between(0, 22)
    across = (column >= left) & (column < left + dice.between(4, 11))
    down = (row >= top) & (row < top + dice.between(4, 11))
    return np.where(across & down & dice.chance(0.25), np.float32(0), np.float32(1))


def _are_whole(folder: Path, paths: Mapping[str, Path]) -> bool:
    """Whether the files are those that were last written here, all of them."""
    digests = folder / _DIGESTS
    return all(path.is_file() for path in (digests, *paths.values())) and digests.read_bytes() == _digests(paths)


def _digests(paths: Mapping[str, Path]) -> bytes:
    return "".join(f"{sha256(path)}  {path.name}\n" for path in paths.values()).encode()


def _image_digest(path: Path) -> str:
    """Hex SHA-256 of the file unpacked, if it may be one of ours; that of a damaged one is its reader's matter."""
    try:
        with path.open("rb") as file:
            packed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
            file.seek(0)
            # No further than the largest of ours: the images of others may take far longer to unpack.
            content = (gzip.GzipFile(fileobj=file) if packed else file).read(_IMAGES_BYTES + 1)
    except (OSError, EOFError, zlib.error):
        return ""
    return hashlib.sha256(content).hexdigest()

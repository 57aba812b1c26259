"""CutMix: some images get a rectangle of another one, and their target its share of the other's.

Yun et al., CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features, 2019,
https://arxiv.org/abs/1905.04899. The rectangles are drawn on the host, where the targets are mixed as well; they are
pasted on the device, behind the warp, in the training graph only. An image's partner is the one at the other end of its
batch: images come in random order, so that is any other.
"""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from trainer.contract import IMAGE_SHAPE

# Keeps this random stream apart from the others that are derived from the same seed.
_STREAM = int.from_bytes(b"cutmix")
_HEIGHT, _WIDTH, _ = IMAGE_SHAPE

#: Of N images uint8 (N, 4): first row, row after the last, first column, column after the last; all 0 where none is.
Boxes = NDArray[np.uint8]


def draw_boxes(count: int, *, seed: int, epoch: int, probability: float) -> Boxes:
    """Draw the rectangles of ``count`` images from ``(seed, epoch)`` alone, none for a share of 1 - ``probability``.

    As in the paper: the area is a uniformly distributed share of the image, of the image's proportions, about a centre
    anywhere in it; what reaches beyond the border is cut off. The i-th rectangle does not depend on ``count``.
    """
    stream = np.random.SeedSequence(seed, spawn_key=(_STREAM, epoch))
    chance, area, *centre = np.random.Generator(np.random.Philox(stream)).random((count, 4)).T
    bounds = [
        np.clip(np.rint(side * (middle + end * np.sqrt(area))), 0, side)
        for side, middle in zip((_HEIGHT, _WIDTH), centre, strict=True)
        for end in (-0.5, 0.5)
    ]
    boxes = np.stack(bounds, axis=1).astype(np.uint8)
    boxes[(chance >= probability) | (_areas(boxes) == 0)] = 0
    return boxes


def kept_shares(boxes: Boxes) -> NDArray[np.float32]:
    """How much of each image is its own still, float32 (N,) in [0, 1]."""
    return (1 - _areas(boxes) / (_HEIGHT * _WIDTH)).astype(np.float32)


def partners(count: int, *, batch_size: int) -> NDArray[np.int64]:
    """Whose rectangle each of ``count`` images gets, int64 (count,), where the last batch may be smaller.

    Of an odd number the middle one is its own partner, and stays as it is.
    """
    places = np.arange(count)
    first = places // batch_size * batch_size
    return first + np.minimum(first + batch_size, count) - 1 - places


def _areas(boxes: Boxes) -> NDArray[np.int64]:
    top, bottom, left, right = boxes.T.astype(np.int64)
    areas: NDArray[np.int64] = (bottom - top) * (right - left)
    return areas


@keras.saving.register_keras_serializable(package="trainer")
class CutMix(keras.layers.Layer):  # type: ignore[misc]
    """Paste each image's rectangle of its partner into it, and leave it otherwise whole; what has none is as erased.

    ``images`` uint8 (B, H, W, C), the same after Random Erasing, of any dtype, and boxes uint8 (B, 4) of `draw_boxes`
    -> uint8 (B, H, W, C). Two rectangles would leave little of an image, so an image has the one or the other.
    """

    def __init__(self, *, dtype: str = "uint8", **kwargs: Any) -> None:
        super().__init__(dtype=dtype, **kwargs)

    def call(self, images: Any, erased: Any, boxes: Any) -> Any:
        top, bottom, left, right = keras.ops.split(keras.ops.cast(boxes, "int32"), 4, axis=1)
        rows, columns = keras.ops.arange(_HEIGHT), keras.ops.arange(_WIDTH)
        within_rows = keras.ops.logical_and(rows >= top, rows < bottom)[:, :, None, None]
        within_columns = keras.ops.logical_and(columns >= left, columns < right)[:, None, :, None]
        inside = keras.ops.logical_and(within_rows, within_columns)
        own = keras.ops.where((bottom > 0)[:, :, None, None], images, keras.ops.cast(erased, "uint8"))
        return keras.ops.where(inside, keras.ops.flip(images, axis=0), own)

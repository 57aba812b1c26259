"""Augmentation: rotation, shift, shear, zoom and flip, composed into one affine warp an image.

The parameters are drawn on the host; the warp runs on the device, in the training graph only.

Every matrix here maps homogeneous coordinates (x, y, 1) of an *output* pixel to the place in the *input* that
its value is read from; x points right, y down, in pixels. Matrices of N images are float64 (N, 3, 3).
"""

from dataclasses import dataclass
from functools import reduce
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from trainer.contract import IMAGE_SHAPE

FloatArray = NDArray[np.float64]

# Keeps this random stream apart from the others that are derived from the same seed.
_STREAM = int.from_bytes(b"warp")


@dataclass(frozen=True)
class AugmentLimits:
    """How far each component may go either way. All zero and no flip: nothing changes.

    ``shift_fraction`` is of the image's width and height, ``shear_fraction`` in pixels aside per pixel down,
    ``zoom_fraction`` below 1, each axis for itself. A horizontal flip comes with probability one half. With
    ``whole_pixels`` shifts are rounded.
    """

    rotation_degrees: float
    shift_fraction: float
    shear_fraction: float
    zoom_fraction: float
    horizontal_flip: bool
    whole_pixels: bool = False


def draw_transforms(count: int, *, seed: int, epoch: int, limits: AugmentLimits) -> NDArray[np.float32]:
    """Draw the warps of ``count`` images from ``(seed, epoch)`` alone; float32 (count, 8) for `AffineWarp`.

    Each component's amount has a triangular density over its limits: slight warps are common, extreme ones rare, as
    garments are photographed. The i-th warp does not depend on ``count``. An image is rotated, then shifted, sheared,
    zoomed and at last flipped, the order of Keras' former ``ImageDataGenerator``.
    """
    stream = np.random.SeedSequence(seed, spawn_key=(_STREAM, epoch))
    draws = np.random.Generator(np.random.Philox(stream)).triangular(-1, 0, 1, size=(count, 7)).T
    height, width, _ = IMAGE_SHAPE
    shifts = limits.shift_fraction * np.array([[width], [height]]) * draws[1:3]
    return projective_rows(
        rotation(np.deg2rad(limits.rotation_degrees * draws[0])),
        shift(*(np.rint(shifts) if limits.whole_pixels else shifts)),
        shear(limits.shear_fraction * draws[3]),
        zoom(1 + limits.zoom_fraction * draws[4], 1 + limits.zoom_fraction * draws[5]),
        flip((draws[6] < 0) & limits.horizontal_flip),
    )


def rotation(radians: FloatArray) -> FloatArray:
    """Turn what is seen by ``radians`` (N,), counter-clockwise where positive."""
    matrices = _identities(len(radians))
    matrices[:, 0, 0] = matrices[:, 1, 1] = np.cos(radians)
    matrices[:, 1, 0] = np.sin(radians)
    matrices[:, 0, 1] = -matrices[:, 1, 0]
    return matrices


def shift(x_px: FloatArray, y_px: FloatArray) -> FloatArray:
    """Move what is seen left by ``x_px`` (N,) and up by ``y_px`` (N,) pixels."""
    matrices = _identities(len(x_px))
    matrices[:, 0, 2] = x_px
    matrices[:, 1, 2] = y_px
    return matrices


def shear(fractions: FloatArray) -> FloatArray:
    """Move each row left by ``fractions`` (N,) pixels for every pixel that it lies below the centre."""
    matrices = _identities(len(fractions))
    matrices[:, 0, 1] = fractions
    return matrices


def zoom(x_factors: FloatArray, y_factors: FloatArray) -> FloatArray:
    """Shrink what is seen by ``x_factors`` (N,) across and ``y_factors`` (N,) down; below 1 it grows."""
    matrices = _identities(len(x_factors))
    matrices[:, 0, 0] = x_factors
    matrices[:, 1, 1] = y_factors
    return matrices


def flip(mirrored: NDArray[np.bool_]) -> FloatArray:
    """Swap left and right where ``mirrored`` (N,)."""
    matrices = _identities(len(mirrored))
    matrices[:, 0, 0] = np.where(mirrored, -1.0, 1.0)
    return matrices


def projective_rows(*steps: FloatArray) -> NDArray[np.float32]:
    """Compose ``steps``, the first done first, about the image's centre; return float32 (N, 8).

    A row holds the first eight entries of its matrix: the last two are 0, the ninth would be 1. Whole
    coordinates are centres of pixels, (0, 0) at the upper left; the image's is ((W - 1) / 2, (H - 1) / 2).
    """
    height, width, _ = IMAGE_SHAPE
    to_centre = np.array([[1, 0, -(width - 1) / 2], [0, 1, -(height - 1) / 2], [0, 0, 1]])
    from_centre = np.array([[1, 0, (width - 1) / 2], [0, 1, (height - 1) / 2], [0, 0, 1]])
    # The last step's output is the warp's output, so its matrix is the first to act on an output coordinate.
    matrices: FloatArray = from_centre @ reduce(np.matmul, steps) @ to_centre
    return matrices.reshape(-1, 9)[:, :8].astype(np.float32)


def _identities(count: int) -> FloatArray:
    return np.tile(np.eye(3), (count, 1, 1))


@keras.saving.register_keras_serializable(package="trainer")
class AffineWarp(keras.layers.Layer):  # type: ignore[misc]
    """Warp each image by its own row of `projective_rows`: bilinear, beyond the border its nearest pixel.

    Images uint8 (B, H, W, C) and transforms float32 (B, 8) -> uint8 (B, H, W, C), rounded to the nearest grey
    level: an augmented image is an image like any other. Computed in float32 even where the network runs in
    bfloat16, in which a coordinate would be up to a sixteenth of a pixel off.
    """

    def __init__(self, *, dtype: str = "float32", **kwargs: Any) -> None:
        super().__init__(dtype=dtype, **kwargs)

    def call(self, images: Any, transforms: Any) -> Any:
        warped = keras.ops.image.affine_transform(
            keras.ops.cast(images, "float32"),
            transforms,
            interpolation="bilinear",
            fill_mode="nearest",
            data_format="channels_last",
        )
        return keras.ops.cast(keras.ops.round(warped), "uint8")

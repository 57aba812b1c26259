"""Images as a client could get them wrong: test images that were changed, and ones that show nothing."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from trainer.contract import IMAGE_SHAPE

Images = NDArray[np.uint8]

MOVED_PX = 2
_SEED = 20_170_825

AS_THEY_ARE = "as_they_are"
SHUFFLED = "shuffled"


def _scaled(images: Images) -> Images:
    """Pixels that a client has divided by 255, in the bytes that the model takes: 0 and 1."""
    return np.rint(images / np.float32(255)).astype(np.uint8)


def _inverted(images: Images) -> Images:
    return np.bitwise_not(images)


def _moved(images: Images) -> Images:
    """To the right; the first column is repeated."""
    return np.pad(images, ((0, 0), (0, 0), (MOVED_PX, 0), (0, 0)), mode="edge")[:, :, :-MOVED_PX]


def _shuffled(images: Images) -> Images:
    """Every image's own pixels in an order of its own: its brightness stays, what it shows is gone."""
    flat = images.reshape(len(images), -1)
    return np.random.default_rng(_SEED).permuted(flat, axis=1).reshape(images.shape)


#: By name: from images uint8 (N, 28, 28, 1) to images of the same shape and type.
VARIANTS: Mapping[str, Callable[[Images], Images]] = {
    "scaled": _scaled,
    "inverted": _inverted,
    "moved": _moved,
    SHUFFLED: _shuffled,
}
#: A black image, a grey one and a white one, uint8 (3, 28, 28, 1): without any contrast to divide by.
BLANK: Images = np.stack([np.full(IMAGE_SHAPE, shade, np.uint8) for shade in (0, 128, 255)])
IN_WORDS: Mapping[str, str] = {
    "scaled": "scaled by 1/255",
    "inverted": "inverted",
    "moved": f"moved by {MOVED_PX} px",
    SHUFFLED: "with shuffled pixels",
}

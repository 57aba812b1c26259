"""Looking at each image twice: as it is, and in a mirror."""

import keras

from trainer.contract import IMAGE_SHAPE, INPUT_NAME, OUTPUT_NAME

_ACROSS = 2  # The axis of (B, H, W, C) that a mirror reverses.


def with_flip_averaging(network: keras.Model) -> keras.Model:
    """A model that shares the weights of ``network``: the mean of its probabilities for an image and the mirrored one.

    It maps ``image`` uint8 (B, 28, 28, 1) to ``probabilities`` float32 (B, 10), rows sum to 1, as ``network`` does, for
    twice its time. Whichever way a shoe points, the answer is the same. Krizhevsky et al., 2012, average over crops and
    mirror images: https://papers.nips.cc/paper/4824.
    """
    image = keras.Input(IMAGE_SHAPE, dtype="uint8", name=INPUT_NAME)
    mirrored = keras.ops.flip(image, axis=_ACROSS)
    mean = keras.layers.Average(dtype="float32", name=OUTPUT_NAME)([network(image), network(mirrored)])
    return keras.Model(image, mean, name=f"{network.name}_flip_averaged")

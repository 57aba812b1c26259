"""Batch normalisation's statistics for inference, measured instead of remembered.

The moving averages that batch normalisation keeps lag behind the weights, are noisy, and are those of augmented images
under dropout. After an epoch they are replaced by plain averages over clean training images, dropout off, with the
weights as they are: "PreciseBN" in Wu and Johnson, Rethinking "Batch" in BatchNorm, 2021, https://arxiv.org/abs/2105.07576.
The weights themselves are not touched, and training never uses these statistics.
"""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

BATCH_SIZE = 500


class StatisticsMeter:
    """Measures the statistics of every batch normalisation of ``network`` on ``images`` uint8 (N, 28, 28, 1).

    The images are in random order: a batch of one class only would have another variance than all of them.
    """

    def __init__(self, network: keras.Model, images: NDArray[np.uint8]) -> None:
        self._without_dropout = keras.models.clone_model(network, clone_function=_same, call_function=_skip_dropout)
        self._layers = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
        self._batches = [images[start : start + BATCH_SIZE] for start in range(0, len(images), BATCH_SIZE)]

    def measure(self) -> None:
        """Set each layer's moving mean and variance to the average over the batches, each by its number of images."""
        momenta = [layer.momentum for layer in self._layers]
        seen = 0
        for batch in self._batches:
            for layer in self._layers:
                layer.momentum = seen / (seen + len(batch))  # The first batch replaces what was there.
            self._without_dropout(batch, training=True)
            seen += len(batch)
        for layer, momentum in zip(self._layers, momenta, strict=True):
            layer.momentum = momentum


def _same(layer: keras.Layer) -> keras.Layer:
    return layer


def _skip_dropout(layer: keras.Layer, *inputs: Any, **options: Any) -> Any:
    return inputs[0] if isinstance(layer, keras.layers.Dropout) else layer(*inputs, **options)

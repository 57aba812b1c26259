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

from trainer.training.feeding import fed

BATCH_SIZE = 500


class StatisticsMeter:
    """Measures the statistics of every batch normalisation of ``network`` on ``images`` uint8 (N, 28, 28, 1).

    The images are in random order: a batch of one class only would have another variance than all of them.
    """

    def __init__(self, network: keras.Model, images: NDArray[np.uint8]) -> None:
        self._layers = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
        self._measuring = _measuring(network)
        self._images = images

    def measure(self) -> None:
        """Set each layer's moving mean and variance to the average over the batches, each by its number of images."""
        of_batches = self._measuring.predict(**fed(self._images, None, BATCH_SIZE), verbose=0)
        starts = np.arange(0, len(self._images), BATCH_SIZE)
        sizes = np.minimum(BATCH_SIZE, len(self._images) - starts)
        for layer in self._layers:
            mean, variance = (np.average(part, axis=0, weights=sizes) for part in of_batches[layer.name])
            layer.moving_mean.assign(mean)
            layer.moving_variance.assign(variance)


class _OfBatch(keras.layers.Layer):  # type: ignore[misc]
    """Inputs (B, …, C) -> what ``norm`` makes of them in training, and the batch's statistics, float32 (1, C) each."""

    def __init__(self, norm: keras.layers.BatchNormalization) -> None:
        super().__init__(dtype=norm.dtype_policy, name=norm.name)
        self._norm = norm

    def call(self, inputs: Any) -> tuple[Any, Any, Any]:
        momentum, self._norm.momentum = self._norm.momentum, 0.0  # This batch replaces what was there.
        normalised = self._norm(inputs, training=True)
        self._norm.momentum = momentum
        mean, variance = self._norm.moving_mean, self._norm.moving_variance
        return normalised, keras.ops.expand_dims(mean, 0), keras.ops.expand_dims(variance, 0)


def _measuring(network: keras.Model) -> keras.Model:
    """Images uint8 (B, 28, 28, 1) -> by each normalisation's name, mean and variance of its batch, float32 (1, C) each.

    A model of its own, so that it is compiled as a whole: layer by layer, a GPU would wait for Python.
    """
    found: dict[str, list[keras.KerasTensor]] = {}

    def call(layer: keras.Layer, *inputs: Any, **options: Any) -> Any:
        if isinstance(layer, keras.layers.Dropout):
            return inputs[0]
        if not isinstance(layer, keras.layers.BatchNormalization):
            return layer(*inputs, **options)
        normalised, *found[layer.name] = _OfBatch(layer)(*inputs)
        return normalised

    images = keras.models.clone_model(network, clone_function=_same, call_function=call).input
    return keras.Model(images, found)


def _same(layer: keras.Layer) -> keras.Layer:
    return layer

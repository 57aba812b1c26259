"""Dividing a batch among devices, and gathering what they made of it: data parallelism in two layers.

On JAX with several devices, in one host or in many, every process is given the whole batch, and ``Spread`` tells the
compiler that the rest of the step works on a part of it in each device. A step then computes what one device would have
computed, whatever the number: batch normalisation sees the whole batch, a dropout mask is part of one mask, and the
last, smaller batch of an epoch need not be divisible by anything. Without a Keras distribution, and so always on
TensorFlow, both layers pass on what they are given.

Source: Xu et al., GSPMD: General and Scalable Parallelization for ML Computation Graphs, 2021,
https://arxiv.org/abs/2105.04663.
"""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="trainer")
class Spread(keras.layers.Layer):  # type: ignore[misc]
    """(B, …) → the same values, of which each device holds a part; training and inference alike."""

    def call(self, inputs: Any) -> Any:
        distribution = keras.distribution.distribution()
        axis = distribution.batch_dim_name if distribution else None
        return _laid_out(inputs, axis)

    def compute_output_spec(self, inputs: Any) -> Any:
        return keras.KerasTensor(inputs.shape, dtype=inputs.dtype)


@keras.saving.register_keras_serializable(package="trainer")
class Gather(keras.layers.Layer):  # type: ignore[misc]
    """(B, …) → the same values, of which each device holds all; training and inference alike."""

    def call(self, inputs: Any) -> Any:
        return _laid_out(inputs, None)

    def compute_output_spec(self, inputs: Any) -> Any:
        return keras.KerasTensor(inputs.shape, dtype=inputs.dtype)


def spread(network: keras.Model) -> keras.Model:
    """``network`` computed by all devices together: the same inputs, outputs and weights."""
    inputs = keras.Input(network.input.shape[1:], dtype=network.input.dtype, name=network.input.name)
    outputs = Gather(dtype="float32")(network(Spread(dtype=network.input.dtype)(inputs)))
    return keras.Model(inputs, outputs, name=f"{network.name}_spread")


def _laid_out(inputs: Any, first_axis: str | None) -> Any:
    distribution = keras.distribution.distribution()
    if distribution is None:
        return inputs
    axes = [first_axis, *[None] * (len(inputs.shape) - 1)]
    return keras.distribution.distribute_tensor(inputs, keras.distribution.TensorLayout(axes, distribution.device_mesh))

"""How much arithmetic a training is."""

import math

import trainer.model  # noqa: F401 – starts Keras with TensorFlow's fast kernels

import keras  # isort: skip

#: A backward pass computes two products where the forward pass computes one: for the weights, and for the inputs.
PASSES = 3


def forward_operations(network: keras.Model) -> int:
    """Additions and multiplications of one image's forward pass, those of convolutions and dense layers alone.

    A kernel has a value for each product that makes up one place of the output: its size, times the places, times two.
    What is left out, element-wise and pooling layers, is a few per cent. A network within is counted once.
    """
    return sum(2 * math.prod(layer.kernel.shape) * _places(layer) for layer in _layers(network))


def _layers(network: keras.Model) -> list[keras.Layer]:
    kinds = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Dense)
    return [layer for layer in network._flatten_layers() if isinstance(layer, kinds)]


def _places(layer: keras.Layer) -> int:
    """Of (B, H, W, C), H × W; of (B, C), one."""
    return math.prod(layer.output.shape[1:-1])


def training_operations(network: keras.Model, images: int) -> int:
    """Of training on so many images, counting an image each time that it is seen."""
    return PASSES * forward_operations(network) * images

"""A small residual network, more accurate than the reference network after fewer epochs (docs/results.md)."""

from collections.abc import Iterator, Sequence
from string import ascii_lowercase
from typing import NamedTuple

import keras

from trainer.contract import IMAGE_SHAPE, INPUT_NAME, LOGITS_LAYER, NUM_CLASSES, OUTPUT_NAME
from trainer.model.initializers import layer_seeds
from trainer.model.layers import FusedBatchNormalization, SmallMapConv2D


def build_residual(
    *,
    filters: Sequence[int],
    stem_filters: int,
    stage_depth: int,
    seed: int,
    ensemble_size: int = 1,
    dtype: str = "float32",
) -> keras.Model:
    """Map raw ``image`` uint8 (B, 28, 28, 1) in [0, 255] to ``probabilities`` float32 (B, 10), rows sum to 1.

    A convolution of ``stem_filters`` channels (0: none), a stage for each width in ``filters``, then the maximum of
    each channel over the image and one dense layer. Every stage halves the image, so most of the arithmetic is done
    where an image is small, and pools before it normalises, which is a quarter of the work; to that it adds what
    ``stage_depth`` more convolutions find. As in ``trainer.model.cnn``, rescaling is the first layer, ``dtype`` names
    a Keras dtype policy, and every initialiser has its own seed derived from ``seed``.

    With an ``ensemble_size`` of K > 1 there are K of these side by side, each with its own first weights; the mean of
    their logits decides. Layer ``logits`` then gives all of them, (B, K, 10), because each learns by its own loss, and
    so errs in other places.

    Sources: He et al., 2016, https://arxiv.org/abs/1512.03385; pooling, then normalising, and the maximum at the end as
    in Page, How to Train Your ResNet, 2018, https://myrtle.ai/learn/how-to-train-your-resnet/; several networks as one:
    Cireşan et al., 2012, https://arxiv.org/abs/1202.2745.
    """
    seeds = layer_seeds(seed)
    image = keras.Input(IMAGE_SHAPE, dtype="uint8", name=INPUT_NAME)
    x = keras.layers.Rescaling(1 / 255, dtype=dtype, name="rescale")(image)
    shape = _Shape(filters, stem_filters, stage_depth)
    if ensemble_size == 1:
        logits = _logits(x, shape, prefix="", seeds=seeds, dtype=dtype)
    else:
        prefixes = [f"member_{number}_" for number in range(1, ensemble_size + 1)]
        members = [_logits(x, shape, prefix=prefix, seeds=seeds, dtype=dtype) for prefix in prefixes]
        rows = [keras.layers.Reshape((1, NUM_CLASSES), dtype="float32")(member) for member in members]
        each = keras.layers.Concatenate(axis=1, dtype="float32", name=LOGITS_LAYER)(rows)
        logits = keras.layers.GlobalAveragePooling1D(dtype="float32", name="mean_logits")(each)
    probabilities = keras.layers.Softmax(dtype="float32", name=OUTPUT_NAME)(logits)
    return keras.Model(image, probabilities, name="residual")


class _Shape(NamedTuple):
    filters: Sequence[int]
    stem_filters: int
    stage_depth: int


def _logits(x: keras.KerasTensor, shape: _Shape, *, prefix: str, seeds: Iterator[int], dtype: str) -> keras.KerasTensor:
    """Rescaled images (B, 28, 28, 1) -> (B, 10); the names of the layers begin with ``prefix``."""
    if shape.stem_filters:
        x = _convolution(x, shape.stem_filters, name=f"{prefix}stem", seeds=seeds, dtype=dtype)
        x = _norm_relu(x, name=f"{prefix}stem", dtype=dtype)
    for number, channels in enumerate(shape.filters, start=1):
        x = _halved(x, channels, name=f"{prefix}stage_{number}_a", seeds=seeds, dtype=dtype)
        x = _refined(x, shape.stage_depth, name=f"{prefix}stage_{number}", seeds=seeds, dtype=dtype)
    x = keras.layers.GlobalMaxPooling2D(dtype=dtype, name=f"{prefix}maximum")(x)
    return keras.layers.Dense(
        NUM_CLASSES, kernel_initializer=_he(seeds), dtype="float32", name=f"{prefix}{LOGITS_LAYER}"
    )(x)


def _halved(x: keras.KerasTensor, channels: int, *, name: str, seeds: Iterator[int], dtype: str) -> keras.KerasTensor:
    """(B, H, W, C) -> (B, H // 2, W // 2, channels)."""
    x = _convolution(x, channels, name=name, seeds=seeds, dtype=dtype)
    x = keras.layers.MaxPooling2D(2, dtype=dtype, name=f"{name}_pool")(x)
    return _norm_relu(x, name=name, dtype=dtype)


def _refined(x: keras.KerasTensor, depth: int, *, name: str, seeds: Iterator[int], dtype: str) -> keras.KerasTensor:
    """(B, H, W, C) -> (B, H, W, C): the input and, added to it, ``depth`` convolutions of it."""
    y = x
    for letter in ascii_lowercase[1 : 1 + depth]:
        y = _convolution(y, x.shape[-1], name=f"{name}_{letter}", seeds=seeds, dtype=dtype)
        y = _norm_relu(y, name=f"{name}_{letter}", dtype=dtype)
    return keras.layers.Add(dtype=dtype, name=f"{name}_add")([x, y])


def _convolution(
    x: keras.KerasTensor, channels: int, *, name: str, seeds: Iterator[int], dtype: str
) -> keras.KerasTensor:
    return SmallMapConv2D(
        channels, 3, padding="same", use_bias=False, kernel_initializer=_he(seeds), dtype=dtype, name=name
    )(x)


def _norm_relu(x: keras.KerasTensor, *, name: str, dtype: str) -> keras.KerasTensor:
    x = FusedBatchNormalization(dtype=dtype, name=f"{name}_norm")(x)
    return keras.layers.ReLU(dtype=dtype, name=f"{name}_relu")(x)


def _he(seeds: Iterator[int]) -> keras.initializers.Initializer:
    """He et al., 2015, https://arxiv.org/abs/1502.01852: the variance that ReLU halves is doubled beforehand."""
    return keras.initializers.HeNormal(seed=next(seeds))

"""The reference network: three convolution blocks and a hidden dense layer, 691,082 parameters by default."""

from collections.abc import Iterator, Sequence

import keras

from trainer.contract import IMAGE_SHAPE, INPUT_NAME, LOGITS_LAYER, NUM_CLASSES, OUTPUT_NAME
from trainer.model.initializers import layer_seeds
from trainer.model.layers import ByteDropout, FusedBatchNormalization, SmallMapConv2D


def build_cnn(
    *,
    filters: Sequence[int],
    dense_units: int,
    conv_dropout: float,
    dense_dropout: float,
    seed: int,
    dtype: str = "float32",
) -> keras.Model:
    """Map raw ``image`` uint8 (B, 28, 28, 1) in [0, 255] to ``probabilities`` float32 (B, 10), rows sum to 1.

    Rescaling to [0, 1] is the first layer, so nobody can forget it. Train on the output of layer ``logits``,
    float32 (B, 10): cross-entropy on logits is the numerically safe form.

    ``dtype`` names the Keras dtype policy of the layers before the logits: "float32" or "mixed_bfloat16".

    Equal arguments give bit-identical weights, whatever was built before: every initialiser and every dropout
    has its own seed, derived from ``seed``. How far a dropout's random stream has come is one of
    ``model.variables``: a checkpoint of those resumes it.
    """
    seeds = layer_seeds(seed)
    image = keras.Input(IMAGE_SHAPE, dtype="uint8", name=INPUT_NAME)
    x = keras.layers.Rescaling(1 / 255, dtype=dtype, name="rescale")(image)
    for number, channels in enumerate(filters, start=1):
        x = _conv_block(x, channels, name=f"conv_{number}", dropout=conv_dropout, seeds=seeds, dtype=dtype)
    x = keras.layers.Flatten(dtype=dtype, name="flatten")(x)
    x = _dense_block(x, dense_units, name="dense", dropout=dense_dropout, seeds=seeds, dtype=dtype)
    logits = keras.layers.Dense(NUM_CLASSES, kernel_initializer=_glorot(seeds), dtype="float32", name=LOGITS_LAYER)(x)
    probabilities = keras.layers.Softmax(dtype="float32", name=OUTPUT_NAME)(logits)
    return keras.Model(image, probabilities, name="cnn")


def _conv_block(
    x: keras.KerasTensor, channels: int, *, name: str, dropout: float, seeds: Iterator[int], dtype: str
) -> keras.KerasTensor:
    """(B, H, W, C) -> (B, H // 2, W // 2, channels)."""
    x = SmallMapConv2D(
        channels,
        3,
        padding="same",
        activation="relu",
        kernel_initializer=_glorot(seeds),
        dtype=dtype,
        name=name,
    )(x)
    x = FusedBatchNormalization(dtype=dtype, name=f"{name}_norm")(x)
    x = keras.layers.MaxPooling2D(2, dtype=dtype, name=f"{name}_pool")(x)
    return ByteDropout(dropout, seed=next(seeds), dtype=dtype, name=f"{name}_dropout")(x)


def _dense_block(
    x: keras.KerasTensor, units: int, *, name: str, dropout: float, seeds: Iterator[int], dtype: str
) -> keras.KerasTensor:
    """(B, C) -> (B, units)."""
    x = keras.layers.Dense(units, activation="relu", kernel_initializer=_glorot(seeds), dtype=dtype, name=name)(x)
    x = FusedBatchNormalization(dtype=dtype, name=f"{name}_norm")(x)
    return ByteDropout(dropout, seed=next(seeds), dtype=dtype, name=f"{name}_dropout")(x)


def _glorot(seeds: Iterator[int]) -> keras.initializers.Initializer:
    """Keras' own default for these layers, with a seed that is not global (Glorot and Bengio, 2010)."""
    return keras.initializers.GlorotUniform(seed=next(seeds))

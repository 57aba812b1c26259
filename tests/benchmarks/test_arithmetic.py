"""Operations counted by hand: two for each product, products = kernel × places × inputs × outputs."""

import keras
import pytest

from benchmarks.arithmetic import forward_operations, training_operations
from trainer.model.cnn import build_cnn
from trainer.model.residual import build_residual
from trainer.model.views import with_flips

REFERENCE = 2 * (
    9 * (28 * 28) * 1 * 32  # three convolutions of 3 × 3 on images that are halved after each
    + 9 * (14 * 14) * 32 * 64
    + 9 * (7 * 7) * 64 * 128
    + (3 * 3 * 128) * 512  # two dense layers
    + 512 * 10
)
RESIDUAL = 2 * (
    9 * (28 * 28) * 1 * 8  # a stage's first convolution is on the image before it is halved, its second after
    + 9 * (14 * 14) * 8 * 8
    + 9 * (14 * 14) * 8 * 16
    + 9 * (7 * 7) * 16 * 16
    + 16 * 10
)


def reference() -> keras.Model:
    return build_cnn(filters=(32, 64, 128), dense_units=512, conv_dropout=0.25, dense_dropout=0.5, seed=0)


def test_the_reference_network() -> None:
    assert REFERENCE == 16_092_160
    assert forward_operations(reference()) == REFERENCE


def test_the_residual_network() -> None:
    assert forward_operations(build_residual(filters=(8, 16), stem_filters=0, stage_depth=1, seed=0)) == RESIDUAL


def test_a_network_within_another_counts() -> None:
    assert forward_operations(with_flips(reference())) == REFERENCE


def test_the_whole_training() -> None:
    """The reference recipe, 50 epochs of 54,000 images: 0.13 PFLOP."""
    assert training_operations(reference(), 50 * 54_000) / 1e15 == pytest.approx(0.1303, abs=1e-4)

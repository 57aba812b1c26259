"""`FusedAdam` moves weights as Keras's Adam does."""

import keras
import numpy as np
import pytest

from trainer.training.optimizer import FusedAdam

SHAPES = [(3, 3, 2, 4), (4,), (20, 5)]
OPTIONS = [
    {},
    {"weight_decay": 0.01},
    {"clipnorm": 0.5},
    {"weight_decay": 1e-3, "clipnorm": 1.0, "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-4},
    {"amsgrad": True, "weight_decay": 0.01},
]


def train(optimizer, *, steps=20):
    """The weights and moments after gradients of changing size, the learning rate lowered half way."""
    random = np.random.default_rng(0)
    weights = [keras.Variable(random.normal(size=shape).astype("float32")) for shape in SHAPES]
    optimizer.build(weights)
    for step in range(steps):
        if step == steps // 2:
            optimizer.learning_rate = 0.01
        gradients = [keras.ops.convert_to_tensor(random.normal(0, 2, w.shape).astype("float32")) for w in weights]
        optimizer.apply(gradients, weights)
    return [keras.ops.convert_to_numpy(v) for v in (*weights, *optimizer.variables)]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_weights_and_moments_are_those_of_keras(options):
    ours, theirs = (train(kind(learning_rate=0.1, **options)) for kind in (FusedAdam, keras.optimizers.Adam))
    for ours_one, theirs_one in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(ours_one, theirs_one, rtol=1e-5, atol=1e-5)


def test_weights_left_out_of_weight_decay_are_left_alone():
    moved = []
    for kind in (FusedAdam, keras.optimizers.Adam):
        weight, bias = (keras.Variable(np.ones(3, "float32"), name=name) for name in ("kernel", "bias"))
        optimizer = kind(learning_rate=0.1, weight_decay=0.1)
        optimizer.exclude_from_weight_decay(var_names=["bias"])
        optimizer.build([weight, bias])
        optimizer.apply([keras.ops.zeros(3), keras.ops.zeros(3)], [weight, bias])
        moved.append([keras.ops.convert_to_numpy(variable) for variable in (weight, bias)])
    np.testing.assert_allclose(moved[0], moved[1], rtol=1e-6)
    np.testing.assert_allclose(moved[0], [[0.99] * 3, [1.0] * 3], rtol=1e-6)


def test_a_gradient_that_is_not_too_long_stays_as_it_is():
    moments = []
    for options in ({}, {"clipnorm": 0.5}):
        weights = [keras.Variable(np.ones(2, "float32"), name=name) for name in ("short", "long")]
        optimizer = FusedAdam(learning_rate=0.1, **options)
        optimizer.build(weights)
        optimizer.apply([keras.ops.array([0.3, 0.39]), keras.ops.array([3.0, -4.0])], weights)
        moments.append({variable.name: keras.ops.convert_to_numpy(variable) for variable in optimizer.variables})
    as_is, clipped = moments
    changed = {name for name in as_is if not np.array_equal(as_is[name], clipped[name])}
    assert changed == {"long_momentum", "long_velocity"}
    np.testing.assert_allclose(clipped["long_momentum"] / as_is["long_momentum"], 0.1, rtol=1e-6)


@pytest.mark.parametrize("clipnorm", [1e20, 1e30, 1e-25])
def test_a_norm_whose_square_is_no_float_clips_as_in_keras(clipnorm):
    ours, theirs = (
        train(kind(learning_rate=0.1, clipnorm=clipnorm), steps=3) for kind in (FusedAdam, keras.optimizers.Adam)
    )
    for ours_one, theirs_one in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(ours_one, theirs_one, rtol=1e-5, atol=1e-5)


def test_a_gradient_of_nothing_stays_so_under_a_tiny_norm():
    weights = [keras.Variable(np.ones(2, "float32"))]
    optimizer = FusedAdam(learning_rate=0.1, clipnorm=1e-25)
    optimizer.build(weights)
    optimizer.apply([keras.ops.zeros(2)], weights)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(weights[0]), [1, 1])

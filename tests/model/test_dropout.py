"""`ByteDropout` gives what Keras's own layer gives, but for which values it happens to drop."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.model.layers import ByteDropout

SHAPES = [(64, 14, 14, 8), (128, 512), (3, 5), (1, 1)]


def values(shape, dtype="float32"):
    return tf.cast(np.random.default_rng(0).uniform(1, 2, shape), dtype)


def run(layer, x):
    """Output, and the gradient of a loss in which every output has another weight, with those weights."""
    cotangent = tf.cast(np.random.default_rng(1).normal(size=x.shape), x.dtype)
    with tf.GradientTape() as tape:
        tape.watch(x)
        output = layer(x, training=True)
        loss = tf.reduce_sum(output * cotangent)
    return output.numpy(), tape.gradient(loss, x).numpy(), cotangent.numpy()


@pytest.mark.parametrize("rate", [0.25, 0.5])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_output_and_gradient_are_those_of_dropout_with_the_same_mask(shape, rate):
    x = values(shape)
    output, gradient, cotangent = run(ByteDropout(rate, seed=3), x)
    mask = output != 0
    np.testing.assert_allclose(output, np.where(mask, x.numpy() / (1 - rate), 0), rtol=1e-6)
    np.testing.assert_allclose(gradient, np.where(mask, cotangent / (1 - rate), 0), rtol=1e-6)


@pytest.mark.parametrize("rate", [0.25, 0.5, 1 / 256])
def test_drops_with_the_probability_asked_for(rate):
    x = values((1000, 1001))
    dropped = run(ByteDropout(rate, seed=3), x)[0] == 0
    spread = np.sqrt(rate * (1 - rate) / dropped.size)
    assert abs(dropped.mean() - rate) < 5 * spread
    # Neighbours, which may stem from one random word, are dropped independently of each other.
    for apart in (1, 2, 3, 4):
        both = (dropped[:, apart:] & dropped[:, :-apart]).mean()
        assert abs(both - rate**2) < 5 * np.sqrt(rate**2 / dropped.size)


@pytest.mark.parametrize("seeds", [(3, 3), (3, 4), (0, 2**31 - 1)], ids=["following steps", "neighbours", "far"])
def test_masks_are_independent_of_each_other(seeds):
    """Those of following steps, and those of layers whose seeds differ by little or by much."""
    x, rate = values((1000, 1001)), 0.25
    first, second = (ByteDropout(rate, seed=seed) for seed in seeds)
    one = first(x, training=True).numpy() == 0
    other = (first if seeds[0] == seeds[1] else second)(x, training=True).numpy() == 0
    for places in (np.s_[:, :], np.s_[:, ::4], np.s_[::2, 1:]):
        both = (one[places] & other[places]).mean()
        assert abs(both - rate**2) < 5 * np.sqrt(rate**2 / one[places].size)


def test_draws_anew_each_step_from_the_seed_alone():
    x = values((16, 50))
    first, again, other = ByteDropout(0.5, seed=3), ByteDropout(0.5, seed=3), ByteDropout(0.5, seed=4)
    steps = [first(x, training=True).numpy() for _ in range(3)]
    assert len({step.tobytes() for step in steps}) == 3
    np.testing.assert_array_equal([again(x, training=True).numpy() for _ in range(3)], steps)
    assert (other(x, training=True).numpy() != steps[0]).any()


def test_its_random_state_is_one_variable_that_a_checkpoint_can_set_back():
    x = values((16, 50))
    layer = ByteDropout(0.5, seed=3)
    (state,) = layer.variables
    before = state.numpy()
    output = layer(x, training=True).numpy()
    assert (state.numpy() != before).any()
    state.assign(before)
    np.testing.assert_array_equal(layer(x, training=True), output)


def test_changes_nothing_in_inference():
    x = values((16, 50))
    np.testing.assert_array_equal(ByteDropout(0.5, seed=3)(x, training=False), x)
    np.testing.assert_array_equal(ByteDropout(0.5, seed=3)(x), x)


@pytest.mark.parametrize("options", [{"rate": 0.3}, {"rate": 0.0}, {"rate": 0.5, "noise_shape": (16, 1)}], ids=str)
def test_what_bytes_cannot_do_takes_the_path_of_keras(options):
    x = values((16, 50))
    ours, theirs = ByteDropout(seed=3, **options), keras.layers.Dropout(seed=3, **options)
    np.testing.assert_array_equal(ours(x, training=True), theirs(x, training=True))


def test_bfloat16_stays_bfloat16():
    output = ByteDropout(0.5, seed=3, dtype="mixed_bfloat16")(values((16, 50), "bfloat16"), training=True)
    assert output.dtype == tf.bfloat16
    assert set(np.unique(output.numpy() / values((16, 50), "bfloat16").numpy()).astype(float)) == {0.0, 2.0}

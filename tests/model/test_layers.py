"""`FusedBatchNormalization` gives what Keras' own layer gives."""

from typing import NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.model.layers import FusedBatchNormalization

SHAPES = [(7, 6, 5, 3), (16, 12), (1, 1, 1, 4), (1, 4)]
OPTIONS = [
    {},
    {"scale": False},
    {"center": False},
    {"scale": False, "center": False},
    {"momentum": 0.9, "epsilon": 1e-2},
]


class Step(NamedTuple):
    output: np.ndarray
    gradients: list[np.ndarray]
    statistics: list[np.ndarray]

    def arrays(self):
        return [self.output, *self.gradients, *self.statistics]


def build(layer_class, shape, **options):
    """A layer whose every weight differs from its initial value, the same for both classes."""
    layer = layer_class(**options)
    layer.build(shape)
    random = np.random.default_rng(1)
    layer.set_weights([random.uniform(0.5, 2, weight.shape) for weight in layer.weights])
    return layer


def run(layer, inputs, *, training):
    """One forward and backward pass of a loss in which every output has another weight."""
    random = np.random.default_rng(2)
    x = tf.constant(inputs)
    cotangent = tf.constant(random.normal(size=inputs.shape), x.dtype)
    with tf.GradientTape() as tape:
        tape.watch(x)
        output = layer(x, training=training)
        loss = tf.reduce_sum(tf.cast(output, x.dtype) * cotangent)
    gradients = tape.gradient(loss, [x, *[v.value for v in layer.trainable_variables]])
    statistics = layer.non_trainable_variables
    return Step(output.numpy(), [g.numpy() for g in gradients], [v.numpy() for v in statistics])


def images(shape, dtype="float32"):
    return (np.random.default_rng(0).normal(3, 2, shape)).astype(dtype)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_output_gradients_and_moving_averages_equal_those_of_keras(shape, options, training):
    plain = run(build(keras.layers.BatchNormalization, shape, **options), images(shape), training=training)
    fused = run(build(FusedBatchNormalization, shape, **options), images(shape), training=training)
    for ours, theirs in zip(plain.arrays(), fused.arrays(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_moving_averages_stay_those_of_keras_over_many_steps_of_changing_batch_size():
    plain, fused = (build(c, (8, 6, 6, 3)) for c in (keras.layers.BatchNormalization, FusedBatchNormalization))
    random = np.random.default_rng(3)
    for batch_size in (8, 3, 1, 8, 5):
        batch = random.normal(2, 3, (batch_size, 6, 6, 3)).astype("float32")
        plain(batch, training=True)
        fused(batch, training=True)
    for ours, theirs in zip(fused.non_trainable_variables, plain.non_trainable_variables, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5)


def test_a_frozen_layer_normalises_by_its_moving_averages_and_leaves_them_alone():
    layer = build(FusedBatchNormalization, (4, 5, 5, 3))
    layer.trainable = False
    before = [v.numpy() for v in layer.variables]
    np.testing.assert_array_equal(
        layer(images((4, 5, 5, 3)), training=True), layer(images((4, 5, 5, 3)), training=False)
    )
    np.testing.assert_equal([v.numpy() for v in layer.variables], before)


def test_under_mixed_bfloat16_only_the_activations_are_bfloat16():
    shape = (32, 6, 6, 3)
    fused = build(FusedBatchNormalization, shape, dtype="mixed_bfloat16")
    plain = build(keras.layers.BatchNormalization, shape)
    coarse = tf.cast(images(shape), "bfloat16")
    output = fused(coarse, training=True)
    assert output.dtype == tf.bfloat16
    assert {v.dtype for v in fused.variables} == {"float32"}
    expected = plain(tf.cast(coarse, "float32"), training=True)
    np.testing.assert_allclose(tf.cast(output, "float32"), expected, rtol=2**-8, atol=1e-5)
    for ours, theirs in zip(fused.non_trainable_variables, plain.non_trainable_variables, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5)


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((4, 6, 3), {}),
        ((4, 3, 5, 5), {"axis": 1}),
        ((4, 5, 5, 3), {"dtype": "float64"}),
        ((4, 5, 5, 3), {"renorm": True}),
    ],
    ids=str,
)
def test_what_the_kernel_cannot_do_takes_the_path_of_keras(shape, options):
    plain, fused = (build(c, shape, **options) for c in (keras.layers.BatchNormalization, FusedBatchNormalization))
    ours, theirs = (run(layer, images(shape, plain.compute_dtype), training=True) for layer in (fused, plain))
    np.testing.assert_array_equal(ours.output, theirs.output)
    np.testing.assert_equal(ours.statistics, theirs.statistics)


def test_a_mask_takes_the_path_of_keras():
    mask = np.array([[[True] * 5] * 5] * 2 + [[[False] * 5] * 5] * 2)
    plain, fused = (
        build(c, (4, 5, 5, 3))(images((4, 5, 5, 3)), training=True, mask=mask)
        for c in (keras.layers.BatchNormalization, FusedBatchNormalization)
    )
    np.testing.assert_array_equal(fused, plain)


def test_serialises_with_its_weights_and_options(tmp_path):
    model = keras.Sequential([keras.Input((5, 5, 3)), FusedBatchNormalization(momentum=0.8, scale=False)])
    model.layers[0].set_weights([np.full(3, 0.5), np.full(3, 1.5), np.full(3, 2.5)])
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    assert type(restored.layers[0]) is FusedBatchNormalization
    assert restored.layers[0].get_config() == model.layers[0].get_config()
    x = images((2, 5, 5, 3))
    np.testing.assert_array_equal(restored(x), model(x))

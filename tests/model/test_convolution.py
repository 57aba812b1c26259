"""`SmallMapConv2D` gives what Keras's own convolution gives, forward and backward."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.model import layers
from trainer.model.layers import SmallMapConv2D


def random(shape, seed, dtype):
    return tf.cast(np.random.default_rng(seed).normal(size=shape).astype("float32"), dtype)


def run(layer_class, shape, *, dtype, values="float32", **options):
    """The output, and the gradients of a loss in which every output has another weight; all given in ``values``."""
    layer = layer_class(4, kernel_initializer=keras.initializers.HeNormal(seed=1), dtype=dtype, **options)
    layer.build(shape)
    layer.kernel.assign(tf.cast(tf.cast(layer.kernel.value, values), "float32"))
    x = tf.cast(random(shape, 2, values), layer.compute_dtype)
    with tf.GradientTape() as tape:
        tape.watch(x)
        output = layer(x)
        loss = tf.reduce_sum(output * tf.cast(random(output.shape, 3, values), output.dtype))
    return [output, *tape.gradient(loss, [x, *[variable.value for variable in layer.trainable_variables]])]


def kernel_gradients_taken(monkeypatch):
    taken = []
    own = layers._kernel_gradient
    monkeypatch.setattr(layers, "_kernel_gradient", lambda *arguments: taken.append(1) or own(*arguments))
    return taken


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("kernel", [1, 3, 5, (3, 5)], ids=str)
@pytest.mark.parametrize("shape", [(6, 7, 7, 3), (6, 3, 3, 5), (1, 1, 1, 2), (5, 8, 2, 1)], ids=str)
def test_output_and_gradients_equal_those_of_keras_in_float32(shape, kernel, use_bias, monkeypatch):
    monkeypatch.setattr(SmallMapConv2D, "_gains", lambda *_: True)
    taken = kernel_gradients_taken(monkeypatch)
    options = {"kernel_size": kernel, "padding": "same", "use_bias": use_bias, "dtype": "float32"}
    for ours, theirs in zip(
        run(SmallMapConv2D, shape, **options), run(keras.layers.Conv2D, shape, **options), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
    assert taken


@pytest.mark.parametrize("shape", [(64, 7, 7, 8), (64, 3, 3, 8)], ids=str)
def test_in_bfloat16_it_takes_its_own_way_and_agrees_to_a_rounding(shape, monkeypatch):
    """The kernel's gradient with float32's: that of Keras is 3 % off on a processor that sums it up in bfloat16."""
    taken = kernel_gradients_taken(monkeypatch)
    options = {"kernel_size": 3, "padding": "same", "values": "bfloat16"}
    ours = run(SmallMapConv2D, shape, dtype="mixed_bfloat16", **options)
    output, to_images, _, to_bias = run(keras.layers.Conv2D, shape, dtype="mixed_bfloat16", **options)
    _, _, to_kernel, _ = run(keras.layers.Conv2D, shape, dtype="float32", **options)
    for our, their in zip(ours, (output, to_images, to_kernel, to_bias), strict=True):
        a, b = (tf.cast(array, "float32").numpy() for array in (our, their))
        np.testing.assert_allclose(a, b, atol=2**-7 * np.abs(b).max())
    assert taken


@pytest.mark.parametrize(
    ("changes", "shape"),
    [
        ({}, (2, 14, 14, 4)),
        ({"dtype": "float32"}, (2, 7, 7, 4)),
        ({"strides": 2}, (2, 7, 7, 4)),
        ({"dilation_rate": 2}, (2, 7, 7, 4)),
        ({"groups": 2}, (2, 7, 7, 4)),
        ({"padding": "valid"}, (2, 7, 7, 4)),
        ({"kernel_size": 2}, (2, 7, 7, 4)),
    ],
    ids=str,
)
def test_whatever_else_is_asked_takes_the_way_of_keras(changes, shape, monkeypatch):
    taken = kernel_gradients_taken(monkeypatch)
    options = {"kernel_size": 3, "padding": "same", "dtype": "mixed_bfloat16", **changes}
    if "groups" not in changes and options.get("dilation_rate", 1) == 1:
        run(SmallMapConv2D, shape, **options)  # Not every gradient of the others exists on a processor.
    else:
        SmallMapConv2D(4, **options)(random(shape, 2, "bfloat16"))
    assert not taken


def test_it_is_written_and_read_back_with_a_model(tmp_path):
    image = keras.Input((7, 7, 2))
    model = keras.Model(image, SmallMapConv2D(3, 3, padding="same", dtype="mixed_bfloat16")(image))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(again.layers[1], SmallMapConv2D)
    x = random((2, 7, 7, 2), 0, "float32")
    np.testing.assert_array_equal(again(x).numpy(), model(x).numpy())

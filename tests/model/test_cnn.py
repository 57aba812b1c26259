"""The reference network: its layers, its contract, its seeds, and what its training step is made of."""

from collections import Counter

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.model.augment import AffineWarp
from trainer.model.cnn import build_cnn

DEFAULTS = {
    "filters": (32, 64, 128),
    "dense_units": 512,
    "conv_dropout": 0.25,
    "dense_dropout": 0.5,
    "seed": 42,
}
SMALL = {**DEFAULTS, "filters": (4, 8), "dense_units": 16}


def images(count=6):
    return np.random.default_rng(0).integers(0, 256, (count, 28, 28, 1), dtype=np.uint8)


def values(model):
    return [variable.numpy() for variable in model.variables]


def dropouts(model):
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]


def test_the_layers_and_their_parameters_are_those_of_the_original():
    model = build_cnn(**DEFAULTS)
    parameters = [(layer.name, layer.count_params()) for layer in model.layers if layer.count_params()]
    assert parameters == [
        ("conv_1", 3 * 3 * 1 * 32 + 32),
        ("conv_1_norm", 4 * 32),
        ("conv_2", 3 * 3 * 32 * 64 + 64),
        ("conv_2_norm", 4 * 64),
        ("conv_3", 3 * 3 * 64 * 128 + 128),
        ("conv_3_norm", 4 * 128),
        ("dense", 3 * 3 * 128 * 512 + 512),
        ("dense_norm", 4 * 512),
        ("logits", 512 * 10 + 10),
    ]
    assert model.count_params() == 691_082


def test_the_layers_come_in_the_order_of_the_design():
    block = ["SmallMapConv2D", "FusedBatchNormalization", "MaxPooling2D", "ByteDropout"]
    model = build_cnn(**DEFAULTS)
    assert [type(layer).__name__ for layer in model.layers] == [
        *["InputLayer", "Rescaling"],
        *block * 3,
        *["Flatten", "Dense", "FusedBatchNormalization", "ByteDropout", "Dense", "Softmax"],
    ]
    assert [layer.rate for layer in dropouts(model)] == [0.25, 0.25, 0.25, 0.5]
    activations = {name: model.get_layer(name).activation.__name__ for name in ("conv_1", "dense", "logits")}
    assert activations == {"conv_1": "relu", "dense": "relu", "logits": "linear"}
    assert model.get_layer("conv_3").output.shape == (None, 7, 7, 128)


def test_widths_depth_and_dropout_follow_the_arguments():
    model = build_cnn(filters=(4, 6), dense_units=16, conv_dropout=0.1, dense_dropout=0.2, seed=0)
    assert [v.shape[-1] for v in model.trainable_variables if v.path.endswith("kernel")] == [4, 6, 16, 10]
    assert [layer.rate for layer in dropouts(model)] == [0.1, 0.1, 0.2]


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_raw_bytes_go_in_and_float32_probabilities_come_out(dtype):
    model = build_cnn(**SMALL, dtype=dtype)
    assert (model.input.name, model.input.dtype, model.input.shape) == ("image", "uint8", (None, 28, 28, 1))
    assert (model.output_names, model.output.dtype) == (["probabilities"], "float32")
    assert model.get_layer("logits").output.dtype == "float32"
    probabilities = model(images()).numpy()
    assert probabilities.shape == (6, 10)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    logits = keras.Model(model.input, model.get_layer("logits").output)(images())
    np.testing.assert_allclose(probabilities, keras.ops.softmax(logits), rtol=1e-6)


def test_pixels_are_rescaled_to_the_unit_interval_inside_the_model():
    model = build_cnn(**SMALL)
    rescaled = keras.Model(model.input, model.get_layer("rescale").output)(images()).numpy()
    np.testing.assert_allclose(rescaled, images() / 255, rtol=1e-6)


def test_under_mixed_bfloat16_the_weights_stay_float32_and_serve_the_float32_network():
    fast, exact = (build_cnn(**SMALL, dtype=dtype) for dtype in ("mixed_bfloat16", "float32"))
    assert {layer.compute_dtype for layer in fast.layers[1:-2]} == {"bfloat16"}
    assert {v.dtype for v in fast.weights} == {"float32"}
    exact.set_weights(fast.get_weights())
    np.testing.assert_allclose(fast(images()), exact(images()), atol=0.02)


@pytest.fixture
def disturbed_globals():
    """Another global dtype policy and other global random states than a test before would have left."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    keras.utils.set_random_seed(np.random.SeedSequence().entropy % 2**31)
    yield
    keras.config.set_dtype_policy(before)


@pytest.fixture(scope="module")
def first_values():
    return values(build_cnn(**SMALL))


@pytest.mark.usefixtures("disturbed_globals")
def test_equal_arguments_give_bit_identical_variables_whatever_came_before(first_values):
    build_cnn(**{**SMALL, "seed": 1})
    again = build_cnn(**SMALL)
    np.testing.assert_equal(values(again), first_values)
    assert {layer.compute_dtype for layer in again.layers[1:]} == {"float32"}


def test_every_random_weight_depends_on_the_seed():
    one, other = (build_cnn(**{**SMALL, "seed": seed}) for seed in (0, 1))
    for ours, theirs in zip(one.variables, other.variables, strict=True):
        if ours.name in ("kernel", "seed_generator_state"):
            assert not np.array_equal(ours.numpy(), theirs.numpy()), ours.path


def test_no_two_layers_share_a_seed():
    model = build_cnn(**{**SMALL, "filters": (8, 8, 8)})
    dropout_seeds = {layer.seed for layer in dropouts(model)}
    kernel_seeds = {layer.kernel_initializer.seed for layer in model.layers if hasattr(layer, "kernel")}
    assert len(dropout_seeds | kernel_seeds) == 4 + 5


def test_the_variables_hold_all_that_is_needed_to_resume_the_dropout_stream():
    model = build_cnn(**SMALL)
    model(images(), training=True)
    saved = values(model)
    first, second = (model(images(), training=True).numpy() for _ in range(2))
    assert not np.array_equal(first, second)

    resumed = build_cnn(**{**SMALL, "seed": 7})
    for variable, value in zip(resumed.variables, saved, strict=True):
        variable.assign(value)
    np.testing.assert_array_equal(resumed(images(), training=True), first)
    np.testing.assert_array_equal(resumed(images(), training=True), second)
    assert sum(variable.name == "seed_generator_state" for variable in model.variables) == 3


def test_inference_is_deterministic_and_changes_nothing():
    model = build_cnn(**SMALL)
    before = values(model)
    np.testing.assert_array_equal(model(images(), training=False), model(images(), training=False))
    np.testing.assert_equal(values(model), before)


def operations(concrete_function):
    """How often each kind of operation occurs, nested functions included."""
    definition = concrete_function.graph.as_graph_def()
    nodes = [
        *definition.node,
        *(node for function in definition.library.function for node in function.node_def),
    ]
    return Counter(node.op for node in nodes)


def test_a_training_step_holds_one_warp_and_only_fused_batch_norms():
    network = build_cnn(**DEFAULTS)
    warp = AffineWarp()

    @tf.function
    def step(image, transform):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(network(warp(image, transform), training=True))
        return tape.gradient(loss, [v.value for v in network.trainable_variables])

    specification = tf.TensorSpec((None, 28, 28, 1), tf.uint8), tf.TensorSpec((None, 8), tf.float32)
    counts = operations(step.get_concrete_function(*specification))
    assert counts["ImageProjectiveTransformV3"] == 1
    assert counts["FusedBatchNormV3"] == counts["FusedBatchNormGradV3"] == 4
    # The square roots and squared deviations of a batch norm that is spelled out.
    assert counts["Rsqrt"] == counts["Sqrt"] == counts["SquaredDifference"] == 0
    assert counts["PyFunc"] == counts["EagerPyFunc"] == 0

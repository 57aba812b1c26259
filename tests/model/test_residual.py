"""The residual network: its layers, its contract, and the mean over an image and its mirror."""

import keras
import numpy as np
import pytest

from trainer.model.residual import build_residual

SMALL = {"filters": (4, 6), "stem_filters": 0, "stage_depth": 1, "seed": 3}


def images(count=6):
    return np.random.default_rng(0).integers(0, 256, (count, 28, 28, 1), dtype=np.uint8)


def kernel_shapes(model):
    return {layer.name: layer.kernel.shape for layer in model.layers if hasattr(layer, "kernel")}


def test_a_stage_pools_normalises_and_adds_what_a_second_convolution_finds():
    stage = ["SmallMapConv2D", "MaxPooling2D", "FusedBatchNormalization", "ReLU"]
    stage += ["SmallMapConv2D", "FusedBatchNormalization", "ReLU", "Add"]
    model = build_residual(filters=(32, 64, 128), stem_filters=0, stage_depth=1, seed=42)
    assert [type(layer).__name__ for layer in model.layers] == [
        *["InputLayer", "Rescaling"],
        *stage * 3,
        *["GlobalMaxPooling2D", "Dense", "Softmax"],
    ]
    kernels = kernel_shapes(model)
    assert kernels == {
        "stage_1_a": (3, 3, 1, 32),
        "stage_1_b": (3, 3, 32, 32),
        "stage_2_a": (3, 3, 32, 64),
        "stage_2_b": (3, 3, 64, 64),
        "stage_3_a": (3, 3, 64, 128),
        "stage_3_b": (3, 3, 128, 128),
        "logits": (128, 10),
    }
    assert model.get_layer("stage_3_add").output.shape == (None, 3, 3, 128)


def test_a_stem_and_deeper_stages_add_convolutions_that_are_normalised():
    model = build_residual(filters=(4, 6), stem_filters=5, stage_depth=2, seed=3)
    kernels = kernel_shapes(model)
    assert kernels == {
        "stem": (3, 3, 1, 5),
        "stage_1_a": (3, 3, 5, 4),
        "stage_1_b": (3, 3, 4, 4),
        "stage_1_c": (3, 3, 4, 4),
        "stage_2_a": (3, 3, 4, 6),
        "stage_2_b": (3, 3, 6, 6),
        "stage_2_c": (3, 3, 6, 6),
        "logits": (6, 10),
    }
    followers = {name: model.get_layer(name)._outbound_nodes[0].operation.name for name in kernels if name != "logits"}
    assert followers == {
        name: f"{name}_pool" if name.endswith("_a") else f"{name}_norm" for name in kernels if name != "logits"
    }


def test_a_deeper_stage_computes_what_its_name_says():
    model = build_residual(filters=(4,), stem_filters=3, stage_depth=2, seed=3)
    layers = {layer.name: layer for layer in model.layers}

    def convolved(x, name):
        return keras.ops.conv(x, layers[name].kernel, padding="same")

    def activated(x, name):
        return keras.ops.relu(layers[f"{name}_norm"](x))

    x = keras.ops.cast(images(), "float32") / 255
    x = activated(convolved(x, "stem"), "stem")
    x = activated(keras.ops.max_pool(convolved(x, "stage_1_a"), 2), "stage_1_a")
    y = activated(convolved(x, "stage_1_b"), "stage_1_b")
    x = x + activated(convolved(y, "stage_1_c"), "stage_1_c")
    logits = keras.ops.max(x, axis=(1, 2)) @ layers["logits"].kernel
    np.testing.assert_allclose(model(images()), keras.ops.softmax(logits), rtol=1e-5, atol=1e-6)


def test_a_stage_computes_what_its_name_says():
    model = build_residual(filters=(4,), stem_filters=0, stage_depth=1, seed=3)
    layers = {layer.name: layer for layer in model.layers}
    x = keras.ops.cast(images(), "float32") / 255
    x = keras.ops.max_pool(keras.ops.conv(x, layers["stage_1_a"].kernel, padding="same"), 2)
    x = keras.ops.relu(layers["stage_1_a_norm"](x))
    y = keras.ops.conv(x, layers["stage_1_b"].kernel, padding="same")
    x = x + keras.ops.relu(layers["stage_1_b_norm"](y))
    logits = keras.ops.max(x, axis=(1, 2)) @ layers["logits"].kernel
    np.testing.assert_allclose(model(images()), keras.ops.softmax(logits), rtol=1e-5, atol=1e-6)


def test_an_ensemble_answers_with_the_mean_of_what_its_members_say_before_the_softmax():
    model = build_residual(**SMALL, ensemble_size=3)
    members = [keras.Model(model.input, model.get_layer(f"member_{n}_logits").output)(images()) for n in (1, 2, 3)]
    assert all(np.abs(members[0] - other).max() > 1e-2 for other in members[1:])
    each = keras.Model(model.input, model.get_layer("logits").output)(images())
    np.testing.assert_array_equal(each, np.stack(members, axis=1))
    np.testing.assert_allclose(model(images()), keras.ops.softmax(np.mean(members, axis=0)), rtol=1e-5)


def test_a_member_is_what_the_network_alone_would_be():
    alone, ensemble = build_residual(**SMALL), build_residual(**SMALL, ensemble_size=2)
    assert ensemble.count_params() == 2 * alone.count_params()
    first = {layer.name: layer for layer in ensemble.layers}
    for layer in alone.layers:
        if layer.weights:
            np.testing.assert_equal(first[f"member_1_{layer.name}"].get_weights(), layer.get_weights())
    logits = keras.Model(alone.input, alone.get_layer("logits").output)(images())
    np.testing.assert_array_equal(
        keras.Model(ensemble.input, ensemble.get_layer("member_1_logits").output)(images()), logits
    )


@pytest.mark.parametrize("ensemble_size", [1, 2])
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_raw_bytes_go_in_and_float32_probabilities_come_out(dtype, ensemble_size):
    model = build_residual(**SMALL, dtype=dtype, ensemble_size=ensemble_size)
    assert (model.input.name, model.input.dtype, model.input.shape) == ("image", "uint8", (None, 28, 28, 1))
    assert (model.output_names, model.output.dtype) == (["probabilities"], "float32")
    assert model.get_layer("logits").output.dtype == "float32"
    np.testing.assert_allclose(model(images()).numpy().sum(axis=1), 1, rtol=1e-6)


def test_equal_seeds_give_equal_weights_and_others_other_ones():
    first, again, other = (
        build_residual(filters=(4, 6), stem_filters=0, stage_depth=1, seed=seed).get_weights() for seed in (3, 3, 4)
    )
    np.testing.assert_equal(first, again)
    assert all((a != b).any() for a, b in zip(first, other, strict=True) if a.ndim > 1)

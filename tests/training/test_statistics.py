import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from trainer.model.cnn import build_cnn
from trainer.training.statistics import BATCH_SIZE, StatisticsMeter


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, size=(3 * BATCH_SIZE, 28, 28, 1), dtype=np.uint8)


@pytest.fixture
def network() -> keras.Model:
    return build_cnn(filters=(4,), dense_units=8, conv_dropout=0.5, dense_dropout=0.5, seed=3)


def output_of(network: keras.Model, layer: str, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return keras.Model(network.input, network.get_layer(layer).output).predict(images, batch_size=500, verbose=0)


def test_they_are_those_of_the_clean_images(network: keras.Model, images: NDArray[np.uint8]) -> None:
    """Against the activations themselves, computed in inference, so without dropout, as one batch."""
    StatisticsMeter(network, images).measure()
    for layer, axes in (("conv_1", (0, 1, 2)), ("dense", (0,))):
        activations = output_of(network, layer, images).astype(np.float64)
        norm = network.get_layer(f"{layer}_norm")
        np.testing.assert_allclose(norm.moving_mean, activations.mean(axes), rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(norm.moving_variance, activations.var(axes), rtol=0.03, atol=1e-5)


def test_a_small_last_batch_counts_for_its_few_images(network: keras.Model, images: NDArray[np.uint8]) -> None:
    """One image alone has no variance over the batch: as half of the average it would halve the dense layer's."""
    StatisticsMeter(network, images[: BATCH_SIZE + 1]).measure()
    activations = output_of(network, "dense", images[: BATCH_SIZE + 1]).astype(np.float64)
    norm = network.get_layer("dense_norm")
    np.testing.assert_allclose(norm.moving_variance, activations.var(0), rtol=0.03, atol=1e-5)


def test_nothing_else_changes(network: keras.Model, images: NDArray[np.uint8]) -> None:
    def values() -> dict[str, bytes]:
        return {variable.path: keras.ops.convert_to_numpy(variable).tobytes() for variable in network.variables}

    before = values()
    StatisticsMeter(network, images).measure()
    changed = {path for path, value in values().items() if value != before[path]}
    assert {path.rpartition("/")[2] for path in changed} == {"moving_mean", "moving_variance"}
    assert all(layer.momentum == 0.99 for layer in network.layers if hasattr(layer, "momentum"))


def test_what_was_remembered_before_has_no_say(network: keras.Model, images: NDArray[np.uint8]) -> None:
    meter = StatisticsMeter(network, images)
    meter.measure()
    first = keras.ops.convert_to_numpy(network.get_layer("conv_1_norm").moving_mean)
    network.get_layer("conv_1_norm").moving_mean.assign(first + 100)
    meter.measure()
    assert keras.ops.convert_to_numpy(network.get_layer("conv_1_norm").moving_mean).tobytes() == first.tobytes()

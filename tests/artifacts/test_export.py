from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from trainer.artifacts.export import export_saved_model, load_predictor
from trainer.artifacts.graph import operations
from trainer.errors import StorageError, TrainingError
from trainer.model.cnn import build_cnn
from trainer.model.residual import build_residual
from trainer.model.views import with_flips_and_shifts


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, size=(16, 28, 28, 1), dtype=np.uint8)


def plain() -> keras.Model:
    return build_cnn(filters=(4, 8), dense_units=16, conv_dropout=0.25, dense_dropout=0.5, seed=3)


def ensemble_of_many_views() -> keras.Model:
    network = build_residual(filters=(4, 6), stem_filters=3, stage_depth=2, ensemble_size=2, seed=3)
    for number in (1, 2):  # So small, and not trained, it would say nearly the same of every image.
        kernel = network.get_layer(f"member_{number}_logits").kernel
        kernel.assign(1000 * kernel)
    return with_flips_and_shifts(network)


@pytest.fixture(scope="module", params=[plain, ensemble_of_many_views])
def network(request: pytest.FixtureRequest) -> keras.Model:
    """With statistics as after training: on a fresh network batch normalisation does nothing."""
    network: keras.Model = request.param()
    random = np.random.default_rng(1)
    for variable in network.non_trainable_variables:
        variable.assign(random.uniform(0.5, 2.0, size=variable.shape))
    return network


@pytest.fixture(scope="module")
def folder(network: keras.Model, images: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    export_saved_model(network, folder, images)
    return folder


def test_has_the_signature_that_servers_look_for(folder: Path) -> None:
    signature = tf.saved_model.load(str(folder)).signatures["serving_default"]
    (inputs,) = signature.structured_input_signature[1].values()
    assert (inputs.name, inputs.dtype, inputs.shape.as_list()) == ("image", tf.uint8, [None, 28, 28, 1])
    assert list(signature.structured_outputs) == ["probabilities"]
    assert signature.structured_outputs["probabilities"].shape.as_list() == [None, 10]


@pytest.mark.parametrize("count", [1, 3, 16])
def test_predicts_what_the_network_in_memory_does(
    folder: Path, network: keras.Model, images: NDArray[np.uint8], count: int
) -> None:
    exported = load_predictor(folder)(images[:count])
    np.testing.assert_allclose(exported, network.predict(images[:count], verbose=0), atol=1e-6)
    np.testing.assert_allclose(exported.sum(axis=1), 1, atol=1e-5)


def test_takes_any_number_of_images_in_pieces_that_fit_in_memory(folder: Path, images: NDArray[np.uint8]) -> None:
    many = np.tile(images, (150, 1, 1, 1))
    predict = load_predictor(folder)
    np.testing.assert_allclose(predict(many), np.tile(predict(images), (150, 1)), atol=1e-6)


def test_answers_twice_the_same(folder: Path, images: NDArray[np.uint8]) -> None:
    """Dropout and augmentation stay behind."""
    predict = load_predictor(folder)
    assert predict(images).tobytes() == predict(images).tobytes()


def test_computes_in_float32_on_a_gpu_too(folder: Path) -> None:
    tf.config.experimental.enable_tensor_float_32_execution(True)  # As TensorFlow begins.
    load_predictor(folder)
    assert not tf.config.experimental.tensor_float_32_execution_enabled()


def test_scales_by_itself(folder: Path, images: NDArray[np.uint8]) -> None:
    """Its first ops turn bytes into [0, 1]: an image scaled by the client would be another image."""
    predict = load_predictor(folder)
    assert np.abs(predict(images) - predict(images // 255)).max() > 0.01


@pytest.mark.parametrize("shape", [(3, 28, 28), (28, 28, 1), (3, 56, 56, 1), (3, 28, 28, 3)])
def test_refuses_what_is_no_image_of_its_size(folder: Path, shape: tuple[int, ...]) -> None:
    """TensorFlow Serving looks at no shape. Without its last axis an image would end the whole process."""
    signature = tf.saved_model.load(str(folder)).signatures["serving_default"]
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"not compatible with expected shape \[\?,28,28,1\]"):
        signature(image=tf.zeros(shape, tf.uint8))


def test_holds_no_random_op(folder: Path) -> None:
    assert not {op for op in operations(folder) if "Random" in op or "Stateless" in op or "PyFunc" in op}


class Shaken(keras.layers.Layer):
    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return inputs + tf.random.uniform(tf.shape(inputs), maxval=1e-9)


def test_refuses_an_op_that_is_not_on_the_list(network: keras.Model, images: NDArray[np.uint8], tmp_path: Path) -> None:
    shaken = keras.Model(network.input, Shaken()(network.output))
    with pytest.raises(TrainingError, match="not on the allow-list.*RandomUniform"):
        export_saved_model(shaken, tmp_path, images)


class Boaster(keras.Model):
    """Says of itself something else than its graph does."""

    def predict(self, *arguments: Any, **options: Any) -> NDArray[np.float32]:
        return 0.99 * super().predict(*arguments, **options)


def test_refuses_a_graph_that_predicts_something_else(
    network: keras.Model, images: NDArray[np.uint8], tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match="does not predict what the trained one does.*at most 1e-05"):
        export_saved_model(Boaster(network.input, network.output), tmp_path, images)


def test_says_that_the_disk_is_full(network: keras.Model, images: NDArray[np.uint8], small_disk: Path) -> None:
    with pytest.raises(StorageError, match="can't be written.*room for it.*TMPDIR"):
        export_saved_model(network, small_disk, images)

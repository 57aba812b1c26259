"""The stranger that asks an exported model: what it sends, what it writes down, and what it refuses to load."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.core.protobuf import saved_model_pb2

from trainer.artifacts.client import TIMED_RUNS, load_signature, main
from trainer.artifacts.export import load_predictor

IMAGES = np.random.default_rng(0).integers(0, 256, (700, 28, 28, 1), dtype=np.uint8)
SCALE = tf.Variable(1 / 255)  # As weights are: a graph without any is called by an op that networks don't need.
RAW_BYTES = tf.TensorSpec((None, 28, 28, 1), tf.uint8, name="image")


def first_pixel(image: Any) -> dict[str, Any]:
    """A model of few ops, with two classes: the first pixel's share of 255, and the rest."""
    first = tf.cast(image[:, 0, 0, 0], tf.float32) * SCALE
    return {"probabilities": tf.stack([first, 1 - first], axis=1)}


def save(folder: Path, serve: Callable[..., Any], *inputs: tf.TensorSpec, signature: str = "serving_default") -> Path:
    function = tf.function(serve, input_signature=inputs or (RAW_BYTES,))
    module = tf.Module()
    module.scale = SCALE
    tf.saved_model.save(module, str(folder), signatures={signature: function})
    return folder


def ask(model: Path, folder: Path, **questions: NDArray[np.uint8]) -> int:
    np.savez(folder / "questions.npz", **(questions or {"some": IMAGES[:3]}))
    return main([str(model), str(folder / "questions.npz"), str(folder / "answers.npz")])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("model"), first_pixel)


def test_every_question_is_answered_under_its_name(model: Path, tmp_path: Path) -> None:
    assert ask(model, tmp_path, many=IMAGES, one=IMAGES[:1]) == 0
    with np.load(tmp_path / "answers.npz") as answers:
        assert set(answers.files) == {"many", "one", "alone", "seconds"}
        np.testing.assert_array_equal(answers["many"], load_predictor(model)(IMAGES))
        np.testing.assert_array_equal(answers["one"], answers["many"][:1])
        np.testing.assert_allclose(answers["many"][:, 0], IMAGES[:, 0, 0, 0] / 255, atol=1e-6)


def test_single_images_are_answered_and_timed(model: Path, tmp_path: Path) -> None:
    assert ask(model, tmp_path) == 0
    with np.load(tmp_path / "answers.npz") as answers:
        np.testing.assert_array_equal(answers["alone"], answers["some"])
        assert answers["seconds"].shape == (TIMED_RUNS,)
        assert (answers["seconds"] > 0).all()
        assert np.median(answers["seconds"]) < 0.1


def test_an_op_that_is_not_allowed_is_not_loaded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def with_file(image: Any) -> dict[str, Any]:
        tf.io.write_file(str(tmp_path / "written"), "gotcha")
        return first_pixel(image)

    assert ask(save(tmp_path / "model", with_file), tmp_path) == 7
    assert "ops that are not on the allow-list: WriteFile" in capsys.readouterr().err
    assert not (tmp_path / "written").exists()
    assert not (tmp_path / "answers.npz").exists()


FLOATS = tf.TensorSpec((None, 28, 28, 1), tf.float32, name="image")
OTHER_NAME = tf.TensorSpec((None, 28, 28, 1), tf.uint8, name="picture")


@pytest.mark.parametrize("spec", [FLOATS, OTHER_NAME], ids=["floats", "another name"])
def test_a_model_that_does_not_take_raw_bytes_is_said_to(
    spec: tf.TensorSpec, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def serve(given: Any) -> dict[str, Any]:
        return first_pixel(given)

    assert ask(save(tmp_path / "model", serve, spec), tmp_path) == 5
    error = capsys.readouterr().err
    taken = f"it takes {spec.name}: {spec.dtype.name}, not image: uint8"
    assert error == f"client: the model does not turn raw bytes into probabilities: {taken}\n"


def test_another_output_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def serve(image: Any) -> dict[str, Any]:
        return {"logits": tf.cast(image[:, 0, 0, :], tf.float32) * SCALE}

    assert ask(save(tmp_path / "model", serve), tmp_path) == 5
    assert "probabilities: it gives logits, not probabilities" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "received"),
    [
        (tf.squeeze, r"for 1 images it gives float32 of shape (2,)"),
        (lambda given: given[:, :, None], "for 3 images it gives float32 of shape (3, 2, 1)"),
        (lambda given: tf.cast(given, tf.float64), "for 3 images it gives float64 of shape (3, 2)"),
    ],
    ids=["one image's row alone", "another rank", "another type"],
)
def test_what_is_no_row_for_each_image_is_none(
    change: Callable[[Any], Any], received: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def serve(image: Any) -> dict[str, Any]:
        return {"probabilities": change(first_pixel(image)["probabilities"])}

    assert ask(save(tmp_path / "model", serve), tmp_path) == 5
    assert received in capsys.readouterr().err


def test_what_takes_more_than_images_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def serve(image: Any, more: Any) -> dict[str, Any]:
        return {"probabilities": first_pixel(image)["probabilities"] + more}

    assert ask(save(tmp_path / "model", serve, RAW_BYTES, tf.TensorSpec((), tf.float32, name="more")), tmp_path) == 5
    assert "it takes image: uint8, more: float32, not image: uint8" in capsys.readouterr().err


def test_a_graph_that_answers_otherwise_than_its_objects_is_refused(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What TensorFlow Serving runs is changed; what tf.saved_model.load offers is not."""
    folder = shutil.copytree(model, tmp_path / "model")
    content = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    (meta,) = content.meta_graphs
    served = meta.signature_def["serving_default"].outputs["probabilities"]
    with tf.Graph().as_default() as graph:
        given = tf.compat.v1.placeholder(tf.float32, name="given")
        tf.raw_ops.ReverseV2(tensor=given, axis=[1], name="reversed")
    axis, reverse = (graph.get_operation_by_name(name).node_def for name in ("reversed/axis", "reversed"))
    reverse.input[0] = served.name
    meta.graph_def.node.extend([axis, reverse])
    served.name = "reversed:0"
    (folder / "saved_model.pb").write_bytes(content.SerializeToString())
    np.testing.assert_array_equal(load_predictor(folder)(IMAGES), load_predictor(model)(IMAGES))
    np.testing.assert_array_equal(load_signature(folder)(IMAGES), load_signature(model)(IMAGES)[:, ::-1])
    assert ask(folder, tmp_path) == 7
    assert capsys.readouterr().err.startswith(
        "client: the SavedModel answers TensorFlow Serving otherwise than tf.saved_model.load – expected"
    )
    assert not (tmp_path / "answers.npz").exists()


def test_another_signature_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(save(tmp_path / "model", first_pixel, signature="predict"), tmp_path) == 5
    assert "the SavedModel can't be loaded" in capsys.readouterr().err


def test_a_folder_without_a_model_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(tmp_path / "none", tmp_path) == 5
    assert "there is no SavedModel" in capsys.readouterr().err


def test_a_machine_without_memory_says_nothing_of_the_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def greedy(image: Any) -> dict[str, Any]:
        pixels = tf.reshape(tf.cast(image, tf.float32), (-1, 1)) * SCALE
        return {"probabilities": tf.matmul(pixels, pixels, transpose_b=True)}

    # A terabyte and more.
    assert ask(save(tmp_path / "model", greedy), tmp_path, many=IMAGES, one=IMAGES[:1]) == 9
    assert capsys.readouterr().err.startswith("client: this machine failed: ")
    assert not (tmp_path / "answers.npz").exists()

"""The model that is served: a SavedModel that takes raw bytes, checked before anybody can use it.

Scaling is the network's first layer, so a client can't forget it: what the original system got wrong can't be
expressed here. The signature is the one of TensorFlow Serving, and it loads in TensorFlow 2.15, the newest version
that Vertex AI has a prebuilt prediction container for.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from trainer.artifacts.graph import operations_refused
from trainer.contract import IMAGE_SHAPE, INPUT_NAME, OUTPUT_NAME
from trainer.errors import StorageError, TrainingError

SIGNATURE = "serving_default"
PARITY_TOLERANCE = 1e-5
# As in training's validation: what preset best holds of a thousand would be the peak of its memory. The client asks
# for as many at once, since the last bits of an answer may depend on that.
BATCH_SIZE = 250

Predict = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def export_saved_model(network: keras.Model, folder: Path, probe: NDArray[np.uint8]) -> Predict:
    """Write ``network`` into ``folder`` and return the exported model's own predictor, loaded back from there.

    Args:
        network: uint8 (B, 28, 28, 1) → probabilities float32 (B, 10), computing in float32.
        probe: images uint8 (N, 28, 28, 1) on which the export must agree with ``network`` to 1e-5.

    Raises:
        TrainingError: the exported graph holds an op that is not allowed, or predicts something else.
        StorageError: the disk is full.
    """
    # Not Keras's ExportArchive: it stores the variables in an order that changes from process to process, and the
    # same weights are to give the same bytes.
    module = tf.Module()
    module.weights = [variable.value for variable in network.weights]
    image = tf.TensorSpec((None, *IMAGE_SHAPE), tf.uint8, name=INPUT_NAME)

    # Nobody holds a client's tensor to the signature's shape: images of another size would be answered with nonsense,
    # and those without their last axis would end the server's process.
    def answer(image: tf.Tensor) -> dict[str, tf.Tensor]:
        return {OUTPUT_NAME: network(tf.ensure_shape(image, (None, *IMAGE_SHAPE)), training=False)}

    _save(module, folder, tf.function(answer, input_signature=[image]))
    _refuse_unknown_ops(folder)
    predict = load_predictor(folder)
    refuse_disagreement(predict, network, probe)
    return predict


def _save(module: tf.Module, folder: Path, serve: Any) -> None:
    try:
        tf.saved_model.save(module, str(folder), signatures={SIGNATURE: serve})
    except tf.errors.OpError as error:
        raise StorageError(
            f"the model can't be written to {folder}",
            expected="room for it",
            received=error.message,
            do="free space, or set TMPDIR to a disk with more",
        ) from error


def load_predictor(folder: Path) -> Predict:
    """The signature of the SavedModel in ``folder``: images uint8 (B, 28, 28, 1) → probabilities float32 (B, 10).

    On a GPU too it computes in float32, not in TF32, which keeps ten bits: the gates measure again on a processor.
    """
    tf.config.experimental.enable_tensor_float_32_execution(False)
    if keras.backend.backend() != "tensorflow":
        tf.config.set_visible_devices([], "GPU")  # Their memory is taken: another backend trained on them.
    model = tf.saved_model.load(str(folder))
    signature = model.signatures[SIGNATURE]

    def predict(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        batches = [images[start : start + BATCH_SIZE] for start in range(0, len(images), BATCH_SIZE)]
        return np.concatenate([signature(**{INPUT_NAME: tf.constant(batch)})[OUTPUT_NAME].numpy() for batch in batches])

    # A signature does not keep the variables of its model alive.
    predict.model = model  # type: ignore[attr-defined]
    return predict


def _refuse_unknown_ops(folder: Path) -> None:
    refused = operations_refused(folder)
    if refused:
        raise TrainingError(
            "the exported graph holds ops that are not on the allow-list",
            expected="only ops that trainer.artifacts.graph allows",
            received=", ".join(refused),
            do="take the layer that brings them out of the inference network",
        )


def refuse_disagreement(predict: Predict, network: keras.Model, probe: NDArray[np.uint8]) -> None:
    """Raise TrainingError unless the exported model agrees with ``network`` on ``probe`` uint8 (N, 28, 28, 1)."""
    difference = float(np.abs(predict(probe) - np.asarray(network.predict(probe, verbose=0))).max())
    if not difference <= PARITY_TOLERANCE:
        raise TrainingError(
            "the exported model does not predict what the trained one does",
            expected=f"a difference of at most {PARITY_TOLERANCE}",
            received=f"{difference:.2g}",
            do="report this: the model was not published",
        )

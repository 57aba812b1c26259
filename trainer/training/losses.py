"""The loss of every image as it was when training last met it: what the next epoch's visits are chosen by."""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray


class LossOfEach(keras.metrics.Metric):  # type: ignore[misc]
    """Cross-entropy in nats of every image of an epoch of ``count`` images, in the order in which they are met.

    A metric, because that is what Keras updates inside the compiled step on every backend: the losses are there
    anyway, and no image has to be looked at twice.
    """

    def __init__(self, count: int) -> None:
        super().__init__(name="loss_of_each")
        self._losses = self.add_variable((count,), "zeros", dtype="float32", name="losses")
        self._met = self.add_variable((), "zeros", dtype="int32", name="met")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:  # noqa: ARG002
        """Write the losses of the next B images, of labels ``y_true`` int32 (B,) and logits ``y_pred`` (B, 10)."""
        truth = keras.ops.reshape(y_true, (-1,))
        losses = keras.losses.sparse_categorical_crossentropy(truth, y_pred, from_logits=True)
        places = self._met + keras.ops.arange(keras.ops.shape(truth)[0], dtype="int32")
        self._losses.assign(keras.ops.scatter_update(self._losses, places[:, None], losses))
        self._met.assign_add(keras.ops.shape(truth)[0])

    def result(self) -> Any:
        """Their mean, of the whole epoch once it is over."""
        return keras.ops.mean(self._losses)

    def values(self) -> NDArray[np.float32]:
        """The losses of the last whole epoch, float32 (count,)."""
        return np.asarray(keras.ops.convert_to_numpy(self._losses))

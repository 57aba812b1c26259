"""The loss of every image as it was when training last met it: what the next epoch's visits are chosen by."""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from trainer.contract import NUM_CLASSES
from trainer.training.loss import CrossEntropy


class LossOfEach(keras.metrics.Metric):  # type: ignore[misc]
    """Cross-entropy in nats of every image of an epoch of ``count`` images, in the order in which they are met.

    To the likeliest class of its target alone, so without what label smoothing adds.

    A metric, because that is what Keras updates inside the compiled step on every backend: the losses are there
    anyway, and no image has to be looked at twice.
    """

    def __init__(self, count: int) -> None:
        super().__init__(name="loss_of_each")
        self._loss = CrossEntropy()
        self._losses = self.add_variable((count,), "zeros", dtype="float32", name="losses")
        self._met = self.add_variable((), "zeros", dtype="int32", name="met")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:  # noqa: ARG002
        """Write the losses of the next B images, of targets ``y_true`` (B, 10) and logits ``y_pred`` (B, …, 10)."""
        labels = keras.ops.one_hot(keras.ops.argmax(y_true, axis=-1), NUM_CLASSES, dtype="float32")
        losses = self._loss.call(labels, y_pred)
        count = keras.ops.shape(losses)[0]
        places = self._met + keras.ops.arange(count, dtype="int32")
        self._losses.assign(keras.ops.scatter_update(self._losses, places[:, None], losses))
        self._met.assign_add(count)

    def result(self) -> Any:
        """Their mean, of the whole epoch once it is over."""
        return keras.ops.mean(self._losses)

    def values(self) -> NDArray[np.float32]:
        """The losses of the last whole epoch, float32 (count,)."""
        return np.asarray(keras.ops.convert_to_numpy(self._losses))

"""What training lowers."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="trainer")
class SmoothedCrossEntropy(keras.losses.Loss):  # type: ignore[misc]
    """Cross-entropy in nats of logits (B, C) to labels int32 (B,), of which ``smoothing`` is spread over all classes.

    With a smoothing of 0 it is Keras's sparse categorical cross-entropy. Source: Szegedy et al., Rethinking the
    Inception Architecture, 2016, https://arxiv.org/abs/1512.00567.
    """

    def __init__(self, smoothing: float, **options: Any) -> None:
        super().__init__(**options)
        self.smoothing = smoothing

    def call(self, y_true: Any, y_pred: Any) -> Any:
        if self.smoothing == 0:
            return keras.losses.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)
        truth = keras.ops.one_hot(keras.ops.reshape(y_true, (-1,)), y_pred.shape[-1], dtype=y_pred.dtype)
        return keras.losses.categorical_crossentropy(truth, y_pred, from_logits=True, label_smoothing=self.smoothing)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "smoothing": self.smoothing}

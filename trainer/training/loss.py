"""What training lowers, and the share of right answers beside it."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="trainer")
class SmoothedCrossEntropy(keras.losses.Loss):  # type: ignore[misc]
    """Cross-entropy in nats of logits (B, C) to labels int32 (B,), of which ``smoothing`` is spread over all classes.

    Of an ensemble's logits (B, K, C) it is the mean of what each of the K members has: none learns by the others.
    The gradient of a member is a K-th of what it would be alone, which matters only where it is clipped.

    With a smoothing of 0 it is Keras's sparse categorical cross-entropy. Source: Szegedy et al., Rethinking the
    Inception Architecture, 2016, https://arxiv.org/abs/1512.00567.
    """

    def __init__(self, smoothing: float, **options: Any) -> None:
        super().__init__(**options)
        self.smoothing = smoothing

    def call(self, y_true: Any, y_pred: Any) -> Any:
        labels = keras.ops.reshape(y_true, (-1,))
        if not _of_ensemble(y_pred):
            return self._losses(labels, y_pred)
        of_each = keras.ops.repeat(labels[:, None], y_pred.shape[1], axis=1)
        return keras.ops.mean(self._losses(of_each, y_pred), axis=1)

    def _losses(self, labels: Any, logits: Any) -> Any:
        """Those of logits (…, C) to labels (…)."""
        if self.smoothing == 0:
            return keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        truth = keras.ops.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
        return keras.losses.categorical_crossentropy(truth, logits, from_logits=True, label_smoothing=self.smoothing)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "smoothing": self.smoothing}


def right_answers(y_true: Any, y_pred: Any) -> Any:
    """1 where logits (B, C), or the mean of an ensemble's (B, K, C), are highest at the label int32 (B,), else 0."""
    logits = keras.ops.mean(y_pred, axis=1) if _of_ensemble(y_pred) else y_pred
    return keras.metrics.sparse_categorical_accuracy(keras.ops.reshape(y_true, (-1,)), logits)


def _of_ensemble(logits: Any) -> bool:
    return len(logits.shape) == 3

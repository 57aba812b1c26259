"""What training lowers, and the share of right answers beside it."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="trainer")
class CrossEntropy(keras.losses.Loss):  # type: ignore[misc]
    """Cross-entropy in nats of logits (B, C) to targets float32 (B, C), distributions over the classes.

    Of an ensemble's logits (B, K, C) it is the mean of what each of the K members has: none learns by the others.
    The gradient of a member is a K-th of what it would be alone, which matters only where it is clipped.
    """

    def call(self, y_true: Any, y_pred: Any) -> Any:
        if not _of_ensemble(y_pred):
            return keras.ops.categorical_crossentropy(y_true, y_pred, from_logits=True)
        of_each = keras.ops.repeat(y_true[:, None], y_pred.shape[1], axis=1)
        return keras.ops.mean(keras.ops.categorical_crossentropy(of_each, y_pred, from_logits=True), axis=1)


def right_answers(y_true: Any, y_pred: Any) -> Any:
    """1 where logits (B, C), or the mean of an ensemble's (B, K, C), are highest where ``y_true`` (B, C) is, else 0."""
    logits = keras.ops.mean(y_pred, axis=1) if _of_ensemble(y_pred) else y_pred
    return keras.metrics.categorical_accuracy(y_true, logits)


def _of_ensemble(logits: Any) -> bool:
    return len(logits.shape) == 3

"""Finding the step at which training stopped being finite, without leaving the compiled loop at every step."""

from typing import Any

import keras

from trainer.errors import TrainingError

METRIC_NAME = "first_non_finite_step"


class FirstNonFiniteStep(keras.metrics.Metric):  # type: ignore[misc]
    """The first step of the epoch, from 1, whose logits held a NaN or an infinity; 0 while there is none.

    A metric, because that is what Keras updates inside the compiled step on every backend. Cross-entropy of finite
    logits is finite, so the loss turns non-finite in exactly this step.
    """

    def __init__(self) -> None:
        super().__init__(name=METRIC_NAME)
        self._steps = self.add_variable((), "zeros", dtype="int32", name="steps")
        self._first = self.add_variable((), "zeros", dtype="int32", name="first")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:  # noqa: ARG002
        """Count one step with logits ``y_pred`` float (B, …, 10)."""
        self._steps.assign_add(1)
        finite = keras.ops.all(keras.ops.isfinite(y_pred))
        is_first = keras.ops.logical_and(keras.ops.logical_not(finite), keras.ops.equal(self._first, 0))
        self._first.assign(keras.ops.where(is_first, self._steps.value, self._first.value))

    def result(self) -> Any:
        """int32 ()."""
        return keras.ops.convert_to_tensor(self._first)


class StopOnNonFinite(keras.callbacks.Callback):  # type: ignore[misc]
    """Raises TrainingError with the number of the step, counted from the start of training.

    ``steps_before``: the steps of all earlier epochs.
    """

    def __init__(self, steps_before: int) -> None:
        super().__init__()
        self._steps_before = steps_before

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        step = int((logs or {}).get(METRIC_NAME, 0))
        if step:
            raise TrainingError(
                f"the loss is not finite at step {self._steps_before + step}",
                expected="a finite loss",
                received="NaN or infinity in the network's output",
                do="lower --learning-rate, or choose --precision float32",
            )

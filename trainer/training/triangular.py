"""A learning rate that rises, then falls to nothing by the last step."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="trainer")
class Triangular(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """Rises in equal steps to ``peak`` over the first ``warmup_fraction`` of ``steps``, then falls in equal steps to 0.

    A short training that ends at a rate of 0 ends at a better point than one that stops at a high rate. Smith and
    Topin, Super-Convergence, 2018, https://arxiv.org/abs/1708.07120. It depends on the optimizer's count of steps
    alone, so it goes on after a restart where it was.
    """

    def __init__(self, peak: float, warmup_fraction: float, *, steps: int) -> None:
        super().__init__()
        self.peak = peak
        self.warmup_fraction = warmup_fraction
        self.steps = steps

    def __call__(self, step: Any) -> Any:
        """The rate float32 () of ``step``, counted from 0."""
        done = keras.ops.cast(step, "float32")
        warmup = max(1.0, self.warmup_fraction * self.steps)
        rising = (done + 1) / warmup
        falling = (self.steps - done) / max(1.0, self.steps - warmup)
        return self.peak * keras.ops.clip(keras.ops.minimum(rising, falling), 0.0, 1.0)

    def get_config(self) -> dict[str, Any]:
        return {"peak": self.peak, "warmup_fraction": self.warmup_fraction, "steps": self.steps}

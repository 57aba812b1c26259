"""The weights that are validated and served: an average over the second half of an epoch, not the last step's.

With a constant learning rate the weights circle around a better point than any they visit. Averaging costs nothing and
leaves training as it is: it goes on from the last step's weights. The batch statistics of averaged weights have to be
measured anew (``trainer.training.statistics``). Izmailov et al., Averaging Weights Leads to Wider Optima and Better
Generalization, 2018, https://arxiv.org/abs/1803.05407.
"""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray


class WeightAverage(keras.callbacks.Callback):  # type: ignore[misc]
    """Averages the trainable weights after each execution of the compiled loop in the second half of an epoch.

    ``steps`` are those of one epoch.
    """

    def __init__(self, steps: int) -> None:
        super().__init__()
        self._steps = steps
        self._sum: list[NDArray[np.float64]] = []
        self._count = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Forget the epoch before."""
        self._sum, self._count = [], 0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """``batch`` is the index of the last step of this execution."""
        if 2 * (batch + 1) <= self._steps:
            return
        if keras.backend.backend() == "jax":
            self.model.jax_state_sync()  # Until then the variables hold what they were before the epoch.
        weights = [keras.ops.convert_to_numpy(v).astype(np.float64) for v in self.model.trainable_variables]
        self._sum = [total + weight for total, weight in zip(self._sum, weights, strict=False)] or weights
        self._count += 1

    def mean(self) -> list[NDArray[np.float32]]:
        """The average, in the order of the model's trainable variables."""
        return [(total / self._count).astype(np.float32) for total in self._sum]

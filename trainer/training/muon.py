"""Muon: convolutions move by an orthogonal matrix each step, everything else by Adam."""

import math
from typing import Any

import keras

from trainer.training.optimizer import FusedAdam

# Jordan's quintic: its slope at 0 is as steep as it can be, so three rounds bring every singular value near 1.
_QUINTIC = (3.4445, -4.7750, 2.0315)
_ROUNDS = 3


@keras.saving.register_keras_serializable(package="trainer")
class Muon(FusedAdam):
    """Momentum whose direction has equal weight in every singular direction, for the kernels of convolutions.

    A kernel (H, W, C_in, C_out) is taken as the matrix of H·W·C_in rows and C_out columns. A step first scales it to
    the norm √C_out, which batch normalisation makes up for, then moves it by ``kernel_learning_rate`` times the
    orthogonal matrix nearest to its momentum. A kernel with one input channel, and every other variable, is left to
    Adam at ``learning_rate``. Both rates follow the schedule of ``learning_rate``, whose highest value is ``peak``.

    Kernels have no weight decay: their norm is fixed. Every kernel that is moved so has to be followed by a batch
    normalisation. Keras's own Muon takes matrices only, never kernels.

    Sources: Jordan et al., Muon, 2024, https://kellerjordan.github.io/posts/muon/; for convolutions, with the norm
    fixed, as in Jordan's https://github.com/KellerJordan/cifar10-airbench (airbench94_muon.py).
    """

    def __init__(
        self, learning_rate: Any, *, peak: float, kernel_learning_rate: float, momentum: float = 0.6, **options: Any
    ) -> None:
        super().__init__(learning_rate, **options)
        self.peak = peak
        self.kernel_learning_rate = kernel_learning_rate
        self.momentum = momentum

    def build(self, variables: list[keras.Variable]) -> None:
        """Make the moments, and take the kernels out of Adam's weight decay."""
        kernels = [variable for variable in variables if _is_kernel(variable)]
        if kernels and not self.built:
            self.exclude_from_weight_decay(var_list=kernels)
        super().build(variables)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Move ``variable`` by one step along ``gradient``, of its shape and dtype."""
        if not _is_kernel(variable):
            super().update_step(gradient, variable, learning_rate)
            return
        momentum = self._momentums[self._get_variable_index(variable)]
        self.assign(momentum, self.momentum * momentum + gradient)
        columns = variable.shape[-1]
        ahead = keras.ops.reshape(gradient + self.momentum * momentum, (-1, columns))
        step = keras.ops.reshape(orthogonalised(ahead), variable.shape)
        rate = self.kernel_learning_rate * keras.ops.cast(learning_rate, variable.dtype) / self.peak
        length = keras.ops.sqrt(keras.ops.sum(keras.ops.square(variable)))
        self.assign(variable, variable * (math.sqrt(columns) / length) - rate * step)

    def get_config(self) -> dict[str, Any]:
        own = {"peak": self.peak, "kernel_learning_rate": self.kernel_learning_rate, "momentum": self.momentum}
        return {**super().get_config(), **own}


def orthogonalised(matrix: Any) -> Any:
    """About U Vᵀ of ``matrix`` = U S Vᵀ, float32 (M, N): singular values within 0.5 and 1.5 unless tiny beforehand.

    Newton-Schulz iterations of the smaller side: products of matrices alone, no decomposition.
    """
    rows, columns = matrix.shape
    wide = keras.ops.transpose(matrix) if rows > columns else matrix
    wide = wide / (keras.ops.sqrt(keras.ops.sum(keras.ops.square(wide))) + 1e-7)
    a, b, c = _QUINTIC
    for _ in range(_ROUNDS):
        square = keras.ops.matmul(wide, keras.ops.transpose(wide))
        wide = a * wide + keras.ops.matmul(b * square + c * keras.ops.matmul(square, square), wide)
    return keras.ops.transpose(wide) if rows > columns else wide


def _is_kernel(variable: Any) -> bool:
    return len(variable.shape) == 4 and variable.shape[2] > 1

"""Adam that gives what Keras's gives, by one kernel for each variable on the TensorFlow backend."""

from typing import Any

import keras

_ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
if _ON_TENSORFLOW:
    import tensorflow as tf


@keras.saving.register_keras_serializable(package="trainer")
class FusedAdam(keras.optimizers.Adam):  # type: ignore[misc]
    """Keras's Adam, a dozen element-wise ops a variable replaced by one, and its weight decay's three by another.

    The smaller the batch, the larger the share of a step that this saves. Other backends, whose compilers fuse for
    themselves, take Keras's own path. Source: Kingma and Ba, 2015, https://arxiv.org/abs/1412.6980; decay as in
    Loshchilov and Hutter, 2019, https://arxiv.org/abs/1711.05101.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Move ``variable`` and its two moments by one step along ``gradient``, of its shape and dtype."""
        if not _ON_TENSORFLOW or self.amsgrad:
            super().update_step(gradient, variable, learning_rate)
            return
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(tf.cast(self.beta_1, variable.dtype), step),
            beta2_power=tf.pow(tf.cast(self.beta_2, variable.dtype), step),
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )

    def _apply_weight_decay(self, variables: list[Any]) -> None:
        if not _ON_TENSORFLOW or self.weight_decay is None:
            super()._apply_weight_decay(variables)
            return
        for variable in variables:
            if self._use_weight_decay(variable):
                value = variable.value
                share = tf.cast(self.learning_rate * self.weight_decay, value.dtype)
                tf.raw_ops.ResourceApplyGradientDescent(var=value.handle, alpha=share, delta=value)

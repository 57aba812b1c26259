"""Adam that gives what Keras's gives, by one kernel for each variable on the TensorFlow backend."""

from typing import Any

import keras

_ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
if _ON_TENSORFLOW:
    import tensorflow as tf


@keras.saving.register_keras_serializable(package="trainer")
class FusedAdam(keras.optimizers.Adam):  # type: ignore[misc]
    """Keras's Adam, a dozen element-wise ops a variable replaced by one, and its weight decay's three by another.

    What is the same for all variables is computed once, and the norms by which gradients are clipped together.

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
        beta_1_power, beta_2_power = (tf.cast(power, variable.dtype) for power in self._powers)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=beta_1_power,
            beta2_power=beta_2_power,
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )

    def _backend_update_step(self, grads: list[Any], trainable_variables: list[Any], learning_rate: Any) -> None:
        if _ON_TENSORFLOW:
            step = tf.cast(self.iterations + 1, "float32")
            self._powers = tf.pow(self.beta_1, step), tf.pow(self.beta_2, step)
        super()._backend_update_step(grads, trainable_variables, learning_rate)

    def _clip_gradients(self, grads: list[Any]) -> list[Any]:
        if not (_ON_TENSORFLOW and self.clipnorm):
            clipped: list[Any] = super()._clip_gradients(grads)
            return clipped
        squares = 2 * tf.stack([tf.nn.l2_loss(gradient) for gradient in grads])
        # A gradient that is not too long is multiplied by exactly 1.
        factors = self.clipnorm / tf.maximum(tf.sqrt(squares), self.clipnorm)
        return [gradient * factor for gradient, factor in zip(grads, tf.unstack(factors), strict=True)]

    def _apply_weight_decay(self, variables: list[Any]) -> None:
        if not _ON_TENSORFLOW or self.weight_decay is None:
            super()._apply_weight_decay(variables)
            return
        share = self.learning_rate * self.weight_decay
        for variable in variables:
            if self._use_weight_decay(variable):
                value = variable.value
                tf.raw_ops.ResourceApplyGradientDescent(
                    var=value.handle, alpha=tf.cast(share, value.dtype), delta=value
                )

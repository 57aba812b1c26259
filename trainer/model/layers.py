"""Layers that give what their Keras namesakes give, faster on the TensorFlow backend.

On other backends, whose compilers fuse for themselves, they *are* their Keras namesakes.
"""

from typing import Any

import keras

_ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
if _ON_TENSORFLOW:
    import tensorflow as tf

_FUSED_DTYPES = ("float32", "bfloat16", "float16")
_BYTE_VALUES = 256
# At 7 x 7 and below the other way is faster, at 14 x 14 it is not (docs/decisions.md).
_SMALL_MAP = 8


@keras.saving.register_keras_serializable(package="trainer")
class FusedBatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc]
    """Batch normalisation by TensorFlow's one fused kernel instead of a chain of element-wise ones.

    Inputs (B, C) or (B, H, W, C), channels last; everything else (other ranks or axes, masks, batch
    renormalisation, synchronised statistics, float64) takes Keras' own path.

    In training it normalises by the batch's mean and variance and moves the moving averages towards them; in
    inference, and when ``trainable`` is False, it normalises by the moving averages.

    Source: Ioffe and Szegedy, 2015, https://arxiv.org/abs/1502.03167.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if mask is not None or not self._can_fuse(inputs):
            return super().call(inputs, training=training, mask=mask)
        images = inputs if len(inputs.shape) == 4 else inputs[:, None, None, :]
        normalised = self._normalise(images, training=bool(training and self.trainable))
        return normalised if len(inputs.shape) == 4 else normalised[:, 0, 0, :]

    def _can_fuse(self, inputs: Any) -> bool:
        rank = len(inputs.shape)
        return (
            _ON_TENSORFLOW
            and rank in (2, 4)
            and self.axis in (-1, rank - 1)
            and keras.backend.standardize_dtype(inputs.dtype) in _FUSED_DTYPES
            and not (self.renorm or self.synchronized)
        )

    def _normalise(self, images: Any, *, training: bool) -> Any:
        """(B, H, W, C) -> the same shape and dtype; scale, offset and statistics are float32 throughout."""
        channels = (images.shape[-1],)
        y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=images,
            scale=self.gamma if self.scale else tf.ones(channels),
            offset=self.beta if self.center else tf.zeros(channels),
            mean=[] if training else self.moving_mean,
            variance=[] if training else self.moving_variance,
            epsilon=self.epsilon,
            is_training=training,
        )
        if training:
            self._update_moving_averages(mean, _biased(variance, count=tf.size(images) // channels[0]))
        return y

    def _update_moving_averages(self, mean: Any, variance: Any) -> None:
        self.moving_mean.assign(self.moving_mean * self.momentum + mean * (1.0 - self.momentum))
        self.moving_variance.assign(self.moving_variance * self.momentum + variance * (1.0 - self.momentum))


def _biased(variance: Any, *, count: Any) -> Any:
    """Undo Bessel's correction: the kernel divides the sum of squares by count - 1, Keras by count.

    ``variance`` float32 (C,); ``count`` int (), the values per channel. Of one value, the variance is 0.
    """
    count = tf.cast(count, "float32")
    return variance * ((count - 1.0) / count)


@keras.saving.register_keras_serializable(package="trainer")
class ByteDropout(keras.layers.Dropout):  # type: ignore[misc]
    """Dropout that draws one random byte for a value instead of a 32-bit number.

    In training each value is set to 0 with probability ``rate`` or else divided by 1 - ``rate``; in inference nothing
    is changed. TensorFlow draws on one core while the others wait, so a quarter of the random bits is a quarter of
    the time. The probability is exact: a rate that isn't a multiple of 1/256 takes Keras's own path, as do shared
    masks (``noise_shape``). The random state is that of Keras's layer: one seed generator, drawn from once a step.

    Source: Srivastava et al., 2014, https://jmlr.org/papers/v15/srivastava14a.html.
    """

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not (training and self._can_use_bytes()):
            return super().call(inputs, training=training)
        kept = _random_bytes(tf.shape(inputs), self.seed_generator.next()) >= int(self.rate * _BYTE_VALUES)
        # One factor for both, so that the gradient is one product too.
        return inputs * (tf.cast(kept, inputs.dtype) * tf.cast(1 / (1 - self.rate), inputs.dtype))

    def _can_use_bytes(self) -> bool:
        whole = float(self.rate * _BYTE_VALUES).is_integer()
        return _ON_TENSORFLOW and self.rate > 0 and whole and self.noise_shape is None


def _random_bytes(shape: Any, seed: Any) -> Any:
    """uint8 of ``shape`` int32 (rank,), each value of [0, 255] equally likely, from ``seed`` uint32 (2,) alone.

    The seed is Philox's key, and each key has a stream of its own (Salmon et al., Parallel Random Numbers, 2011). What
    ``tf.random.stateless_uniform`` does beforehand, scrambling the seed, takes a dozen ops in every step.
    """
    count = tf.reduce_prod(shape)
    words = tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=[(count + 3) // 4],
        key=tf.bitcast(tf.cast(seed, "uint32")[None], "uint64"),
        counter=tf.zeros([2], "uint64"),
        alg=tf.random.Algorithm.PHILOX.value,
        dtype="uint32",
    )
    return tf.reshape(tf.reshape(tf.bitcast(words, "uint8"), [-1])[:count], shape)


@keras.saving.register_keras_serializable(package="trainer")
class SmallMapConv2D(keras.layers.Conv2D):  # type: ignore[misc]
    """A convolution whose kernel's gradient is a convolution too, where TensorFlow's own op for it is slow.

    That op takes longer than the forward pass where images are small and bfloat16. The gradient at (i, j) is the sum
    over batch and places of the input, moved by (i, j), times the output's gradient: a forward convolution in which
    the batch is the channel that is summed over, and the output's gradient is the kernel.

    Everything but images (B, H, W, C) in bfloat16 of at most 8 x 8, with stride 1, padding "same" and an odd kernel,
    takes Keras's own path, which computes the same.

    Source: Mathieu et al., Fast Training of Convolutional Networks through FFTs, 2014, section 2,
    https://arxiv.org/abs/1312.5851: the gradient is a convolution of the input with the output's gradient.
    """

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        return _convolved(inputs, kernel) if self._gains(inputs) else super().convolution_op(inputs, kernel)

    def _gains(self, inputs: Any) -> bool:
        return (
            _ON_TENSORFLOW
            and keras.backend.standardize_dtype(inputs.dtype) == "bfloat16"
            and (self.padding, self.data_format, self.groups) == ("same", "channels_last", 1)
            and self.strides == self.dilation_rate == (1, 1)
            and all(size % 2 for size in self.kernel_size)
            and all(size is not None and size <= _SMALL_MAP for size in inputs.shape[1:3])
        )


def _convolved(images: Any, kernel: Any) -> Any:
    """Images (B, H, W, C) and kernel (K, L, C, D) -> (B, H, W, D)."""

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def convolve(images: Any, kernel: Any) -> Any:
        def gradients(upstream: Any) -> tuple[Any, Any]:
            to_images = tf.nn.conv2d_transpose(upstream, kernel, tf.shape(images), strides=1, padding="SAME")
            return to_images, _kernel_gradient(images, upstream, kernel.shape[:2])

        return tf.nn.conv2d(images, kernel, strides=1, padding="SAME"), gradients

    return convolve(images, tf.convert_to_tensor(kernel))


def _kernel_gradient(images: Any, upstream: Any, size: tuple[int, int]) -> Any:
    """Images (B, H, W, C), gradient of the output (B, H, W, D) and ``size`` (K, L) -> (K, L, C, D)."""
    above, left = (length // 2 for length in size)
    gradient = tf.nn.conv2d(
        tf.transpose(images, (3, 1, 2, 0)),
        tf.transpose(upstream, (1, 2, 0, 3)),
        strides=1,
        padding=((0, 0), (above, above), (left, left), (0, 0)),
    )
    return tf.transpose(gradient, (1, 2, 0, 3))

"""Arrays as Keras's ``fit`` and ``predict`` are to take them: batch after batch, in their own order."""

from collections.abc import Mapping
from typing import Any

import keras
from numpy.typing import NDArray

_ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
if _ON_TENSORFLOW:
    import tensorflow as tf


def fed(
    inputs: NDArray[Any] | Mapping[str, NDArray[Any]], targets: NDArray[Any] | None, batch_size: int
) -> dict[str, Any]:
    """Arguments for ``fit``, or without ``targets`` for ``predict``; the last batch may be smaller.

    On TensorFlow Keras would make an input pipeline of the arrays that tunes itself. When it ends, it waits for its
    tuner, which sleeps for 10 ms, then 20 ms, and so on: an epoch takes as long as the next of these sums, up to
    twice its time. This pipeline tunes nothing.
    """
    if not _ON_TENSORFLOW:
        return {"x": inputs, "batch_size": batch_size} | ({} if targets is None else {"y": targets})
    arrays = (inputs,) if targets is None else (inputs, targets)
    tensors = keras.tree.map_structure(tf.convert_to_tensor, arrays)
    count = len(keras.tree.flatten(arrays)[0])

    def batch(start: Any) -> Any:
        return keras.tree.map_structure(lambda tensor: tensor[start : start + batch_size], tensors)

    options = tf.data.Options()
    options.autotune.enabled = False
    return {"x": tf.data.Dataset.range(0, count, batch_size).map(batch).prefetch(2).with_options(options)}

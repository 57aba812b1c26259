"""Several processes and several devices that train one model: Keras on JAX.

Each process reads the data, draws an epoch's order, warps and rectangles from the seed: it has every batch as a whole;
``trainer.model.spread`` divides the work. What only one may do, the primary does: it reads and writes checkpoints, and
tells the others where to start.
"""

import hashlib
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Thread
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from trainer.errors import Interrupted, SettingsError, StorageError
from trainer.training.checkpoint import TrainingState, decode, encode

# A machine with a GPU may take that much longer than another to start.
JOIN_SECONDS = 600
ABORT_LATER_SECONDS = 60
# How long a replica may be silent: a machine that was taken away does not close its connections.
HEARTBEAT_SECONDS = 30
SHUTDOWN_SECONDS = 60
LOST = "another replica of this job is gone"

log = logging.getLogger(__name__)


class WholeBatches(keras.distribution.DataParallel):  # type: ignore[misc]
    """Keras's data parallelism, but that each process is given the whole batch, not its part of it."""

    def get_data_layout(self, data_shape: Sequence[int]) -> keras.distribution.TensorLayout:
        return keras.distribution.TensorLayout([None] * len(data_shape), self.device_mesh)


def join(addresses: Sequence[str], rank: int, *, seconds: int = JOIN_SECONDS) -> None:
    """Meet the other replicas. Comes before anything else that JAX computes. Raises StorageError if one is missing.

    Not ``keras.distribution.initialize``, which calls the same function without its time limits.
    """
    import jax

    # It would take SIGTERM for itself.
    jax.config.update("jax_enable_preemption_service", False)
    log.info("replica %d of %d, waiting for the others; the primary is at %s", rank, len(addresses), addresses[0])
    met: Future[None] = Future()

    def meet() -> None:
        try:
            jax.distributed.initialize(
                addresses[0],
                num_processes=len(addresses),
                process_id=rank,
                cluster_detection_method="deactivate",
                initialization_timeout=seconds + ABORT_LATER_SECONDS,
                heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
                shutdown_timeout_seconds=SHUTDOWN_SECONDS,
            )
        except Exception as error:
            met.set_exception(error)
        else:
            met.set_result(None)

    # In a thread, so that this one hears of signals, and of the time: JAX ends the process by abort() when it is up.
    Thread(target=meet, daemon=True).start()
    try:
        met.result(timeout=seconds)
    except (RuntimeError, ValueError, TimeoutError) as error:
        raise StorageError(
            "the replicas did not find each other",
            expected=f"{len(addresses)} replicas within {seconds} s, the primary at {addresses[0]}",
            received=_first_line(error) or f"fewer, as replica {rank} sees it",
            do="see whether all of them started, and whether the network lets them reach the primary",
        ) from error


def use_all_devices() -> int:
    """Train on every device of every process from now on; how many those are. Comes before the network is built."""
    devices = keras.distribution.list_devices()
    if len(devices) > 1:
        keras.distribution.set_distribution(WholeBatches(devices=devices, auto_shard_dataset=False))
    return len(devices)


def several() -> bool:
    """Whether more than one device trains."""
    return keras.distribution.distribution() is not None


def leave() -> None:
    """Part from the other replicas, once all have come here. From now on this process computes alone."""
    import jax

    keras.distribution.set_distribution(None)
    if jax.distributed.is_initialized():
        jax.distributed.shutdown()


def agree(identity: str) -> None:
    """Raise SettingsError, in every replica, unless all replicas are about to train the same model on the same data."""
    ranks = _all_gathered(np.frombuffer(hashlib.sha256(identity.encode()).digest(), dtype=np.uint8))
    others = [rank for rank, theirs in enumerate(ranks) if not np.array_equal(theirs, ranks[0])]
    if others:
        raise SettingsError(
            "the replicas are not about to train the same model",
            expected="the same settings, data, code and precision in each",
            received=f"others in replica {', '.join(map(str, others))} than in the primary",
            do="give every pool the same image and arguments, --data that each replica can have, "
            "and --precision float32 where only some processors have bfloat16",
        )


def told_by_primary(start: TrainingState | None) -> TrainingState | None:
    """The state that the primary starts from; ``start`` of the others does not count."""
    content = np.frombuffer(encode(start, {}) if start else b"", dtype=np.uint8)
    size = int(_told(np.array(len(content), dtype=np.int32)))
    if not size:
        return None
    padded = content if len(content) == size else np.zeros(size, dtype=np.uint8)
    return decode(_told(padded).tobytes(), "of the primary")[0]


@contextmanager
def lost_replicas_interrupt() -> Iterator[None]:
    """Within the context, Interrupted stands for what JAX raises when another replica is gone."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        if not _means_lost(str(error)):
            raise
        raise Interrupted(
            f"{LOST} ({_first_line(error)}) – start the job again to go on after its last epoch"
        ) from error


def _means_lost(text: str) -> bool:
    return any(sign in text for sign in ("Gloo", "NCCL", "oordination service", "heartbeat"))


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _all_gathered(value: NDArray[Any]) -> NDArray[Any]:
    from jax.experimental import multihost_utils

    return np.asarray(multihost_utils.process_allgather(value))


def _told(value: NDArray[Any]) -> NDArray[Any]:
    from jax.experimental import multihost_utils

    return np.asarray(multihost_utils.broadcast_one_to_all(value))

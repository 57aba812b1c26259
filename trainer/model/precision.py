"""Which arithmetic training uses: bfloat16 only pays where the processor or the accelerator computes in it."""

import keras

from trainer import processor

BFLOAT16_COMPUTE_CAPABILITY = 8  # NVIDIA Ampere


def resolve_precision(wanted: str) -> str:
    """``float32`` or ``bfloat16`` for ``wanted``, which may be ``auto``."""
    if wanted != "auto":
        return wanted
    return "bfloat16" if computes_in_bfloat16() else "float32"


def dtype_policy(precision: str) -> str:
    """The name of Keras's policy: with bfloat16 the variables stay float32."""
    return "mixed_bfloat16" if precision == "bfloat16" else "float32"


def backend() -> str:
    """Keras's backend: ``tensorflow`` or ``jax``."""
    return str(keras.backend.backend())


def accelerators() -> list[str]:
    """The names of the accelerators the backend sees; empty on a machine that has only processors."""
    if backend() == "jax":
        import jax

        return [device.device_kind for device in jax.devices() if device.platform != "cpu"]
    return [str(details.get("device_name", "GPU")) for details in _tensorflow_gpus()]


def computes_in_bfloat16() -> bool:
    """Whether the accelerators, or without one the processor, have instructions for it; without, it is imitated."""
    if backend() == "jax" and accelerators():
        import jax

        return all(float(getattr(d, "compute_capability", 8)) >= BFLOAT16_COMPUTE_CAPABILITY for d in jax.devices())
    gpus = _tensorflow_gpus() if backend() == "tensorflow" else []
    if gpus:
        return all(gpu.get("compute_capability", (0, 0))[0] >= BFLOAT16_COMPUTE_CAPABILITY for gpu in gpus)
    return processor.multiplies_bfloat16()


def _tensorflow_gpus() -> list[dict[str, tuple[int, int]]]:
    import tensorflow as tf

    return [tf.config.experimental.get_device_details(device) for device in tf.config.list_physical_devices("GPU")]

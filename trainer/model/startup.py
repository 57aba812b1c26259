"""Starting Keras and its backend: with the fast kernels, and without lines that Vertex AI would show as errors."""

import gc
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TextIO

# TensorFlow's C++ part writes these to stderr before any setting of its log takes effect.
NOTICES = ("I0000 ", "WARNING: All log messages before absl::InitializeLog()", "To enable the following instructions")
# Why no GPU was found: worth a warning, but not where there is none to be found.
NO_GPU = "failed call to cuInit"
NVIDIA_DRIVER = Path("/proc/driver/nvidia")
# Read once, when TensorFlow is imported.
ONEDNN = "TF_ENABLE_ONEDNN_OPTS"
# Keras and TensorFlow import these where they are installed, for parts of theirs that nobody here uses, and do without
# them where they are not. They are two fifths of that import, and 0.2 GB. JAX, which needs SciPy, is unused only where
# it doesn't train.
UNUSED = ("matplotlib", "sklearn")
UNUSED_ON_TENSORFLOW = (*UNUSED, "jax", "scipy")

log = logging.getLogger(__name__)


def start_keras() -> None:
    """Import Keras, and so its backend, and look for devices. Comes before any other import of TensorFlow."""
    # TensorFlow turns its oneDNN kernels on by itself on some processors only. They are the faster ones on the others
    # too (1.5 times on an AMD EPYC without AVX-512), and a run that goes on elsewhere is to compute with the same ones.
    if "tensorflow" in sys.modules and ONEDNN not in os.environ:
        log.warning("TensorFlow was imported before trainer.model, and may compute with slower kernels")
    os.environ.setdefault(ONEDNN, "1")
    unused = UNUSED_ON_TENSORFLOW if os.environ.get("KERAS_BACKEND") == "tensorflow" else UNUSED
    with signals_held_back(), stderr_as_log(), not_imported(unused), garbage_left_alone():
        import keras

        forget_users_settings()
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            tf.config.list_physical_devices()


def forget_users_settings() -> None:
    """Undo what the user's ``keras.json`` and variables say: the same command gives the same weights for everybody."""
    import keras

    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")
    keras.config.set_max_epochs(None)
    keras.config.set_max_steps_per_epoch(None)


@contextmanager
def signals_held_back() -> Iterator[None]:
    """Within the context SIGTERM and SIGINT wait.

    What their handler raises while a compiled module is imported may come out as an ImportError, be passed over, or
    abort the process. The threads that the backend starts never answer signals then, as they should not.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def not_imported(packages: Sequence[str]) -> Iterator[None]:
    """Within the context whoever imports one of ``packages`` that are not in yet is told that it isn't installed."""
    hidden = [name for name in packages if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # Python's own mark of what can't be imported.
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextmanager
def garbage_left_alone() -> Iterator[None]:
    """Within the context no garbage is looked for, and later none among what is there at its end.

    The import makes 450,000 objects that stay. Each look through them takes up to a third of a second.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def stderr_as_log() -> Iterator[None]:
    """Hold back what the process writes to stderr; log it as warnings at the end, but for the notices.

    Among it is why no GPU was found.
    """
    with _held_back(sys.stderr, 2, _warn_unless_notice):
        yield


@contextmanager
def stdout_as_log() -> Iterator[None]:
    """Hold back what the process writes to stdout, where under Vertex AI each line is an object; log it at the end."""
    with _held_back(sys.stdout, 1, partial(log.info, "%s")):
        yield


@contextmanager
def _held_back(stream: TextIO | None, descriptor: int, tell: Callable[[str], None]) -> Iterator[None]:
    """Within the context nothing is written to ``descriptor``, from C++ neither; at its end each line is told."""
    if stream is None:  # Closed by who started us.
        yield
        return
    stream.flush()
    original = os.dup(descriptor)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), descriptor)
        try:
            yield
        finally:
            stream.flush()
            os.dup2(original, descriptor)
            os.close(original)
            held.seek(0)
            for line in held.read().decode(errors="replace").splitlines():
                tell(line)


def _warn_unless_notice(line: str) -> None:
    if not _is_notice(line):
        log.warning("%s", line)


def _is_notice(line: str) -> bool:
    return line.startswith(NOTICES) or (NO_GPU in line and not NVIDIA_DRIVER.exists())

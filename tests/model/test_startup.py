"""Each in a process of its own: what is written to stderr before Python sees it can only be seen from outside."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

STARTUP = Path(__file__).parents[2] / "trainer" / "model" / "startup.py"
# Not from trainer.model.startup: importing that starts Keras in this process.
NOTICES = ("I0000 ", "WARNING: All log messages", "To enable the following")
QUIET = "import trainer.model"
# By itself, without the package whose import starts Keras.
LOUD = f"""
import os, runpy
startup = runpy.run_path({str(STARTUP)!r})
try:
    with startup["stderr_as_log"]():
        os.write(2, b"I0000 a notice\\nE0000 an error\\n")
        raise ImportError("no backend")
except ImportError as error:
    print(error)
"""


def run(script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("TF_")} | variables
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env, check=False)


@pytest.mark.slow
def test_starting_keras_gives_no_notice_and_has_the_fast_kernels() -> None:
    started = run(QUIET + '; import os; print(os.environ["TF_ENABLE_ONEDNN_OPTS"])')
    assert (started.returncode, started.stdout) == (0, "1\n")
    assert not [line for line in started.stderr.splitlines() if line.startswith(NOTICES)]


@pytest.mark.slow
def test_fast_kernels_that_come_too_late_are_told_of() -> None:
    told = "TensorFlow was imported before trainer.model, and may compute with slower kernels"
    assert told not in run(QUIET).stderr
    assert told in run(f"import keras; {QUIET}").stderr


# What is installed beside Keras, and imported by it or by TensorFlow for parts that nobody here uses.
UNUSED = """
import importlib, sys, trainer.model
packages = ("jax", "matplotlib", "scipy", "sklearn")
print(*[package for package in packages if package in sys.modules])
for package in packages:
    importlib.import_module(package)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "imported"), [("tensorflow", ""), ("jax", "jax scipy")])
def test_keras_starts_without_the_packages_that_nobody_uses_and_they_are_there_later(
    backend: str, imported: str
) -> None:
    """They would be two fifths of the import, and 0.2 GB."""
    started = run(UNUSED, KERAS_BACKEND=backend)
    assert (started.returncode, started.stdout) == (0, f"{imported}\n"), started.stderr


@pytest.mark.slow
def test_what_lies_in_the_users_home_changes_no_result(tmp_path: Path) -> None:
    theirs = {"floatx": "float16", "epsilon": 1e-4, "backend": "jax", "image_data_format": "channels_first"}
    (tmp_path / "keras.json").write_text(json.dumps(theirs))
    show = (
        "from keras.config import *; print(floatx(), epsilon(), image_data_format(), max_epochs(), dtype_policy().name)"
    )
    given = {"KERAS_HOME": str(tmp_path), "KERAS_BACKEND": "tensorflow", "KERAS_MAX_EPOCHS": "1"}
    started = run(f"{QUIET}; {show}", **given)
    assert started.stdout == "float32 1e-07 channels_last None float32\n", started.stderr


def test_a_package_is_hidden_while_others_start_and_stays_if_it_is_in_already() -> None:
    script = f"""
import json, runpy, sys
startup = runpy.run_path({str(STARTUP)!r})
try:
    with startup["not_imported"](["json", "calendar"]):
        import json
        import calendar
except ImportError as error:
    print(error.name)
import calendar
print("json" in sys.modules)
"""
    assert run(script).stdout == "calendar\nTrue\n"


@pytest.mark.slow
def test_what_keras_brings_along_is_never_looked_through_for_garbage() -> None:
    started = run(f"import gc; {QUIET}; print(gc.get_freeze_count() > 100_000, gc.isenabled())")
    assert started.stdout == "True True\n"


@pytest.mark.parametrize(("driver", "warns"), [("/proc", True), ("/nowhere", False)])
def test_that_no_gpu_was_found_is_said_just_where_there_is_one(driver: str, warns: bool) -> None:
    script = f"""
import os, pathlib, runpy
startup = runpy.run_path({str(STARTUP)!r})
startup["_is_notice"].__globals__["NVIDIA_DRIVER"] = pathlib.Path({driver!r})
with startup["stderr_as_log"]():
    os.write(2, b"E0000 00:00:1 failed call to cuInit: INTERNAL\\n")
"""
    assert ("cuInit" in run(script).stderr) == warns


def test_errors_come_through_and_the_stream_is_put_back() -> None:
    broken = run(LOUD + "os.write(2, b'I0000 later\\n')")
    assert broken.stdout == "no backend\n"
    assert broken.stderr.endswith("E0000 an error\nI0000 later\n")


def test_a_stream_that_is_closed_is_let_be() -> None:
    script = f"""
import os, runpy, sys
startup = runpy.run_path({str(STARTUP)!r})
sys.stderr.close()
sys.stderr = None
with startup["stderr_as_log"]():
    print("went on")
"""
    assert run(script).stdout == "went on\n"


def test_what_c_code_prints_is_logged_and_the_stream_is_put_back() -> None:
    script = f"""
import logging, os, runpy
logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
startup = runpy.run_path({str(STARTUP)!r})
with startup["stdout_as_log"]():
    os.write(1, b"[Gloo] Rank 0\\nis connected\\n")
print("later")
"""
    done = run(script)
    assert done.stdout == "later\n"
    assert done.stderr == "INFO [Gloo] Rank 0\nINFO is connected\n"


# A signal comes in the midst of the import of Keras, and so of its backend.
INTERRUPTED = """
import os, signal, sys
from trainer.ending import interrupt_on_signals
from trainer.errors import Interrupted

class Notice:
    def find_spec(self, name, path, target=None):
        if name == "keras.src.models":
            print("notice", flush=True)
            os.kill(os.getpid(), signal.SIGTERM)

interrupt_on_signals()
sys.meta_path.insert(0, Notice())
try:
    import trainer.model
except Interrupted as error:
    print(error, "–", hasattr(sys.modules["keras"], "Model"), signal.pthread_sigmask(signal.SIG_BLOCK, ()))
"""


@pytest.mark.slow
def test_a_signal_is_answered_once_keras_has_started() -> None:
    """In the midst of it, what a handler raises may come out as an ImportError, or be passed over."""
    said = run(INTERRUPTED).stdout.splitlines()
    assert len(said) == 2, said
    assert said[1].startswith("interrupted by SIGTERM – ")
    assert said[1].endswith(" – True set()")

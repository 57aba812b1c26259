"""`--help` and a wrong setting answer at once: nothing heavy is loaded for them."""

import os
import subprocess
import sys
import time

import pytest

# Not google.cloud itself: a .pth file of the SDK creates that namespace at every start.
HEAVY = (
    "tensorflow", "keras", "numpy", "matplotlib", "sklearn", "jinja2", "requests", "rich",
    "google.auth", "google.cloud.storage", "google.cloud.aiplatform",
)  # fmt: skip

LOADED = f"""
import os, runpy, sys
os.environ.clear()
try:
    runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
except SystemExit as exit:
    code = exit.code
print(code, [name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("trainer.task --help", 0),
        ("trainer.task --version", 0),
        ("trainer.task --epochs=0", 2),
        ("trainer.registry --help", 0),
        ("trainer.registry register --help", 0),
        ("trainer.registry promote", 2),
        ("trainer.registry list --registry-root=no-such-folder", 0),
        ("trainer.tune --help", 0),
        ("trainer.tune -- --epochs=0", 2),
        ("trainer.submission --help", 0),
        ("trainer.submission cpu --max-cost=nothing", 2),
    ],
)
def test_no_heavy_library_is_loaded(command, code):
    words = [sys.executable, "-c", LOADED, *command.split()]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == f"{code} []"


@pytest.mark.parametrize("module", ["trainer.task", "trainer.registry", "trainer.submission"])
def test_help_answers_in_half_a_second(module):
    command = [sys.executable, "-m", module, "--help"]
    seconds = []
    for _ in range(5):
        # Processor time, not the clock: other work on the machine must not fail this.
        before = os.times()
        subprocess.run(command, check=True, capture_output=True)
        after = os.times()
        seconds.append(after.children_user + after.children_system - before.children_user - before.children_system)
    assert min(seconds) < 0.5


def test_a_wrong_setting_is_one_line_and_exit_code_2():
    started = time.monotonic()
    command = [sys.executable, "-m", "trainer.task", "--epochs", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "--epochs – expected an integer ≥ 1 – received 0" in done.stderr
    assert time.monotonic() - started < 30

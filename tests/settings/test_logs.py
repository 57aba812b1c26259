import json
import logging
import math
import subprocess
import sys
import warnings

import pytest

from trainer import logs


@pytest.fixture(autouse=True)
def _logging_as_before(monkeypatch):
    """Puts the process's logging back, which `configure` changes."""
    root, ours = logging.getLogger(), logging.getLogger("trainer")
    before = root.handlers[:], root.level, ours.level
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    with warnings.catch_warnings():
        yield
    logging.captureWarnings(False)
    root.handlers[:], level, own_level = before[0], before[1], before[2]
    root.setLevel(level)
    ours.setLevel(own_level)


def test_json_is_one_object_a_line_on_stdout(capsys):
    logs.configure("json", verbose=False)
    logging.getLogger("trainer.task").info("two\nlines", extra={"epoch": 3, "loss": math.nan})
    out, err = capsys.readouterr()
    assert err == ""
    assert out.count("\n") == 1
    entry = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert entry["severity"] == "INFO"
    assert entry["message"] == "two\nlines"
    assert entry["time"].endswith("+00:00")
    assert (entry["epoch"], entry["loss"]) == (3, "nan")


def test_an_extra_cannot_replace_the_severity(capsys):
    logs.configure("json", verbose=False)
    logging.getLogger("trainer").error("bad", extra={"severity": "INFO"})
    assert json.loads(capsys.readouterr().out)["severity"] == "ERROR"


def test_text_is_for_people_on_stderr(capsys):
    logs.configure("text", verbose=False)
    log = logging.getLogger("trainer.task")
    log.debug("unseen")
    log.info("hello")
    log.warning("careful")
    out, err = capsys.readouterr()
    assert (out, err) == ("", "hello\nwarning: careful\n")


def test_verbose_shows_more(capsys):
    logs.configure("text", verbose=True)
    logging.getLogger("trainer").debug("seen")
    assert capsys.readouterr().err == "seen\n"


def test_warnings_of_python_are_logged(capsys):
    logs.configure("json", verbose=False)
    warnings.warn("odd data", UserWarning, stacklevel=1)
    entry = json.loads(capsys.readouterr().out)
    assert entry["severity"] == "WARNING"
    assert "odd data" in entry["message"]


def test_an_error_that_nobody_foresaw_is_one_entry_too_and_its_cause_comes_first():
    program = "from trainer import logs; logs.configure('json', verbose=False); [][3]"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    entry = json.loads(done.stdout)
    assert entry["severity"] == "CRITICAL"
    assert entry["message"].startswith("IndexError: list index out of range\nTraceback (most recent call last):")

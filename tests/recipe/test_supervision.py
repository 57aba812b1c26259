"""The process that watches over a replica: what it passes on, and what it says of an end that came without a word."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.jobs import PROJECT

PROGRAM = """
import os, signal, sys, time
from trainer.ending import fail, interrupt_on_signals
from trainer.errors import Interrupted
from trainer import supervision

supervision.GRACE_SECONDS = 1
interrupt_on_signals()

def told(error):
    if sys.argv[1] == "at_each_word":
        os.kill(os.getpid(), signal.SIGTERM)
    return fail("replica", error, verbose=False)

def heard():
    try:
        print("ready", os.getpid(), flush=True)
        time.sleep(60)
    except Interrupted as error:
        return told(error)

def unheard():
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # As good as in C++.
    return heard()

def during_the_answer():
    try:
        return heard()
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)

at_each_word = heard

def by_signal():
    os.kill(os.getpid(), signal.Signals[sys.argv[2]])

def unanswered():
    os.kill(os.getpid(), signal.SIGTERM)

def code():
    print("said at the end", end="")
    return 5

def unforeseen():
    raise RuntimeError("unforeseen")

def unforeseen_in_a_job():
    from trainer import logs
    logs.configure("json", verbose=False)
    raise RuntimeError("unforeseen")

def leaving():
    raise SystemExit("leaving")

sys.exit(supervision.supervised(globals()[sys.argv[1]], told))
"""


def start(*work: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *work],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def child_of(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline().removeprefix("ready "))


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_exit_code_and_the_last_words_are_the_child_s() -> None:
    process = start("code")
    assert process.communicate(timeout=20) == ("said at the end", "")
    assert process.returncode == 5


def test_the_exit_code_is_the_child_s_though_its_last_words_find_no_room() -> None:
    env = {**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONUNBUFFERED": ""}
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-c", PROGRAM, "code"]
        done = subprocess.run(command, env=env, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=20)
    assert (done.returncode, done.stderr) == (5, "")


@pytest.mark.parametrize(("work", "last"), [("unforeseen", "RuntimeError: unforeseen"), ("leaving", "leaving")])
def test_what_nobody_foresaw_is_shown_and_exits_1(work: str, last: str) -> None:
    process = start(work)
    assert process.communicate(timeout=20)[1].splitlines()[-1].endswith(last)
    assert process.returncode == 1


def test_what_nobody_foresaw_in_a_job_is_one_entry_of_its_log() -> None:
    """Where a traceback on stderr would be an error for each of its lines."""
    out, err = start("unforeseen_in_a_job").communicate(timeout=60)
    assert err == ""
    [entry] = map(json.loads, out.splitlines())
    assert entry["severity"] == "CRITICAL"
    assert entry["message"].startswith("RuntimeError: unforeseen\nTraceback")


ENDS = [
    ("SIGABRT", "another replica of this job is gone (SIGABRT)"),
    ("SIGKILL", "this replica's process was killed (SIGKILL)"),
    ("SIGSEGV", "this replica's process was killed (SIGSEGV)"),
]


@pytest.mark.parametrize(("name", "cause"), ENDS)
def test_an_end_by_a_signal_is_one_line(name: str, cause: str) -> None:
    process = start("by_signal", name)
    assert process.communicate(timeout=20) == (
        "",
        f"replica: {cause} – start the job again to go on after its last epoch\n",
    )
    assert process.returncode == 9


@pytest.mark.parametrize("work", ["heard", "unheard", "during_the_answer", "at_each_word"])
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_notice_ends_the_child_in_time_whether_it_hears_it_or_not(work: str, name: str) -> None:
    process = start(work)
    child = child_of(process)
    os.killpg(process.pid, signal.Signals[name])  # To both, as a terminal does.
    started = time.monotonic()
    said = process.communicate(timeout=20)[1].splitlines()
    assert time.monotonic() - started < 10
    assert process.returncode == 9
    assert all(line.startswith("replica: interrupted by SIG") for line in said), said
    assert said
    assert not is_alive(child)


def test_a_notice_that_the_work_does_not_answer_is_answered() -> None:
    process = start("unanswered")
    said = process.communicate(timeout=20)[1]
    assert said == "replica: interrupted by SIGTERM – run the same command again to go on where it stopped\n"
    assert process.returncode == 9


def test_a_second_notice_gives_no_more_time() -> None:
    process = start("unheard")
    child_of(process)
    process.terminate()
    time.sleep(0.5)
    process.terminate()
    process.wait(timeout=20)
    assert process.returncode == 9


def test_the_child_does_not_outlive_its_parent() -> None:
    process = start("heard")
    child = child_of(process)
    process.kill()
    process.wait(timeout=20)
    deadline = time.monotonic() + 10
    while is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(child)

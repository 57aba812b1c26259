import json
import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import pytest

from trainer import task
from trainer.ending import fail, run_command
from trainer.errors import Interrupted, SettingsError

ROOT = Path(__file__).parents[2]
REFUSED = SettingsError("--epochs", expected="an integer ≥ 1", received="0", do="see --help")
LINE = "command: --epochs – expected an integer ≥ 1 – received 0 – see --help"


def test_a_person_gets_one_line_on_stderr(capsys):
    assert fail("command", REFUSED, verbose=False) == 2
    assert tuple(capsys.readouterr()) == ("", LINE + "\n")


def test_the_platform_gets_one_object_with_severity_and_exit_code(capsys):
    assert fail("command", REFUSED, verbose=False, log_format="json") == 2
    out, err = capsys.readouterr()
    assert (out.count("\n"), err) == (1, "")
    entry = json.loads(out)
    assert (entry["severity"], entry["message"], entry["exit_code"]) == ("ERROR", LINE, 2)


def test_an_interruption_is_no_error_for_the_platform(capsys):
    assert fail("command", Interrupted("interrupted by SIGTERM"), verbose=False, log_format="json") == 9
    assert json.loads(capsys.readouterr().out)["severity"] == "WARNING"


def test_the_traceback_follows_the_cause_in_the_same_line(capsys):
    try:
        raise REFUSED
    except SettingsError as error:
        fail("command", error, verbose=True, log_format="json")
    (line,) = capsys.readouterr().out.splitlines()
    message = json.loads(line)["message"]
    assert message.startswith(LINE + "\nTraceback")


LATE = """
import os, runpy, signal, sys

class Late:
    def __del__(self, kill=os.kill, process=os.getpid(), number=signal.SIGTERM):
        kill(process, number)

late = Late()  # Goes when Python has given up the handlers of signals, as TensorFlow does.
command = sys.argv[1]
sys.argv = [command, *sys.argv[2:]]
runpy.run_module(command, run_name="__main__")
"""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["trainer.task", "--epochs", "0"], "trainer.task: --epochs – expected"),
        (["trainer.registry"], "trainer.registry: command line – expected"),
        (["trainer.tune", "--nonsense"], "trainer.tune: command line – expected"),
        (["trainer.submission"], "scripts/submit: command line – expected"),
        (["trainer.local_job"], "scripts/local_job: command line – expected"),
        (["trainer.setup_gcp"], "scripts/setup_gcp: command line – expected"),
    ],
)
def test_a_signal_that_comes_when_all_is_said_changes_nothing(words, told):
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", LATE, *words], env=env, capture_output=True, text=True, check=False)
    assert done.stderr.startswith(told)
    assert done.returncode == 2


ALONE = '{"cluster": {"workerpool0": ["host:2222"]}, "task": {"type": "workerpool0", "index": 0}}'


@pytest.mark.parametrize("mark", ["CLOUD_ML_JOB_ID", "CLUSTER_SPEC", "AIP_MODEL_DIR"])
def test_under_vertex_even_a_wrong_flag_is_an_object(capsys, mark):
    assert task.main(["--no-such-flag"], {mark: ALONE}) == 2
    out, err = capsys.readouterr()
    assert "--no-such-flag" in json.loads(out)["message"]
    assert err == ""


SWALLOWED = """
import os, signal, sys
from trainer.ending import fail, interrupt_on_signals, raise_if_interrupted
from trainer.errors import Interrupted

class Finalized:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        len("heard here")

interrupt_on_signals()
raise_if_interrupted()
Finalized()
print("passed over", flush=True)
try:
    raise_if_interrupted()
except Interrupted as error:
    sys.exit(fail("command", error, verbose=False))
"""


def test_a_signal_that_a_destructor_swallowed_is_asked_for_again():
    done = subprocess.run([sys.executable, "-c", SWALLOWED], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("passed over\n", 9), done.stderr
    assert done.stderr.splitlines()[-1].startswith("command: interrupted by SIGTERM")


CHANGED = """
import os, signal, sys
from trainer.ending import failures_told_as_interrupts, interrupt_on_signals
from trainer.errors import Interrupted

interrupt_on_signals()
try:
    with failures_told_as_interrupts():
        raise SystemError("before the signal")
except SystemError as error:
    print(error)
try:
    with failures_told_as_interrupts():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            len("heard here")
        except Interrupted:
            raise SystemError("bad argument to internal function") from None
except Interrupted as error:
    print(error)
"""


def test_a_signal_of_which_compiled_code_made_another_error_is_still_told() -> None:
    """TensorFlow gave a SystemError, and an import an ImportError."""
    done = subprocess.run([sys.executable, "-c", CHANGED], capture_output=True, text=True, check=False)
    before, after = done.stdout.splitlines()
    assert before == "before the signal", done.stderr
    assert after.startswith("interrupted by SIGTERM – ")


def test_a_command_ends_with_what_it_did_or_why_it_could_not(capsys):
    def refuse(_):
        raise REFUSED

    def parse(words):
        return Namespace(verbose="-v" in words)

    assert run_command("command", [], parse, lambda _: 4) == 4
    assert tuple(capsys.readouterr()) == ("", "")
    assert run_command("command", [], parse, refuse) == 2
    assert tuple(capsys.readouterr()) == ("", LINE + "\n")
    assert run_command("command", ["-v"], parse, refuse) == 2
    assert capsys.readouterr().err.startswith("Traceback")
    assert run_command("command", ["-v"], refuse, lambda _: 0) == 2
    assert capsys.readouterr().err == LINE + "\n"


def unread(command: Sequence[str]) -> tuple[int, str]:
    """The exit code and stderr of a Python command whose output nobody reads any longer."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-P", *command],
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env=environment,
        )
    finally:
        os.close(writer)
    return done.returncode, done.stderr


PRINTING = """
import sys
from argparse import Namespace
from trainer.ending import run_command
sys.exit(run_command("command", [], lambda _: Namespace(verbose=False), lambda _: print("told, not flushed") or 0{}))
"""


@pytest.mark.parametrize(("more", "code"), [("", 9), (", unread=0", 0)])
def test_a_reader_who_has_seen_enough_is_told_nothing_more(more: str, code: int) -> None:
    assert unread(["-c", PRINTING.format(more)]) == (code, "")


@pytest.mark.parametrize(
    "words", ["setup_gcp my-project --dry-run", "local_job cpu --processes --jobs-dir {root}/jobs"]
)
def test_no_command_takes_it_for_a_failing_disk(words: str, tmp_path: Path) -> None:
    module, *arguments = words.format(root=ROOT).split()
    arguments += ["--work-dir", str(tmp_path)] if module == "local_job" else []
    assert unread(["-m", f"trainer.{module}", *arguments]) == (9, "")


@pytest.mark.parametrize("command", [["trainer.task", "--help"], ["trainer.registry", "list", "--registry-root", "Ä"]])
def test_what_an_old_encoding_lacks_is_escaped(command: Sequence[str], tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-m", *command]
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()


AGAIN = """
import os, signal, sys
from trainer import ending
from trainer.errors import Interrupted

def signalled(number):
    os.kill(os.getpid(), number)
    len("heard here")

ending.ONE_NOTICE_SECONDS = float(sys.argv[1])
ending.interrupt_on_signals()
try:
    signalled(signal.SIGINT)
except Interrupted as error:
    try:
        signalled(signal.SIGTERM)
        code = ending.fail("command", error, verbose=False)
    except Interrupted as second:
        code = str(second)
    ending.end_process(code)
"""


@pytest.mark.parametrize(
    ("seconds", "code", "told"),
    [("60", 9, "command: interrupted by SIGINT – "), ("0", 1, "interrupted by SIGTERM – ")],
)
def test_a_second_signal_cuts_the_answer_to_the_first_short_only_where_it_is_late(
    seconds: str, code: int, told: str
) -> None:
    """Whoever passes Ctrl-C on to a process group sends two."""
    done = subprocess.run([sys.executable, "-c", AGAIN, seconds], capture_output=True, text=True, check=False)
    [line] = done.stderr.splitlines()
    assert line.startswith(told)
    assert done.returncode == code

"""How a command ends where nobody hears it: on a full disk, in a pipe without a reader, with its streams closed."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: With the buffers that Python has by itself, which it flushes once more at the end.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""}

WORDLESS = """
import logging, sys
from argparse import Namespace
from trainer import ending, logs
from trainer.errors import SettingsError

def act(options):
    logs.configure(options.log, verbose=False)
    logging.getLogger("trainer").info("said in the log")
    if options.what == "done":
        return 0
    if options.what == "refused":
        return ending.refuse("command", ["a finding"], 2, done="sent")
    raise SettingsError("what", expected="a", received="b", do="c")

def parse(words):
    return Namespace(log=words[0], what=words[1], verbose=words[1] == "verbose")

def main(words):
    if words[:2] != ["json", "failed"]:
        return ending.run_command("command", words, parse, act)
    ending.write_what_can_be_written()
    try:
        return act(parse(words))
    except SettingsError as error:
        return ending.fail("command", error, verbose=False, log_format="json")

ending.end_process(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("place", ["/dev/full", "pipe"])
@pytest.mark.parametrize(
    ("words", "code"),
    [("text done", 0), ("text failed", 2), ("text verbose", 2), ("text refused", 2), ("json failed", 2)],
)
def test_the_exit_code_stands_where_nobody_can_hear_why(words: str, code: int, place: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    deaf = os.open(place, os.O_WRONLY) if place != "pipe" else os.dup(writer)
    streams = {"stdout": subprocess.DEVNULL, "stderr": deaf} if "text" in words else {"stdout": deaf}
    try:
        command = [sys.executable, "-c", WORDLESS, *words.split()]
        done = subprocess.run(command, **streams, env=ENVIRONMENT, check=False)
    finally:
        os.close(writer)
        os.close(deaf)
    assert done.returncode == code


UNSAID = """
from argparse import Namespace
from trainer.ending import end_process, run_command
end_process(run_command("command", [], lambda _: Namespace(verbose=False), lambda _: print("in a buffer") or 0))
"""


def test_an_output_that_is_lost_on_a_full_disk_is_told() -> None:
    command = [sys.executable, "-c", UNSAID]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT, check=False)
    [line] = done.stderr.splitlines()
    assert line.startswith("command: a file can't be read or written – ")
    assert done.returncode == 5


CLOSED = """
import os, sys
from argparse import Namespace
from trainer.ending import end_process, run_command
from trainer.errors import SettingsError

def act(_):
    with open(sys.argv[1], "w") as file:
        print(file.fileno() > 2, sys.stdout.isatty(), sys.stderr.isatty(), file=file)
        os.write(2, b"from C++")
    raise SettingsError("what", expected="a", received="b", do="c")

end_process(run_command("command", [], lambda _: Namespace(verbose=True), act))
"""


@pytest.mark.parametrize("closed", [[2], [1, 2], [0, 1, 2]])
def test_what_is_said_where_stderr_is_closed_goes_nowhere(closed: Sequence[int], tmp_path: Path) -> None:
    """And not into the file that is opened next, nor to stdout, where ``print`` writes then."""
    redirections = " ".join(f"{number}>&-" for number in closed)
    command = ["bash", "-c", f'"$@" {redirections}', "bash", sys.executable, "-c", CLOSED, str(tmp_path / "file")]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, check=False)
    assert (tmp_path / "file").read_text() == "True False False\n"
    assert (done.stdout, done.returncode) == (b"", 2)

"""How a command ends, also before its time: one line that says why, and the exit code of what happened."""

import io
import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn, TextIO, TypeVar

from trainer import logs
from trainer.errors import Interrupted, StorageError, TrainerError

Options = TypeVar("Options")

#: From a signal on, others are the same notice: who passes Ctrl-C on to a process group sends two. Later, one is a way
#: out of an answer that hangs.
ONE_NOTICE_SECONDS = 5.0

#: What was said of each notice, and when it came by ``time.monotonic``.
_noticed: list[tuple[str, float]] = []


def run_command(
    name: str,
    argv: Sequence[str] | None,
    parse: Callable[[Sequence[str]], Options],
    act: Callable[[Options], int],
    *,
    unread: int = Interrupted.exit_code,
) -> int:
    """Do what the command line ``argv``, else this process's own, asks for. Returns the exit code, ``act``'s own.

    A foreseen failure is one line on stderr, after its traceback where the options' ``verbose`` asks for it.
    ``unread`` is the code where whoever read our output has seen enough, as in ``… | head``, and says nothing.
    """
    interrupt_on_signals()
    write_what_can_be_written()
    verbose = False
    try:
        options = parse(sys.argv[1:] if argv is None else argv)
        verbose = bool(vars(options)["verbose"])
        with failures_told_as_interrupts():
            code = act(options)
        sys.stdout.flush()  # Here, as Python says nothing of use where it fails at the very end.
    except BrokenPipeError:
        return output_unread(unread)
    except (TrainerError, Interrupted, OSError) as error:
        return fail(name, error, verbose=verbose)
    return code


def output_unread(exit_code: int) -> int:
    """End quietly where nobody reads what is printed any more. Returns the exit code given."""
    _let_go_nowhere(sys.stdout)
    return exit_code


def end_process(exit_code: int) -> NoReturn:
    """End with what was said. A signal comes too late: while libraries end, Python has given up its handlers.

    TensorFlow takes a second for it.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    flush()
    sys.exit(exit_code)


def flush() -> None:
    """Write out what waits in stdout and stderr, or drop it: Python would end with 120 where it can't be written."""
    for stream in (sys.stdout, sys.stderr):
        _write("", stream)


def interrupt_on_signals() -> None:
    """From now on SIGTERM and SIGINT raise Interrupted."""
    _noticed.clear()
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)


def write_what_can_be_written() -> None:
    """From now on a character that stdout or stderr has no code for is escaped: their encoding may be an old one.

    What is written to one that was closed by who started us (``2>&-``) goes nowhere. Python has None in its place, and
    the next file that is opened, a checkpoint say, would get its number, to which libraries write.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # The lowest number that is free: its own.
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 – to the process's end
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def raise_if_interrupted() -> None:
    """Raise Interrupted again if a signal has raised it before: what is raised in a destructor Python passes over."""
    if _noticed:
        raise Interrupted(_noticed[0][0])


@contextmanager
def failures_told_as_interrupts() -> Iterator[None]:
    """Within the context, what fails after a signal is Interrupted: compiled code may make another error of it."""
    try:
        yield
    except Exception:
        raise_if_interrupted()
        raise


@contextmanager
def shortage_told_as_interrupt() -> Iterator[None]:
    """Within the context an error that says that memory is short, whichever backend's it is, becomes Interrupted."""
    try:
        yield
    except Exception as error:
        # TensorFlow's by its class, JAX's by its text: of neither is it known here whether it is installed.
        name, text = type(error).__name__, str(error)
        if not (name in ("MemoryError", "ResourceExhaustedError") or text.startswith("RESOURCE_EXHAUSTED")):
            raise
        raise Interrupted(
            "the memory is too small for this training – expected room for its network and a batch – "
            f"received {name}: {(text.splitlines() or [''])[0]} – "
            "start the same command again on a larger machine, or another one with a smaller --batch-size or network"
        ) from error


def fail(command: str, error: TrainerError | Interrupted | OSError, *, verbose: bool, log_format: str = "text") -> int:
    """Say why ``command`` ends, on stderr or, with ``log_format`` "json", as its log does. Returns the exit code."""
    if isinstance(error, OSError):  # A full or failing disk under a library that writes files by itself.
        received, do = str(error), "see to the disk"
        error = StorageError(
            "a file can't be read or written", expected="a disk with room and permissions", received=received, do=do
        )
    line = f"{command}: {error}"
    if log_format == "json":
        _say_json(line, error, verbose=verbose)
        return error.exit_code
    if verbose:
        say_on_stderr("".join(traceback.format_exception(error)).rstrip("\n"))
    say_on_stderr(line)
    return error.exit_code


def refuse(command: str, findings: Iterable[object], exit_code: int, *, done: str) -> int:
    """A line on stderr for each finding, and that nothing was ``done``. Returns the exit code."""
    lines = [str(finding) for finding in findings]
    for line in lines:
        say_on_stderr(f"{command}: {line}")
    say_on_stderr(f"{command}: {len(lines)} finding{'s' * (len(lines) > 1)}, nothing was {done}")
    return exit_code


def say_on_stderr(line: str) -> None:
    """Where nobody can hear it, as on a full disk or in a pipe without a reader, the exit code alone says why."""
    _write(f"{line}\n", sys.stderr)


def _say_json(line: str, error: TrainerError | Interrupted, *, verbose: bool) -> None:
    """By itself, and not through the log, which a wrong setting ends before it is set up."""
    level = logging.WARNING if isinstance(error, Interrupted) else logging.ERROR
    record = logging.LogRecord("trainer", level, __file__, 0, line, None, None)
    record.exit_code = error.exit_code
    if verbose:
        record.exc_info = (type(error), error, error.__traceback__)
    _write(f"{logs.JsonFormatter().format(record)}\n", sys.stdout)


def _write(text: str, stream: TextIO) -> None:
    try:
        stream.write(text)
        stream.flush()
    except OSError:  # It stays in the stream's buffer, and Python would fail to flush it once more at the end.
        _let_go_nowhere(stream)


def _let_go_nowhere(stream: TextIO) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _interrupt(number: int, _frame: object) -> None:
    now = time.monotonic()
    if _noticed and now < _noticed[-1][1] + ONE_NOTICE_SECONDS:
        return
    name = signal.Signals(number).name
    _noticed.append((f"interrupted by {name} – run the same command again to go on where it stopped", now))
    raise Interrupted(_noticed[-1][0])

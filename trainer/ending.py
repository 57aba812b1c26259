"""How a command ends, also before its time: one line that says why, and the exit code of what happened."""

import io
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn, TypeVar

from trainer import logs
from trainer.errors import Interrupted, StorageError, TrainerError

Options = TypeVar("Options")

_noticed: list[str] = []


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
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return exit_code


def end_process(exit_code: int) -> NoReturn:
    """End with what was said. A signal comes too late: while libraries end, Python has given up its handlers.

    TensorFlow takes a second for it.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(exit_code)


def interrupt_on_signals() -> None:
    """From now on SIGTERM and SIGINT raise Interrupted."""
    _noticed.clear()
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)


def write_what_can_be_written() -> None:
    """From now on a character that stdout or stderr has no code for is escaped: their encoding may be an old one."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def raise_if_interrupted() -> None:
    """Raise Interrupted again if a signal has raised it before: what is raised in a destructor Python passes over."""
    if _noticed:
        raise Interrupted(_noticed[0])


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
            "start the same command again on a larger machine, or another one with a smaller --batch-size"
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
        traceback.print_exception(error)
    print(line, file=sys.stderr)
    return error.exit_code


def refuse(command: str, findings: Iterable[object], exit_code: int, *, done: str) -> int:
    """A line on stderr for each finding, and that nothing was ``done``. Returns the exit code."""
    lines = [str(finding) for finding in findings]
    for line in lines:
        print(f"{command}: {line}", file=sys.stderr)
    print(f"{command}: {len(lines)} finding{'s' * (len(lines) > 1)}, nothing was {done}", file=sys.stderr)
    return exit_code


def _say_json(line: str, error: TrainerError | Interrupted, *, verbose: bool) -> None:
    """By itself, and not through the log, which a wrong setting ends before it is set up."""
    level = logging.WARNING if isinstance(error, Interrupted) else logging.ERROR
    record = logging.LogRecord("trainer", level, __file__, 0, line, None, None)
    record.exit_code = error.exit_code
    if verbose:
        record.exc_info = (type(error), error, error.__traceback__)
    print(logs.JsonFormatter().format(record), flush=True)


def _interrupt(number: int, _frame: object) -> None:
    name = signal.Signals(number).name
    _noticed.append(f"interrupted by {name} – run the same command again to go on where it stopped")
    raise Interrupted(_noticed[-1])

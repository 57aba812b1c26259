"""How a command ends before its time: one line on stderr, and the exit code of what happened."""

import signal
import sys
import traceback

from trainer.errors import Interrupted, StorageError, TrainerError


def interrupt_on_signals() -> None:
    """From now on SIGTERM and SIGINT raise Interrupted."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)


def fail(command: str, error: TrainerError | Interrupted | OSError, *, verbose: bool) -> int:
    """Say why ``command`` ends; Vertex AI shows what stands on stderr as an error. Returns the exit code."""
    if isinstance(error, OSError):  # A full or failing disk under a library that writes files by itself.
        received, do = str(error), "see to the disk"
        error = StorageError(
            "a file can't be read or written", expected="a disk with room and permissions", received=received, do=do
        )
    if verbose:
        traceback.print_exception(error)
    print(f"{command}: {error}", file=sys.stderr)
    return error.exit_code


def _interrupt(number: int, _frame: object) -> None:
    name = signal.Signals(number).name
    raise Interrupted(f"interrupted by {name} – run the same command again to go on where it stopped")

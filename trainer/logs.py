"""Log lines: for a person on stderr, or one-line JSON on stdout, which Vertex AI takes apart by ``severity``.

Plain lines on stderr would all show up as errors there.
"""

import json
import logging
import math
import os
import sys
import warnings
from datetime import UTC, datetime
from types import TracebackType
from typing import TextIO

#: What any record has; more than that came in by ``log.info("epoch", extra={"loss": 0.3})``.
_STANDARD = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}


def configure(log_format: str, *, verbose: bool) -> None:
    """Send this process's log, and Python's warnings, out as ``log_format``: "text" or "json".

    Call it before TensorFlow is imported: its C++ part decides then what to print.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "0" if verbose else "2")
    handler = logging.StreamHandler(sys.stdout) if log_format == "json" else TerminalHandler()
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    # A traceback on stderr would be an ERROR for each of its lines.
    sys.excepthook = _log_crash if log_format == "json" else sys.__excepthook__
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("trainer").setLevel(logging.DEBUG if verbose else logging.INFO)
    logging.captureWarnings(True)
    if not verbose:
        # Not ours to mend, and nothing the user can act on.
        warnings.simplefilter("ignore", DeprecationWarning)
        for library in ("absl", "tensorflow"):
            logging.getLogger(library).setLevel(logging.ERROR)
        # The traceback of an expired login, which trainer.google_errors tells in one line.
        logging.getLogger("grpc._plugin_wrapping").setLevel(logging.CRITICAL)


def _log_crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """One entry for what nobody foresaw, which ends the process with exit code 1; the cause stands before the rest."""
    logging.getLogger("trainer").critical("%s: %s", kind.__name__, error, exc_info=(kind, error, trace))


class TerminalHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to what ``sys.stderr`` is at that moment: a progress bar takes its place to stay below the lines."""

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, _: TextIO) -> None:
        """The base class sets one when it is made."""


class TextFormatter(logging.Formatter):
    """``message``; with its level in front from a warning on."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record).strip()
        return text if record.levelno < logging.WARNING else f"{record.levelname.lower()}: {text}"


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``severity``, ``message``, ``time`` (RFC 3339, UTC), the record's extras."""

    def format(self, record: logging.LogRecord) -> str:
        extras = {name: _finite(value) for name, value in vars(record).items() if name not in _STANDARD}
        entry = {
            "severity": record.levelname,
            "message": super().format(record).strip(),
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
        }
        return json.dumps(extras | entry, default=str)


def _finite(value: object) -> object:
    """NaN and infinity as text: JSON has no number for them, and the line would not be taken apart."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value

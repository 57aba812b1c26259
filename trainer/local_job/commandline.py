"""The command line of ``trainer.local_job``."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from trainer.cloud.job_overrides import KEYS
from trainer.parser import JobParser, parse_with_trainer_flags

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*s?")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The flags by name, and ``trainer_flags`` behind ``--``. Raises SettingsError."""
    return parse_with_trainer_flags(_build_parser(), argv)


def _build_parser() -> JobParser:
    parser = JobParser(
        prog="scripts/local_job",
        usage="scripts/local_job JOB [--set KEY=VALUE]… [--preempt-after WHEN]… [--image IMAGE] [-- TRAINER FLAGS]",
        description="Run a job on this machine the way Vertex AI would, and say what it would have shown.",
        epilog="Flags of the trainer stand behind --, and are added to those of the file. docs/local-job.md says more.",
    )
    parser.add_job(set_help=f"as in scripts/submit: one of {', '.join(KEYS)}")
    parser.add_argument(
        "--preempt-after",
        metavar="WHEN",
        action="append",
        default=[],
        type=_moment,
        help="take the machine away so long after its start, such as 20s, or once the log has this text, such as "
        "'epoch 2/'; given several times, each start after the first waits for the next",
    )
    parser.add_argument("--no-notice", action="store_true", help="take it away by SIGKILL, without SIGTERM before")
    parser.add_argument(
        "--grace", metavar="SECONDS", type=_seconds, default=30.0, help="from SIGTERM to SIGKILL (default 30)"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--image", metavar="IMAGE", help="run in this image instead of the file's")
    where.add_argument("--processes", action="store_true", help="run processes even where the image is here")
    parser.add_argument(
        "--work-dir",
        metavar="FOLDER",
        type=Path,
        default=Path("artifacts/local_job"),
        help="where the contents of buckets are kept, for the next start too (default artifacts/local_job)",
    )
    return parser


def _seconds(text: str) -> float:
    found = _DURATION.fullmatch(text)
    if not found:
        raise argparse.ArgumentTypeError(f"expected seconds such as 20s, received {text!r}")
    return float(found[1])


def _moment(text: str) -> float | str:
    """Seconds after the start, or a text to wait for."""
    if not text.strip():
        raise argparse.ArgumentTypeError("expected seconds such as 20s, or a text of the log, received nothing")
    found = _DURATION.fullmatch(text)
    return float(found[1]) if found else text

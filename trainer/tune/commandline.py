"""The command line of ``trainer.tune``."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.commandline import flag
from trainer.errors import SettingsError
from trainer.parser import Parser, add_verbose, add_version, parse_with_trainer_flags

DEFAULT_JOB = Path(__file__).resolve().parents[2] / "jobs" / "tuning.yaml"
#: On this machine. On Vertex AI the job file says it.
TRIALS, WORKERS = 20, 1
#: Of flags that Vertex AI has no use for; not argparse's, so that a flag given is told from one that is not.
_DEFAULTS_HERE: dict[str, Any] = {"study": Path("tuning"), "seed": 42, "warm_start": []}
_EPILOG = (
    "What follows -- are settings of trainer.task, the same for every trial; a setting given there is not searched. "
    "docs/tuning.md says how it works."
)


@dataclass(frozen=True)
class Options:
    """What was asked for.

    Attributes:
        fixed: the flags of every trial.
        to_submission: what ``trainer.submission`` is to be told, beside the job.
    """

    study: Path
    trials: int | None
    workers: int | None
    seed: int
    warm_start: list[str]
    fixed: list[str]
    log_format: str
    verbose: bool
    vertex: bool
    job: Path
    to_submission: list[str]


def parse(argv: Sequence[str]) -> Options:
    """Raises SettingsError, one line; ``--help`` and ``--version`` print and raise SystemExit(0)."""
    given = vars(parse_with_trainer_flags(_build_parser(), argv))
    fixed = given.pop("trainer_flags")
    to_submission = [f"--set={item}" for item in given.pop("set")]
    to_submission += [f"--max-cost={cost}"] if (cost := given.pop("max_cost")) else []
    to_submission += [flag(name) for name in ("no_follow", "dry_run") if given.pop(name)]
    of_vertex = ["--job"] * (given["job"] is not None) + to_submission
    if of_vertex and not given["vertex"]:
        do = "add --vertex, or leave it out"
        raise SettingsError(of_vertex[0], expected="--vertex with it", received="no --vertex", do=do)
    of_here = [flag(name) for name in _DEFAULTS_HERE if given[name] is not None]
    if of_here and given["vertex"]:
        do = "leave out one of them"
        raise SettingsError(of_here[0], expected="a search on this machine", received="--vertex", do=do)
    defaults = {"job": DEFAULT_JOB, **_DEFAULTS_HERE}
    filled: dict[str, Any] = {name: defaults.get(name) if value is None else value for name, value in given.items()}
    return Options(fixed=fixed, to_submission=to_submission, **filled)


def _build_parser() -> Parser:
    parser = Parser(
        prog="python -m trainer.tune",
        description="Search for the settings with the best validation accuracy.",
        epilog=_EPILOG,
    )
    add_version(parser)
    parser.add_argument(
        *("--trials",), type=_count, metavar="N",
        help=f"finished trials that the search ends with, those of earlier starts included (default {TRIALS})",
    )  # fmt: skip
    parser.add_argument("--workers", type=_count, metavar="N", help=f"trials at a time (default {WORKERS})")
    parser.add_argument("--log-format", choices=("text", "json"), default="text", help="of the log (default text)")
    add_verbose(parser)
    here = parser.add_argument_group("on this machine")
    here.add_argument(
        *("--study",), type=Path, metavar="FOLDER",
        help="where the search and its trials are kept; the same folder again goes on (default tuning)",
    )  # fmt: skip
    here.add_argument("--seed", type=_whole, metavar="N", help="of the search (default 42)")
    here.add_argument(
        *("--warm-start",), action="append", metavar="STUDY",
        help="learn from an earlier study, a folder or an address such as sqlite:///study.db; may be repeated",
    )  # fmt: skip
    vertex = parser.add_argument_group("on Vertex AI")
    vertex.add_argument("--vertex", action="store_true", help="send the search to Vertex AI, as a job of its own")
    vertex.add_argument(
        "--job",
        type=Path,
        metavar="FILE",
        help="the job that every trial is (default jobs/tuning.yaml)",
    )
    vertex.add_argument("--dry-run", action="store_true", help="check and show the job, and send nothing")
    for name, metavar, text in (
        ("--set", "KEY=VALUE", "such as project=ID, region=us-central1, bucket=NAME; may be repeated"),
        ("--max-cost", "USD", "refuse what would cost more"),
    ):
        default: dict[str, Any] = {"action": "append", "default": []} if name == "--set" else {}
        vertex.add_argument(name, metavar=metavar, help=f"{text}, as scripts/submit takes it", **default)
    vertex.add_argument("--no-follow", action="store_true", help="send it, and do not wait for its end")
    return parser


def _count(text: str) -> int:
    return _whole(text, lowest=1)


def _whole(text: str, *, lowest: int = 0) -> int:
    try:
        number = int(text)
    except ValueError:
        number = lowest - 1
    if number < lowest:
        raise argparse.ArgumentTypeError(f"expected an integer ≥ {lowest}, received {text}")
    return number

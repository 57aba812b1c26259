"""The command line of ``trainer.tune``."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from trainer import __version__
from trainer.errors import SettingsError

DEFAULT_JOB = Path(__file__).resolve().parents[1] / "jobs" / "tuning.yaml"
_EPILOG = (
    "What follows -- are settings of trainer.task, the same for every trial; a setting given there is not searched. "
    "docs/tuning.md says how it works."
)


@dataclass(frozen=True)
class Options:
    """What was asked for. ``fixed``: the flags of every trial."""

    study: Path
    trials: int
    workers: int
    seed: int
    warm_start: list[str]
    fixed: list[str]
    log_format: str
    verbose: bool
    vertex: bool
    job: Path
    project: str | None
    region: str | None
    endpoint: str | None
    dry_run: bool


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SettingsError("command line", expected="flags as --help lists them", received=message, do="see --help")


def parse(argv: Sequence[str], env: Mapping[str, str]) -> Options:
    """Raises SettingsError, one line; ``--help`` and ``--version`` print and raise SystemExit(0)."""
    words = list(argv)
    own, fixed = (words[: words.index("--")], words[words.index("--") + 1 :]) if "--" in words else (words, [])
    options = Options(fixed=fixed, **vars(_build_parser(env).parse_args(own)))
    if options.dry_run and not options.vertex:
        do = "add --vertex, or leave --dry-run out"
        raise SettingsError("--dry-run", expected="--vertex with it", received="--dry-run alone", do=do)
    if options.vertex and not options.dry_run and not (options.project and options.region):
        raise SettingsError(
            "--vertex",
            expected="--vertex-project and --vertex-region",
            received=f"--vertex-project {options.project}, --vertex-region {options.region}",
            do="name both, or look at the job with --dry-run",
        )
    return options


def _build_parser(env: Mapping[str, str]) -> _Parser:
    parser = _Parser(
        prog="python -m trainer.tune",
        description="Search for the settings with the best validation accuracy.",
        epilog=_EPILOG,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"fashion-mnist-trainer {__version__}")
    parser.add_argument(
        *("--trials",), type=_count, default=20, metavar="N",
        help="finished trials that the search ends with, those of earlier starts included (default 20)",
    )  # fmt: skip
    parser.add_argument("--workers", type=_count, default=1, metavar="N", help="trials at a time (default 1)")
    parser.add_argument("--log-format", choices=("text", "json"), default="text", help="of the log (default text)")
    parser.add_argument("-v", "--verbose", action="store_true", help="show the traceback of an error")
    here = parser.add_argument_group("on this machine")
    here.add_argument(
        *("--study",), type=Path, default=Path("tuning"), metavar="FOLDER",
        help="where the search and its trials are kept; the same folder again goes on (default tuning)",
    )  # fmt: skip
    here.add_argument("--seed", type=_whole, default=42, metavar="N", help="of the search (default 42)")
    here.add_argument(
        *("--warm-start",), action="append", default=[], metavar="STUDY",
        help="learn from an earlier study, a folder or an address such as sqlite:///study.db; may be repeated",
    )  # fmt: skip
    vertex = parser.add_argument_group("on Vertex AI")
    vertex.add_argument("--vertex", action="store_true", help="send the search to Vertex AI, as a job of its own")
    vertex.add_argument(
        "--job",
        type=Path,
        default=DEFAULT_JOB,
        metavar="FILE",
        help="the job that every trial is (default jobs/tuning.yaml)",
    )
    for name, metavar, text in (
        ("project", "ID", "the project's id"),
        ("region", "REGION", "such as us-central1"),
        ("endpoint", "HOST", "instead of the region's own, for Private Service Connect"),
    ):
        variable = f"TRAINER_VERTEX_{name.upper()}"
        shown = f"{text} (default {variable})"
        vertex.add_argument(
            f"--vertex-{name}", dest=name, metavar=metavar, default=env.get(variable) or None, help=shown
        )
    vertex.add_argument("--dry-run", action="store_true", help="print the job and send nothing")
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

"""The command line of ``trainer.submission``."""

import argparse
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from trainer.cloud.job_overrides import KEYS
from trainer.parser import JobParser, parse_with_trainer_flags

DEFAULT_REGION = "us-central1"
#: Services whose address can be overridden the way gcloud's is, by CLOUDSDK_API_ENDPOINT_OVERRIDES_….
_SERVICES = ("aiplatform", "artifactregistry", "logging", "serviceusage")


def parse(argv: Sequence[str], env: Mapping[str, str]) -> argparse.Namespace:
    """The flags by name, ``trainer_flags`` behind ``--``, and project, region and endpoints of the environment.

    Raises SettingsError.
    """
    options = parse_with_trainer_flags(_build_parser(), argv)
    options.project = env.get("TRAINER_VERTEX_PROJECT") or ""
    options.region = env.get("TRAINER_VERTEX_REGION") or DEFAULT_REGION
    variables = {service: f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{service.upper()}" for service in _SERVICES}
    options.endpoints = {service: env[name] for service, name in variables.items() if env.get(name)}
    return options


def _build_parser() -> JobParser:
    parser = JobParser(
        prog="scripts/submit",
        usage="scripts/submit JOB [--set KEY=VALUE]… [--max-cost USD] [--dry-run] [-- TRAINER FLAGS]",
        description="Check a job, say what it costs, send it to Vertex AI, and follow it to its end.",
        epilog="Flags of the trainer stand behind --, and are added to those of the file. docs/jobs.md says more.",
    )
    parser.add_job(
        set_help=f"one of {', '.join(KEYS)}, labels.KEY, or a path in the file such as workerPoolSpecs.1.replicaCount; "
        f"project and region default to TRAINER_VERTEX_PROJECT and TRAINER_VERTEX_REGION, else {DEFAULT_REGION}"
    )
    parser.add_argument(
        "--max-cost",
        metavar="USD",
        type=_dollars,
        help="refuse if the expected cost is above it, and set the timeout so that the cost can't be",
    )
    parser.add_argument("--dry-run", action="store_true", help="check, say the cost, show both calls, and stop")
    parser.add_argument("--no-follow", action="store_true", help="send it, and do not wait for its end")
    parser.add_argument(
        "--write", metavar="FILE", type=Path, help="where the filled-in file goes (default artifacts/jobs/NAME.yaml)"
    )
    return parser


def _dollars(text: str) -> float:
    """Plain dollars and cents; "nan" and "inf" are none."""
    plain = text.removeprefix("$")
    if not re.fullmatch(r"\d+(\.\d+)?", plain) or not 0 < float(plain) < float("inf"):
        raise argparse.ArgumentTypeError(f"expected dollars above 0 such as 2.50, received {text!r}")
    return float(plain)

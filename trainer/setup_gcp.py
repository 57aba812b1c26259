"""Set a Google Cloud project up: what jobs, builds and the registry need, with no more rights than they need.

Standard library only, as it runs on a machine where nothing is installed yet but Python and gcloud. The same command
again makes only what is missing.
"""

import argparse
import re
import sys
from collections.abc import Sequence

from trainer.cloud.project import bindings, resources
from trainer.cloud.project.gcloud import Gcloud
from trainer.cloud.project.plan import IMAGES, Plan
from trainer.ending import end_process, run_command
from trainer.errors import SettingsError
from trainer.parser import Parser, add_verbose, add_version

DEFAULT_REGION, DEFAULT_REPOSITORY, DEFAULT_BRANCH = "us-central1", "trainer", "^main$"

#: In the order in which each needs the ones before it.
STEPS = (
    ("services", resources.enable_services),
    ("bucket", resources.make_bucket),
    ("image repository", resources.make_repository),
    ("service accounts", resources.make_accounts),
    ("roles of this project", resources.make_roles),
    ("who may do what", bindings.grant_roles),
    ("budget", resources.make_budget),
    ("trigger on push", resources.make_trigger),
)

_PROJECT_ID = (r"[a-z][a-z0-9-]{4,28}[a-z0-9]", "the id of a project: 6 to 30 of a-z, 0-9, '-'")
_BUCKET = (r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]", "the name of a bucket, without gs://")
_REGION = (r"[a-z]+-[a-z]+[0-9]+", "a region such as us-central1")
_REPOSITORY = (r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", "a repository's name: a-z, 0-9, '-'")
_GITHUB = (r"[A-Za-z0-9-]+/[A-Za-z0-9._-]+", "owner/name of a repository on GitHub")


class _Parser(Parser):
    expected = "a project and flags as --help lists them"


def main(argv: Sequence[str] | None = None) -> int:
    """Set the project up and return the exit code; a foreseen failure is one line on stderr."""

    def act(options: argparse.Namespace) -> int:
        set_up(options.plan, dry_run=options.dry_run)
        return 0

    return run_command("scripts/setup_gcp", argv, parse, act)


def set_up(plan: Plan, *, dry_run: bool) -> None:
    """Each step looks before it acts, so an interrupted set-up goes on. Raises SettingsError, StorageError."""
    gcloud = Gcloud(plan.project, dry_run=dry_run, say=_say)
    if not (gcloud.look("projects", "describe", plan.project) or dry_run):
        raise SettingsError("no such project", expected="one that is there", received=plan.project, do="check its id")
    for title, step in STEPS:
        _say(f"# {title}")
        step(gcloud, plan, lambda text: print(f"warning: {text}", file=sys.stderr))
    if dry_run:
        _say(f"# dry run: nothing was started; {gcloud.changes} commands would change an empty project")
    else:
        _say(f"# done: {gcloud.changes} changes")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """``plan``, ``dry_run``, and whether to show tracebacks in ``verbose``. Raises SettingsError."""
    options = vars(_build_parser().parse_args(list(argv)))
    dry_run, verbose = options.pop("dry_run"), options.pop("verbose")
    options["images"] = tuple(dict.fromkeys(options.pop("image") or IMAGES[:1]))
    options["bucket"] = options["bucket"] or f"{options['project']}-trainer"
    checks = {
        "project": _PROJECT_ID, "reader_project": _PROJECT_ID, "bucket": _BUCKET, "data_bucket": _BUCKET,
        "region": _REGION, "repository": _REPOSITORY, "github": _GITHUB,
    }  # fmt: skip
    for name, (pattern, expected) in checks.items():
        value = options[name]
        if value is not None and not re.fullmatch(pattern, value):
            shown = "PROJECT" if name == "project" else f"--{name.replace('_', '-')}"
            raise SettingsError(shown, expected=expected, received=value, do="see --help")
    return argparse.Namespace(plan=Plan(**options), dry_run=dry_run, verbose=verbose)


def _build_parser() -> _Parser:
    parser = _Parser(
        prog="scripts/setup_gcp",
        description="Set a Google Cloud project up for this trainer; again, make only what is missing.",
        epilog="docs/setup-gcp.md says who may do what in it, and why.",
    )
    add_version(parser)
    parser.add_argument("project", metavar="PROJECT", help="its id; it must be there")
    for flag, metavar, default, text in (
        ("--region", "REGION", DEFAULT_REGION, "of the bucket, the images and the trigger"),
        ("--bucket", "NAME", None, "for jobs, data and the registry (default PROJECT-trainer)"),
        ("--repository", "NAME", DEFAULT_REPOSITORY, "for images"),
        ("--data-bucket", "NAME", None, "a bucket, of any project, with images to train on"),
        ("--reader-project", "ID", None, "another project, whose Vertex AI may read released models and images"),
        ("--github", "OWNER/NAME", None, "build every push to this repository"),
        ("--branch", "REGEX", DEFAULT_BRANCH, "of the branches that are built"),
    ):
        shown = f"{text} (default {default})" if default else text
        parser.add_argument(flag, metavar=metavar, default=default, help=shown)
    parser.add_argument(
        "--budget", metavar="N", type=_amount, help="a month, in the account's currency; mails at 50, 90 and 100 %%"
    )
    parser.add_argument(
        *("--image",), choices=IMAGES, action="append",
        help="build this image of each push; may be repeated (default cpu)",
    )  # fmt: skip
    parser.add_argument("--build-submits", action="store_true", help="let builds submit training jobs")
    parser.add_argument("--dry-run", action="store_true", help="print every command, and start none")
    add_verbose(parser)
    return parser


def _amount(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected an integer ≥ 1, received {text}")
    return int(text)


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    end_process(main())

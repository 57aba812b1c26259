"""The registry's command: what is registered, what was released, and what changed.

Nothing heavy is imported before it is needed: ``--help``, ``list`` or a wrong flag answer at once.
"""

import json
import logging
import os
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from trainer import logs
from trainer.ending import run_command
from trainer.errors import TrainerError
from trainer.registry.commandline import parse

if TYPE_CHECKING:
    from trainer.registry.commands import Report
    from trainer.registry.vertex import Mirror
    from trainer.release.store import Registry


log = logging.getLogger("trainer.registry")


def main(argv: Sequence[str] | None = None, env: Mapping[str, str] | None = None) -> int:
    """Run one command and return its exit code; a foreseen failure is one line on stderr."""
    given = os.environ if env is None else env

    def act(options: Namespace) -> int:
        logs.configure("text", verbose=options.verbose)
        report = run(options, given)
        _print(options, report.document, given)
        if report.failure:
            raise report.failure
        return 0

    # It prints at its end: who has seen enough of that has no work cut short.
    return run_command("trainer.registry", argv, lambda words: parse(words, given), act, unread=0)


def run(options: Namespace, env: Mapping[str, str]) -> "Report":
    """Do what the command asks for, then let Vertex AI follow if it is set up.

    What Vertex AI fails with comes after the report, as what the command ends with: by then the registry has changed.
    """
    from trainer.registry.commands import COMMANDS

    registry, mirror = _open(options, env)
    report = COMMANDS[options.command](registry, options)
    if mirror is None:
        if unmirrored := getattr(options, "unmirrored", ""):
            log.info("not mirrored in Vertex AI, which reads from a bucket only, though %s", unmirrored)
        return report
    try:
        names = mirror.follow(report.touched)
    except TrainerError as error:
        if report.failure is None:
            return replace(report, failure=error)
        log.warning("%s", error)
        return report
    return replace(report, document={**report.document, "vertex": names})


def prepare(options: Namespace, env: Mapping[str, str]) -> None:
    """What ``register`` would find wrong at the end of a long run, found before it begins."""
    from trainer.registry.registration import check_keys
    from trainer.release.thresholds import load

    registry, _ = _open(options, env)
    load(options.gates)
    check_keys(options.signing_key, options.public_key)
    registry.check_writable()


def _open(options: Namespace, env: Mapping[str, str]) -> "tuple[Registry, Mirror | None]":
    from trainer.registry.identity import who
    from trainer.release.store import Registry
    from trainer.storage import open_folder

    registry = Registry(open_folder(options.registry_root), options.name, who=who(env))
    if not getattr(options, "vertex_project", None):
        return registry, None
    from trainer.registry.vertex import Mirror

    return registry, Mirror(registry, options.vertex_project, options.vertex_region, options.vertex_endpoint)


def _print(options: Namespace, document: Mapping[str, Any], env: Mapping[str, str]) -> None:
    if options.json:
        text = json.dumps(document, indent=2, ensure_ascii=False)
    else:
        from trainer.registry.tables import Page
        from trainer.registry.views import show

        text = show(options.command, document, Page.of_stdout(env))
    print(text, flush=True)

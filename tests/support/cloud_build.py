"""What the published schema of Cloud Build's file leaves unsaid, and a build fails of after minutes of queueing."""

import difflib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

#: The fields of a build that its sender may set, in the spelling of the file.
FIELDS = {
    *(
        "artifacts",
        "availableSecrets",
        "gitConfig",
        "images",
        "logsBucket",
        "options",
        "queueTtl",
        "secrets",
        "serviceAccount",
    ),
    *("steps", "substitutions", "tags", "timeout"),
}
EVERY_BUILD = {"BUILD_ID", "LOCATION", "PROJECT_ID", "PROJECT_NUMBER", "SERVICE_ACCOUNT", "SERVICE_ACCOUNT_EMAIL"}
OF_A_TRIGGER = {
    *("BRANCH_NAME", "COMMIT_SHA", "REF_NAME", "REPO_FULL_NAME", "REPO_NAME", "REVISION_ID", "SHORT_SHA", "TAG_NAME"),
    *("TRIGGER_BUILD_CONFIG_PATH", "TRIGGER_NAME"),
}
BUILT_IN = EVERY_BUILD | OF_A_TRIGGER
#: ``$$`` stands for a dollar sign.
USE = re.compile(r"\$\$|\$(?:\{(\w+)\}|([A-Za-z_]\w*))")


def findings(build: Mapping[str, Any], root: Path) -> list[str]:
    """What is wrong with a build of the checkout at ``root``, a line each; empty if all is well."""
    return [*_fields(build), *_substitutions(build), *_timeouts(build), *_steps(build, root), *_publication(build)]


def resolve(text: str, values: Mapping[str, str]) -> str:
    """``text`` with every substitution filled in, also those within the values of others."""

    def value(use: re.Match[str]) -> str:
        name = use[1] or use[2]
        return resolve(values[name], values) if name else "$"

    return USE.sub(value, text)


def texts(value: Any) -> Iterator[str]:
    """Every text within a document."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


def _fields(build: Mapping[str, Any]) -> Iterator[str]:
    for name in build:
        if name not in FIELDS:
            close = difflib.get_close_matches(name, FIELDS, 1)
            yield f"{name} is no field of a build" + (f": {close[0]}?" if close else "")


def _substitutions(build: Mapping[str, Any]) -> Iterator[str]:
    defined = build.get("substitutions", {})
    used = {use[1] or use[2] for text in texts(build) for use in USE.finditer(text)} - {None}
    for name in sorted(used - set(defined) - BUILT_IN):
        yield f"substitution {name} is used and defined nowhere"
    for name in sorted(set(defined) - used):
        yield f"substitution {name} is defined and used nowhere"
    for name in sorted(defined):
        if not re.fullmatch(r"_[A-Z0-9_]{1,99}", name):
            yield f"substitution {name} must begin with _, and go on in capitals, digits and _"
    within = any(USE.search(value) for value in defined.values())
    if within and not build.get("options", {}).get("dynamicSubstitutions"):
        yield "a substitution holds another: options.dynamicSubstitutions is not true"


def _timeouts(build: Mapping[str, Any]) -> Iterator[str]:
    whole = _seconds(build.get("timeout"))
    if whole is None:
        yield "the build has no timeout: it would end after an hour"
    for name, step in _named(build):
        seconds = _seconds(step.get("timeout"))
        if seconds is None:
            yield f"step {name} has no timeout"
        elif whole is not None and seconds > whole:
            yield f"step {name} may take {seconds} s, the whole build {whole} s"


def _steps(build: Mapping[str, Any], root: Path) -> Iterator[str]:
    names = [name for name, _ in _named(build)]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"step {name} is there more than once"
    for number, (name, step) in enumerate(_named(build)):
        scripts = [word for word in step.get("args", [])[:1] if str(word).startswith("scripts/")]
        if not scripts or step.get("entrypoint") != "bash":
            yield f"step {name} does not run one of scripts/*"
        for script in scripts:
            if not os.access(root / script, os.X_OK):
                yield f"step {name} runs {script}, which is not there"
        for other in step.get("waitFor", []):
            if other != "-" and other not in names[:number]:
                yield f"step {name} waits for {other}, which is no step before it"


def _publication(build: Mapping[str, Any]) -> Iterator[str]:
    options = build.get("options", {})
    if not build.get("images"):
        yield "no images are named: nothing would be published with a provenance"
    if options.get("requestedVerifyOption") != "VERIFIED":
        yield "no provenance is required: options.requestedVerifyOption is not VERIFIED"
    if not build.get("serviceAccount"):
        yield "no serviceAccount: the build would have the rights of the project's default account"
    elif not re.fullmatch(r"projects/[^/]+/serviceAccounts/[^/]+", build["serviceAccount"]):
        yield "serviceAccount must be projects/PROJECT/serviceAccounts/ACCOUNT"
    if not build.get("logsBucket") and options.get("logging") not in ("CLOUD_LOGGING_ONLY", "NONE"):
        yield "an account of one's own needs options.logging CLOUD_LOGGING_ONLY, or a logsBucket"


def _named(build: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(step.get("id", f"number {number}"), step) for number, step in enumerate(build.get("steps", []), start=1)]


def _seconds(text: object) -> int | None:
    match = re.fullmatch(r"(\d+)s", str(text))
    return int(match[1]) if match else None

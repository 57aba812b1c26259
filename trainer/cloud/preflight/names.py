"""Names: project, display name, labels, and what is still left open."""

import re
from collections.abc import Iterator
from typing import Any

from trainer.cloud.jobspec import PLACEHOLDERS, Job, open_placeholders
from trainer.cloud.preflight.finding import Finding

_PROJECT = re.compile(r"(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]")
_LABEL_KEY = re.compile(r"(?!vertex-ai-|goog)[a-z][a-z0-9_-]{0,62}")
_LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
_LONGEST_NAME, _MOST_LABELS = 128, 64


def check(job: Job) -> Iterator[Finding]:
    left_open = sorted(
        {name for text in (job.project, job.region, *_texts(job.document)) for name in open_placeholders(text)}
    )
    for name in left_open:
        yield Finding("placeholder", f"the placeholder {name}", "a value for it", name, f"add {PLACEHOLDERS[name]}")
    if "PROJECT" not in left_open and not _PROJECT.fullmatch(job.project):
        expected = "a project id, no number: 6 to 30 of a-z, 0-9, -, beginning with a letter"
        yield Finding("project", "the project", expected, job.project, "--set project=ID (gcloud projects list)")
    if not 1 <= len(job.display_name) <= _LONGEST_NAME:
        expected = f"1 to {_LONGEST_NAME} characters"
        received = f"{len(job.display_name)} characters"
        yield Finding("display-name", "the display name", expected, received, "--set display-name=NAME")
    yield from _labels(job)


def _labels(job: Job) -> Iterator[Finding]:
    rule = "at most 63 of a-z, 0-9, _, -"
    for key, value in job.labels.items():
        if not _LABEL_KEY.fullmatch(key):
            expected = f"{rule}, beginning with a letter, but not with goog or vertex-ai-"
            do = "rename it; stage:dev is written --set labels.stage=dev"
            yield Finding("label-key", f"the label {key}", expected, key, do)
        if not _LABEL_VALUE.fullmatch(value):
            do = f"write {re.sub(r'[^a-z0-9_-]+', '-', value.lower())[:63]}"
            yield Finding("label-value", f"the value of the label {key}", rule, value, do)
    if len(job.labels) > _MOST_LABELS:
        received = str(len(job.labels))
        yield Finding("label-count", "the labels", f"at most {_MOST_LABELS}", received, "leave some out")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)

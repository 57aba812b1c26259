"""The job files of the project, filled in, and changed for a test."""

from copy import deepcopy
from pathlib import Path
from typing import Any

from trainer.cloud import jobspec
from trainer.cloud.jobspec import Job

FOLDER = Path(__file__).parents[2] / "jobs"
NAMES = ("cpu", "gpu-t4-spot", "gpu-l4", "multi-host", "tuning")
VALUES = {"PROJECT": "my-project", "REGION": "us-central1", "BUCKET": "my-bucket", "RUN": "first"}

#: As a value: take the key out.
GONE = object()


def job(name: str, changes: dict[str, Any] | None = None, **of_the_job: Any) -> Job:
    """``changes``: new values by their path in the filled-in file, such as ``scheduling.timeout``."""
    document = deepcopy(jobspec.fill(jobspec.load(FOLDER / f"{name}.yaml"), VALUES))
    for path, value in (changes or {}).items():
        _change(document, path.split("."), value)
    given = {"region": "us-central1", "project": "my-project", "display_name": f"a-{name}", "labels": {"job": name}}
    return Job(name=name, document=document, **{**given, **of_the_job})


def _change(place: Any, path: list[str], value: Any) -> None:
    *parents, last = [int(part) if part.isdigit() else part for part in path]
    for part in parents:
        place = place.setdefault(part, {}) if isinstance(place, dict) else place[part]
    if value is GONE:
        del place[last]
    elif isinstance(place, list) and last == len(place):
        place.append(value)
    else:
        place[last] = value

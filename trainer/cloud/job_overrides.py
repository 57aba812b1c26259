"""``--set key=value``: what a job file says, changed for this one submission."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from trainer.cloud.jobspec import JOB_KEYS, TUNING_KEYS, add_arguments, change_texts, load, pools_of
from trainer.errors import SettingsError

#: Where the short names lead within a worker pool, and within the job.
_OF_EACH_POOL = {
    "image": ("containerSpec", "imageUri"),
    "machine": ("machineSpec", "machineType"),
    "accelerator": ("machineSpec", "acceleratorType"),
    "accelerators": ("machineSpec", "acceleratorCount"),
}
_OF_THE_JOB = {
    "strategy": ("scheduling", "strategy"),
    "timeout": ("scheduling", "timeout"),
    "service-account": ("serviceAccount",),
    "output": ("baseOutputDirectory", "outputUriPrefix"),
}
#: Not in the file, or a placeholder of it.
_BESIDE_THE_FILE = ("project", "region", "bucket", "run", "display-name")

KEYS = (*_BESIDE_THE_FILE, *_OF_EACH_POOL, *_OF_THE_JOB)


@dataclass
class Overrides:
    """What ``--set`` gave: values beside the file by name, labels, and changes of the file in order."""

    beside: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    changes: list[tuple[str, str]] = field(default_factory=list)


def parse(assignments: Sequence[str]) -> Overrides:
    """Raises SettingsError, one line that names every assignment that is none."""
    given, complaints = Overrides(), []
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals or not value.strip():
            complaints.append(_complaint(assignment, "key=value", "write it in full"))
        elif key in _BESIDE_THE_FILE:
            given.beside[key] = value
        elif key.startswith("labels."):
            given.labels[key.removeprefix("labels.")] = value
        elif key in (*_OF_EACH_POOL, *_OF_THE_JOB, *JOB_KEYS, *TUNING_KEYS) or "." in key:
            given.changes.append((key, value))
        else:
            nearest = get_close_matches(key, (*KEYS, *JOB_KEYS, *TUNING_KEYS), n=1)
            do = f"did you mean {nearest[0]}?" if nearest else "see --help"
            complaints.append(_complaint(key, f"one of {', '.join(KEYS)}, labels.KEY, or a path in the file", do))
    if complaints:
        raise SettingsError("; ".join(complaints))
    return given


def changed_file(path: Path, given: Overrides, trainer_flags: list[str]) -> dict[str, Any]:
    """The job in the file at ``path`` with the changes and flags, its placeholders open. Raises SettingsError."""
    document: dict[str, Any] = change_texts(load(path), str)
    apply(document, given.changes)
    add_arguments(document, trainer_flags)
    return document


def apply(document: dict[str, Any], changes: Sequence[tuple[str, str]]) -> None:
    """Change ``document`` in place. Raises SettingsError, one line that names every path that leads nowhere."""
    complaints = []
    for key, value in changes:
        try:
            _apply(document, key, value)
        except SettingsError as error:
            complaints.append(str(error))
    if complaints:
        raise SettingsError("; ".join(complaints))


def _apply(document: dict[str, Any], key: str, value: str) -> None:
    job = document.get("trialJobSpec", document)
    if key in _OF_EACH_POOL:
        for pool in pools_of(document):
            _set_in_pool(pool, key, value)
    elif key in _OF_THE_JOB:
        _put(job, _OF_THE_JOB[key], value, key)
    else:
        # Findings name places as workerPoolSpecs[0], in a search too.
        path = tuple(re.sub(r"\[(\d+)\]", r".\1", key).split("."))
        _put(job if path[0] in JOB_KEYS else document, path, _typed(value), key)


def _set_in_pool(pool: dict[str, Any], key: str, value: str) -> None:
    if key == "accelerator" and value == "none":
        machine = pool.get("machineSpec")
        if isinstance(machine, dict):
            machine.pop("acceleratorType", None)
            machine.pop("acceleratorCount", None)
        return
    _put(pool, _OF_EACH_POOL[key], _typed(value) if key == "accelerators" else value, key)


def _put(place: Any, path: tuple[str, ...], value: Any, key: str) -> None:
    """What is missing on the way is made, also the next entry of a list."""
    for number, part in enumerate(path):
        is_last = number == len(path) - 1
        missing: Any = value if is_last else [] if path[number + 1] == "0" else {}
        if isinstance(place, dict):
            if is_last or place.get(part) is None:
                place[part] = missing
            place = place[part]
        elif isinstance(place, list) and part.isdecimal() and int(part) <= len(place):
            place[int(part) : int(part) + 1] = [missing] if is_last or int(part) == len(place) else [place[int(part)]]
            place = place[int(part)]
        else:
            there = f"has {len(place)}, counted from 0" if isinstance(place, list) else "is a value, not a mapping"
            expected = "a path within the job file, such as workerPoolSpecs.1.replicaCount"
            do = f"{'.'.join(path[:number]) or 'the job'} {there}"
            raise SettingsError("--set leads nowhere", expected=expected, received=key, do=do)


def _typed(value: str) -> Any:
    """As the file would hold it: 2 is a number, true a truth value, 3600s a text."""
    import yaml

    try:
        return yaml.safe_load(value)
    except (yaml.YAMLError, ValueError, KeyError):  # A day that there is none, a tag that doesn't fit.
        return value


def _complaint(received: str, expected: str, do: str) -> str:
    return str(SettingsError("--set", expected=expected, received=received, do=do))

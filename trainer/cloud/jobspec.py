"""A job file of `jobs/`, and what is filled into it before it is sent.

The files have the form that ``gcloud ai custom-jobs create --config`` takes (a CustomJobSpec in camelCase), or
``gcloud ai hp-tuning-jobs create --config`` (a HyperparameterTuningJob): so each can be sent without this package, too.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.errors import SettingsError
from trainer.unique_keys import load_yaml

#: What the files leave open, and how it is filled in.
PLACEHOLDERS = {
    "PROJECT": "--set project=ID",
    "REGION": "--set region=us-central1",
    "BUCKET": "--set bucket=NAME",
    "RUN": "--set run=NAME",
}
_PLACE = re.compile(r"gs://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9](/(?!\.{1,2}(/|$))[^\s?#*\[\]${}/]+)*")
_PLACEHOLDER = re.compile(rf"\b({'|'.join(PLACEHOLDERS)})\b")

#: The fields of a CustomJobSpec.
JOB_KEYS = (
    *("persistentResourceId", "workerPoolSpecs", "scheduling", "serviceAccount", "network", "reservedIpRanges"),
    *("pscInterfaceConfig", "baseOutputDirectory", "protectedArtifactLocationId", "tensorboard", "enableWebAccess"),
    *("enableDashboardAccess", "experiment", "experimentRun", "models"),
)

#: The keys of a HyperparameterTuningJob that are ours to give; the rest is Vertex AI's to answer.
TUNING_KEYS = ("studySpec", "maxTrialCount", "parallelTrialCount", "maxFailedTrialCount", "trialJobSpec")


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job as it is to be sent.

    Attributes:
        name: of its file, such as ``gpu-t4-spot``.
        document: what the file says, filled in. Of any shape until preflight has passed.
    """

    name: str
    project: str
    region: str
    display_name: str
    labels: Mapping[str, str]
    document: Mapping[str, Any]

    @property
    def is_tuning(self) -> bool:
        return "trialJobSpec" in self.document or "studySpec" in self.document

    @property
    def spec(self) -> Mapping[str, Any]:
        """The CustomJobSpec: of the job, or of each trial."""
        found = self.document.get("trialJobSpec") if self.is_tuning else self.document
        return found if isinstance(found, dict) else {}

    @property
    def pools(self) -> dict[str, dict[str, Any]]:
        """The pools by the place that names them, such as ``workerPoolSpecs[0]``; one that is no mapping is empty."""
        pools = enumerate(_given_pools(self.spec))
        return {f"workerPoolSpecs[{n}]": pool if isinstance(pool, dict) else {} for n, pool in pools}

    @property
    def first_pool(self) -> dict[str, Any]:
        """The primary's; empty if there is none."""
        return next(iter(self.pools.values()), {})

    @property
    def output(self) -> str:
        """``baseOutputDirectory`` without a trailing slash; empty if there is none."""
        directory = self.spec.get("baseOutputDirectory")
        prefix = directory.get("outputUriPrefix") if isinstance(directory, dict) else None
        return prefix.removesuffix("/") if isinstance(prefix, str) else ""


def find(name: str, folder: Path) -> Path:
    """The file that ``name`` stands for: ``cpu`` is ``jobs/cpu.yaml``, anything with a suffix is a path."""
    if Path(name).suffix in (".yaml", ".yml", ".json"):
        return Path(name)
    path = folder / f"{name}.yaml"
    if not path.is_file():
        there = ", ".join(sorted(item.stem for item in folder.glob("*.yaml"))) or f"a file in {folder}"
        raise SettingsError("no such job", expected=f"one of {there}, or a path", received=name, do="see jobs/")
    return path


def load(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file. A key that stands there twice is refused: YAML would silently take the last."""
    import yaml

    expected, do = "a YAML file with a mapping, such as jobs/cpu.yaml", "see docs/jobs.md"
    try:
        document = load_yaml(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SettingsError(f"{path} can't be read", expected=expected, received=str(reason), do=do) from error
    if not isinstance(document, dict):
        raise SettingsError(f"{path} is no job", expected=expected, received=type(document).__name__, do=do)
    return document


def fill(value: Any, given: Mapping[str, str]) -> Any:
    """``value`` with the placeholders replaced that are ``given``, in every text of it."""
    return change_texts(value, lambda text: _PLACEHOLDER.sub(lambda match: given.get(match[0]) or match[0], text))


def is_place(text: str) -> bool:
    """Whether it is ``gs://bucket`` or ``gs://bucket/prefix``, with nothing in it to be filled in."""
    return bool(_PLACE.fullmatch(text))


def open_placeholders(text: str) -> list[str]:
    return sorted(set(_PLACEHOLDER.findall(text)))


def change_texts(value: Any, change: Callable[[str], str]) -> Any:
    """A copy without aliases, so that pools that share a YAML anchor can differ afterwards."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [change_texts(item, change) for item in value]
    if isinstance(value, dict):
        return {key: change_texts(item, change) for key, item in value.items()}
    return value


def add_arguments(document: Mapping[str, Any], flags: list[str]) -> None:
    """Append trainer flags to the arguments of every pool: of a flag given twice, the trainer takes the last."""
    for pool in pools_of(document):
        for container in (pool.get("containerSpec"), pool.get("pythonPackageSpec")):
            if isinstance(container, dict):
                given = container.get("args")
                container["args"] = [*(given if isinstance(given, list) else []), *flags]


def pools_of(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The worker pools, those of a trial in a tuning job."""
    return [pool for pool in _given_pools(document.get("trialJobSpec", document)) if isinstance(pool, dict)]


def _given_pools(spec: Any) -> list[Any]:
    pools = spec.get("workerPoolSpecs") if isinstance(spec, dict) else None
    return pools if isinstance(pools, list) else []

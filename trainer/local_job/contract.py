"""What Vertex AI gives each replica of a job: environment, entry point, arguments. A function of the job's file alone.

https://cloud.google.com/vertex-ai/docs/training/code-requirements#environment-variables
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainer.cloud.jobspec import pools_of
from trainer.cloud.preflight.finding import whole
from trainer.errors import SettingsError

# Ids are numbers there. These are nobody's.
JOB_ID, PROJECT_NUMBER, TRIAL = "1234567890123456789", "123456789012", "1"
HOST = "127.0.0.1"
_ROLES = {"workerpool0": "chief", "workerpool1": "worker", "workerpool2": "ps", "workerpool3": "evaluator"}


@dataclass(frozen=True)
class Replica:
    """One replica as it is to be started.

    Attributes:
        name: as the service names it, such as ``workerpool0-0``.
        entry_point: ``containerSpec.command``; empty where the image's own stands.
    """

    name: str
    image: str
    entry_point: tuple[str, ...]
    arguments: tuple[str, ...]
    environment: Mapping[str, str]


def count_replicas(document: Mapping[str, Any]) -> int:
    """Raises SettingsError for a job without any, with more pools than there are, or one that has no container."""
    pools = pools_of(document)
    counts = [_count(pool) for pool in pools]
    if not 1 <= len(counts) <= len(_ROLES) or counts[0] != 1:
        raise SettingsError(
            "the job can't be run",
            expected=f"1 to {len(_ROLES)} workerPoolSpecs, of which the first has one replica",
            received=f"pools of {', '.join(map(str, counts)) or 'nothing'}",
            do="see what scripts/submit --dry-run finds in it",
        )
    if not all(isinstance(pool.get("containerSpec"), dict) for pool in pools):
        raise SettingsError(
            "the job can't be run here",
            expected="a containerSpec in each pool",
            received="a pool without one",
            do="give it an image; Python packages for Vertex AI's own images are not run here",
        )
    return sum(counts)


def replicas_of(document: Mapping[str, Any], ports: Sequence[int], *, metric_file: str) -> list[Replica]:
    """The replicas, by rank, reachable at ``ports``. Of a tuning job: those of one trial in the middle of its space."""
    addresses = iter(f"{HOST}:{port}" for port in ports)
    pools = {number: pool for number, pool in enumerate(pools_of(document)) if _count(pool)}
    cluster = {f"workerpool{number}": [next(addresses) for _ in range(_count(pool))] for number, pool in pools.items()}
    common = _everywhere(document, metric_file)
    parameters = [f"--{name}={value}" for name, value in _trial_parameters(document).items()]
    found = []
    for number, pool in pools.items():
        container = pool["containerSpec"]
        own = {item.get("name", ""): item.get("value", "") for item in container.get("env", [])}
        for index in range(_count(pool)):
            found.append(
                Replica(
                    f"workerpool{number}-{index}",
                    container.get("imageUri", ""),
                    tuple(map(str, container.get("command", []))),
                    (*map(str, container.get("args", [])), *parameters),
                    {**own, **common, **_place_in_cluster(document, cluster, number, index)},
                )
            )
    return found


def _everywhere(document: Mapping[str, Any], metric_file: str) -> dict[str, str]:
    """What all replicas are told alike. The ``AIP_`` directories only where the job has a base directory."""
    is_trial = "trialJobSpec" in document
    found = {"CLOUD_ML_JOB_ID": JOB_ID, "CLOUD_ML_PROJECT_ID": PROJECT_NUMBER}
    if is_trial:
        found |= {"CLOUD_ML_TRIAL_ID": TRIAL, "CLOUD_ML_HP_METRIC_FILE": metric_file}
    base = _spec(document).get("baseOutputDirectory", {}).get("outputUriPrefix")
    if base:
        folder = base.rstrip("/") + (f"/{TRIAL}" if is_trial else "")
        found |= {
            "AIP_MODEL_DIR": f"{folder}/model/",
            "AIP_CHECKPOINT_DIR": f"{folder}/checkpoints/",
            "AIP_TENSORBOARD_LOG_DIR": f"{folder}/logs/",
        }
    return found


def _place_in_cluster(
    document: Mapping[str, Any], cluster: Mapping[str, Sequence[str]], number: int, index: int
) -> dict[str, str]:
    task: dict[str, Any] = {"type": f"workerpool{number}", "index": index}
    if "trialJobSpec" in document:
        task["trial"] = TRIAL
    spec = {"cluster": cluster, "environment": "cloud", "task": task, "job": _spec(document)}
    found = {"CLUSTER_SPEC": json.dumps(spec)}
    if sum(map(len, cluster.values())) > 1:
        roles = {_ROLES[pool]: addresses for pool, addresses in cluster.items()}
        role = {"type": _ROLES[f"workerpool{number}"], "index": index}
        found["TF_CONFIG"] = json.dumps({"cluster": roles, "environment": "cloud", "task": role})
    return found


def _trial_parameters(document: Mapping[str, Any]) -> dict[str, Any]:
    parameters = document.get("studySpec", {}).get("parameters", [])
    return {parameter.get("parameterId", ""): _middle(parameter) for parameter in parameters}


def _middle(parameter: Mapping[str, Any]) -> Any:
    """The value in the middle of one parameter of a study: where a search would begin, too."""
    name = parameter.get("parameterId", "")
    for kind in ("doubleValueSpec", "integerValueSpec"):
        if {"minValue", "maxValue"} <= parameter.get(kind, {}).keys():
            low, high = float(parameter[kind]["minValue"]), float(parameter[kind]["maxValue"])
            middle = _middle_between(low, high, name, logarithmic=parameter.get("scaleType") == "UNIT_LOG_SCALE")
            return middle if kind == "doubleValueSpec" else round(middle)
    values = (parameter.get("categoricalValueSpec") or parameter.get("discreteValueSpec") or {}).get("values", [])
    if not values:
        raise SettingsError(
            f"the parameter {name} has no values",
            expected="a range, or a list of values",
            received=", ".join(sorted(parameter)),
            do="see jobs/tuning.yaml",
        )
    return values[len(values) // 2]


def _middle_between(low: float, high: float, name: str, *, logarithmic: bool) -> float:
    if not logarithmic:
        return low / 2 + high / 2
    if min(low, high) <= 0:
        raise SettingsError(
            f"the range of the parameter {name} has no middle",
            expected="values above 0 on a logarithmic scale",
            received=f"{low:g} to {high:g}",
            do="raise minValue, or write scaleType: UNIT_LINEAR_SCALE",
        )
    return math.sqrt(low) * math.sqrt(high)


def _count(pool: Mapping[str, Any]) -> int:
    return whole(pool.get("replicaCount", 1)) or 0


def _spec(document: Mapping[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = document.get("trialJobSpec", document)
    return spec

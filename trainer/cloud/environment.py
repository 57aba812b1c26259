"""What Vertex AI tells a replica about the job that it is part of.

``CLUSTER_SPEC`` is set in every replica of every job: https://cloud.google.com/vertex-ai/docs/training/distributed-training.
``TF_CONFIG`` says less, and only in jobs of several replicas, so it is not read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trainer.errors import SettingsError

VARIABLE, TRIAL_VARIABLE = "CLUSTER_SPEC", "CLOUD_ML_TRIAL_ID"
PRIMARY, WORKERS = "workerpool0", "workerpool1"

_Address = Annotated[str, Field(pattern=r"^\S+:[1-9]\d{0,4}$")]


@dataclass(frozen=True)
class Cluster:
    """The replicas that train one model together; this process is one of them.

    Attributes:
        addresses: ``host:port`` of each replica, by rank. The primary is the first.
        rank: which of them this is.
        trial: the id of the trial, in a tuning job.
    """

    addresses: tuple[str, ...] = ("localhost:2222",)
    rank: int = 0
    trial: str | None = None

    @property
    def replicas(self) -> int:
        return len(self.addresses)

    @property
    def is_primary(self) -> bool:
        """Whether this replica is the one that evaluates and writes: Vertex AI goes by its exit code."""
        return self.rank == 0


class _Task(BaseModel):
    model_config = ConfigDict(strict=True)

    type: str
    index: Annotated[int, Field(ge=0)]
    trial: str | int | None = None


class _ClusterSpec(BaseModel):
    """Only what is read. Vertex AI adds ``job``, ``environment`` and, on request, ``open_ports``."""

    model_config = ConfigDict(strict=True)

    cluster: dict[str, Annotated[list[_Address], Field(min_length=1)]]
    task: _Task


def read_cluster(env: Mapping[str, str]) -> Cluster:
    """The cluster that ``CLUSTER_SPEC`` in ``env`` describes; without it, this process alone.

    Raises SettingsError for what Vertex AI would never set, and for pools that have no part in this training.
    """
    text = env.get(VARIABLE)
    if not text:
        return Cluster()
    try:
        spec = _ClusterSpec.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise _refusal(f"{where}: {first['msg']}" if where else first["msg"]) from error
    trial = spec.task.trial
    return Cluster(_addresses(spec.cluster), _rank(spec), None if trial is None else str(trial))


def with_trial(env: Mapping[str, str], cluster: Cluster) -> Mapping[str, str]:
    """``env`` with the number of a tuning trial in the variable that settings are read from, whichever has it."""
    return {TRIAL_VARIABLE: cluster.trial, **env} if cluster.trial else env


def _addresses(pools: Mapping[str, list[str]]) -> tuple[str, ...]:
    strangers = sorted(pools.keys() - {PRIMARY, WORKERS})
    if strangers or len(pools.get(PRIMARY, [])) != 1:
        received = f"the pools {', '.join(f'{name} of {len(pools[name])}' for name in sorted(pools)) or 'none'}"
        raise SettingsError(
            f"{VARIABLE} describes a cluster that can't train together",
            expected=f"one replica in {PRIMARY}, any number in {WORKERS}, and no other pool",
            received=received,
            do="correct the job's workerPoolSpecs: parameter servers and evaluators have nothing to do here",
        )
    addresses = (*pools[PRIMARY], *pools.get(WORKERS, []))
    if len(set(addresses)) != len(addresses):
        raise _refusal("one address twice")
    return addresses


def _rank(spec: _ClusterSpec) -> int:
    """0 in the first pool; in the second, one more than the index in it."""
    task = spec.task
    if task.index >= len(spec.cluster.get(task.type, [])):
        raise _refusal(f"task {task.type} {task.index}, which is not in the cluster")
    return task.index if task.type == PRIMARY else task.index + 1


def _refusal(received: str) -> SettingsError:
    return SettingsError(
        f"{VARIABLE} can't be read",
        expected='JSON such as {"cluster": {"workerpool0": ["host:2222"]}, '
        '"task": {"type": "workerpool0", "index": 0}}',
        received=received,
        do="unset it, unless this is a replica of a Vertex AI job",
    )

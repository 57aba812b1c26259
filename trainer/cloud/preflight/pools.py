"""How many replicas, in which worker pools, that can train together."""

from collections.abc import Iterator
from typing import Any

from trainer.cloud.jobspec import Job
from trainer.cloud.preflight.containers import container_of
from trainer.cloud.preflight.finding import Finding, mapping, text, whole
from trainer.cloud.preflight.flags import ReadFlags, read

_DISKS = ("pd-ssd", "pd-standard")
_SMALLEST_DISK, _LARGEST_DISK = 100, 64000
_KERAS_ISSUE = "keras#20585"


def check(job: Job, read_flags: ReadFlags) -> Iterator[Finding]:
    pools = list(job.pools.values())
    if not pools:
        do = "write one as in jobs/cpu.yaml"
        yield Finding("pools", "workerPoolSpecs", "a list with at least one pool", "", do)
        return
    for number, (path, pool) in enumerate(job.pools.items()):
        yield from _pool(number, path, pool)
    if replicas(pools) > 1:
        # A third has a finding of its own.
        yield from _together(job, [pool for pool in pools[:2] if pool], read_flags)


def replicas(pools: list[dict[str, Any]]) -> int:
    return sum(whole(pool.get("replicaCount")) or 0 for pool in pools)


def _pool(number: int, path: str, pool: dict[str, Any]) -> Iterator[Finding]:
    count = pool.get("replicaCount")
    received = "" if count is None else str(count)
    if number > 1 and pool:
        expected = "no third pool: this trainer needs no parameter servers, reduction servers or evaluators"
        yield Finding("pool-role", path, expected, f"{len(pool)} fields", "take it out; more workers belong to pool 1")
    elif number == 0 and whole(count) != 1:
        do = "write replicaCount: 1, and put more replicas into a second pool"
        yield Finding("primary", f"{path}.replicaCount", "exactly 1: the first pool is the primary", received, do)
    elif number == 1 and (whole(count) or 0) < 1:
        do = "write how many workers, or take the pool out"
        yield Finding("replicas", f"{path}.replicaCount", "at least 1", received, do)
    yield from _disk(mapping(pool.get("diskSpec")), f"{path}.diskSpec")


def _disk(disk: dict[str, Any], path: str) -> Iterator[Finding]:
    kind, size = text(disk.get("bootDiskType")), disk.get("bootDiskSizeGb")
    if kind and kind not in _DISKS:
        yield Finding("disk", f"{path}.bootDiskType", " or ".join(_DISKS), kind, f"write {_DISKS[0]}")
    if size is not None and not _SMALLEST_DISK <= (whole(size) or 0) <= _LARGEST_DISK:
        expected = f"{_SMALLEST_DISK} to {_LARGEST_DISK} GB"
        yield Finding("disk", f"{path}.bootDiskSizeGb", expected, str(size), f"write {_SMALLEST_DISK}, which is plenty")


def _runs(pool: dict[str, Any]) -> dict[str, Any]:
    """What has to be the same in every pool, by what it is called."""
    container, machine = container_of(pool), mapping(pool.get("machineSpec"))
    accelerators = [machine.get(key) for key in ("acceleratorType", "acceleratorCount")]
    return {key: container.get(key) for key in ("imageUri", "command", "args", "env")} | {"accelerators": accelerators}


def _together(job: Job, pools: list[dict[str, Any]], read_flags: ReadFlags) -> Iterator[Finding]:
    # What the trainer refuses has a finding of its own.
    understood = [values for pool in pools if (values := read(job, pool, read_flags).values)]
    backends = sorted({str(values["backend"]) for values in understood})
    if backends not in ([], ["jax"]):
        received = f"{replicas(pools)} replicas with {' and '.join(backends)}"
        expected = f"JAX in every pool: on TensorFlow each replica would train alone ({_KERAS_ISSUE})"
        do = "set KERAS_BACKEND=jax in env, as jobs/multi-host.yaml does"
        yield Finding("several-on-tensorflow", "workerPoolSpecs", expected, received, do)
    for number, pool in enumerate(pools):
        if others := [name for name, value in _runs(pool).items() if value != _runs(pools[0])[name]]:
            expected = "the same image and arguments as in the first pool: all replicas compute one training step"
            received = f"other {', '.join(others)}"
            yield Finding("pools-differ", f"workerPoolSpecs[{number}]", expected, received, "use YAML anchors")
    if mapping(job.spec.get("scheduling")).get("restartJobOnWorkerRestart") is not True:
        expected = "true: the others can't go on without the replica that was lost"
        where = "scheduling.restartJobOnWorkerRestart"
        yield Finding("replica-restart", where, expected, "", "write restartJobOnWorkerRestart: true")

"""Machines, accelerators and regions, by the table in `trainer/cloud/machines.yaml`."""

from collections.abc import Iterator
from typing import Any

from trainer.cloud.jobspec import Job, open_placeholders
from trainer.cloud.machines import MachineTable, load
from trainer.cloud.preflight.finding import Finding, mapping, nearest, text, whole

_TABLE = "trainer/cloud/machines.yaml"


def check(job: Job) -> Iterator[Finding]:
    table = load()
    if job.region not in table.regions and not open_placeholders(job.region):
        do = nearest(job.region, list(table.regions), "use us-central1")
        yield Finding("region", "the region", f"one of the {len(table.regions)} with custom training", job.region, do)
    for path, pool in job.pools.items():
        if pool:
            yield from _machine(mapping(pool.get("machineSpec")), f"{path}.machineSpec", table, job.region)


def _machine(spec: dict[str, Any], path: str, table: MachineTable, region: str) -> Iterator[Finding]:
    machine = text(spec.get("machineType"))
    if not machine:
        yield Finding("machine", f"{path}.machineType", "a machine type", "", "name one, such as n1-standard-4")
    elif machine not in table.machines:
        do = nearest(machine, list(table.machines), f"use one of {_TABLE}, or add it there if it is new")
        yield Finding("machine", f"{path}.machineType", f"one that custom training had on {table.as_of}", machine, do)
    else:
        yield from _accelerator(spec, path, table, region)


def _accelerator(spec: dict[str, Any], path: str, table: MachineTable, region: str) -> Iterator[Finding]:
    machine, kind, count = text(spec["machineType"]), text(spec.get("acceleratorType")), spec.get("acceleratorCount")
    what = f"{path}.acceleratorType"
    fitting = table.accelerators_of(machine)
    if kind in table.retired:
        received = f"{kind}, gone since {table.retired[kind]}"
        yield Finding("accelerator-retired", what, "one that still exists", received, "use a T4 or an L4")
    elif not kind and count is not None and whole(count) != 0:
        yield Finding("accelerator-half", what, f"the kind of the {count} accelerators", "", "name it")
    elif not kind and table.brings_its_own(machine):
        expected = f"{' or '.join(fitting)}, which {machine} comes with"
        yield Finding("accelerator-missing", what, expected, "", f"add acceleratorType: {fitting[0]} and its count")
    elif kind and kind not in table.accelerators:
        expected = f"one of {', '.join(table.accelerators)}"
        yield Finding("accelerator-unknown", what, expected, kind, f"{_TABLE} lists what fits which machine")
    elif kind and kind not in fitting:
        expected = f"one of {', '.join(fitting)} for {machine}" if fitting else f"none for {machine}"
        machines = ", ".join(list(table.accelerators[kind].counts)[:4])
        yield Finding("accelerator-machine", what, expected, kind, f"{kind} goes with {machines} …")
    elif kind:
        yield from _count_and_place(machine, kind, count, path, table, region)


def _count_and_place(
    machine: str, kind: str, count: Any, path: str, table: MachineTable, region: str
) -> Iterator[Finding]:
    accelerator = table.accelerators[kind]
    allowed = accelerator.counts[machine]
    if whole(count) not in allowed:
        expected = f"{' or '.join(map(str, allowed))} {kind} on {machine}"
        rule = "accelerator-half" if count is None else "accelerator-count"
        received = "" if count is None else str(count)
        yield Finding(rule, f"{path}.acceleratorCount", expected, received, f"write acceleratorCount: {allowed[0]}")
    if region in table.regions and region not in accelerator.regions:
        expected = f"a region with {kind} ({', '.join(accelerator.regions)}, as of {table.as_of})"
        do = f"--set region=us-central1, or add it to {_TABLE} if it is new there"
        yield Finding("accelerator-region", "the region", expected, region, do)

"""The table of machines, accelerators and regions in `machines.yaml`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Machine:
    """``quota`` is the name of the Vertex AI quota that its CPUs count against."""

    name: str
    cpus: int
    quota: str


@dataclass(frozen=True)
class Accelerator:
    """``counts``: how many may go with which machine; ``flex_start``: whether that strategy has it."""

    name: str
    quota: str
    counts: Mapping[str, Sequence[int]]
    flex_start: bool
    regions: Sequence[str]


@dataclass(frozen=True)
class MachineTable:
    """``retired``: names that the service still knows, and since when no machine has them."""

    as_of: str
    regions: Sequence[str]
    machines: Mapping[str, Machine]
    accelerators: Mapping[str, Accelerator]
    retired: Mapping[str, str]

    def accelerators_of(self, machine: str) -> list[str]:
        return [name for name, item in self.accelerators.items() if machine in item.counts]

    def brings_its_own(self, machine: str) -> bool:
        """Whether ``machine`` comes with its accelerators, which the job must name all the same."""
        return not machine.startswith("n1-") and bool(self.accelerators_of(machine))


@cache
def load() -> MachineTable:
    import yaml

    raw = yaml.safe_load((Path(__file__).parent / "machines.yaml").read_text(encoding="utf-8"))
    return MachineTable(
        as_of=str(raw["as_of"]),
        regions=raw["regions"],
        machines={
            name: Machine(name, cpus, family["quota"])
            for family in raw["families"].values()
            for name, cpus in family["machines"].items()
        },
        accelerators={
            name: Accelerator(name, item["quota"], item["counts"], item.get("flex_start", False), item["regions"])
            for name, item in raw["accelerators"].items()
        },
        retired={name: str(date) for name, date in raw["retired"].items()},
    )

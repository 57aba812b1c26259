"""The dated tables of prices and speeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Price:
    """US dollars per hour. ``usd_at_most`` adds the margin where the price was not read off the price page itself."""

    usd: float
    usd_at_most: float
    basis: str
    as_of: str
    includes_accelerators: bool = False


@dataclass(frozen=True)
class RegionPrices:
    """``disk_gb``: of one gigabyte."""

    machines: Mapping[str, Price]
    accelerators: Mapping[str, Price]
    disk_gb: Price


@dataclass(frozen=True)
class AutoML:
    """What the same task costs at least with Vertex AI AutoML."""

    usd_per_node_hour: float
    least_node_hours: float
    as_of: str

    @property
    def usd(self) -> float:
        return self.usd_per_node_hour * self.least_node_hours


@dataclass(frozen=True)
class Speeds:
    """``processor``: images per second by network, then by the smallest batch size that it holds for.

    ``filters`` and ``dense_units`` are the largest that it holds for.
    """

    processor: Mapping[str, Mapping[int, float]]
    filters: Sequence[int]
    dense_units: int
    other_seconds: float
    as_of: str
    source: str

    def covers(self, filters: Sequence[int]) -> bool:
        """Whether a network with these has no more blocks, and no larger one."""
        pairs = zip(filters, self.filters, strict=False)
        return len(filters) <= len(self.filters) and all(asked <= measured for asked, measured in pairs)

    def images_per_second(self, network: str, batch_size: int) -> float | None:
        """Of a machine without accelerator; None where nothing was measured."""
        measured = {least: speed for least, speed in self.processor.get(network, {}).items() if least <= batch_size}
        return measured[max(measured)] if measured else None


@cache
def regions() -> Mapping[str, RegionPrices]:
    raw = _read("prices.yaml")
    return {
        name: RegionPrices(
            machines={key: _price(item, raw["margin"]) for key, item in region["machines"].items()},
            accelerators={key: _price(item, raw["margin"]) for key, item in region["accelerators"].items()},
            disk_gb=_price(region["disk_gb"], raw["margin"]),
        )
        for name, region in raw["regions"].items()
    }


@cache
def automl() -> AutoML:
    raw = _read("prices.yaml")["automl"]
    return AutoML(raw["usd_per_node_hour"], raw["least_node_hours"], str(raw["as_of"]))


@cache
def speeds() -> Speeds:
    raw = _read("speeds.yaml")
    return Speeds(**{**raw, "as_of": str(raw["as_of"])})


def _price(item: Mapping[str, Any], margin: float) -> Price:
    more = 1.0 if item["basis"] == "read" else 1.0 + margin
    includes = item.get("includes_accelerators", False)
    return Price(item["usd"], item["usd"] * more, item["basis"], str(item["as_of"]), includes)


@cache
def _read(name: str) -> Any:
    import yaml

    return yaml.safe_load((_HERE / name).read_text(encoding="utf-8"))

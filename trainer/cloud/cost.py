"""What a job costs: as expected, and at worst; and the timeout that keeps it below a limit.

At worst every attempt runs until its timeout. Google documents the timeout as the job's longest running time, but not
whether attempts share it; so they are counted as if each had its own. A spot machine is counted at the full price: spot
prices move, and are never higher.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from trainer.cloud import prices
from trainer.cloud.jobspec import Job
from trainer.cloud.preflight.finding import mapping, text, whole
from trainer.cloud.preflight.running import SHORTEST_SECONDS, seconds
from trainer.errors import SettingsError

#: Starts of a spot job: the first, and six after it was taken away. Of another: the first, and three after a crash.
SPOT_ATTEMPTS, ATTEMPTS = 7, 4
#: Billed around an attempt's running time while machines are made ready and given back. Assumed, not measured.
IDLE_SECONDS = 600
TRAINING_IMAGES = 60_000
_DEFAULT_DISK_GB = 100


@dataclass(frozen=True)
class Rate:
    """US dollars per hour of all replicas together. ``at_most`` holds margins; ``as_of`` is the oldest date."""

    usd: float
    at_most: float
    as_of: str
    is_read: bool


@dataclass(frozen=True)
class Estimate:
    """Dollars of the whole job, all trials of a tuning job included.

    Attributes:
        expected: None where no speed was measured; ``why_not`` then says for what.
        worst: every attempt until its timeout; None without a timeout.
    """

    rate: Rate
    expected: float | None
    why_not: str
    training_seconds: float | None
    worst: float | None
    attempts: int
    trials: int


def rate(job: Job) -> Rate:
    """Raises SettingsError, one line that names every machine that has no price."""
    region = prices.regions().get(job.region)
    if region is None:
        known = ", ".join(prices.regions())
        raise _unpriced(f"prices of {job.region}", f"one of the regions with prices, {known}", job.region)
    found, missing = [], []
    for pool in job.pools.values():
        replicas = whole(pool.get("replicaCount")) or 0
        parts, lacking = _parts(pool, region)
        found += [(price, count * replicas) for price, count in parts]
        missing += lacking
    if missing:
        names = ", ".join(dict.fromkeys(missing))
        raise _unpriced(f"the price of {names} in {job.region}", "one in trainer/cloud/prices.yaml", "none")
    return Rate(
        usd=sum(price.usd * count for price, count in found),
        at_most=sum(price.usd_at_most * count for price, count in found),
        as_of=min((price.as_of for price, _ in found), default=""),
        is_read=all(price.basis == "read" for price, _ in found),
    )


def estimate(job: Job, settings: Mapping[str, Any]) -> Estimate:
    """``settings``: the trainer's, resolved, by name. The job has passed preflight."""
    hourly, trials = rate(job), _trials(job)
    training, why_not = _training_seconds(job, settings)
    # The longest run of it: early stopping is no promise.
    expected = None if training is None else hourly.usd * (training + prices.speeds().other_seconds) / 3600 * trials
    timeout = seconds(mapping(job.spec.get("scheduling")).get("timeout"))
    count = attempts(job)
    worst = None if timeout is None else hourly.at_most * (timeout + IDLE_SECONDS) * count / 3600 * trials
    return Estimate(hourly, expected, why_not, training, worst, count, trials)


def attempts(job: Job) -> int:
    scheduling = mapping(job.spec.get("scheduling"))
    if scheduling.get("disableRetries") is True:
        return 1
    return SPOT_ATTEMPTS if scheduling.get("strategy") == "SPOT" else ATTEMPTS


def fewer_attempts(job: Job) -> str:
    """What to change of ``job`` so that a limit on its cost leaves each attempt more time."""
    scheduling = mapping(job.spec.get("scheduling"))
    is_spot = scheduling.get("strategy") == "SPOT"
    fewer = "--set strategy=STANDARD" if is_spot else "--set scheduling.disableRetries=true"
    return f"{fewer}, or fewer trials" if job.is_tuning else fewer


def longest_timeout(job: Job, most_usd: float) -> int:
    """Seconds after which an attempt has to end so that the job can't cost more than ``most_usd``.

    Raises SettingsError where that is too short to start at all.
    """
    hourly, tries = rate(job), attempts(job) * _trials(job)
    allowed = math.floor(most_usd / (hourly.at_most * tries) * 3600 - IDLE_SECONDS)
    if allowed < SHORTEST_SECONDS:
        least = hourly.at_most * tries * (SHORTEST_SECONDS + IDLE_SECONDS) / 3600
        raise SettingsError(
            "--max-cost leaves no time to train",
            expected=f"at least ${math.ceil(least * 100) / 100:.2f} for {tries} attempts of {SHORTEST_SECONDS} s",
            received=f"${most_usd:.2f}",
            do=f"raise it, take a smaller machine, or {fewer_attempts(job)}",
        )
    return allowed


def _parts(pool: dict[str, Any], region: prices.RegionPrices) -> tuple[list[tuple[prices.Price, int]], list[str]]:
    """Price and number of each thing a replica is made of, and what has no price."""
    spec, disk = mapping(pool.get("machineSpec")), mapping(pool.get("diskSpec"))
    machine, accelerator = text(spec.get("machineType")), text(spec.get("acceleratorType"))
    parts = [(region.disk_gb, whole(disk.get("bootDiskSizeGb")) or _DEFAULT_DISK_GB)]
    missing = []
    price = region.machines.get(machine)
    if price is None:
        missing.append(machine)
    else:
        parts.append((price, 1))
    if accelerator and not (price and price.includes_accelerators):
        if accelerator in region.accelerators:
            parts.append((region.accelerators[accelerator], whole(spec.get("acceleratorCount")) or 0))
        else:
            missing.append(accelerator)
    return parts, missing


def _training_seconds(job: Job, settings: Mapping[str, Any]) -> tuple[float | None, str]:
    if accelerator := text(mapping(job.first_pool.get("machineSpec")).get("acceleratorType")):
        return None, f"no speed was measured on {accelerator}"
    network, batch = settings["network"], settings["batch_size"]
    if others := list(_not_measured(settings)):
        network += f" with {', '.join(others)}"
    speed = prices.speeds().images_per_second(network, batch)
    if speed is None:
        return None, f"no speed was measured for the network {network} at a batch of {batch}"
    images = (settings["limit_train"] or TRAINING_IMAGES) * (1 - settings["val_fraction"])
    return settings["epochs"] * images * settings["visit_fraction"] / speed, ""


def _not_measured(settings: Mapping[str, Any]) -> Iterator[str]:
    """What may make a training slower than the one whose speed was measured."""
    speeds = prices.speeds()
    if settings["optimizer"] != "adam":
        yield settings["optimizer"]
    if settings["backend"] != "tensorflow":
        yield settings["backend"]
    if settings["precision"] == "bfloat16":  # Which the machines with a price compute in software.
        yield settings["precision"]
    if not speeds.covers(settings["filters"]):
        yield f"filters {','.join(map(str, settings['filters']))}"
    if settings["dense_units"] > speeds.dense_units:
        yield f"{settings['dense_units']} dense units"


def _trials(job: Job) -> int:
    return (whole(job.document.get("maxTrialCount")) or 1) if job.is_tuning else 1


def _unpriced(what: str, expected: str, received: str) -> SettingsError:
    do = "see its price page, add it to trainer/cloud/prices.yaml, or submit without --max-cost"
    return SettingsError(f"no estimate: {what}", expected=expected, received=received, do=do)

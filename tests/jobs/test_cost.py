"""What a job costs, and that --max-cost keeps it below."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.job_files import GONE, NAMES, job
from trainer.cloud import cost, machines, prices
from trainer.cloud.jobspec import Job
from trainer.cloud.preflight.check import check
from trainer.errors import SettingsError
from trainer.submission.commandline import parse
from trainer.submission.cost import limit, tell
from trainer.submission.job import build
from trainer.submission.settings import read_flags

ROOT = Path(__file__).parents[2]
DISK = 100 * 0.0003
SETTINGS = {
    "network": "cnn",
    "batch_size": 32,
    "limit_train": 0,
    "val_fraction": 0.1,
    "epochs": 50,
    "visit_fraction": 1.0,
    "optimizer": "adam",
    "backend": "tensorflow",
    "precision": "auto",
    "filters": [32, 64, 128],
    "dense_units": 512,
}


@pytest.mark.parametrize(
    ("name", "changes", "usd"),
    [
        ("cpu", {}, 0.21849885 + DISK),
        ("cpu", {"workerPoolSpecs.0.diskSpec": GONE}, 0.21849885 + DISK),
        ("cpu", {"workerPoolSpecs.0.diskSpec.bootDiskSizeGb": 1000}, 0.21849885 + 10 * DISK),
        ("gpu-t4-spot", {}, 0.4369977 + 0.4025 + DISK),
        ("gpu-t4-spot", {"workerPoolSpecs.0.machineSpec.acceleratorCount": 4}, 0.4369977 + 4 * 0.4025 + DISK),
        ("gpu-l4", {}, 0.98 + DISK),
        ("multi-host", {"workerPoolSpecs.1.replicaCount": 3}, 4 * (0.98 + DISK)),
    ],
)
def test_machines_accelerators_disks_and_replicas_are_counted(name: str, changes: dict[str, Any], usd: float) -> None:
    assert cost.rate(job(name, changes)).usd == pytest.approx(usd)


def test_what_was_not_read_off_the_price_page_counts_with_a_margin() -> None:
    rate = cost.rate(job("gpu-l4"))
    assert not rate.is_read
    assert rate.at_most == pytest.approx(1.05 * rate.usd)


def test_the_expected_cost_follows_from_the_measured_speed() -> None:
    estimate = cost.estimate(job("cpu"), SETTINGS)
    seconds = 50 * 54_000 / prices.speeds().processor["cnn"][32]
    assert estimate.training_seconds == pytest.approx(seconds)
    assert estimate.expected == pytest.approx((0.21849885 + DISK) * (seconds + 300) / 3600)


@pytest.mark.parametrize(
    ("name", "settings", "why_not"),
    [
        ("gpu-l4", SETTINGS, "NVIDIA_L4"),
        ("cpu", {**SETTINGS, "network": "residual"}, "residual"),
        ("cpu", {**SETTINGS, "batch_size": 8}, "a batch of 8"),
        ("cpu", {**SETTINGS, "optimizer": "muon"}, "cnn with muon"),
        # Slower than what was measured, nobody knows how much.
        ("cpu", {**SETTINGS, "filters": [256, 512, 1024]}, "filters 256,512,1024"),
        ("cpu", {**SETTINGS, "filters": [32, 64, 128, 256]}, "filters 32,64,128,256"),
        ("cpu", {**SETTINGS, "dense_units": 8192}, "8192 dense units"),
        ("cpu", {**SETTINGS, "backend": "jax"}, "jax"),
        ("cpu", {**SETTINGS, "precision": "bfloat16"}, "bfloat16"),
    ],
)
def test_without_a_measured_speed_nothing_is_expected(name: str, settings: dict[str, Any], why_not: str) -> None:
    estimate = cost.estimate(job(name), settings)
    assert estimate.expected is None
    assert why_not in estimate.why_not


def test_a_smaller_network_is_expected_to_take_no_longer_than_the_measured_one() -> None:
    smaller = {**SETTINGS, "filters": [32, 64], "dense_units": 128}
    assert cost.estimate(job("cpu"), smaller).expected == cost.estimate(job("cpu"), SETTINGS).expected


@pytest.mark.parametrize(
    ("name", "changes", "attempts"),
    [
        ("cpu", {}, 4),
        ("cpu", {"scheduling.disableRetries": True}, 1),
        ("gpu-t4-spot", {}, 7),
        ("tuning", {}, 4),
    ],
)
def test_the_worst_case_counts_every_attempt(name: str, changes: dict[str, Any], attempts: int) -> None:
    changed = job(name, changes)
    estimate, trials = cost.estimate(changed, SETTINGS), 20 if name == "tuning" else 1
    timeout = float(changed.spec["scheduling"]["timeout"].removesuffix("s"))
    assert estimate.attempts == attempts
    worst = cost.rate(changed).at_most * (timeout + cost.IDLE_SECONDS) / 3600 * attempts * trials
    assert estimate.worst == pytest.approx(worst)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("most", [10.0, 25.0])
def test_a_limit_sets_the_timeout_so_that_the_worst_case_stays_below(name: str, most: float) -> None:
    changes = {f"{'trialJobSpec.' if name == 'tuning' else ''}scheduling.timeout": "604800s"}
    limited = limit(job(name, changes), most)
    worst = cost.estimate(limited, SETTINGS).worst
    assert worst is not None
    assert 0.98 * most < worst <= most


def test_a_limit_never_prolongs_a_job() -> None:
    assert limit(job("cpu"), 1000.0).spec["scheduling"]["timeout"] == "10800s"


@pytest.mark.parametrize(
    ("name", "most", "words"),
    [
        ("cpu", 0.01, "leaves no time to train"),
        ("cpu", 0.5, "cut the training off"),
        ("tuning", 1.2, "leaves no time"),
    ],
)
def test_a_limit_that_is_too_low_is_refused(name: str, most: float, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        limit(job(name), most)


@pytest.mark.parametrize(
    ("name", "most", "do"),
    [
        ("cpu", 0.01, "raise it, take a smaller machine, or --set scheduling.disableRetries=true"),
        # Preflight refuses a spot job that is not started again.
        ("gpu-t4-spot", 1.0, "raise it, take a smaller machine, or --set strategy=STANDARD"),
        ("tuning", 1.2, "raise it, take a smaller machine, or --set scheduling.disableRetries=true, or fewer trials"),
        ("tuning", 5.0, "raise it, train fewer epochs, or --set scheduling.disableRetries=true, or fewer trials"),
    ],
)
def test_the_way_out_of_a_limit_that_is_too_low_is_one(name: str, most: float, do: str) -> None:
    with pytest.raises(SettingsError) as error:
        limit(job(name), most)
    assert str(error.value).endswith(do)


def test_the_way_out_is_a_path_of_a_search_too() -> None:
    words = ["tuning", "--jobs-dir", str(ROOT / "jobs"), "--set=project=my-project", "--max-cost=5"]
    built = build(parse([*words, "--set=scheduling.disableRetries=true"], {}))
    assert check(built, read_flags) == []
    assert limit(built, 5.0).spec["scheduling"]["disableRetries"] is True


def test_a_timeout_below_the_expected_training_is_told() -> None:
    seconds = round(50 * 54_000 / prices.speeds().processor["cnn"][32])
    words = f"the timeout of 600 s is shorter than the {seconds:,} s of training"
    assert not any(words in line for line in tell(job("cpu"), None))
    [line] = [line for line in tell(job("cpu", {"scheduling.timeout": "600s"}), None) if words in line]
    assert "submitted again, it goes on" in line


def test_a_limit_below_what_is_expected_is_refused() -> None:
    retried_never = job("cpu", {"scheduling.disableRetries": True})
    with pytest.raises(SettingsError, match=r"--max-cost is too low – expected at most \$0.10 – received \$0.20"):
        limit(retried_never, 0.1)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (job("cpu", {}, region="europe-west4"), "no estimate: prices of europe-west4"),
        (job("cpu", {"workerPoolSpecs.0.machineSpec.machineType": "c2-standard-8"}), "the price of c2-standard-8"),
    ],
)
def test_what_has_no_price_gets_no_estimate(changed: Job, words: str) -> None:
    assert words in next(tell(changed, None))
    with pytest.raises(SettingsError, match=words):
        limit(changed, 5.0)


def test_the_estimate_is_told_beside_automl() -> None:
    once = "\n".join(tell(job("cpu", {"scheduling.disableRetries": True}), None))
    assert "at worst: $0.79 (1 attempt, until its timeout)" in once
    lines = "\n".join(tell(job("cpu"), None))
    for words in ("$0.2485 an hour", "expected: $0.20 (42 min", "at worst: $3.17 (4 attempts", "AutoML $27.72"):
        assert words in lines


def test_every_priced_machine_is_one_of_the_table_and_every_price_says_where_it_is_from() -> None:
    table, raw = machines.load(), yaml.safe_load((ROOT / "trainer/cloud/prices.yaml").read_text())
    for region in prices.regions().values():
        assert set(region.machines) <= set(table.machines)
        assert set(region.accelerators) <= set(table.accelerators)
    for name, region in raw["regions"].items():
        assert name in table.regions
        for item in (*region["machines"].values(), *region["accelerators"].values(), region["disk_gb"]):
            assert set(item) - {"includes_accelerators"} == {"usd", "basis", "as_of", "source"}
            assert item["basis"] in ("read", "quoted", "derived")


def test_the_speeds_are_those_of_the_benchmark() -> None:
    text = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    for batch, speed in prices.speeds().processor["cnn"].items():
        assert f"| this project, float32, batch {batch} | {speed:,} |" in text


def test_the_table_of_machines_agrees_with_itself() -> None:
    table = machines.load()
    for accelerator in table.accelerators.values():
        assert set(accelerator.counts) <= set(table.machines)
        assert set(accelerator.regions) <= set(table.regions)
    assert set(table.retired).isdisjoint(table.accelerators)

from typing import Any

import pytest

from trainer.evaluation.gap import generalisation_gap


def split(accuracy: float, log_loss: float, n: int) -> dict[str, Any]:
    return {"accuracy": {"value": accuracy}, "log_loss": log_loss, "n": n}


@pytest.mark.parametrize(
    ("validation", "test", "level", "says"),
    [
        pytest.param((0.942, 0.17, 6000), (0.934, 0.19, 10_000), "sound", "in order", id="as measured"),
        pytest.param((0.93, 0.2, 6000), (0.912, 0.24, 10_000), "sound", "1.80 points lower", id="just below 2"),
        pytest.param((0.95, 0.2, 6000), (0.9305, 0.24, 10_000), "sound", "more than the 0.8", id="more than usual"),
        pytest.param((0.93, 0.2, 100), (0.93, 0.2, 200), "inconclusive", "too few", id="might be anything"),
        pytest.param((0.93, 0.2, 6000), (0.94, 0.18, 10_000), "sound", "1.00 points higher", id="test easier"),
        pytest.param((0.93, 0.2, 6000), (0.905, 0.3, 10_000), "suspicious", "over-fitting", id="2.5 points"),
        pytest.param((0.93, 0.2, 100), (0.89, 0.3, 200), "inconclusive", "too few examples", id="few examples"),
        pytest.param((0.90, 0.3, 100), (0.93, 0.2, 200), "inconclusive", "too few examples", id="few, easier"),
        pytest.param((0.90, 0.3, 6000), (0.95, 0.1, 10_000), "suspicious", "easier than validation", id="leak"),
        pytest.param((0.93, 0.2, 6000), (0.75, 0.9, 10_000), "broken", "pixel scale", id="18 points"),
        pytest.param((0.93, 0.2, 6000), (0.92, 5.0, 10_000), "broken", "scale mismatch", id="sure and wrong"),
        pytest.param((0.1, 2.4, 6000), (0.1, 2.4, 10_000), "sound", "in order", id="nothing learned, no gap"),
    ],
)
def test_verdict(validation: tuple, test: tuple, level: str, says: str) -> None:
    gap = generalisation_gap(split(*validation), split(*test))
    assert gap["level"] == level
    assert says in gap["verdict"]


def test_the_failure_this_project_was_started_for_is_named() -> None:
    gap = generalisation_gap(split(0.88, 0.35, 6000), split(0.4557, 98.66, 10_000))
    assert gap["level"] == "broken"
    assert gap["points"] == pytest.approx(42.43)
    assert gap["low"] > 40
    assert "Don't use this model" in gap["verdict"]
    assert "scale mismatch" in gap["verdict"]
    assert "98.66" in gap["verdict"]
    assert "not of over-fitting" in gap["verdict"]


def test_the_interval_holds_the_difference_and_the_counts_are_kept() -> None:
    gap = generalisation_gap(split(0.942, 0.16, 6000), split(0.934, 0.2, 10_000))
    assert gap["low"] < gap["points"] < gap["high"]
    assert (gap["n_validation"], gap["n_test"]) == (6000, 10_000)
    assert gap["log_loss_ratio"] == pytest.approx(1.25)


def test_a_perfect_validation_has_no_log_loss_ratio() -> None:
    assert generalisation_gap(split(1.0, 0.0, 10), split(1.0, 0.1, 10))["log_loss_ratio"] is None

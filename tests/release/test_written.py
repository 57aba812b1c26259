"""What is written of a model against what was measured: every figure that can be is compared, each by its weight."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.support.evidence import evidence_of, measured_on, sound_evidence
from tests.support.predictions import predictions
from trainer.release.evidence import Evidence
from trainer.release.gates import GATES
from trainer.release.thresholds import load

THRESHOLDS = load()
SOUND = sound_evidence()
assert SOUND.measured
DOCUMENTS = {"metrics": {**SOUND.metrics, "gap": SOUND.measured.gap}, "class_performance": SOUND.class_performance}


def written(path: Sequence[Any], value: Any) -> Evidence:
    """Documents of a sound model in which one value was edited."""
    edited = copy.deepcopy(DOCUMENTS)
    *way, last = path
    place: Any = edited
    for step in way:
        place = place[step]
    place[last] = value
    return replace(SOUND, **edited)


def agreement(evidence: Evidence) -> str:
    """What the gate says, empty if it lets it pass."""
    verdict = GATES["agreement"](evidence, THRESHOLDS)
    return "" if verdict.passed else verdict.sentence


def leaves(document: Any, *path: Any) -> list[tuple[Any, ...]]:
    """The path of every number, and of every place where one is missing."""
    if isinstance(document, dict | list):
        inner = document.items() if isinstance(document, dict) else enumerate(document)
        return [leaf for name, value in inner for leaf in leaves(value, *path, name)]
    return [path] if isinstance(document, int | float | None) else []


def test_a_sound_model_passes_with_everything_written() -> None:
    assert agreement(replace(SOUND, **DOCUMENTS)) == ""


def test_no_written_figure_can_be_edited() -> None:
    tables = {"confidence_metrics", "calibration_bins", "confusion_matrix"}
    unnoticed = []
    for path in leaves(DOCUMENTS):
        if path[-1] == "synthetic" or (tables & set(path) and path[3] not in (3, 14)):
            continue  # Two rows of a table are as good as all.
        value: Any = DOCUMENTS
        for step in path:
            value = value[step]
        edited = 0.5 if value is None else value + (1000 if isinstance(value, int) else 0.4)
        if not agreement(written(path, edited)):
            unnoticed.append(path)
    assert unnoticed == []


@pytest.mark.parametrize(
    ("path", "value", "name"),
    [
        (("metrics", "test", "accuracy", "low"), 0.99, "test accuracy interval"),
        (("metrics", "validation", "accuracy", "high"), None, "validation accuracy interval nothing"),
        (("metrics", "test", "calibration_bins", 14, "accuracy"), None, "test calibration_bins nothing to"),
        (("metrics", "test", "calibration_bins", 0, "accuracy"), 1.0, "test calibration_bins nothing to"),
        (("metrics", "test", "confidence_metrics", 9, "precision"), None, "test confidence_metrics nothing to"),
        (("metrics", "test", "confidence_metrics"), [], "test confidence_metrics nothing"),
        (("metrics", "test", "confidence_metrics"), [1] * 24, "test confidence_metrics nothing"),
        (("metrics", "test", "calibration_bins", 14), "full", "test calibration_bins nothing"),
        (("metrics", "test", "calibration_bins", 14, "count"), float("nan"), "test calibration_bins nothing"),
        (("metrics", "test", "log_loss"), float("inf"), "test log_loss inf"),
        (("metrics", "test", "n"), 10**400, "test n nothing"),
        (("metrics", "test", "confusion_matrix", 0, 0), 10**400, "test confusion_matrix nothing"),
        (("metrics", "gap"), "small", "gap nothing"),
        (("class_performance", "classes", "Bag", "precision"), 0.9, "class_performance"),
        (("class_performance", "classes", "Bag", "f1"), None, "class_performance nothing"),
        (("class_performance", "classes", "Bag", "mistaken_for", 0, "rate"), 0.1, "class_performance"),
        (("class_performance", "classes", "Bag", "mistaken_for", 0, "class"), "Hat", "class_performance"),
        (("class_performance", "n"), 1, "class_performance"),
    ],
)
def test_what_is_edited_is_named(path: tuple[Any, ...], value: Any, name: str) -> None:
    assert f"{name} " in agreement(written(path, value))


def test_figures_that_are_no_numbers_are_none_in_json_too() -> None:
    verdict = GATES["agreement"](written(("metrics", "test", "log_loss"), float("inf")), THRESHOLDS)
    assert verdict.figures["differ"]["test log_loss"][0] is None


TABLE_CELLS = [
    ("test", 10_000, ("calibration_bins", 14, "count")),
    ("validation", 6_000, ("calibration_bins", 14, "count")),
    ("validation", 6_000, ("confidence_metrics", 9, "true_positives")),
    ("validation", 6_000, ("confusion_matrix", 0, 0)),
]


@pytest.mark.parametrize(("part", "n", "cell"), TABLE_CELLS)
def test_a_table_may_differ_by_two_images_and_what_differs_more_is_said_to_be_off(
    part: str, n: int, cell: tuple[Any, ...]
) -> None:
    count = SOUND.metrics[part]
    for step in cell:
        count = count[step]
    assert agreement(written(("metrics", part, *cell), count - 2)) == ""
    assert f"{part} {cell[0]} off by {3 / n:.4f}" in agreement(written(("metrics", part, *cell), count - 3))


@pytest.mark.parametrize("name", ["confidence_metrics", "calibration_bins"])
def test_a_table_that_is_not_written_is_not_missed(name: str) -> None:
    test = {key: value for key, value in SOUND.metrics["test"].items() if key != name}
    assert agreement(replace(SOUND, metrics={**SOUND.metrics, "test": test})) == ""


@pytest.mark.parametrize("part", [0, 1], ids=["test", "validation"])
@pytest.mark.parametrize("wrong", [0, 1], ids=["right", "wrong"])
@pytest.mark.parametrize(
    ("confidence", "sharpness"),
    # With the small sharpness, no other image reaches so far.
    [(0.05, 1.0), (3 / 15, 1.0), (0.5, 1.0), (0.7, 1.0), (0.99, 1.0), (14 / 15, 1.0), (0.7, 0.1), (0.99, 0.1)],
)
def test_rounding_that_takes_an_image_over_a_threshold_is_no_fault(
    confidence: float, sharpness: float, wrong: int, part: int
) -> None:
    """Another processor sums in another order: an image may land on the other side, where there may be no other."""
    parts = [predictions(10_000, sharpness=sharpness), predictions(6_000, seed=1, sharpness=sharpness)]
    probabilities, labels = parts[part]
    sides = []
    for side in (confidence - 2e-7, confidence + 2e-7):
        moved = probabilities.copy()
        moved[0] = (1 - side) / 9
        moved[0, labels[0] - wrong] = side
        parts[part] = (moved.astype(np.float32), labels)
        sides.append(measured_on(*parts))
    assert agreement(replace(evidence_of(sides[0]), measured=sides[1])) == ""
    assert agreement(replace(evidence_of(sides[1]), measured=sides[0])) == ""


@pytest.mark.parametrize("part", [0, 1], ids=["test", "validation"])
def test_rounding_that_turns_an_answer_is_no_fault(part: int) -> None:
    parts = [predictions(10_000), predictions(6_000, seed=1)]
    probabilities, labels = parts[part]
    sides = []
    for first in (0.42, 0.42 + 1e-6):
        turned = probabilities.copy()
        turned[0] = (0.58 - 0.4200005) / 8
        turned[0, labels[0]], turned[0, labels[0] - 1] = first, 0.4200005
        parts[part] = (turned, labels)
        sides.append(measured_on(*parts))
    assert agreement(replace(evidence_of(sides[0]), measured=sides[1])) == ""
    assert agreement(replace(evidence_of(sides[1]), measured=sides[0])) == ""

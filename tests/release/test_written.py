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
        (("metrics", "test", "confidence_metrics"), [], "test confidence_metrics nothing"),
        (("metrics", "test", "confidence_metrics"), [1] * 24, "test confidence_metrics nothing"),
        (("metrics", "test", "calibration_bins", 14), "full", "test calibration_bins nothing"),
        (("metrics", "test", "calibration_bins", 14, "count"), float("nan"), "test calibration_bins nothing"),
        (("metrics", "test", "log_loss"), float("inf"), "test log_loss inf"),
        (("metrics", "test", "n"), 10**400, "test n nothing"),
        (("metrics", "test", "confusion_matrix", 0, 0), 10**400, "test confusion_matrix nothing"),
        (("metrics", "gap"), "small", "gap nothing"),
        (("class_performance", "classes", "Bag", "precision"), 1.0, "class_performance"),
        (("class_performance", "classes", "Bag", "f1"), None, "class_performance nothing"),
        (("class_performance", "classes", "Bag", "mistaken_for", 0, "rate"), 0.0, "class_performance"),
        (("class_performance", "classes", "Bag", "mistaken_for", 0, "class"), "Hat", "class_performance"),
        (("class_performance", "n"), 1, "class_performance"),
    ],
)
def test_what_is_edited_is_named(path: tuple[Any, ...], value: Any, name: str) -> None:
    assert f"{name} " in agreement(written(path, value))


def test_figures_that_are_no_numbers_are_none_in_json_too() -> None:
    verdict = GATES["agreement"](written(("metrics", "test", "log_loss"), float("inf")), THRESHOLDS)
    assert verdict.figures["differ"]["test log_loss"][0] is None


@pytest.mark.parametrize("name", ["confidence_metrics", "calibration_bins"])
def test_a_table_that_is_not_written_is_not_missed(name: str) -> None:
    test = {key: value for key, value in SOUND.metrics["test"].items() if key != name}
    assert agreement(replace(SOUND, metrics={**SOUND.metrics, "test": test})) == ""


@pytest.mark.parametrize("confidence", [0.05, 0.5, 0.7, 0.99, 14 / 15])
def test_rounding_that_takes_an_image_over_a_threshold_is_no_fault(confidence: float) -> None:
    """Another processor sums in another order: of ten thousand images one may land on the other side."""
    (probabilities, labels), validation = predictions(10_000), predictions(6_000, seed=1)
    sides = []
    for side in (confidence - 2e-7, confidence + 2e-7):
        moved = probabilities.copy()
        moved[0] = (1 - side) / 9
        moved[0, labels[0]] = side
        sides.append(measured_on((moved.astype(np.float32), labels), validation))
    assert agreement(replace(evidence_of(sides[0]), measured=sides[1])) == ""


def test_rounding_that_turns_an_answer_is_no_fault() -> None:
    (probabilities, labels), validation = predictions(10_000), predictions(6_000, seed=1)
    sides = []
    for first in (0.42, 0.42 + 1e-6):
        turned = probabilities.copy()
        turned[0] = (0.58 - 0.4200005) / 8
        turned[0, labels[0]], turned[0, labels[0] - 1] = first, 0.4200005
        sides.append(measured_on((turned, labels), validation))
    assert agreement(replace(evidence_of(sides[0]), measured=sides[1])) == ""

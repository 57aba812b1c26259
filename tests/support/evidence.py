"""Evidence as an examination would bring it forward, from made-up predictions."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.support.facts import example_data_report, example_params
from tests.support.predictions import predictions
from trainer.artifacts.manifest import Manifest
from trainer.contract import CLASS_NAMES
from trainer.evaluation.gap import generalisation_gap
from trainer.evaluation.metrics import class_performance, classification_metrics
from trainer.release.evidence import Evidence, Measured

FAST = {"median_ms": 1.2, "p95_ms": 1.8, "n": 300}


def sound_evidence(*, sharpness: float = 1.0, **changes: Any) -> Evidence:
    """That of a model which every gate lets pass, but for ``changes``: about 92 % right on 10,000 images."""
    test, validation = predictions(10_000, sharpness=sharpness), predictions(6_000, seed=1, sharpness=sharpness)
    return replace(evidence_of(measured_on(test, validation)), **changes)


def measured_on(
    test: tuple[NDArray[np.float32], NDArray[np.int32]], validation: tuple[NDArray[np.float32], NDArray[np.int32]]
) -> Measured:
    """What measuring gives for these ``probabilities, labels``; changed images are answered by chance."""
    of_test, of_validation = classification_metrics(*test), classification_metrics(*validation)
    plain = of_test["accuracy"]["value"]
    return Measured(
        test=of_test,
        validation=of_validation,
        classes=class_performance(*test),
        gap=generalisation_gap(of_validation, of_test),
        accuracy_on={"as_they_are": plain, "scaled": 0.1, "inverted": 0.12, "moved": plain - 0.05, "shuffled": 0.11},
        change_alone=5e-7,
        improper=(),
        latency=FAST,
        copies=0,
        synthetic=False,
    )


def evidence_of(measured: Measured) -> Evidence:
    """Real data, no champion, and documents that say what was measured."""
    report = example_data_report()
    return Evidence(
        manifest=Manifest("0123456789ab", "2026-11-24T00:00:00+00:00", False, (), {"saved_model.pb": {}}),
        metrics={"test": measured.test, "validation": measured.validation, "synthetic": False},
        class_performance=measured.classes,
        params=example_params(),
        data_report=report | {"source": report["source"] | {"synthetic": False}},
        integrity=(),
        signature="no keys are set up",
        measured=measured,
    )


def predictions_with(matrix: NDArray[np.int64], *, confidence: float) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """``probabilities, labels`` that give this confusion matrix, each answer with the same ``confidence``."""
    pairs = np.repeat(np.arange(matrix.size), matrix.ravel())
    labels, predicted = np.divmod(pairs, len(CLASS_NAMES))
    rest = (1 - confidence) / (len(CLASS_NAMES) - 1)
    probabilities = np.full((len(pairs), len(CLASS_NAMES)), rest, np.float32)
    probabilities[np.arange(len(pairs)), predicted] = confidence
    return probabilities, labels.astype(np.int32)

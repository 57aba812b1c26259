"""The model that the original project registered: its published figures, and which gates stop it now."""

from dataclasses import replace

import numpy as np
import pytest

from tests.support.evidence import evidence_of, measured_on, predictions_with
from trainer.contract import CLASS_NAMES
from trainer.evaluation.gap import generalisation_gap
from trainer.release.evidence import Evidence
from trainer.release.gates import judge
from trainer.release.thresholds import load

ACCURACY, LOG_LOSS, VALIDATION_ACCURACY = 0.4557, 98.66, 0.88
#: Precision, recall, F1, and what so many of 1,000 images were taken for: all that was published.
TABLE = {
    "T-shirt/top": (0.68, 0.77, 0.72, {"Pullover": 206}),
    "Trouser": (1.00, 0.69, 0.82, {"Pullover": 308}),
    "Pullover": (0.23, 0.98, 0.37, {}),
    "Dress": (0.93, 0.17, 0.29, {"Pullover": 644}),
    "Coat": (0.48, 0.06, 0.10, {"Pullover": 912}),
    "Sandal": (1.00, 0.12, 0.21, {"Bag": 484, "Ankle boot": 274}),
    "Shirt": (0.41, 0.07, 0.13, {"Pullover": 651}),
    "Sneaker": (0.00, 0.00, 0.00, {"Bag": 505, "Ankle boot": 261}),
    "Bag": (0.45, 0.88, 0.60, {}),
    "Ankle boot": (0.60, 0.80, 0.68, {}),
}
#: What the images are said to be taken for that the table doesn't account for: a guess, of no weight here.
REST = {
    "T-shirt/top": "Shirt",
    "Trouser": "Dress",
    "Pullover": "Coat",
    "Dress": "T-shirt/top",
    "Coat": "Shirt",
    "Sandal": "Sneaker",
    "Shirt": "T-shirt/top",
    "Sneaker": "Sandal",
    "Bag": "Coat",
    "Ankle boot": "Bag",
}


def confusion_matrix() -> np.ndarray:
    """1,000 images of each class, as the original's table has them."""
    matrix = np.zeros((10, 10), int)
    for label, name in enumerate(CLASS_NAMES):
        _, recall, _, mistaken = TABLE[name]
        matrix[label, label] = round(1000 * recall)
        for other, count in mistaken.items():
            matrix[label, CLASS_NAMES.index(other)] += count
        matrix[label, CLASS_NAMES.index(REST[name])] += 1000 - matrix[label].sum()
    return matrix


def original(*, written_accuracy: float) -> Evidence:
    """Measured as it was published; ``written_accuracy`` is what its own documents say of test."""
    right, wrong = round(VALIDATION_ACCURACY * 1000), round((1 - VALIDATION_ACCURACY) * 1000)
    on_validation = np.diag([right] * 10) + np.roll(np.diag([wrong] * 10), 1, axis=1)
    measured = measured_on(
        predictions_with(confusion_matrix(), confidence=0.99), predictions_with(on_validation, confidence=0.88)
    )
    accuracy = dict(measured.test["accuracy"]) | {"value": ACCURACY}
    test = dict(measured.test) | {"log_loss": LOG_LOSS, "accuracy": accuracy}
    gap = generalisation_gap(measured.validation, test)
    measured = replace(measured, test=test, gap=gap, accuracy_on=measured.accuracy_on | {"as_they_are": ACCURACY})
    written = test | {"accuracy": accuracy | {"value": written_accuracy}}
    evidence = evidence_of(measured)
    return replace(evidence, metrics=dict(evidence.metrics) | {"test": written})


def refusals(evidence: Evidence) -> dict[str, str]:
    return {verdict.gate: verdict.sentence for verdict in judge(evidence, load()) if not verdict.passed}


def test_the_table_is_replayed() -> None:
    matrix = confusion_matrix()
    assert matrix.sum(axis=1).tolist() == [1000] * 10
    assert matrix.trace() / 10_000 == pytest.approx(ACCURACY, abs=0.003), "the table is rounded to two digits"


def test_it_can_not_be_registered() -> None:
    refused = refusals(original(written_accuracy=ACCURACY))
    assert set(refused) == {"absolute", "generalisation", "sensitivity", "calibration"}
    assert "Test accuracy is 45.57 %" in refused["absolute"]
    assert "Sneaker 0.00 %" in refused["absolute"]
    assert "log loss is 98.66, it must be at most 0.5" in refused["absolute"]
    assert "more than 2 points, and more than chance" in refused["generalisation"]
    assert "of the predictions are Pullover, at most 25.00 % may be" in refused["sensitivity"]


def test_nor_when_its_documents_say_what_validation_gave() -> None:
    refused = refusals(original(written_accuracy=VALIDATION_ACCURACY))
    assert "test accuracy 0.8800 against 0.4557" in refused["agreement"]


def test_a_model_that_does_better_on_scaled_images_tells_what_had_happened() -> None:
    """Trained on pixels in [0, 1] and tested on pixels in [0, 255]: the cause, in one sentence."""
    evidence = original(written_accuracy=ACCURACY)
    assert evidence.measured
    scaled = replace(evidence.measured, accuracy_on=evidence.measured.accuracy_on | {"scaled": VALIDATION_ACCURACY})
    refused = refusals(replace(evidence, measured=scaled))
    assert "Accuracy rises by 42.4 points on images scaled by 1/255" in refused["sensitivity"]

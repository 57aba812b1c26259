import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk
from sklearn.preprocessing import label_binarize

from tests.support.predictions import perfect_predictions, predictions
from trainer.contract import CLASS_NAMES
from trainer.errors import DataError, TrainerError, TrainingError
from trainer.evaluation.metrics import class_performance, classification_metrics, majority_baseline


def uniform(n: int) -> np.ndarray:
    return np.full((n, 10), 0.1, np.float32)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(50, 400), sharpness=st.sampled_from([0.5, 1.0, 4.0]))
def test_every_figure_equals_scikit_learns(seed: int, n: int, sharpness: float) -> None:
    probabilities, labels = predictions(n, seed=seed, sharpness=sharpness)
    found = classification_metrics(probabilities, labels)
    scores, answers = probabilities.astype(np.float64), probabilities.argmax(axis=1)
    scores /= scores.sum(axis=1, keepdims=True)
    truth = label_binarize(labels, classes=range(10))
    expected = {
        "f1_macro": sk.f1_score(labels, answers, average="macro"),
        "f1_weighted": sk.f1_score(labels, answers, average="weighted"),
        "log_loss": -np.log(scores[np.arange(n), labels]).mean(),
        "average_precision_macro": sk.average_precision_score(truth, probabilities, average="macro"),
        "average_precision_micro": sk.average_precision_score(truth, probabilities, average="micro"),
        "roc_auc_macro": sk.roc_auc_score(truth, probabilities, average="macro"),
        "roc_auc_micro": sk.roc_auc_score(truth, probabilities, average="micro"),
    }
    assert {key: found[key] for key in expected} == pytest.approx(expected, rel=1e-5)
    assert found["accuracy"]["value"] == sk.accuracy_score(labels, answers)
    assert found["accuracy"]["low"] <= found["accuracy"]["value"] <= found["accuracy"]["high"]
    assert found["confusion_matrix"] == sk.confusion_matrix(labels, answers, labels=range(10)).tolist()
    assert found["n"] == n
    assert found["absent_classes"] == []


def test_rows_of_the_confusion_matrix_are_the_truth() -> None:
    matrix = classification_metrics(perfect_predictions(np.array([3])), np.array([6], np.int32))["confusion_matrix"]
    assert matrix[6][3] == 1


def test_figures_can_be_written_as_strict_json() -> None:
    probabilities, labels = predictions(40)
    for figures in (
        classification_metrics(probabilities, labels),
        class_performance(probabilities, labels),
        majority_baseline(labels, labels),
    ):
        assert json.loads(json.dumps(figures, allow_nan=False)) == figures


def test_perfect_predictions_get_perfect_figures() -> None:
    labels = (np.arange(100) % 10).astype(np.int32)
    found = classification_metrics(perfect_predictions(labels), labels)
    assert found["log_loss"] == 0
    assert found["expected_calibration_error"] == 0
    for key in (
        "f1_macro",
        "f1_weighted",
        "average_precision_macro",
        "average_precision_micro",
        "roc_auc_macro",
        "roc_auc_micro",
    ):
        assert found[key] == pytest.approx(1)


def test_log_loss_of_a_wrong_certainty_is_huge_but_finite() -> None:
    labels = np.array([0, 1], np.int32)
    found = classification_metrics(perfect_predictions(labels[::-1]), labels)
    assert found["log_loss"] == pytest.approx(87.34, abs=0.01)


def test_a_class_without_images_is_named_and_left_out_of_the_macro_figures() -> None:
    probabilities, labels = predictions(500)
    there = labels != 4
    found = classification_metrics(probabilities[there], labels[there])
    answers = probabilities[there].argmax(axis=1)
    present = [k for k in range(10) if k != 4]
    assert found["absent_classes"] == ["Coat"]
    assert found["f1_macro"] == pytest.approx(sk.f1_score(labels[there], answers, labels=present, average="macro"))
    assert 0.9 < found["average_precision_macro"] <= 1
    assert 0.9 < found["roc_auc_macro"] <= 1


def test_labels_of_a_single_class_have_no_roc_curve() -> None:
    found = classification_metrics(uniform(3), np.zeros(3, np.int32))
    assert found["roc_auc_macro"] is None
    assert found["accuracy"]["value"] == 1


def test_class_performance_equals_scikit_learns() -> None:
    probabilities, labels = predictions(2000, sharpness=2)
    found = class_performance(probabilities, labels)
    expected = sk.precision_recall_fscore_support(labels, probabilities.argmax(axis=1), labels=range(10))
    rows = [found["classes"][name] for name in CLASS_NAMES]
    for key, values in zip(("precision", "recall", "f1", "support"), expected, strict=True):
        assert [row[key] for row in rows] == pytest.approx(list(values))


def test_mistakes_are_sorted_and_their_rates_are_shares_of_the_class() -> None:
    labels = np.array([6] * 10 + [0], np.int32)
    answers = np.array([6] * 4 + [4] * 2 + [0] * 3 + [2] + [0])
    shirt = class_performance(perfect_predictions(answers), labels)["classes"]["Shirt"]
    assert shirt == {
        "precision": 1.0,
        "recall": 0.4,
        "f1": pytest.approx(2 * 0.4 / 1.4),
        "support": 10,
        "mistaken_for": [
            {"class": "T-shirt/top", "count": 3, "rate": 0.3},
            {"class": "Coat", "count": 2, "rate": 0.2},
            {"class": "Pullover", "count": 1, "rate": 0.1},
        ],
    }


def test_a_class_that_is_neither_there_nor_predicted_has_no_figures() -> None:
    labels = np.zeros(4, np.int32)
    bag = class_performance(perfect_predictions(labels), labels)["classes"]["Bag"]
    assert bag == {"precision": None, "recall": None, "f1": None, "support": 0, "mistaken_for": []}


def test_majority_baseline_answers_the_most_frequent_training_class() -> None:
    train = np.array([7] * 6 + [1] * 2, np.int32)
    test = np.array([7, 7, 1, 1], np.int32)
    found = majority_baseline(train, test)
    assert found["predicted_class"] == "Sneaker"
    assert found["accuracy"]["value"] == 0.5
    assert found["log_loss"] == pytest.approx(-(math.log(0.75) + math.log(0.25)) / 2)
    assert found["n"] == 4


NAN_ROW = np.vstack([uniform(1), np.full((1, 10), np.nan, np.float32)])


@pytest.mark.parametrize(
    ("probabilities", "labels", "error", "message"),
    [
        (uniform(3), [0, 1], TrainingError, r"expected shape \(2, 10\) – received shape \(3, 10\)"),
        (uniform(2)[:, :9], [0, 1], TrainingError, r"received shape \(2, 9\)"),
        (NAN_ROW, [0, 1], TrainingError, "not finite.*1 of 2 images"),
        (np.full((1, 10), np.inf, np.float32), [0], TrainingError, "not finite"),
        (2 * uniform(1), [0], TrainingError, "no probabilities.*row sums from 2 to 2"),
        (np.eye(10, dtype=np.float32)[:1] * 2 - uniform(1), [0], TrainingError, r"a smallest value of -0\.1"),
        (uniform(1), [10], DataError, "names no class – expected 0 to 9 – received 10 to 10"),
        (uniform(1), [-1], DataError, "received -1 to -1"),
        (uniform(0), [], DataError, r"expected \(N,\), N > 0"),
        (uniform(1), [[0]], DataError, r"received shape \(1, 1\)"),
    ],
)
@pytest.mark.parametrize("score", [classification_metrics, class_performance])
def test_what_cannot_be_scored_is_refused(score, probabilities, labels, error: type[TrainerError], message) -> None:
    with pytest.raises(error, match=message):
        score(probabilities, np.array(labels, np.int32))

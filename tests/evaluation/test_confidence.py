import numpy as np
import pytest
from sklearn import metrics as sk
from sklearn.preprocessing import label_binarize

from tests.support.predictions import perfect_predictions, predictions
from trainer.evaluation.confidence import THRESHOLDS, confidence_metrics
from trainer.evaluation.metrics import classification_metrics


def test_the_thresholds_are_those_of_the_schema() -> None:
    assert [round(threshold, 2) for threshold in THRESHOLDS[:3]] == [0, 0.05, 0.1]
    assert THRESHOLDS[-6:] == (0.9, 0.95, 0.96, 0.97, 0.98, 0.99)
    assert len(THRESHOLDS) == 24


def test_every_figure_equals_scikit_learns() -> None:
    probabilities, labels = predictions(500)
    scores = probabilities.astype(np.float64)
    truth = label_binarize(labels, classes=range(10)).ravel()
    first = np.eye(10, dtype=bool)[scores.argmax(axis=1)]
    for row in confidence_metrics(scores, labels):
        for end, said in {"": scores >= row["threshold"], "_at_1": first & (scores >= row["threshold"])}.items():
            answers = said.ravel()
            negatives, positives = sk.confusion_matrix(truth, answers)
            assert row[f"precision{end}"] == pytest.approx(sk.precision_score(truth, answers))
            assert row[f"recall{end}"] == pytest.approx(sk.recall_score(truth, answers))
            assert row[f"f1{end}"] == pytest.approx(sk.f1_score(truth, answers))
            assert row[f"false_positive_rate{end}"] == pytest.approx(negatives[1] / negatives.sum())
            if not end:
                assert (row["true_negatives"], row["false_positives"]) == tuple(negatives)
                assert (row["false_negatives"], row["true_positives"]) == tuple(positives)


def test_the_first_row_is_no_threshold_at_all() -> None:
    probabilities, labels = predictions(300)
    found = classification_metrics(probabilities, labels)
    row = found["confidence_metrics"][0]
    assert row["recall_at_1"] == row["precision_at_1"] == found["accuracy"]["value"]
    assert (row["recall"], row["precision"]) == (1, 0.1)


def test_what_nothing_reaches_has_no_precision() -> None:
    scores, labels = np.full((20, 10), 0.1), (np.arange(20) % 10).astype(np.int32)
    last = confidence_metrics(scores, labels)[-1]
    assert (last["precision"], last["f1"], last["precision_at_1"], last["recall"]) == (None, None, None, 0)


def test_a_perfect_model_is_perfect_at_every_threshold() -> None:
    labels = (np.arange(50) % 10).astype(np.int32)
    for row in confidence_metrics(perfect_predictions(labels).astype(np.float64), labels)[1:]:
        assert row["f1"] == row["f1_at_1"] == 1
        assert row["false_positive_rate"] == 0


def test_a_score_on_the_threshold_reaches_it() -> None:
    scores = np.zeros((1, 10))
    scores[0, :2] = 0.5
    reached = {row["threshold"]: row["recall"] for row in confidence_metrics(scores, np.array([0], np.int32))}
    assert (reached[0.5], reached[0.55]) == (1, 0)

import json

import numpy as np
import pytest
from google.cloud.aiplatform.metadata.schema import utils as google

from tests.support.predictions import predictions
from trainer.cloud.vertex_evaluation import evaluation_metrics
from trainer.contract import CLASS_NAMES
from trainer.evaluation.metrics import classification_metrics


def test_the_words_are_those_of_googles_own_classes() -> None:
    """The SDK writes the same schema; what it writes is what we write."""
    test = classification_metrics(*predictions(400))
    found = evaluation_metrics(test)
    for row, theirs in zip(test["confidence_metrics"], found["confidenceMetrics"], strict=True):
        metric = google.ConfidenceMetric(
            confidence_threshold=row["threshold"],
            recall=row["recall"],
            precision=row["precision"],
            f1_score=row["f1"],
            false_positive_rate=row["false_positive_rate"],
            recall_at_1=row["recall_at_1"],
            precision_at_1=row["precision_at_1"],
            f1_score_at_1=row["f1_at_1"],
            false_positive_rate_at_1=row["false_positive_rate_at_1"],
            true_positive_count=row["true_positives"],
            false_positive_count=row["false_positives"],
            false_negative_count=row["false_negatives"],
            true_negative_count=row["true_negatives"],
        )
        assert theirs == metric.to_dict()
    specs = [google.AnnotationSpec(display_name=name, id=str(k)) for k, name in enumerate(CLASS_NAMES)]
    assert found["confusionMatrix"] == google.ConfusionMatrix(test["confusion_matrix"], specs).to_dict()


def test_the_overall_figures_are_the_micro_averages() -> None:
    test = classification_metrics(*predictions(400))
    found = evaluation_metrics(test)
    assert found["auPrc"] == test["average_precision_micro"] != test["average_precision_macro"]
    assert found["auRoc"] == test["roc_auc_micro"] != test["roc_auc_macro"]
    assert found["logLoss"] == test["log_loss"]


def test_what_is_not_known_is_left_out() -> None:
    unsure = np.full((20, 10), 0.1, np.float32)
    found = evaluation_metrics(classification_metrics(unsure, (np.arange(20) % 10).astype(np.int32)))
    assert "precision" in found["confidenceMetrics"][0]
    assert "precision" not in found["confidenceMetrics"][-1]
    assert None not in json.loads(json.dumps(found))["confidenceMetrics"][-1].values()


def test_figures_of_an_older_package_are_sent_as_far_as_they_go() -> None:
    assert evaluation_metrics({"log_loss": 0.3, "roc_auc_macro": 0.9, "n": 10}) == {"logLoss": 0.3}
    assert evaluation_metrics({}) == {}


def test_rows_of_the_confusion_matrix_are_the_truth() -> None:
    probabilities = np.eye(10, dtype=np.float32)[[3]]
    found = evaluation_metrics(classification_metrics(probabilities, np.array([6], np.int32)))
    assert found["confusionMatrix"]["rows"][6][3] == 1
    assert found["confusionMatrix"]["annotationSpecs"][6] == {"id": "6", "displayName": "Shirt"}
    assert found["auPrc"] == pytest.approx(0.1)

"""``metrics.json`` in the words of Vertex AI's schema for classification.

``auPrc`` and ``auRoc`` are micro averages there. ``auPrc`` is what AutoML shows as average precision: no accuracy.
"""

from collections.abc import Mapping
from typing import Any

from trainer.contract import CLASS_NAMES

SCHEMA = "gs://google-cloud-aiplatform/schema/modelevaluation/classification_metrics_1.0.0.yaml"

_OVERALL = {"auPrc": "average_precision_micro", "auRoc": "roc_auc_micro", "logLoss": "log_loss"}
_AT_THRESHOLD = {
    "confidenceThreshold": "threshold",
    "recall": "recall",
    "precision": "precision",
    "f1Score": "f1",
    "falsePositiveRate": "false_positive_rate",
    "recallAt1": "recall_at_1",
    "precisionAt1": "precision_at_1",
    "f1ScoreAt1": "f1_at_1",
    "falsePositiveRateAt1": "false_positive_rate_at_1",
    "truePositiveCount": "true_positives",
    "falsePositiveCount": "false_positives",
    "falseNegativeCount": "false_negatives",
    "trueNegativeCount": "true_negatives",
}


def evaluation_metrics(test: Mapping[str, Any]) -> dict[str, Any]:
    """``auPrc``, ``auRoc``, ``logLoss``, ``confidenceMetrics`` and ``confusionMatrix`` of the ``test`` figures.

    What is missing or None, such as the precision where nothing was said, is left out.
    """
    metrics = _renamed(test, _OVERALL)
    if "confidence_metrics" in test:
        metrics["confidenceMetrics"] = [_renamed(row, _AT_THRESHOLD) for row in test["confidence_metrics"]]
    if "confusion_matrix" in test:
        classes = [{"id": str(k), "displayName": name} for k, name in enumerate(CLASS_NAMES)]
        metrics["confusionMatrix"] = {"annotationSpecs": classes, "rows": test["confusion_matrix"]}
    return metrics


def _renamed(figures: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {theirs: figures[ours] for theirs, ours in names.items() if figures.get(ours) is not None}

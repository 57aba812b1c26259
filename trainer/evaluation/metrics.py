"""What the predictions are worth, in numbers. All sums in float64.

Macro figures average over the classes that occur among the labels, so a small test set without one class
still has them; the missing classes are named in ``absent_classes``.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.contract import CLASS_NAMES, NUM_CLASSES
from trainer.errors import DataError, TrainingError
from trainer.evaluation.calibration import expected_calibration_error, reliability_bins
from trainer.evaluation.confidence import confidence_metrics
from trainer.evaluation.intervals import wilson_interval

ROW_SUM_TOLERANCE = 1e-3
_REPORT = "report this: it is a fault of the program"

# Only zeros, and what float32 holds beside them, are raised before the logarithm: no loss is flattered.
SMALLEST_PROBABILITY = float(np.finfo(np.float32).tiny)


def classification_metrics(probabilities: NDArray[np.float32], labels: NDArray[np.int32]) -> dict[str, Any]:
    """Every overall figure of one split, JSON-able, from one look at its predictions.

    ``probabilities`` float32 (N, 10), rows sum to 1; ``labels`` int32 (N,) in [0, 9].

    - ``accuracy``: value with its 95 % Wilson interval ``low``–``high``.
    - ``log_loss``: mean of −ln p(truth); a probability of 0 counts as 1.2e-38, so it is at most 87.3.
    - ``average_precision_macro``, ``_micro``: area under the precision–recall curve as the step-wise sum
      Σ (Rₙ − Rₙ₋₁)·Pₙ, per class against the rest, or over all (image, class) pairs. It is the figure that
      AutoML reports as "average precision"; it is no accuracy.
    - ``roc_auc_macro``, ``_micro``: one class against the rest, or over all (image, class) pairs; the former is
      None where all labels are of one class.
    - ``confidence_metrics``: precision, recall and so on at 24 thresholds.
    - ``expected_calibration_error``: from the 15 bins in ``calibration_bins``.
    - ``confusion_matrix``: counts, rows = truth, columns = prediction, in the order of ``CLASS_NAMES``.

    Raises TrainingError for probabilities that are none, DataError for labels that don't belong to them.
    """
    _check(probabilities, labels)
    scores = probabilities.astype(np.float64)
    predicted = scores.argmax(axis=1)
    correct = predicted == labels
    matrix = _confusion_matrix(labels, predicted)
    bins = reliability_bins(scores.max(axis=1), correct)
    present = np.unique(labels)
    f1 = _f1_scores(matrix)
    return {
        "n": len(labels),
        "absent_classes": [name for k, name in enumerate(CLASS_NAMES) if k not in present],
        "accuracy": _proportion(int(correct.sum()), len(labels)),
        "f1_macro": float(f1[present].mean()),
        "f1_weighted": float(np.average(f1[present], weights=matrix.sum(axis=1)[present])),
        "log_loss": _log_loss(scores, labels),
        **_ranking_metrics(scores, labels, present),
        "expected_calibration_error": expected_calibration_error(bins),
        "calibration_bins": bins,
        "confidence_metrics": confidence_metrics(scores, labels),
        "confusion_matrix": matrix.tolist(),
    }


def class_performance(probabilities: NDArray[np.float32], labels: NDArray[np.int32]) -> dict[str, Any]:
    """Per class: precision, recall, F1, support and what it is mistaken for, most frequent first.

    Arguments and errors as for ``classification_metrics``. ``rate`` is a share of the class's own images, in
    [0, 1]. Precision is None for a class that is never predicted, recall for one without images.
    """
    _check(probabilities, labels)
    matrix = _confusion_matrix(labels, probabilities.argmax(axis=1))
    return {
        "n": len(labels),
        "classes": {name: _one_class(matrix, k) for k, name in enumerate(CLASS_NAMES)},
    }


def majority_baseline(train_labels: NDArray[np.int32], test_labels: NDArray[np.int32]) -> dict[str, Any]:
    """What a model without eyes gets on test: the trivial result that every figure stands beside.

    It always answers with the most frequent training class (the first of several); its log loss is that of
    answering with the training classes' shares as probabilities.
    """
    counts = np.bincount(train_labels, minlength=NUM_CLASSES)
    majority = int(counts.argmax())
    shares = np.maximum(counts / counts.sum(), SMALLEST_PROBABILITY)
    return {
        "n": len(test_labels),
        "predicted_class": CLASS_NAMES[majority],
        "accuracy": _proportion(int((test_labels == majority).sum()), len(test_labels)),
        "log_loss": float(-np.log(shares[test_labels]).mean()),
    }


def improper(probabilities: NDArray[np.float32]) -> str:
    """Why ``probabilities`` float32 (N, 10) are none; empty if they are finite, at least 0, and their rows sum to 1."""
    broken = int((~np.isfinite(probabilities)).any(axis=1).sum())
    if broken:
        return f"values that are not finite for {broken} of {len(probabilities)} images"
    sums = probabilities.sum(axis=1, dtype=np.float64)
    if probabilities.min() < 0 or np.abs(sums - 1).max() > ROW_SUM_TOLERANCE:
        return f"a smallest value of {probabilities.min():.4g} and row sums from {sums.min():.4g} to {sums.max():.4g}"
    return ""


def _check(probabilities: NDArray[np.float32], labels: NDArray[np.int32]) -> None:
    """Refuse what can't be scored, before a library turns it into a plausible number."""
    if labels.ndim != 1 or len(labels) == 0:
        received = f"shape {labels.shape}"
        raise DataError("the labels can't be scored", expected="(N,), N > 0", received=received, do=_REPORT)
    if probabilities.shape != (len(labels), NUM_CLASSES):
        raise TrainingError(
            "the predictions don't fit the labels",
            expected=f"shape ({len(labels)}, {NUM_CLASSES})",
            received=f"shape {probabilities.shape}",
            do=_REPORT,
        )
    if labels.min() < 0 or labels.max() >= NUM_CLASSES:
        raise DataError(
            "a label names no class",
            expected=f"0 to {NUM_CLASSES - 1}",
            received=f"{labels.min()} to {labels.max()}",
            do=_REPORT,
        )
    fault = improper(probabilities)
    if fault:
        raise TrainingError(
            "the model's outputs are no probabilities",
            expected="finite values of at least 0 and rows that sum to 1",
            received=fault,
            do="train again with a lower --learning-rate or with --precision float32, and let it end in a softmax",
        )


def _proportion(successes: int, n: int) -> dict[str, float]:
    low, high = wilson_interval(successes, n)
    return {"value": successes / n, "low": low, "high": high}


def _confusion_matrix(labels: NDArray[np.int32], predicted: NDArray[np.intp]) -> NDArray[np.int64]:
    """int64 (10, 10), rows = truth, columns = prediction."""
    pairs = labels.astype(np.int64) * NUM_CLASSES + predicted
    return np.bincount(pairs, minlength=NUM_CLASSES**2).reshape(NUM_CLASSES, NUM_CLASSES)


def _f1_scores(matrix: NDArray[np.int64]) -> NDArray[np.float64]:
    """2·TP / (2·TP + FP + FN) of each class, float64 (10,); 0 for a class neither there nor predicted."""
    true_positives = matrix.diagonal()
    either = matrix.sum(axis=0) + matrix.sum(axis=1)
    scores: NDArray[np.float64] = 2 * true_positives / np.maximum(either, 1)
    return scores


def _log_loss(scores: NDArray[np.float64], labels: NDArray[np.int32]) -> float:
    truth = scores[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(truth, SMALLEST_PROBABILITY)).mean())


def _ranking_metrics(
    scores: NDArray[np.float64], labels: NDArray[np.int32], present: NDArray[np.int32]
) -> dict[str, float | None]:
    """Figures that look at the order of the scores and need no threshold."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    truth = labels[:, None] == np.arange(NUM_CLASSES)
    separable = len(present) > 1
    precisions = [average_precision_score(truth[:, k], scores[:, k]) for k in present]
    areas = [roc_auc_score(truth[:, k], scores[:, k]) for k in present] if separable else []
    return {
        "average_precision_macro": float(np.mean(precisions)),
        "average_precision_micro": float(average_precision_score(truth.ravel(), scores.ravel())),
        "roc_auc_macro": float(np.mean(areas)) if separable else None,
        "roc_auc_micro": float(roc_auc_score(truth.ravel(), scores.ravel())),
    }


def _one_class(matrix: NDArray[np.int64], k: int) -> dict[str, Any]:
    support, predicted, hits = int(matrix[k].sum()), int(matrix[:, k].sum()), int(matrix[k, k])
    others = [j for j in np.argsort(-matrix[k], kind="stable") if j != k and matrix[k, j]]
    return {
        "precision": hits / predicted if predicted else None,
        "recall": hits / support if support else None,
        "f1": 2 * hits / (support + predicted) if support + predicted else None,
        "support": support,
        "mistaken_for": [
            {"class": CLASS_NAMES[j], "count": int(matrix[k, j]), "rate": int(matrix[k, j]) / support} for j in others
        ],
    }

"""What a threshold on the confidence would do: the table that precision–recall and ROC curves are drawn from.

Vertex AI's ``classification_metrics_1.0.0`` wants it at these very thresholds. "At 1" looks only at each image's
first choice; the other figures look at every (image, class) pair, as micro averages do.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

THRESHOLDS = (*(i / 20 for i in range(20)), 0.96, 0.97, 0.98, 0.99)


def confidence_metrics(scores: NDArray[np.float64], labels: NDArray[np.int32]) -> list[dict[str, Any]]:
    """One row a threshold: what is said of images and classes whose score reaches it.

    ``scores`` float64 (N, 10), rows sum to 1; ``labels`` int32 (N,) in [0, 9]. The rates are in [0, 1]; a precision
    is None where nothing reaches the threshold, and so is the F1 with it.
    """
    truth = labels[:, None] == np.arange(scores.shape[1])
    first = scores.argmax(axis=1)[:, None] == np.arange(scores.shape[1])
    return [_row(scores >= threshold, first, truth, threshold) for threshold in THRESHOLDS]


def _row(
    said: NDArray[np.bool_], first: NDArray[np.bool_], truth: NDArray[np.bool_], threshold: float
) -> dict[str, Any]:
    right, wrong = int((said & truth).sum()), int((said & ~truth).sum())
    positives, negatives = int(truth.sum()), int((~truth).sum())
    first_right, first_wrong = int((said & first & truth).sum()), int((said & first & ~truth).sum())
    return {
        "threshold": threshold,
        **_rates(right, wrong, positives, negatives),
        **{f"{name}_at_1": rate for name, rate in _rates(first_right, first_wrong, positives, negatives).items()},
        "true_positives": right,
        "false_positives": wrong,
        "false_negatives": positives - right,
        "true_negatives": negatives - wrong,
    }


def _rates(right: int, wrong: int, positives: int, negatives: int) -> dict[str, float | None]:
    said = right + wrong
    return {
        "recall": right / positives,
        "precision": right / said if said else None,
        "f1": 2 * right / (positives + said) if said else None,
        "false_positive_rate": wrong / negatives,
    }

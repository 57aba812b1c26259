"""Does a probability of 0.9 mean right nine times out of ten?

Guo et al. 2017, "On Calibration of Modern Neural Networks": the predictions are sorted into equal-width bins
of confidence, and in each bin the mean confidence is held against the share that is right.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 15


def reliability_bins(confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """The 15 bins (low, high], from 0 to 1, of ``confidence`` float64 (N,) and ``correct`` bool (N,).

    Each: ``low``, ``high``, ``count``, and the means ``confidence`` and ``accuracy``, None if it is empty.
    """
    edges = np.linspace(0.0, 1.0, BINS + 1)
    which = np.clip(np.digitize(confidence, edges, right=True) - 1, 0, BINS - 1)
    count = np.bincount(which, minlength=BINS)
    confidence_sum = np.bincount(which, weights=confidence, minlength=BINS)
    correct_sum = np.bincount(which, weights=correct, minlength=BINS)
    return [
        {
            "low": float(edges[i]),
            "high": float(edges[i + 1]),
            "count": int(count[i]),
            "confidence": float(confidence_sum[i] / count[i]) if count[i] else None,
            "accuracy": float(correct_sum[i] / count[i]) if count[i] else None,
        }
        for i in range(BINS)
    ]


def expected_calibration_error(bins: list[dict[str, Any]]) -> float:
    """Mean distance between confidence and accuracy over the bins, weighted by their counts, in [0, 1]."""
    filled = [b for b in bins if b["count"]]
    total: int = sum(b["count"] for b in filled)
    return float(sum(b["count"] * abs(b["accuracy"] - b["confidence"]) for b in filled) / total)

"""Confidence that is right as often as it says, after a training that was taught to doubt.

Label smoothing and CutMix pull every probability towards the mean, so the network is right more often than it believes.
One number mends that without a change of any answer: all logits divided by a temperature. Guo et al., On Calibration of
Modern Neural Networks, 2017, https://arxiv.org/abs/1706.04599.
"""

import keras
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import softmax

from trainer.contract import LOGITS_LAYER, Examples
from trainer.training.fit import predict

# Of the inverse temperature: beyond an end of it is the optimum of none that learned anything.
_RANGE = (0.05, 20.0)


def cool(network: keras.Model, validation: Examples) -> float:
    """Divide the logits of ``network`` by the temperature of the lowest cross-entropy on ``validation``; return it.

    The weights of the last dense layer, in an ensemble of each member's, take it in: the served graph is as it was.
    """
    log_p = np.log(np.clip(predict(network, validation.images).astype(np.float64), 1e-12, 1.0))
    inverse = inverse_temperature(log_p, validation.labels)
    for layer in network.layers:
        if isinstance(layer, keras.layers.Dense) and layer.name.endswith(LOGITS_LAYER):
            layer.set_weights([weight * np.float32(inverse) for weight in layer.get_weights()])
    return 1 / inverse


def inverse_temperature(logits: NDArray[np.float64], labels: NDArray[np.int32]) -> float:
    """The factor by which ``logits`` (N, C), known up to a constant a row, give ``labels`` (N,) the lowest mean loss.

    The loss is convex in the factor, and its slope is the mean logit expected less the mean logit of the truth. With
    the N labels counts one more, which may be any: by few labels that were all answered rightly the best factor would
    be infinite. So Platt softens the targets of such a fit: Probabilistic Outputs for Support Vector Machines, 1999,
    section 2.2.
    """
    count = len(labels)
    of_truth = (logits[np.arange(count), labels].sum() + logits.mean()) / (count + 1)

    def slope(factor: float) -> float:
        return float((softmax(factor * logits, axis=1) * logits).sum(axis=1).mean() - of_truth)

    low, high = _RANGE
    if slope(low) >= 0:
        return low
    return high if slope(high) <= 0 else float(brentq(slope, low, high))

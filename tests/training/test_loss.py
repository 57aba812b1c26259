"""`SmoothedCrossEntropy` against Keras's own losses and against sums written out."""

import keras
import numpy as np
import pytest

from trainer.training.loss import SmoothedCrossEntropy

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(size=(6, 10)).astype("float32")
LABELS = RANDOM.integers(0, 10, size=6).astype("int32")


def loss_of(smoothing):
    return float(SmoothedCrossEntropy(smoothing)(LABELS, LOGITS))


def test_without_smoothing_it_is_sparse_categorical_cross_entropy():
    theirs = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(LABELS, LOGITS)
    assert loss_of(0.0) == pytest.approx(float(theirs), rel=1e-6)


@pytest.mark.parametrize("smoothing", [0.05, 0.1, 0.5])
def test_the_smoothed_share_of_a_label_is_spread_over_all_classes(smoothing):
    log_p = LOGITS - np.log(np.exp(LOGITS).sum(axis=1, keepdims=True))
    of_truth = log_p[np.arange(6), LABELS]
    expected = -((1 - smoothing) * of_truth + smoothing * log_p.mean(axis=1)).mean()
    assert loss_of(smoothing) == pytest.approx(expected, rel=1e-5)


def test_the_same_after_saving_and_loading_its_configuration():
    config = SmoothedCrossEntropy(0.1).get_config()
    assert SmoothedCrossEntropy.from_config(config).smoothing == 0.1

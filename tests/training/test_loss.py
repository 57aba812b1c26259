"""`SmoothedCrossEntropy` against Keras's own losses and against sums written out."""

import keras
import numpy as np
import pytest

from trainer.training.loss import SmoothedCrossEntropy, right_answers

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


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_of_an_ensemble_it_is_the_mean_of_its_members_losses(smoothing):
    members = RANDOM.normal(size=(6, 3, 10)).astype("float32")
    loss = SmoothedCrossEntropy(smoothing)
    alone = np.mean([loss.call(LABELS, members[:, number]) for number in range(3)], axis=0)
    np.testing.assert_allclose(loss.call(LABELS, members), alone, rtol=1e-5)
    assert float(loss(LABELS[:, None], members)) == pytest.approx(alone.mean(), rel=1e-5)


def test_an_answer_is_right_where_the_highest_logit_is_the_label_s():
    right = right_answers(LABELS, LOGITS)
    np.testing.assert_array_equal(right, LOGITS.argmax(axis=1) == LABELS)
    np.testing.assert_array_equal(right_answers(LOGITS.argmax(axis=1)[:, None], LOGITS), np.ones(6))


def test_an_ensemble_answers_by_its_mean():
    sure, unsure = 3 * np.eye(10, dtype="float32")[[4]], np.eye(10, dtype="float32")[[7]]
    members = np.stack([unsure, sure, unsure], axis=1)
    np.testing.assert_array_equal(right_answers(np.array([4]), members), [1])
    np.testing.assert_array_equal(right_answers(np.array([7]), members), [0])


def test_the_same_after_saving_and_loading_its_configuration():
    config = SmoothedCrossEntropy(0.1).get_config()
    assert SmoothedCrossEntropy.from_config(config).smoothing == 0.1

"""`CrossEntropy` against Keras's own loss and against sums written out."""

import keras
import numpy as np
import pytest

from trainer.training.loss import CrossEntropy, right_answers

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(size=(6, 10)).astype("float32")
LABELS = RANDOM.integers(0, 10, size=6).astype("int32")
LABELLED = np.eye(10, dtype="float32")[LABELS]
SPREAD = RANDOM.dirichlet(np.ones(10), size=6).astype("float32")


def test_of_targets_that_name_one_class_it_is_sparse_categorical_cross_entropy():
    theirs = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(LABELS, LOGITS)
    assert float(CrossEntropy()(LABELLED, LOGITS)) == pytest.approx(float(theirs), rel=1e-6)


def test_of_others_it_is_the_expected_surprise():
    log_p = LOGITS - np.log(np.exp(LOGITS).sum(axis=1, keepdims=True))
    assert float(CrossEntropy()(SPREAD, LOGITS)) == pytest.approx(-(SPREAD * log_p).sum(axis=1).mean(), rel=1e-5)


@pytest.mark.parametrize("targets", [LABELLED, SPREAD], ids=["one class", "spread"])
def test_of_an_ensemble_it_is_the_mean_of_its_members_losses(targets):
    members = RANDOM.normal(size=(6, 3, 10)).astype("float32")
    loss = CrossEntropy()
    alone = np.mean([loss.call(targets, members[:, number]) for number in range(3)], axis=0)
    np.testing.assert_allclose(loss.call(targets, members), alone, rtol=1e-5)
    assert float(loss(targets, members)) == pytest.approx(alone.mean(), rel=1e-5)


def test_an_answer_is_right_where_the_highest_logit_is_the_label_s():
    np.testing.assert_array_equal(right_answers(LABELLED, LOGITS), LOGITS.argmax(axis=1) == LABELS)
    np.testing.assert_array_equal(right_answers(SPREAD, LOGITS), LOGITS.argmax(axis=1) == SPREAD.argmax(axis=1))


def test_an_ensemble_answers_by_its_mean():
    sure, unsure = 3 * np.eye(10, dtype="float32")[[4]], np.eye(10, dtype="float32")[[7]]
    members = np.stack([unsure, sure, unsure], axis=1)
    np.testing.assert_array_equal(right_answers(np.eye(10)[[4]], members), [1])
    np.testing.assert_array_equal(right_answers(np.eye(10)[[7]], members), [0])

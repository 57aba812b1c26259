"""The temperature that makes confidence honest, on answers whose right temperature is known."""

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from trainer.contract import Examples
from trainer.model.cnn import build_cnn
from trainer.model.residual import build_residual
from trainer.training.fit import predict
from trainer.training.temperature import cool, inverse_temperature

RANDOM = np.random.default_rng(5)


def honest_answers(count):
    """Logits, and labels drawn with just the probabilities that these logits give."""
    logits = RANDOM.normal(0, 2, size=(count, 10))
    draws = RANDOM.random((count, 1))
    labels = (softmax(logits, axis=1).cumsum(axis=1) < draws).sum(axis=1).clip(0, 9).astype(np.int32)
    return logits, labels


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_finds_the_factor_that_the_logits_were_divided_by(factor):
    logits, labels = honest_answers(50_000)
    assert inverse_temperature(log_softmax(logits / factor, axis=1), labels) == pytest.approx(factor, rel=0.03)


@pytest.mark.parametrize("count", [1, 40, 3000])
def test_right_answers_alone_make_it_no_surer_than_their_number_allows(count):
    labels = RANDOM.integers(0, 10, size=count).astype(np.int32)
    logits = 3.0 * np.eye(10)[labels]
    factor = inverse_temperature(logits, labels)
    confidence = softmax(factor * logits, axis=1).max(axis=1)
    np.testing.assert_allclose(confidence, 1 - 0.9 / (count + 1), rtol=1e-6)


def test_stays_in_its_range_where_every_answer_is_wrong():
    logits = RANDOM.normal(size=(500, 10))
    assert inverse_temperature(logits, logits.argmin(axis=1).astype(np.int32)) == 0.05


def plain():
    return build_cnn(filters=(4,), dense_units=8, conv_dropout=0.0, dense_dropout=0.0, seed=3)


def ensemble():
    return build_residual(filters=(4,), stem_filters=0, stage_depth=1, ensemble_size=2, seed=3)


@pytest.mark.parametrize("build", [plain, ensemble])
def test_cooling_lowers_the_loss_and_changes_no_answer(build):
    network = build()
    images = RANDOM.integers(0, 256, size=(400, 28, 28, 1), dtype=np.uint8)
    before = predict(network, images)
    labels = np.where(RANDOM.random(400) < 0.9, before.argmax(axis=1), 0).astype(np.int32)
    temperature = cool(network, Examples(images, labels))
    after = predict(network, images)
    assert temperature < 1
    np.testing.assert_array_equal(after.argmax(axis=1), before.argmax(axis=1))
    row = np.arange(400)
    assert -np.log(after[row, labels]).mean() < -np.log(before[row, labels]).mean() - 0.05
    np.testing.assert_allclose(after, softmax(np.log(before) / temperature, axis=1), atol=1e-5)

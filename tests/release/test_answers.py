"""Models that answer well as long as they are asked about whole test sets, and what the gates say of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.support.candidates import THRESHOLDS
from tests.support.datasets import random_dataset
from tests.support.evidence import evidence_of
from trainer.artifacts import client
from trainer.errors import TrainingError
from trainer.measurement import Parts, figures, measure, predicted_classes, questions
from trainer.release.gates import GATES
from trainer.release.verdict import Verdict

DATASET = random_dataset(train=60, test=400)
PARTS = Parts(DATASET.train, DATASET.test, copies=0, synthetic=False)
WEIGHTS = tf.Variable(np.random.default_rng(0).normal(size=(784, 10)).astype(np.float32))
RAW_BYTES = tf.TensorSpec((None, 28, 28, 1), tf.uint8, name="image")

Standardise = Callable[[Any], Any]


def by_nothing(pixels: Any) -> Any:
    return pixels / 255.0


def by_the_batch(pixels: Any) -> Any:
    """As batch normalisation does that was exported as it trains."""
    mean, variance = (reduce(pixels, axis=0, keepdims=True) for reduce in (tf.reduce_mean, tf.math.reduce_variance))
    return (pixels - mean) * tf.math.rsqrt(variance + 1.0)


def by_the_image(pixels: Any) -> Any:
    """Without the epsilon that keeps a blank image from a division by zero."""
    mean, variance = (reduce(pixels, axis=1, keepdims=True) for reduce in (tf.reduce_mean, tf.math.reduce_variance))
    return (pixels - mean) * tf.math.rsqrt(variance)


def save(folder: Path, standardise: Standardise, end: Standardise = tf.nn.softmax) -> Path:
    """The SavedModel of one dense layer on pixels that were standardised."""

    def serve(image: Any) -> dict[str, Any]:
        pixels = standardise(tf.cast(tf.reshape(image, (-1, 784)), tf.float32))
        return {"probabilities": end(tf.matmul(pixels, WEIGHTS) / 28.0)}

    module = tf.Module()
    module.weights = WEIGHTS
    signature = tf.function(serve, input_signature=[RAW_BYTES])
    tf.saved_model.save(module, str(folder), signatures={client.SIGNATURE: signature})
    return folder


def agreement_of(signature: client.Signature) -> Verdict:
    """The gate's verdict, where all that is written of the model is true."""
    measured = figures(client.answer_all(signature, questions(PARTS)), PARTS)
    return GATES["agreement"](evidence_of(measured), THRESHOLDS)


def loaded(folder: Path, standardise: Standardise) -> client.Signature:
    return client.open_signature(save(folder, standardise))


def test_a_model_that_answers_each_image_by_itself_passes(tmp_path: Path) -> None:
    verdict = agreement_of(loaded(tmp_path, by_nothing))
    assert verdict.passed, verdict.sentence
    assert 0 <= verdict.figures["change_alone"] < 1e-5


def test_a_model_whose_answers_depend_on_the_batch_is_refused(tmp_path: Path) -> None:
    verdict = agreement_of(loaded(tmp_path, by_the_batch))
    assert not verdict.passed
    assert verdict.sentence.startswith("An image gets another answer alone than among others: a probability changes by")
    assert verdict.figures["change_alone"] > 0.1


def test_a_model_that_has_no_answer_to_a_blank_image_is_refused(tmp_path: Path) -> None:
    verdict = agreement_of(loaded(tmp_path, by_the_image))
    assert verdict.sentence == (
        "Asked about blank images among others, it answers with values that are not finite for 3 of 300 images; "
        "asked about blank images and others, one by one, it answers with values that are not finite for 3 of "
        "300 images."
    )


def test_what_is_no_probabilities_for_changed_images_is_refused(tmp_path: Path) -> None:
    signature = loaded(tmp_path, by_nothing)
    answers = client.answer_all(signature, questions(PARTS))
    answers["inverted"] = 2 * answers["inverted"]
    verdict = GATES["agreement"](evidence_of(figures(answers, PARTS)), THRESHOLDS)
    assert verdict.sentence.startswith("Asked about test images inverted, it answers with a smallest value of")
    assert "row sums from 2 to 2" in verdict.sentence


@pytest.mark.parametrize("images", [1, 299])
def test_few_test_images_are_enough_to_ask_one_by_one(tmp_path: Path, images: int) -> None:
    few = DATASET.test.take(np.arange(images))
    parts = Parts(DATASET.train, few, copies=0, synthetic=False)
    answers = client.answer_all(loaded(tmp_path, by_the_batch), questions(parts))
    assert len(answers["seconds"]) == client.TIMED_RUNS
    assert figures(answers, parts).change_alone > 0.1


@pytest.mark.slow
def test_a_process_of_its_own_asks_them_too(tmp_path: Path) -> None:
    def probabilities_by_batch(logits: Any) -> Any:
        return tf.nn.softmax(logits - tf.reduce_mean(logits, axis=0, keepdims=True))

    measured, predicted = measure(save(tmp_path, by_nothing, probabilities_by_batch), PARTS)
    assert measured.change_alone > 0.1
    assert measured.improper == []
    assert len(predicted) == len(PARTS.test)


@pytest.mark.slow
def test_a_champion_that_gives_no_probabilities_is_not_compared_with(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"does not give probabilities .* received a smallest value of"):
        predicted_classes(save(tmp_path, by_nothing, tf.identity), PARTS.test.images)

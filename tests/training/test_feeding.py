"""The batches that the network is fed with, against slices of the arrays."""

import numpy as np
import pytest

from trainer.training.feeding import fed

IMAGES = np.random.default_rng(0).integers(0, 256, size=(25, 28, 28, 1), dtype=np.uint8)
SHIFTS = np.random.default_rng(1).normal(size=(25, 8)).astype(np.float32)
LABELS = np.arange(25, dtype=np.int32)


@pytest.mark.parametrize("batch_size", [1, 10, 25, 40])
def test_every_image_comes_once_with_its_label_in_order(batch_size):
    batches = list(fed({"image": IMAGES, "transform": SHIFTS}, LABELS, batch_size)["x"].as_numpy_iterator())
    assert [len(labels) for _, labels in batches] == [min(batch_size, 25 - i) for i in range(0, 25, batch_size)]
    for name, array in {"image": IMAGES, "transform": SHIFTS}.items():
        np.testing.assert_array_equal(np.concatenate([inputs[name] for inputs, _ in batches]), array)
    np.testing.assert_array_equal(np.concatenate([labels for _, labels in batches]), LABELS)


def test_without_labels_there_are_none():
    batches = list(fed(IMAGES, None, 10)["x"].as_numpy_iterator())
    assert all(len(batch) == 1 for batch in batches)
    np.testing.assert_array_equal(np.concatenate([images for (images,) in batches]), IMAGES)


def test_nothing_tunes_itself_and_the_number_of_batches_is_known():
    dataset = fed(IMAGES, LABELS, 10)["x"]
    assert dataset.options().autotune.enabled is False
    assert int(dataset.cardinality()) == 3

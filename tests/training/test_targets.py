"""What the network is to say of an image: one class, some of each, or parts of two images' classes."""

import numpy as np
import pytest

from trainer.training.targets import mixed, targets_of

LABELS = np.array([3, 0, 9, 3], dtype=np.int32)


def test_without_smoothing_a_target_is_its_label_alone() -> None:
    np.testing.assert_array_equal(targets_of(LABELS, smoothing=0), np.eye(10)[LABELS])


@pytest.mark.parametrize("smoothing", [0.05, 0.1, 0.5])
def test_the_smoothed_share_of_a_label_is_spread_over_all_classes(smoothing: float) -> None:
    targets = targets_of(LABELS, smoothing=smoothing)
    assert targets.dtype == np.float32
    np.testing.assert_allclose(targets, (1 - smoothing) * np.eye(10)[LABELS] + smoothing / 10, rtol=1e-6)
    np.testing.assert_array_equal(targets.argmax(axis=1), LABELS)


def test_of_a_mixed_image_each_part_has_its_share() -> None:
    partners, kept = np.array([3, 2, 1, 0]), np.array([1, 0.75, 0, 0.5], dtype=np.float32)
    found = mixed(targets_of(LABELS, smoothing=0), partners, kept)
    expected = np.zeros((4, 10))
    expected[0, 3] = 1
    expected[1, [0, 9]] = 0.75, 0.25
    expected[2, 0] = 1
    expected[3, 3] = 1  # Its partner is of the same class.
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.float32

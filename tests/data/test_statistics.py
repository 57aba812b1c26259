import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage, stats

from trainer.contract import Examples
from trainer.data.statistics import (
    balancing_weights,
    class_means,
    class_shares,
    correlation,
    distribution_distance,
    effective_count,
    left_out_factor,
    level_use,
    measure,
    nearest_mean_accuracy,
    sampled,
)


def some_examples(count: int, seed: int = 0) -> Examples:
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (count, 28, 28, 1)).astype(np.uint8)
    return Examples(images, random.integers(0, 10, count).astype(np.int32))


def equal_weights(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.full(len(values), 1 / len(values))


def test_measures_what_their_names_say() -> None:
    images = some_examples(2_100).images
    figures = measure(images)
    last = images[-1, :, :, 0].astype(float)
    down, right = ndimage.center_of_mass(last)
    assert figures["mean brightness"][-1] == pytest.approx(last.mean())
    assert figures["contrast"][-1] == pytest.approx(last.std(), rel=1e-4)
    assert figures["brightest pixel"][-1] == last.max()
    assert figures["darkest pixel"][-1] == last.min()
    assert figures["vertical centre"][-1] == pytest.approx(down, abs=1e-4)
    assert figures["horizontal centre"][-1] == pytest.approx(right, abs=1e-4)


def test_distance_without_tolerance_is_that_of_scipy() -> None:
    random = np.random.default_rng(1)
    first, second = random.normal(0, 1, 300).round(1), random.normal(0.3, 1.5, 200).round(1)
    distance = distribution_distance(first, second, weights=equal_weights(first), tolerance=0)
    assert distance == pytest.approx(stats.ks_2samp(first, second).statistic)
    assert distribution_distance(second, first, weights=equal_weights(second), tolerance=0) == pytest.approx(distance)


@pytest.mark.parametrize(("moved_by", "distance"), [(2, 0), (-2, 0), (3, 1), (-3, 1)])
def test_distance_forgives_the_tolerance(moved_by: float, distance: float) -> None:
    alike = np.zeros(50)
    assert distribution_distance(alike, alike + moved_by, weights=equal_weights(alike), tolerance=2) == pytest.approx(
        distance
    )


def test_weights_give_one_split_the_class_shares_of_the_other() -> None:
    labels, other = some_examples(500, 1).labels, some_examples(80, 2).labels
    weights = balancing_weights(labels, other)
    assert np.bincount(labels, weights, minlength=10) == pytest.approx(class_shares(other))
    assert effective_count(weights) < len(labels)
    assert effective_count(equal_weights(labels)) == pytest.approx(len(labels))


def test_weights_without_a_common_class_are_equal() -> None:
    assert balancing_weights(np.zeros(4, np.int32), np.ones(9, np.int32)) == pytest.approx(np.full(4, 0.25))


def test_left_out_factor_is_leaving_each_example_out() -> None:
    """The figures of train count as if each image had been met for the first time."""
    examples = some_examples(60)
    hits = 0
    for index in range(60):
        rest = examples.take(np.delete(np.arange(60), index))
        one = examples.take(np.array([index]))
        hits += nearest_mean_accuracy(one, class_means(rest), own_factor=np.ones(10)) == 1
    found = nearest_mean_accuracy(examples, class_means(examples), own_factor=left_out_factor(examples.labels))
    assert found == pytest.approx(hits / 60)


@pytest.mark.parametrize("grey", [200, 255])
def test_class_means_are_those_of_standardised_images(grey: int) -> None:
    examples = some_examples(2_100)
    examples.images[0] = grey  # Constant: it has no direction, whatever the rounding.
    examples.images[1] = grey
    examples.images[1, 14, 14] = grey - 1
    pixels = examples.images.reshape(-1, 784).astype(np.float64)
    pixels -= pixels.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(pixels, axis=1, keepdims=True)
    pixels /= np.where(lengths > 0, lengths, 1)
    expected = np.stack([pixels[examples.labels == label].mean(axis=0) for label in range(10)])
    np.testing.assert_allclose(class_means(examples), expected, atol=1e-6)


def test_level_use_counts_pixels_and_images() -> None:
    images = np.zeros((4, 28, 28, 1), np.uint8)
    images[0, :14] = 200
    pixels, having = level_use(images)
    assert (pixels[0], pixels[200]) == (0.875, 0.125)
    assert (having[0], having[200], having[255]) == (1, 0.25, 0)


def test_correlation_of_something_constant_is_nothing() -> None:
    ramp = np.arange(9.0)
    assert correlation(ramp, 3 - 2 * ramp) == pytest.approx(-1)
    assert correlation(ramp, np.ones(9)) == 0


def test_a_sample_is_of_every_class_though_they_come_in_turn() -> None:
    numbers = np.arange(60_000)
    chosen = sampled(numbers, 6_000)
    assert len(np.unique(chosen)) == 6_000
    assert (np.diff(chosen) > 0).all()
    assert np.abs(np.bincount(chosen % 10) - 600).max() < 100
    np.testing.assert_array_equal(sampled(numbers, 6_000), chosen)
    assert sampled(numbers[:10], 10) is not None
    np.testing.assert_array_equal(sampled(numbers[:10], 10), numbers[:10])

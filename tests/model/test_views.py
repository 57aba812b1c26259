"""The mean over several views of an image, against views made with NumPy."""

import keras
import numpy as np
import pytest

from trainer.model.residual import build_residual
from trainer.model.views import with_flips, with_flips_and_shifts

BUILDERS = [with_flips, with_flips_and_shifts]


@pytest.fixture(scope="module")
def network():
    return build_residual(filters=(4, 6), stem_filters=0, stage_depth=1, seed=3)


def images(count=5):
    """Noise up to the border, so that a view that is a pixel off shows."""
    return np.random.default_rng(8).integers(0, 256, size=(count, 28, 28, 1), dtype=np.uint8)


def mirrored(view):
    return view[:, :, ::-1]


def moved(view, pixels):
    """``view`` further down and right by 1 or -1 pixels; the border repeats."""
    padded = np.pad(view, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    return padded[:, 1 - pixels : 29 - pixels, 1 - pixels : 29 - pixels]


def test_the_mean_over_the_mirror_image_is_the_mean(network):
    expected = (network(images()).numpy() + network(mirrored(images())).numpy()) / 2
    np.testing.assert_allclose(with_flips(network)(images()), expected, rtol=1e-5)
    assert np.abs(expected - network(images()).numpy()).max() > 1e-3


def test_moved_views_count_half_as_much_as_the_others(network):
    views = [(images(), 2), (moved(images(), 1), 1), (moved(images(), -1), 1)]
    both = views + [(mirrored(view), weight) for view, weight in views]
    expected = sum(weight * network(view).numpy() for view, weight in both) / 8
    np.testing.assert_allclose(with_flips_and_shifts(network)(images()), expected, rtol=1e-5)
    assert np.abs(expected - with_flips(network)(images()).numpy()).max() > 1e-4


@pytest.mark.parametrize("build", BUILDERS)
def test_it_takes_and_gives_what_the_network_does(network, build):
    model = build(network)
    assert model.output_names == ["probabilities"]
    assert (model.input.dtype, model.output.dtype, model.output.shape) == ("uint8", "float32", (None, 10))
    np.testing.assert_allclose(model.predict(images(7), verbose=0, batch_size=3).sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("build", BUILDERS)
def test_it_has_the_weights_of_the_network(network, build):
    model = build(network)
    assert model.count_params() == network.count_params()
    np.testing.assert_equal(model.get_weights(), network.get_weights())


def test_under_bfloat16_the_mean_is_float32(network):
    lower = build_residual(filters=(4, 6), stem_filters=0, stage_depth=1, seed=3, dtype="mixed_bfloat16")
    model = with_flips_and_shifts(lower)
    assert keras.backend.standardize_dtype(model(images()).dtype) == "float32"
    np.testing.assert_allclose(model(images()), with_flips_and_shifts(network)(images()), atol=0.05)

"""The same network and warp on the JAX backend, in a process of its own: a backend is chosen at import."""

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

from trainer.model.augment import AffineWarp, AugmentLimits, draw_transforms
from trainer.model.cnn import build_cnn

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs the extra: pip install .[jax]"),
]

ON_JAX = """
import sys
import keras, numpy as np
from trainer.model.augment import AffineWarp
from trainer.model.cnn import build_cnn

given = np.load(sys.argv[1])
network = build_cnn(filters=(4, 8), dense_units=16, conv_dropout=0.0, dense_dropout=0.0, seed=42)
network.set_weights([given[f"weight{i}"] for i in range(len(network.weights))])
warped = AffineWarp()(given["images"], given["transforms"])
trained = np.asarray(network(warped, training=True))
np.savez(
    sys.argv[2], warped=np.asarray(warped), training=trained, inference=np.asarray(network(warped)),
    **{f"weight{i}": w for i, w in enumerate(network.get_weights())},
)
assert keras.backend.backend() == "jax"
assert "tensorflow" not in sys.modules
"""


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """What either backend makes of the same images, transforms and weights: (TensorFlow's, JAX's)."""
    folder = tmp_path_factory.mktemp("jax")
    images = np.random.default_rng(0).integers(0, 256, (16, 28, 28, 1), dtype=np.uint8)
    limits = AugmentLimits(15, 0.15, 0.15, 0.15, horizontal_flip=True)
    transforms = draw_transforms(16, seed=1, epoch=0, limits=limits)
    network = build_cnn(filters=(4, 8), dense_units=16, conv_dropout=0.0, dense_dropout=0.0, seed=42)
    weights = {f"weight{i}": weight for i, weight in enumerate(network.get_weights())}
    np.savez(folder / "given.npz", images=images, transforms=transforms, **weights)
    command = [sys.executable, "-c", ON_JAX, str(folder / "given.npz"), str(folder / "jax.npz")]
    subprocess.run(command, env={**os.environ, "KERAS_BACKEND": "jax"}, check=True)

    jax = np.load(folder / "jax.npz")
    ours = {"warped": AffineWarp()(images, transforms).numpy()}
    # From here on both start from the same bytes, so that a grey level here does not hide a fault there.
    ours["training"] = network(jax["warped"], training=True).numpy()
    ours["inference"] = network(jax["warped"]).numpy()
    return {**ours, **{f"weight{i}": weight for i, weight in enumerate(network.get_weights())}}, jax


def test_the_warped_images_agree_to_a_grey_level(both):
    tensorflow, jax = both
    assert jax["warped"].dtype == np.uint8
    assert np.abs(tensorflow["warped"].astype(int) - jax["warped"]).max() <= 1
    assert np.mean(tensorflow["warped"] != jax["warped"]) < 0.01


@pytest.mark.parametrize("output", ["training", "inference"])
def test_the_probabilities_agree(both, output):
    tensorflow, jax = both
    np.testing.assert_allclose(tensorflow[output], jax[output], rtol=1e-4, atol=1e-5)


def test_the_moving_averages_agree_after_a_step(both):
    tensorflow, jax = both
    for name in tensorflow.keys() - {"warped", "training", "inference"}:
        np.testing.assert_allclose(tensorflow[name], jax[name], rtol=1e-4, atol=1e-5, err_msg=name)

"""The committed model in TensorFlow 2.15, the newest version with a prebuilt prediction container on Vertex AI."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.support.jobs import Run, environment

pytestmark = pytest.mark.slow

SCRIPT = """
import sys
import numpy as np
import tensorflow as tf
assert tf.__version__.startswith("2.15."), tf.__version__
signature = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
images = np.load(sys.argv[2])
np.save(sys.argv[3], signature(image=tf.constant(images))["probabilities"].numpy())
"""


def test_loads_and_predicts_the_same(finished: Run, serving_python: Path, tmp_path: Path) -> None:
    from trainer.artifacts.export import load_predictor

    images = np.random.default_rng(0).integers(0, 256, size=(64, 28, 28, 1), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    subprocess.run(
        [
            *(str(serving_python), "-c", SCRIPT),
            *(str(finished.model), str(tmp_path / "images.npy"), str(tmp_path / "probabilities.npy")),
        ],
        check=True,
        env=environment(),
        timeout=300,
    )
    old = np.load(tmp_path / "probabilities.npy")
    assert old.shape == (64, 10)
    np.testing.assert_allclose(old, load_predictor(finished.model)(images), atol=1e-5)

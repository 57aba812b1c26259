"""Predictions as a fair Fashion-MNIST network makes them: about 92 % right, shirts the hardest."""

import gzip
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.contract import NUM_CLASSES, Examples

TOPS = {0: (6,), 2: (4, 6), 4: (2, 6), 6: (0, 2, 4), 3: (0, 4, 6)}
SHOES = {5: (7, 9), 7: (5, 9), 9: (7,)}


def predictions(n: int, *, seed: int = 0, sharpness: float = 1.0) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """``probabilities`` float32 (n, 10), ``labels`` int32 (n,); a sharpness over 1: over-confident."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % NUM_CLASSES).astype(np.int32)
    mean_logits = np.zeros((NUM_CLASSES, NUM_CLASSES))
    for relatives in (TOPS, SHOES):
        for truth, others in relatives.items():
            mean_logits[truth, list(others)] = 3.6
    np.fill_diagonal(mean_logits, 7.0)
    mean_logits[6, 6] = 6.2
    logits = 1.6 * sharpness * (mean_logits[labels] + rng.normal(0, 1.5, (n, NUM_CLASSES)))
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (exponentials / exponentials.sum(axis=1, keepdims=True)).astype(np.float32), labels


def perfect_predictions(labels: NDArray[np.int32]) -> NDArray[np.float32]:
    """float32 (N, 10), probability 1 for the truth."""
    return np.eye(NUM_CLASSES, dtype=np.float32)[labels]


def example_images(n: int) -> Examples:
    """The first ``n`` real test images where ``FASHION_MNIST_DIR`` names them, else seeded noise."""
    folder = os.environ.get("FASHION_MNIST_DIR")
    if not folder:
        rng = np.random.default_rng(0)
        images = rng.integers(0, 256, (n, 28, 28, 1), dtype=np.uint8)
        return Examples(images, (np.arange(n) % NUM_CLASSES).astype(np.int32))
    pixels = gzip.decompress((Path(folder) / "t10k-images-idx3-ubyte.gz").read_bytes())[16:]
    labels = gzip.decompress((Path(folder) / "t10k-labels-idx1-ubyte.gz").read_bytes())[8:]
    images = np.frombuffer(pixels, np.uint8).reshape(-1, 28, 28, 1)[:n]
    return Examples(images, np.frombuffer(labels, np.uint8)[:n].astype(np.int32))


def example_history(epochs: int) -> list[dict[str, Any]]:
    """A history as training writes it: the rate drops twice, training looks worse than validation."""
    t = np.arange(1, epochs + 1)
    rng = np.random.default_rng(1)
    loss = 0.28 + 0.75 * np.exp(-t / 4)
    val_loss = 0.19 + 0.35 * np.exp(-t / 5) + rng.normal(0, 0.008, epochs)
    rate = 1e-3 * 0.2 ** ((t > 0.6 * epochs).astype(int) + (t > 0.85 * epochs))
    return [
        {
            "epoch": int(t[i]),
            "loss": float(loss[i]),
            "accuracy": float(1 - 0.36 * loss[i]),
            "val_loss": float(val_loss[i]),
            "val_accuracy": float(1 - 0.34 * val_loss[i]),
            "learning_rate": float(rate[i]),
            "seconds": 13.2,
        }
        for i in range(epochs)
    ]

"""Small data sets as files, for tests."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.contract import Examples
from trainer.data import idx, sketches
from trainer.data.idx import Dataset

FILE_NAMES = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}


def write_dataset(folder: Path, dataset: Dataset, *, suffix: str = ".gz") -> Mapping[str, Path]:
    """The four IDX files in ``folder`` under their published names; ``suffix`` is ``.gz`` or empty."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {role: folder / (name + suffix) for role, name in FILE_NAMES.items()}
    idx.write_images(paths["train_images"], dataset.train.images)
    idx.write_labels(paths["train_labels"], dataset.train.labels)
    idx.write_images(paths["test_images"], dataset.test.images)
    idx.write_labels(paths["test_labels"], dataset.test.labels)
    return paths


def random_dataset(train: int = 40, test: int = 20, *, seed: int = 0) -> Dataset:
    """Noise with every class in both splits: for tests of reading and splitting, not of learning."""
    random = np.random.default_rng(seed)

    def part(count: int) -> Examples:
        images = random.integers(0, 256, size=(count, 28, 28, 1), dtype=np.uint8)
        return Examples(images, (np.arange(count) % 10).astype(np.int32))

    return Dataset(part(train), part(test))


def drawn_dataset(train: int = 400, test: int = 200) -> Dataset:
    """The first of the built-in drawings: what passes every check and can be learned in an epoch or two."""
    return Dataset(sketches.draw(train, stream=1), sketches.draw(test, stream=2))


def noise(count: int, seed: int) -> NDArray[np.uint8]:
    """Images (count, 28, 28, 1), every pixel drawn by itself."""
    return np.random.default_rng(seed).integers(0, 256, (count, 28, 28, 1), np.uint8)

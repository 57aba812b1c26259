"""Which examples train, which validate, which test: a function of (seed, labels) alone."""

import hashlib
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from trainer.contract import CLASS_NAMES, NUM_CLASSES
from trainer.data.batches import permutation
from trainer.errors import DataError, SettingsError

_TRAIN_STREAM, _TEST_STREAM = (1,), (2,)


@dataclass(frozen=True)
class Split:
    """Index arrays int64, each ascending. ``train`` and ``validation`` are disjoint parts of the source's train
    file, ``test`` indexes its test file. ``fingerprint``: hex SHA-256 of the three.
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]
    fingerprint: str


def stratified_split(
    train_labels: NDArray[np.int32],
    test_labels: NDArray[np.int32],
    *,
    val_fraction: float,
    seed: int,
    limit_train: int = 0,
    limit_test: int = 0,
) -> Split:
    """Set ``val_fraction`` in (0, 1) of each class of the training file aside for validation.

    A limit keeps the first N examples after a seeded shuffle, 0 keeps all; that of train counts both parts. Raises
    DataError when a class would be without an example in one of the three parts, SettingsError when a limit is out of
    range.
    """
    shuffled = permutation(len(train_labels), seed=seed, stream=_TRAIN_STREAM)
    kept = _limit(shuffled, train_labels, name="train", limit=limit_train, least_per_class=2)
    shuffled_test = permutation(len(test_labels), seed=seed, stream=_TEST_STREAM)
    test = np.sort(_limit(shuffled_test, test_labels, name="test", limit=limit_test, least_per_class=1))
    validation = np.sort(_first_of_each_class(kept, train_labels, val_fraction))
    train = np.setdiff1d(kept, validation)
    return Split(train, validation, test, _fingerprint(train, validation, test))


def _limit(
    shuffled: NDArray[np.int64], labels: NDArray[np.int32], *, name: str, limit: int, least_per_class: int
) -> NDArray[np.int64]:
    if not 0 <= limit <= len(labels):
        raise SettingsError(
            f"--limit-{name} is out of range",
            expected=f"0 (all) to {len(labels)}, what the {name} file holds",
            received=str(limit),
            do="lower it, or leave it out for all",
        )
    kept = shuffled[: limit or None]
    counts = np.bincount(labels[kept], minlength=NUM_CLASSES)
    if counts.min() < least_per_class:
        _refuse(labels[shuffled], name, counts, least_per_class)
    return kept


def _refuse(labels: NDArray[np.int32], name: str, counts: NDArray[np.int64], least: int) -> NoReturn:
    """``labels`` are those of the whole file, in the order in which a limit takes them."""
    class_name = CLASS_NAMES[int(counts.argmin())]
    purpose = "one to train and one to validate with" if name == "train" else "one to test with"
    if np.bincount(labels, minlength=NUM_CLASSES).min() >= least:
        needed = 1 + max(np.flatnonzero(labels == label)[least - 1] for label in range(NUM_CLASSES))
        do = f"use --limit-{name} {needed} or more with this seed"
    else:
        do = "add examples of this class"
    raise DataError(
        f"too few {name} examples of class {class_name}",
        expected=f"at least {least} of each class, {purpose}",
        received=str(counts.min()),
        do=do,
    )


def _first_of_each_class(kept: NDArray[np.int64], labels: NDArray[np.int32], fraction: float) -> NDArray[np.int64]:
    """That ``fraction`` of each class, rounded, but at least one example, and never all."""
    chosen = []
    for label in range(NUM_CLASSES):
        members = kept[labels[kept] == label]
        count = min(max(1, int(fraction * len(members) + 0.5)), len(members) - 1)
        chosen.append(members[:count])
    return np.concatenate(chosen)


def _fingerprint(*parts: NDArray[np.int64]) -> str:
    digest = hashlib.sha256()
    for indices in parts:
        digest.update(f"{len(indices)} ".encode())
        digest.update(indices.astype("<i8").data)
    return digest.hexdigest()

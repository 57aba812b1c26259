import numpy as np
import pytest

from trainer.data.split import stratified_split
from trainer.errors import DataError, SettingsError

TRAIN = np.repeat(np.arange(10, dtype=np.int32), 6000)
TEST = np.repeat(np.arange(10, dtype=np.int32), 1000)


def test_is_stratified_disjoint_and_complete() -> None:
    split = stratified_split(TRAIN, TEST, val_fraction=0.1, seed=42)
    assert np.bincount(TRAIN[split.validation]).tolist() == [600] * 10
    assert np.bincount(TRAIN[split.train]).tolist() == [5400] * 10
    assert np.array_equal(np.sort(np.concatenate([split.train, split.validation])), np.arange(60_000))
    assert np.array_equal(split.test, np.arange(10_000))
    assert all(part.dtype == np.int64 and (np.diff(part) > 0).all() for part in (split.train, split.validation))


def test_keeps_the_shares_of_unequal_classes() -> None:
    labels = np.repeat(np.arange(10, dtype=np.int32), np.arange(10, 110, 10))
    split = stratified_split(labels, TEST, val_fraction=0.2, seed=0)
    assert np.bincount(labels[split.validation]).tolist() == [2, 4, 6, 8, 10, 12, 14, 16, 18, 20]


def test_comes_from_seed_and_labels_alone() -> None:
    first = stratified_split(TRAIN, TEST, val_fraction=0.1, seed=42)
    again = stratified_split(TRAIN.copy(), TEST.copy(), val_fraction=0.1, seed=42)
    other = stratified_split(TRAIN, TEST, val_fraction=0.1, seed=43)
    assert first.fingerprint == again.fingerprint != other.fingerprint
    # Pinned: a new numpy must not move images from training to validation unnoticed.
    assert first.fingerprint[:16] == "fe5600ac88e0fee4"


def test_seed_zero_is_a_seed() -> None:
    zero = stratified_split(TRAIN, TEST, val_fraction=0.1, seed=0)
    assert zero.fingerprint == stratified_split(TRAIN, TEST, val_fraction=0.1, seed=0).fingerprint
    assert zero.fingerprint != stratified_split(TRAIN, TEST, val_fraction=0.1, seed=42).fingerprint


def test_limits_take_from_the_shuffled_set_before_the_split() -> None:
    split = stratified_split(TRAIN, TEST, val_fraction=0.25, seed=1, limit_train=2000, limit_test=300)
    assert (len(split.train) + len(split.validation), len(split.test)) == (2000, 300)
    assert np.bincount(TRAIN[split.train]).min() > 100, "sorted labels: without the shuffle only one class"
    assert np.bincount(TEST[split.test]).min() > 10


def test_least_limit_that_an_error_names_is_enough_and_one_less_is_not() -> None:
    for name in ("limit_train", "limit_test"):
        with pytest.raises(DataError) as refused:
            stratified_split(TRAIN, TEST, val_fraction=0.1, seed=42, **{name: 3})
        least = int(str(refused.value).split("--limit-")[1].split()[1])
        split = stratified_split(TRAIN, TEST, val_fraction=0.1, seed=42, **{name: least})
        for labels, part in ((TRAIN, split.train), (TRAIN, split.validation), (TEST, split.test)):
            assert np.bincount(labels[part], minlength=10).min() >= 1
        with pytest.raises(DataError, match=f"{least} or more"):
            stratified_split(TRAIN, TEST, val_fraction=0.1, seed=42, **{name: least - 1})


@pytest.mark.parametrize("val_fraction", [0.00001, 0.99999])
def test_no_fraction_leaves_a_class_without_training_or_validation(val_fraction: float) -> None:
    split = stratified_split(TRAIN, TEST, val_fraction=val_fraction, seed=42)
    assert np.bincount(TRAIN[split.train], minlength=10).min() >= 1
    assert np.bincount(TRAIN[split.validation], minlength=10).min() >= 1


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"limit_train": 60_001}, r"--limit-train is out of range – expected 0 \(all\) to 60000.*received 60001"),
        ({"limit_test": 10_001}, r"--limit-test is out of range – expected 0 \(all\) to 10000.*received 10001"),
        ({"limit_train": -1}, "--limit-train is out of range.*received -1"),
    ],
)
def test_refuses_limits_out_of_range(limits: dict[str, int], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        stratified_split(TRAIN, TEST, val_fraction=0.1, seed=42, **limits)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"limit_train": 11}, "too few train examples of class .* at least 2 of each class.*use --limit-train"),
        ({"limit_test": 9}, "too few test examples of class .* at least 1 of each class.*use --limit-test"),
    ],
)
def test_refuses_limits_that_leave_a_class_without_examples(limits: dict[str, int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        stratified_split(TRAIN, TEST, val_fraction=0.1, seed=42, **limits)


def test_set_without_enough_of_a_class_asks_for_more_of_it_and_not_for_a_limit() -> None:
    few = np.concatenate([np.repeat(np.arange(9, dtype=np.int32), 5), [np.int32(9)]])
    with pytest.raises(DataError, match="too few train examples of class Ankle boot.*received 1 – add examples"):
        stratified_split(few, TEST, val_fraction=0.1, seed=42)

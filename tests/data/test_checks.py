import json
import logging
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from trainer.contract import CLASS_NAMES, Examples
from trainer.data.checks import check
from trainer.data.comparison import compare
from trainer.data.findings import Findings
from trainer.data.idx import FILE_NAMES, Dataset, fingerprint, read_dataset
from trainer.data.near_duplicates import nearest_distances, thumbnails
from trainer.data.sketches import draw
from trainer.data.sources import Source
from trainer.errors import DataError

Images = NDArray[np.uint8]
OWN = Source("my photographs", "/somewhere", paths={}, sha256={"train_images": "12ab"})


def read_real() -> Dataset:
    folder = os.environ.get("FASHION_MNIST_DIR")
    if not folder:
        pytest.skip("FASHION_MNIST_DIR is not set: no real images to look at")
    return read_dataset({key: Path(folder) / f"{name}.gz" for key, name in FILE_NAMES.items()})


@pytest.fixture(scope="module", params=["drawn", "real"])
def sound(request: pytest.FixtureRequest) -> Dataset:
    """1,000 and 500 images, each class 100 and 50 times."""
    whole = read_real() if request.param == "real" else Dataset(draw(1_000, stream=90), draw(500, stream=91))
    return Dataset(balanced(whole.train, 1_000), balanced(whole.test, 500))


def balanced(examples: Examples, count: int) -> Examples:
    members = [np.flatnonzero(examples.labels == label)[: count // 10] for label in range(10)]
    return examples.take(np.sort(np.concatenate(members)))


def with_test(dataset: Dataset, change: Callable[[Images], Any]) -> Dataset:
    images = np.ascontiguousarray(change(dataset.test.images.copy())).astype(np.uint8)
    return Dataset(dataset.train, Examples(images, dataset.test.labels))


def with_train(dataset: Dataset, change: Callable[[Images], Any]) -> Dataset:
    swapped = with_test(Dataset(dataset.test, dataset.train), change)
    return Dataset(swapped.test, swapped.train)


def with_labels(dataset: Dataset, change: Callable[[NDArray[np.int32]], Any]) -> Dataset:
    return Dataset(dataset.train, Examples(dataset.test.images, change(dataset.test.labels).astype(np.int32)))


def scale(factor: float) -> Callable[[Images], Any]:
    return lambda images: np.clip(images * factor, 0, 255)


def add(levels: int) -> Callable[[Images], Any]:
    return lambda images: np.clip(images.astype(int) + levels, 0, 255)


def roll(down: int, right: int) -> Callable[[Images], Any]:
    return lambda images: np.roll(images, (down, right), axis=(1, 2))


def invert(images: Images) -> Images:
    return 255 - images


def shuffle(array: NDArray[Any]) -> NDArray[Any]:
    return np.random.default_rng(3).permutation(array)


def half(change: Callable[[Images], Any]) -> Callable[[Images], Any]:
    """Done to every second image only."""
    return lambda images: np.where(np.arange(len(images))[:, None, None, None] % 2, images, change(images))


def all_of_class(count: int) -> Callable[[NDArray[np.int32]], Any]:
    """Half of the labels of nine classes turn into the tenth."""
    return lambda labels: np.where(np.arange(len(labels)) % 10 < count, 9, labels)


def copied(dataset: Dataset, change: Callable[[Images], Any]) -> Dataset:
    """Test images 7, 8 and 9 are training images 100, 101 and 102."""
    return with_test(
        dataset, lambda images: np.concatenate([images[:7], change(dataset.train.images[100:103]), images[10:]])
    )


REFUSED = {
    "divided by 255": (lambda d: with_test(d, scale(1 / 255)), r"the pixels of test lie in 0…1, but raw bytes"),
    "train divided by 255": (lambda d: with_train(d, scale(1 / 255)), r"the pixels of train lie in 0…1, but raw bytes"),
    "×0.5": (lambda d: with_test(d, scale(0.5)), r"the brightest pixel of test images"),
    "×0.7": (lambda d: with_test(d, scale(0.7)), r"the brightest pixel of test images"),
    "×1.3": (lambda d: with_test(d, scale(1.3)), r"the grey levels of test have gaps"),
    "×2": (lambda d: with_test(d, scale(2)), r"the contrast of test images"),
    "train ×2": (lambda d: with_train(d, scale(2)), r"the grey levels of train have gaps"),
    "+20": (lambda d: with_test(d, add(20)), r"the darkest pixel of test images .* \(mean 2"),
    "half ×0.5": (lambda d: with_test(d, half(scale(0.5))), r"the brightest pixel of test images is not distributed"),
    "half inverted": (lambda d: with_test(d, half(invert)), r"the mean brightness of test images is not distributed"),
    "inverted": (lambda d: with_test(d, invert), r"test is inverted against train"),
    "1 px down": (lambda d: with_test(d, roll(1, 0)), r"the test images are moved by 1 px down and 0 px right"),
    "3 px down": (lambda d: with_test(d, roll(3, 0)), r"the test images are moved by 3 px down and 0 px right"),
    "6 px left": (lambda d: with_test(d, roll(0, -6)), r"the test images are moved by 0 px down and -6 px right"),
    "upside down": (lambda d: with_test(d, lambda images: images[:, ::-1]), r"labels of test do not fit"),
    "transposed": (lambda d: with_test(d, lambda i: i.transpose(0, 2, 1, 3)), r"labels of test do not fit"),
    "shuffled labels": (lambda d: with_labels(d, shuffle), r"labels of test do not fit .*: \d+% against"),
    "shuffled images": (lambda d: with_test(d, shuffle), r"labels of test do not fit"),
    "other class order": (lambda d: with_labels(d, lambda k: (k + 1) % 10), r"labels of test do not fit"),
    "other shares": (lambda d: with_labels(d, all_of_class(5)), r"classes are not equally frequent .* 4"),
    "a class missing": (
        lambda d: Dataset(d.train, d.test.take(np.flatnonzero((d.test.labels != 3) & (d.test.labels != 8)))),
        r"test has no example of Dress and Bag",
    ),
    "class missing in train": (
        lambda d: Dataset(d.train.take(np.flatnonzero(d.train.labels != 0)), d.test),
        r"train has no example of T-shirt/top",
    ),
    "all equal": (lambda d: with_test(d, lambda images: images[[5] * 500]), r"all 500 images of test are equal"),
    "constant": (lambda d: with_train(d, lambda images: images * 0 + 9), r"1000 of 1000 images of train are const"),
    "some constant": (
        lambda d: with_test(d, lambda images: np.concatenate([images[:-2], images[-2:] * 0])),
        r"2 of 500 images of test are constant, every pixel the same, the first is number 498",
    ),
    "some nearly black": (
        lambda d: with_test(d, lambda images: np.concatenate([images[:-2], np.minimum(images[-2:], 1)])),
        r"2 of 500 images of test have no pixel above 1",
    ),
    "copies": (
        lambda d: copied(d, lambda i: i),
        r"3 test images are in train, such as number 7, .* training image 100( –|;)",
    ),
    "moved copies": (
        lambda d: copied(d, roll(-2, 1)),
        r"3 test images are in train, such as number 7, .* training image 100 moved by -2 px down and 1 px right",
    ),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_refuses(sound: Dataset, fault: str) -> None:
    spoil, message = REFUSED[fault]
    with pytest.raises(DataError, match=message):
        check(spoil(sound), OWN)


def test_names_all_faults_in_one_line(sound: Dataset) -> None:
    spoiled = copied(with_labels(with_test(sound, scale(0.5)), shuffle), lambda images: images)
    with pytest.raises(DataError) as refusal:
        check(spoiled, OWN)
    line = str(refusal.value)
    for part in ("my photographs", "brightest pixel", "labels of test do not fit", "3 test images are in train"):
        assert part in line
    assert "\n" not in line
    assert refusal.value.exit_code == 3


def test_sound_data_pass_with_a_complete_report(sound: Dataset) -> None:
    report = json.loads(json.dumps(check(sound, OWN)))
    assert report["source"] == {
        "name": "my photographs",
        "origin": "/somewhere",
        "synthetic": False,
        "published": False,
        "sha256": {"train_images": "12ab"},
    }
    assert report["fingerprint"] == fingerprint(sound)
    assert report["counts"] == {"train": 1_000, "test": 500}
    assert report["classes"]["test"] == dict.fromkeys(CLASS_NAMES, 50)
    assert report["pixels"]["train"]["mean"] == pytest.approx(sound.train.images.mean() / 255, abs=1e-6)
    assert report["pixels"]["test"]["standard_deviation"] == pytest.approx(sound.test.images.std() / 255, abs=1e-6)
    quartiles = np.quantile(sound.train.images, [0.25, 0.5, 0.75], method="inverted_cdf")
    assert report["pixels"]["train"]["quartiles"] == quartiles.tolist()
    assert report["leakage"]["copies"] == 0
    assert report["blocking"] == []
    assert [line for line in report["suspicious"] if "published" not in line and "nearly the same" not in line] == []


@pytest.mark.parametrize("count", [100, 200, 400])
def test_small_sets_of_one_making_pass(sound: Dataset, count: int) -> None:
    """Random parts, not stratified, so that class shares and figures differ as chance has it."""
    random = np.random.default_rng(count)
    for _ in range(5):
        train = sound.train.take(random.choice(1_000, count, replace=False))
        test = sound.test.take(random.choice(500, count, replace=False))
        check(Dataset(train, test), OWN)


@pytest.mark.parametrize("count", [10, 20, 50])
def test_of_a_few_test_images_nobody_can_tell_whether_they_are_moved(sound: Dataset, count: int) -> None:
    for start in range(0, 500, count):
        findings = Findings()
        part = sound.test.take(np.arange(start, start + count))
        compare(Dataset(sound.train, part), findings)
        assert not [line for line in findings.refused if "moved" in line]


def repeat_with_other_label(dataset: Dataset) -> Dataset:
    train = dataset.train.take(np.append(np.arange(999), 500))
    labels = train.labels.copy()
    labels[999] = (labels[500] + 1) % 10
    return Dataset(Examples(train.images, labels), dataset.test)


def thinned(dataset: Dataset) -> Dataset:
    """Class 2 is half as frequent as the others, in both splits."""
    kept = [
        np.flatnonzero((part.labels != 2) | (np.arange(len(part)) % 4 == 0)) for part in (dataset.train, dataset.test)
    ]
    return Dataset(dataset.train.take(kept[0]), dataset.test.take(kept[1]))


def noisy_copy(dataset: Dataset) -> Dataset:
    noise = np.random.default_rng(0).integers(-3, 4, dataset.train.images[:1].shape)
    changed = np.clip(dataset.train.images[:1].astype(int) + noise * (dataset.train.images[:1] > 5), 0, 255)
    return with_test(dataset, lambda images: np.concatenate([images[:7], changed, images[8:]]))


SUSPICIOUS = {
    "two classes swapped": (
        lambda d: with_labels(d, lambda k: np.array([0, 9, 2, 3, 4, 5, 6, 7, 8, 1])[k]),
        "labels of test do not fit",
    ),
    "one blank": (lambda d: with_test(d, lambda i: np.concatenate([i[:-1], i[-1:] * 0])), "1 of 500 images of test"),
    "conflicting labels": (repeat_with_other_label, "1 pairs of equal images of train have different labels"),
    "repeated": (repeat_with_other_label, "1 images of train repeat another one of train"),
    "imbalance": (thinned, "the classes of train are uneven: 100 of T-shirt/top"),
    "nearly the same": (noisy_copy, "test images are nearly the same as a training image"),
    "dark": (lambda d: with_train(with_test(d, scale(0.25)), scale(0.25)), "no pixel of train is brighter than 63"),
    "not published": (lambda d: d, "the files are not those published as Fashion-MNIST"),
}


@pytest.mark.parametrize("oddity", SUSPICIOUS)
def test_records_and_shows_what_is_suspicious(sound: Dataset, oddity: str, caplog: pytest.LogCaptureFixture) -> None:
    spoil, message = SUSPICIOUS[oddity]
    with caplog.at_level(logging.WARNING):
        report = check(spoil(sound), OWN)
    assert [line for line in report["suspicious"] if message in line]
    assert message in caplog.text


def test_same_shift_and_scale_in_both_splits_pass(sound: Dataset) -> None:
    """Own sets may be dim or off centre: only a difference between train and test spoils a result."""
    for change in (roll(3, 2), invert, scale(0.5)):
        check(with_train(with_test(sound, change), change), OWN)


@pytest.mark.parametrize(
    ("source", "marks"),
    [
        (replace(OWN, synthetic=True), ["synthetic"]),
        (replace(OWN, warning="the download failed"), ["the download failed"]),
        (replace(OWN, synthetic=True, warning="the download failed"), ["synthetic", "the download failed"]),
    ],
)
def test_marks_what_must_not_be_released(sound: Dataset, source: Source, marks: list[str]) -> None:
    blocking = check(sound, source)["blocking"]
    assert len(blocking) == len(marks)
    for mark, sentence in zip(marks, blocking, strict=True):
        assert mark in sentence


def test_compares_with_the_published_means(sound: Dataset) -> None:
    report = check(sound, replace(OWN, name="fashion-mnist", published=True))
    assert any("that of the published files 0.28604" in line for line in report["suspicious"])


def test_tells_how_near_test_images_usually_are(sound: Dataset) -> None:
    distances = nearest_distances(thumbnails(sound.train.images), thumbnails(sound.test.images))
    found = check(sound, OWN)["near_duplicates"]
    assert found["median_of_test_images"] == 500
    assert found["median_grey_levels"] == pytest.approx(np.median(distances), abs=0.01)
    near = distances[distances < found["threshold_grey_levels"]]
    assert found["count"] == len(near)
    assert found["closest_grey_levels"] == (pytest.approx(near.min(), abs=0.01) if len(near) else None)


@pytest.mark.slow
def test_the_published_set_passes() -> None:
    report = check(read_real(), replace(OWN, name="fashion-mnist", published=True))
    assert report["counts"] == {"train": 60_000, "test": 10_000}
    assert report["leakage"]["copies"] == 0
    assert report["duplicates"]["train"]["repeated_images"] == 0
    assert report["near_duplicates"]["count"] == 10
    assert report["near_duplicates"]["median_grey_levels"] == pytest.approx(21.0, abs=0.5)
    assert report["near_duplicates"]["median_of_test_images"] == 500
    assert len(report["suspicious"]) == 1  # The near duplicates.
    assert report["blocking"] == []

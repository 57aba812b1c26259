"""Refuse data from which no honest figure could come; put on record what is merely odd."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from trainer.contract import CLASS_NAMES, NUM_CLASSES, Examples
from trainer.data.comparison import compare
from trainer.data.findings import Findings
from trainer.data.idx import Dataset, fingerprint
from trainer.data.leakage import find_copies, find_repeats
from trainer.data.near_duplicates import Thumbnails, distances_within, nearest_distances, thumbnails
from trainer.data.sources import Source
from trainer.data.statistics import blocks, sampled
from trainer.errors import DataError

log = logging.getLogger(__name__)

#: The share of blank, or nearly black, images that is put up with: too few to be seen in an accuracy (a tenth of a
#: point, when the interval of 10,000 images is four times as wide each way). One is always put up with.
MAX_BLANK_SHARE = 0.001
#: Pixels that reach no further have been divided by 255 (and rounded) already. The network does that itself.
UNSCALED_MAXIMUM = 1
#: Below this the set uses so little of the range of a byte that the preparation must be asked about.
DIM_MAXIMUM = 128
#: Chi-squared with 9 degrees of freedom, p = 1e-6: classes drawn evenly are hardly ever so uneven.
CLASS_CHI_SQUARED = 45.0
#: The most frequent class has that many times as many examples as the rarest.
CLASS_IMBALANCE = 1.5
#: Grey levels, root of the mean square over means of 2×2 pixels. In Fashion-MNIST 10 of 10,000 are closer; the median
#: is 21.
NEAR_DUPLICATE_LEVELS = 5.0
#: Of the contrast, where that is lower than in Fashion-MNIST: how far training images are from their mean (there 69).
NEAR_DUPLICATE_CONTRAST = 0.075
#: The share of such test images that is put up with: all right instead of 95 % of them, they add a tenth of a point.
#: Of garments that are photographed once there are fewer; a test set made of training images has little else.
MAX_NEAR_DUPLICATE_SHARE = 0.02
#: The median is that of about so many test images, taken evenly: within a grey level of that of all.
USUAL_DISTANCE_SAMPLE = 500
#: Mean pixel of the published files, in [0, 1].
PUBLISHED_MEANS = {"train": 0.28604, "test": 0.28685}
_MEAN_ROUNDING = 0.00001
_EXAMPLES_SHOWN = 5


def check(dataset: Dataset, source: Source) -> dict[str, Any]:
    """What ``data_report.json`` says about the data. Raises DataError that names every reason to refuse them."""
    findings = Findings()
    splits = {"train": dataset.train, "test": dataset.test}
    for name, examples in splits.items():
        _check_classes(name, examples, findings)
        _check_pixels(name, examples, findings)
    pixels = {name: _pixel_facts(examples) for name, examples in splits.items()}
    _check_origin(source, pixels, findings)
    report = {
        "source": _source_facts(source),
        "fingerprint": fingerprint(dataset),
        "counts": {name: len(examples) for name, examples in splits.items()},
        "classes": {name: _class_counts(examples) for name, examples in splits.items()},
        "pixels": pixels,
        "comparison": compare(dataset, findings),
        "duplicates": {name: _check_repeats(name, examples, findings) for name, examples in splits.items()},
        "leakage": _check_leakage(dataset, findings),
        "near_duplicates": _check_near_duplicates(dataset, findings),
    }
    if findings.refused:
        raise DataError(
            f"the data of {source.name} can't be used: {'; '.join(findings.refused)}",
            expected="train and test images of one making, all ten classes in both, none in both",
            received=f"{len(findings.refused)} {'fault' if len(findings.refused) == 1 else 'faults'}",
            do="correct the files, or name other ones with --data",
        )
    for sentence in findings.suspicious:
        log.warning("suspicious data: %s", sentence)
    return report | {"suspicious": findings.suspicious, "blocking": _blocking_marks(source)}


def _check_classes(name: str, examples: Examples, findings: Findings) -> None:
    counts = np.bincount(examples.labels, minlength=NUM_CLASSES)
    missing = [CLASS_NAMES[label] for label in np.flatnonzero(counts == 0)]
    if missing:
        findings.refuse(f"{name} has no example of {_listed(missing)}")
        return
    even = len(examples) / NUM_CLASSES
    imbalance = counts.max() / counts.min()
    if imbalance > CLASS_IMBALANCE and np.square(counts - even).sum() / even > CLASS_CHI_SQUARED:
        findings.suspect(
            f"the classes of {name} are uneven: {counts.max()} of {CLASS_NAMES[counts.argmax()]}, "
            f"{counts.min()} of {CLASS_NAMES[counts.argmin()]}"
        )


def _check_pixels(name: str, examples: Examples, findings: Findings) -> None:
    images = examples.images.reshape(len(examples), -1)
    highest, lowest = images.max(axis=1), images.min(axis=1)
    if len(images) > 1 and (images == images[0]).all():
        findings.refuse(f"all {len(images)} images of {name} are equal")
    if highest.max() <= UNSCALED_MAXIMUM:
        findings.refuse(
            f"the pixels of {name} lie in 0…{highest.max()}, but raw bytes of 0…255 are needed: "
            "the network divides by 255 itself"
        )
    elif highest.max() < DIM_MAXIMUM:
        findings.suspect(f"no pixel of {name} is brighter than {highest.max()} of 255")
    faults = {
        "are constant, every pixel the same": highest == lowest,
        f"have no pixel above {UNSCALED_MAXIMUM}": (highest <= UNSCALED_MAXIMUM) & (highest > lowest),
    }
    for fault, found in faults.items():
        count = int(found.sum())
        sentence = f"{count} of {len(images)} images of {name} {fault}, the first is number {found.argmax()}"
        if count > max(1, MAX_BLANK_SHARE * len(images)):
            findings.refuse(sentence)
        elif count:
            findings.suspect(sentence)


def _check_repeats(name: str, examples: Examples, findings: Findings) -> dict[str, Any]:
    repeats = find_repeats(examples)
    if repeats.count:
        consequence = ": validation may see what was trained on" if name == "train" else ""
        findings.suspect(f"{repeats.count} images of {name} repeat another one of {name}{consequence}")
    if repeats.conflicts:
        first, second = repeats.conflicts[0]
        findings.suspect(
            f"{len(repeats.conflicts)} pairs of equal images of {name} have different labels, "
            f"such as numbers {first} ({CLASS_NAMES[examples.labels[first]]}) "
            f"and {second} ({CLASS_NAMES[examples.labels[second]]})"
        )
    return {
        "repeated_images": repeats.count,
        "conflicting_labels": len(repeats.conflicts),
        "conflict_examples": [list(pair) for pair in repeats.conflicts[:_EXAMPLES_SHOWN]],
    }


def _check_leakage(dataset: Dataset, findings: Findings) -> dict[str, Any]:
    copies = find_copies(dataset.train.images, dataset.test.images)
    if copies:
        first = copies[0]
        moved = f" moved by {first.down_px} px down and {first.right_px} px right"
        findings.refuse(
            f"{len(copies)} test images are in train, such as number {first.test}, which is training image "
            f"{first.train}{moved if first.down_px or first.right_px else ''}"
        )
    return {"copies": len(copies), "examples": [asdict(copy) for copy in copies[:_EXAMPLES_SHOWN]]}


def _check_near_duplicates(dataset: Dataset, findings: Findings) -> dict[str, Any]:
    train, test = thumbnails(dataset.train.images), thumbnails(dataset.test.images)
    limit = min(NEAR_DUPLICATE_LEVELS, NEAR_DUPLICATE_CONTRAST * _contrast(train))
    distances = distances_within(train, test, within=limit)
    close = np.flatnonzero(distances < limit)
    close = close[np.argsort(distances[close])]
    # What is usual takes far longer to find out than what is near, and can be told from fewer images as well.
    sample = sampled(test, USUAL_DISTANCE_SAMPLE)
    usual = float(np.median(nearest_distances(train, sample)))
    sentence = (
        f"{len(close)} of {len(distances)} test images are nearly the same as a training image "
        f"(closer than {limit:.2g} grey levels; the median is {usual:.0f})"
    )
    if len(close) > max(1, MAX_NEAR_DUPLICATE_SHARE * len(distances)):
        findings.refuse(sentence)
    elif len(close):
        findings.suspect(sentence)
    return {
        "threshold_grey_levels": round(limit, 2),
        "count": len(close),
        "test_images": close[:_EXAMPLES_SHOWN].tolist(),
        "closest_grey_levels": round(float(distances[close[0]]), 2) if len(close) else None,
        "median_grey_levels": round(usual, 2),
        "median_of_test_images": len(sample),
    }


def _contrast(images: Thumbnails) -> float:
    """How far images are from their mean, in grey levels: the root of the mean square over all their pixels."""
    return float(np.sqrt(images.var(axis=0, dtype=np.float64).mean()))


def _check_origin(source: Source, pixels: Mapping[str, Mapping[str, Any]], findings: Findings) -> None:
    """What does not fit the name that the data go by."""
    if not source.published and not source.synthetic:
        findings.suspect("the files are not those published as Fashion-MNIST: figures for that set can't be compared")
    if source.name != "fashion-mnist":
        return
    for name, published in PUBLISHED_MEANS.items():
        mean = pixels[name]["mean"]
        if abs(mean - published) > _MEAN_ROUNDING:
            findings.suspect(f"the mean pixel of {name} is {mean:.5f}, that of the published files {published:.5f}")


def _blocking_marks(source: Source) -> list[str]:
    marks = ["the data are synthetic drawings, not photographs of garments"] if source.synthetic else []
    return [*marks, source.warning] if source.warning else marks


def _source_facts(source: Source) -> dict[str, Any]:
    return {
        "name": source.name,
        "origin": source.origin,
        "synthetic": source.synthetic,
        "published": source.published,
        "sha256": dict(source.sha256),
    }


def _class_counts(examples: Examples) -> dict[str, int]:
    counts = np.bincount(examples.labels, minlength=NUM_CLASSES).tolist()
    return dict(zip(CLASS_NAMES, counts, strict=True))


def _pixel_facts(examples: Examples) -> dict[str, Any]:
    """Mean and standard deviation over all pixels in [0, 1], the others in grey levels."""
    # Two pixels at once: counting takes half as long.
    pairs = np.zeros((256, 256), np.int64)
    for block in blocks(examples.images):
        pairs += np.bincount(block.view(np.uint16).ravel(), minlength=pairs.size).reshape(pairs.shape)
    frequency = pairs.sum(axis=0) + pairs.sum(axis=1)
    levels = np.arange(256)
    mean = np.average(levels, weights=frequency)
    deviation = np.sqrt(np.average(np.square(levels - mean), weights=frequency))
    quantiles = np.searchsorted(frequency.cumsum(), np.array([0.25, 0.5, 0.75]) * frequency.sum())
    return {
        "mean": round(float(mean) / 255, 6),
        "standard_deviation": round(float(deviation) / 255, 6),
        "minimum": int(levels[frequency > 0].min()),
        "maximum": int(levels[frequency > 0].max()),
        "quartiles": quantiles.tolist(),
    }


def _listed(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last

"""Were train and test made in the same way? Scale, polarity, position, class shares and labels must agree.

A model that was trained on one scale and tested on another reports figures that mean nothing, and nothing else shows
it. Thresholds ask for both: more than chance can do, and an effect that matters.

Measured with random parts of Fashion-MNIST and of the built-in drawings. False alarms: none in 576 pairs of 100 + 100
to 10,000 + 2,000 images, refused or suspicious. Faults put into test, with 200 + 200 images (10 pairs of each set):

    always refused      ×0.5, ×0.7, ×1.1, ×1.3, ×2, ×1/255, +20, gamma 1.5, inverted, half of test ×0.5 or inverted,
                        moved by 1 to 6 px, upside down, transposed, labels shuffled or in another order of classes
    refused on photos   ×0.98, ×0.95, ×0.9 (drawings: suspicious or refused), mirrored (drawings are mirrored anyway)
    suspicious          ×1.02; ×0.98 on drawings
    not seen            a tenth of test ×0.5, two classes swapped in test: with 5,000 + 2,000 images they are
"""

from typing import Any

import numpy as np

from trainer.contract import NUM_CLASSES
from trainer.data.findings import Findings
from trainer.data.idx import Dataset
from trainer.data.statistics import (
    HEIGHT,
    PIXELS,
    WIDTH,
    Floats,
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

#: Differences that never matter: two grey levels come from another JPEG decoder, a quarter pixel from resampling.
TOLERANCES = {
    "mean brightness": 2.0,
    "contrast": 2.0,
    "brightest pixel": 2.0,
    "darkest pixel": 2.0,
    "vertical centre": 0.25,
    "horizontal centre": 0.25,
}
#: Kolmogorov-Smirnov distance: the share of images that would have to change. Random parts of one set differ by
#: 0.17 at most with 100 images, by 0.05 with 1,000: a tenth of a large set is no chance, and can cost points.
REFUSED_DISTANCE, SUSPICIOUS_DISTANCE = 0.10, 0.03
#: The same, times the root of n·m/(n + m): chance exceeds 3 once in 30 million times, 2 once in 1,500.
REFUSED_SIGNIFICANCE, SUSPICIOUS_SIGNIFICANCE = 3.0, 2.0
#: Share of one split's pixels at grey levels that the other never uses: what is multiplied and rounded has gaps. 0
#: for random parts of one set; 0.01 after ×1.02, which harms nobody, 0.05 after ×1.1.
REFUSED_GAPS, SUSPICIOUS_GAPS = 0.02, 0.005
#: A level counts as never used when so many images should have it: by chance none has once in e³⁰ times.
GAP_EXPECTED_IMAGES = 30
GAP_SAMPLE = 10_000
#: Total variation distance of the class shares, and chi-squared with 9 degrees of freedom (p = 1e-6).
REFUSED_CLASS_DISTANCE, SUSPICIOUS_CLASS_DISTANCE = 0.15, 0.03
CLASS_CHI_SQUARED = 45.0
#: Correlation of the class means with those of the other split. 0.94 with 200 images, 0.98 with 500, -0.99 inverted.
INVERTED_CORRELATION = -0.5
#: Moving by this many pixels is tried; a better fit must be better by so much. Copies moved by 1 px gain 0.03 to 0.05.
SEARCHED_SHIFT_PX = 6
SHIFT_GAIN = 0.01
#: The class means of fewer images tell too little: with 20, random parts of one set may look moved against each other.
SHIFT_IMAGES = 100
#: Nearest class mean: test keeps less than this share of what train has above chance, or loses so many points.
REFUSED_KEPT_SHARE = 0.7
SUSPICIOUS_LOSS = 0.05
FIT_SIGNIFICANCE = 5.0


def compare(dataset: Dataset, findings: Findings) -> dict[str, Any]:
    """The figures of each comparison; faults are added to ``findings``."""
    means = class_means(dataset.train), class_means(dataset.test)
    return {
        "class_distance": _compare_class_shares(dataset, findings),
        "distances": _compare_distributions(dataset, findings),
        "grey_level_gaps": _compare_grey_levels(dataset, findings),
        "class_means": _compare_positions(*means, findings, images=min(len(dataset.train), len(dataset.test))),
        "nearest_class_mean": _compare_fit(dataset, means[0], findings),
    }


def _compare_class_shares(dataset: Dataset, findings: Findings) -> float:
    labels = dataset.train.labels, dataset.test.labels
    distance = float(np.abs(class_shares(labels[0]) - class_shares(labels[1])).sum() / 2)
    counts = np.stack([np.bincount(some, minlength=NUM_CLASSES) for some in labels]).astype(np.float64)
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    chi_squared = (np.square(counts - expected) / np.maximum(expected, 1e-9)).sum()
    if chi_squared > CLASS_CHI_SQUARED and distance > SUSPICIOUS_CLASS_DISTANCE:
        report = findings.refuse if distance > REFUSED_CLASS_DISTANCE else findings.suspect
        report(
            f"the classes are not equally frequent in train and test: {distance:.0%} of the labels would have to change"
        )
    return round(distance, 4)


def _compare_distributions(dataset: Dataset, findings: Findings) -> dict[str, float]:
    """Distances in [0, 1] by measure. Train gets the class shares of test first."""
    train, test = measure(dataset.train.images), measure(dataset.test.images)
    weights = balancing_weights(dataset.train.labels, dataset.test.labels)
    counts = effective_count(weights), len(dataset.test)
    root = np.sqrt(counts[0] * counts[1] / sum(counts))
    distances = {}
    for name, tolerance in TOLERANCES.items():
        distance = distribution_distance(train[name], test[name], weights=weights, tolerance=tolerance)
        distances[name] = round(distance, 4)
        sentence = (
            f"the {name} of test images is not distributed as in train "
            f"(mean {test[name].mean():.1f} against {weights @ train[name]:.1f}, distance {distance:.2f})"
        )
        if distance >= REFUSED_DISTANCE and distance * root >= REFUSED_SIGNIFICANCE:
            findings.refuse(sentence)
        elif distance >= SUSPICIOUS_DISTANCE and distance * root >= SUSPICIOUS_SIGNIFICANCE:
            findings.suspect(sentence)
    return distances


def _compare_grey_levels(dataset: Dataset, findings: Findings) -> float:
    """The share of one split's pixels, in [0, 1], at levels which the other should have, but never has."""
    splits = [sampled(part.images, GAP_SAMPLE) for part in (dataset.train, dataset.test)]
    (train, train_having), (test, test_having) = map(level_use, splits)
    in_train = test[(train == 0) & (test_having * len(splits[0]) >= GAP_EXPECTED_IMAGES)].sum()
    in_test = train[(test == 0) & (train_having * len(splits[1]) >= GAP_EXPECTED_IMAGES)].sum()
    gaps = float(max(in_train, in_test))
    if gaps >= SUSPICIOUS_GAPS:
        report = findings.refuse if gaps >= REFUSED_GAPS else findings.suspect
        scaled, other = ("train", "test") if in_train > in_test else ("test", "train")
        report(
            f"the grey levels of {scaled} have gaps, as if its pixels had been rescaled: "
            f"{gaps:.1%} of the pixels of {other} are at levels that {scaled} never uses"
        )
    return round(gaps, 4)


def _compare_positions(train: Floats, test: Floats, findings: Findings, *, images: int) -> dict[str, Any]:
    """``train``, ``test``: class means (10, 784), each of so many ``images`` or more. Which shift fits best?"""
    still = correlation(train, test)
    if still < INVERTED_CORRELATION:
        findings.refuse(f"test is inverted against train: its class means correlate by {still:.2f}")
        return {"correlation": round(still, 4), "down_px": 0, "right_px": 0}
    down, right, best = _best_shift(train, test)
    if best - still < SHIFT_GAIN:
        down = right = 0
    if down or right:
        report = findings.refuse if images >= SHIFT_IMAGES else findings.suspect
        report(f"the test images are moved by {down} px down and {right} px right against those of train")
    return {"correlation": round(still, 4), "down_px": down, "right_px": right}


def _best_shift(train: Floats, test: Floats) -> tuple[int, int, float]:
    """Pixels down, pixels right, and the correlation of the class means (10, 784) after train was moved by them."""
    images = train.reshape(-1, HEIGHT, WIDTH)
    steps = range(-SEARCHED_SHIFT_PX, SEARCHED_SHIFT_PX + 1)
    moved = ((down, right, np.roll(images, (down, right), axis=(1, 2))) for down in steps for right in steps)
    fits = ((down, right, correlation(image.reshape(-1, PIXELS), test)) for down, right, image in moved)
    return max(fits, key=lambda fit: fit[2])


def _compare_fit(dataset: Dataset, means: Floats, findings: Findings) -> dict[str, float]:
    """Do the labels of test belong to its images? The class means of train must tell, about as well as in train.

    The nearest class mean is no good classifier (0.71 on Fashion-MNIST), but it finds at once what is shuffled.
    """
    train = nearest_mean_accuracy(dataset.train, means, own_factor=left_out_factor(dataset.train.labels))
    test = nearest_mean_accuracy(dataset.test, means, own_factor=np.ones(NUM_CLASSES))
    chance = 1 / NUM_CLASSES
    kept = (test - chance) / max(train - chance, chance)
    spread = np.sqrt(train * (1 - train) * (1 / len(dataset.train) + 1 / len(dataset.test)))
    if train - test > FIT_SIGNIFICANCE * spread and train - test > SUSPICIOUS_LOSS:
        report = findings.refuse if kept < REFUSED_KEPT_SHARE else findings.suspect
        report(
            f"the labels of test do not fit its images as those of train do: {test:.0%} against {train:.0%} "
            "are nearest to the mean image of their class"
        )
    return {"train_accuracy": round(train, 4), "test_accuracy": round(test, 4)}

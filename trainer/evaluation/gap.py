"""Does the model do on test what it did on validation, and if not, why?

The failure this guards against has happened: a network that was trained on pixels in [0, 1] and tested on
pixels in [0, 255] scored 88 % on validation and 45.57 % on test, with a log loss of 98.66, and was taken for
over-fitted.
"""

import math
from collections.abc import Mapping
from typing import Any

from trainer.contract import NUM_CLASSES
from trainer.evaluation.intervals import newcombe_interval

# Fashion-MNIST's test set is harder than a part of its training set: correct pipelines lose up to this much.
USUAL_GAP_POINTS = 0.8
SUSPICIOUS_GAP_POINTS = 2.0
BROKEN_GAP_POINTS = 10.0
GUESSING_LOG_LOSS = math.log(NUM_CLASSES)


def generalisation_gap(validation: Mapping[str, Any], test: Mapping[str, Any]) -> dict[str, Any]:
    """Validation accuracy minus test accuracy in percentage points, with its 95 % interval and what it means.

    Both arguments are results of ``classification_metrics``. ``level`` is one of

    - ``sound``: below 2 points either way;
    - ``inconclusive``: so few examples that chance explains 2 points or more, or might hide them either way;
    - ``suspicious``: 2 points or more, in either direction, beyond chance and the usual 0.8 points;
    - ``broken``: 10 points or more beyond chance, or a log loss that got worse than guessing on test only.

    ``verdict`` says it in plain sentences. ``log_loss_ratio`` is test over validation, None where that is 0.
    """
    low, high = newcombe_interval(hits(validation), hits(test))
    points = 100 * (validation["accuracy"]["value"] - test["accuracy"]["value"])
    gap = {
        "points": points,
        "low": 100 * low,
        "high": 100 * high,
        "n_validation": validation["n"],
        "n_test": test["n"],
        "log_loss_ratio": test["log_loss"] / validation["log_loss"] if validation["log_loss"] else None,
    }
    lost_its_sense = validation["log_loss"] < GUESSING_LOG_LOSS < test["log_loss"]
    level = _level(gap, lost_its_sense)
    return {**gap, "level": level, "verdict": f"{_summary(gap)} {_meaning(level, gap, test, lost_its_sense)}"}


def hits(metrics: Mapping[str, Any]) -> tuple[int, int]:
    """How many of how many examples were right, from what ``classification_metrics`` gives."""
    return round(metrics["accuracy"]["value"] * metrics["n"]), metrics["n"]


def _level(gap: Mapping[str, Any], lost_its_sense: bool) -> str:
    if lost_its_sense or gap["low"] >= BROKEN_GAP_POINTS:
        return "broken"
    if abs(gap["points"]) < SUSPICIOUS_GAP_POINTS:
        hides_any = gap["low"] < -SUSPICIOUS_GAP_POINTS and gap["high"] > SUSPICIOUS_GAP_POINTS
        return "inconclusive" if hides_any else "sound"
    beyond_chance = gap["low"] > USUAL_GAP_POINTS or gap["high"] < 0
    return "suspicious" if beyond_chance else "inconclusive"


def _summary(gap: Mapping[str, Any]) -> str:
    direction = "lower" if gap["points"] >= 0 else "higher"
    low, high = (f"{gap[end]:+.2f}".replace("-", "\N{MINUS SIGN}") for end in ("low", "high"))
    return (
        f"Test accuracy is {abs(gap['points']):.2f} points {direction} than validation accuracy "
        f"(difference validation − test, 95 % interval {low} to {high})."
    )


def _meaning(level: str, gap: Mapping[str, Any], test: Mapping[str, Any], lost_its_sense: bool) -> str:
    if level == "broken":
        return _cause(test["log_loss"], lost_its_sense)
    if level == "suspicious" and gap["points"] < 0:
        return (
            "Test looks easier than validation: look for test images among the training images, "
            "and for a test set that is not the published one."
        )
    if level == "sound" and gap["points"] > USUAL_GAP_POINTS:
        return (
            f"That is more than the {USUAL_GAP_POINTS} that a correct pipeline usually loses on Fashion-MNIST, "
            f"and less than the {SUSPICIOUS_GAP_POINTS:g} that would be suspicious."
        )
    return {
        "sound": f"That is in order: a correct pipeline loses up to {USUAL_GAP_POINTS} on Fashion-MNIST.",
        "inconclusive": "There are too few examples to tell this from chance: evaluate on more to be sure.",
        "suspicious": f"That is more than chance and the usual {USUAL_GAP_POINTS} points explain: look for "
        "over-fitting to the validation part, or for test data that differ from the training data.",
    }[level]


def _cause(log_loss: float, lost_its_sense: bool) -> str:
    if lost_its_sense:
        return (
            f"Don't use this model. Its log loss on test is {log_loss:.2f}, where guessing gets "
            f"{GUESSING_LOG_LOSS:.2f}. To be this sure and this wrong is the mark of a scale mismatch or of "
            "wrong data, not of over-fitting: test pixels on another scale than the training pixels "
            "(0–255 against 0–1), inverted pixels, or labels of other images."
        )
    return (
        "Don't use this model. A gap this wide is hardly over-fitting: the test data are not of the kind "
        "that the model was trained on. Compare pixel scale, polarity and label files of both splits."
    )

"""Gates on what a client gets: the exported artifact itself, asked with raw bytes."""

from math import isfinite, isnan

import numpy as np

from trainer.contract import CLASS_NAMES
from trainer.release.evidence import Evidence, Measured
from trainer.release.thresholds import Agreement, Sensitivity, Thresholds
from trainer.release.variants import AS_THEY_ARE, IN_WORDS, SHUFFLED
from trainer.release.verdict import Verdict, not_measured, percent, verdict
from trainer.release.written import Pair, pairs

#: In a set of ten classes of equal size.
_EVEN_SHARE = 1 / len(CLASS_NAMES)
# What a difference of two decimal fractions may be off by, being a difference of binary ones.
_ROUNDING = 1e-12


def agreement(evidence: Evidence, thresholds: Thresholds) -> Verdict:
    """What is written of the model is what it does, whatever it is asked with: the check that the original lacked."""
    if evidence.measured is None:
        return not_measured("agreement", evidence.unmeasured)
    allowed = thresholds.agreement.tolerance
    compared = dict(pairs(evidence, evidence.measured))
    # Not `> allowed`: a distance that is not a number is none that is allowed.
    beyond = {
        name: pair for name, pair in compared.items() if not pair.apart <= max(allowed, pair.rounding) + _ROUNDING
    }
    listed = ", ".join(f"{name} {_held_against(pair)}" for name, pair in beyond.items())
    fault = (
        f"the model is not what its documents say: {len(beyond)} of {len(compared)} figures differ by more than "
        f"{allowed:g} and by more than rounding can, written against measured: {listed}"
    )
    largest = max(pair.apart for pair in compared.values())
    praise = (
        f"asked in a process of its own with the raw bytes, the artifact gives all {len(compared)} written figures "
        f"to {allowed:g} or what rounding can change (largest difference {largest:.1g})"
    )
    differ = {name: [_json(pair.written), _json(pair.measured)] for name, pair in beyond.items()}
    change_alone = evidence.measured.change_alone
    figures = {"differ": differ, "compared": len(compared), "allowed": allowed, "change_alone": change_alone}
    faults = [*([fault] if beyond else []), *_unsteady(evidence.measured, thresholds.agreement)]
    return verdict("agreement", faults, praise, figures)


def sensitivity(evidence: Evidence, thresholds: Thresholds) -> Verdict:
    """It looks at what the images show, and it was made for images as they are."""
    measured, limits = evidence.measured, thresholds.sensitivity
    if measured is None:
        return not_measured("sensitivity", evidence.unmeasured)
    plain = measured.accuracy_on[AS_THEY_ARE]
    falls = {name: 100 * (plain - accuracy) for name, accuracy in measured.accuracy_on.items() if name in IN_WORDS}
    faults = [
        f"accuracy rises by {-fall:.1f} points on images {IN_WORDS[name]}: the model was made for such ones"
        for name, fall in falls.items()
        if -fall > limits.rise_at_most_points
    ]
    if falls[SHUFFLED] < limits.fall_without_content_at_least_points:
        faults.append(
            f"accuracy hardly depends on what the images show: it falls by {falls[SHUFFLED]:.1f} points when their "
            f"pixels are shuffled, it must fall by at least {limits.fall_without_content_at_least_points:g}"
        )
    faults += _favourites(measured, limits)
    listed = ", ".join(f"{fall:.1f} on images {IN_WORDS[name]}" for name, fall in falls.items())
    how_far = f"accuracy falls by points: {listed}"
    figures = {"accuracy_on": dict(measured.accuracy_on), "largest_share": max(_shares(measured)[1])}
    return verdict("sensitivity", [*faults, how_far] if faults else [], how_far, figures)


def latency(evidence: Evidence, thresholds: Thresholds) -> Verdict:
    """A client does not wait long. Measured on the machine that registers the model."""
    measured, most = evidence.measured, thresholds.latency.p95_ms_at_most
    if measured is None:
        return not_measured("latency", evidence.unmeasured)
    timing = measured.latency
    sentence = (
        f"95 of 100 single images take at most {timing['p95_ms']:.1f} ms "
        f"(median {timing['median_ms']:.1f} ms, n = {timing['n']:.0f})"
    )
    faults = [f"{sentence}, it must be at most {most:g} ms"] if timing["p95_ms"] > most else []
    return verdict("latency", faults, sentence, {**timing, "p95_ms_at_most": most})


def _unsteady(measured: Measured, limits: Agreement) -> list[str]:
    """Answers that a client could get, and that say nothing, or depend on what else is asked."""
    faults = list(measured.improper)
    if measured.change_alone > limits.change_alone_at_most:
        faults.append(
            f"an image gets another answer alone than among others: a probability changes by "
            f"{measured.change_alone:.4f}, it may change by {limits.change_alone_at_most:g} at most"
        )
    return faults


def _held_against(pair: Pair) -> str:
    if pair.is_distance:
        return "nothing to compare" if isnan(pair.apart) else f"off by {pair.apart:.4f}"
    return f"{_shown(pair.written)} against {_shown(pair.measured)}"


def _shown(figure: float) -> str:
    return "nothing" if isnan(figure) else f"{figure:.4f}"


def _json(figure: float) -> float | None:
    return figure if isfinite(figure) else None


def _shares(measured: Measured) -> tuple[list[float], list[float]]:
    """Of each class: its share of the images, and of the predictions."""
    matrix = np.array(measured.test["confusion_matrix"])
    true, predicted = (matrix.sum(axis=axis) / matrix.sum() for axis in (1, 0))
    return true.tolist(), predicted.tolist()


def _favourites(measured: Measured, limits: Sensitivity) -> list[str]:
    """Classes that are predicted too often. One that has more than its tenth of the images may have as much more."""
    rows = zip(CLASS_NAMES, *_shares(measured), strict=True)
    return [
        f"{percent(predicted)} of the predictions are {name}, at most {percent(allowed)} may be"
        for name, true, predicted in rows
        if predicted > (allowed := limits.largest_share_at_most + max(0.0, true - _EVEN_SHARE))
    ]

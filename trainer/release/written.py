"""How far what is written of a model is from what was measured: every figure of its documents that can be.

A figure that rests on few images moves far when one of them does. So that the same share of all images may move in
every table, as in the confusion matrix, what rests on some of them is weighed by their share. What is a fraction counts
half: an image that moves changes both parts of it.

Another processor sums in another order, which may turn an answer or take it over a threshold. One such image changes no
cell of a table by more than itself, but F1 and the calibration error by up to two: it leaves one sum for another. So
two images of a part are allowed in each figure that counts images. Two that cross the same threshold are within it too;
more are so rare where only rounding differs that they are taken for an edit.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import isfinite, nan
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainer.contract import CLASS_NAMES
from trainer.release.evidence import Evidence, Measured

#: What must be written; whatever else is written must agree too.
_ALWAYS = {
    "accuracy", "f1_macro", "f1_weighted", "log_loss", "average_precision_macro", "average_precision_micro",
    "roc_auc_macro", "expected_calibration_error",
}  # fmt: skip
#: What counts images, or ranks them: one that rounding moves makes a step. The other figures hardly change then.
_STEPWISE = {
    "accuracy", "f1_macro", "f1_weighted", "average_precision_macro", "average_precision_micro",
    "expected_calibration_error",
}  # fmt: skip
_MOVED_BY_ROUNDING = 2
_FRACTION = 0.5
_PERCENT = 0.01

Row = Mapping[str, Any]
#: What each figure of a row is weighed by, from the row that was measured and how many images there are.
Weights = Callable[[Row, int], Mapping[str, float]]


class Pair(NamedTuple):
    """What is written and what was measured; not a number where nothing is written.

    An interval and a table are one figure each: how far the ends, or any cells, are apart at most (``is_distance``),
    against 0. ``rounding`` is how far the two may be apart in any case.
    """

    written: float
    measured: float
    rounding: float = 0.0
    is_distance: bool = False

    @property
    def apart(self) -> float:
        return abs(self.written - self.measured)


def pairs(evidence: Evidence, measured: Measured) -> Iterator[tuple[str, Pair]]:
    """Each figure's name, and its pair."""
    for part, found in (("test", measured.test), ("validation", measured.validation)):
        written = evidence.metrics.get(part, {})
        for name, pair in _of_part(written, found):
            yield f"{part} {name}", pair
    of_test = _rounding(measured.test)
    if "gap" in evidence.metrics:
        apart = _row_apart(evidence.metrics["gap"], measured.gap, _gap_weights(measured))
        yield "gap", _distance(apart, max(of_test, _rounding(measured.validation)))
    matrix = np.array(measured.test["confusion_matrix"])
    yield "class_performance", _distance(_classes_apart(evidence.class_performance, matrix), of_test)


def _of_part(written: Row, found: Row) -> Iterator[tuple[str, Pair]]:
    rounding = _rounding(found)
    for name in found:
        figure = _number(found[name])
        if isfinite(figure) and (name in _ALWAYS or name in written):
            yield name, Pair(_number(written.get(name)), figure, rounding if name in _STEPWISE else 0.0)
    if isinstance(written.get("accuracy"), Mapping):
        ends = dict.fromkeys(("low", "high"), _FRACTION)
        yield "accuracy interval", _distance(_row_apart(written["accuracy"], found["accuracy"], ends), rounding)
    for name, weights in _TABLES.items():
        if name in written:
            yield name, _distance(_table_apart(written[name], found[name], weights, found["n"]), rounding)
    moved = _share_moved(written.get("confusion_matrix"), np.array(found["confusion_matrix"]))
    yield "confusion_matrix", _distance(moved, rounding)


def _distance(apart: float, rounding: float) -> Pair:
    return Pair(apart, 0.0, rounding, is_distance=True)


def _rounding(found: Row) -> float:
    """The share of a part's images that rounding may move."""
    return float(_MOVED_BY_ROUNDING / found["n"])


def _number(value: Any) -> float:
    """A figure, or the value of one with an interval; not a number for anything else."""
    if isinstance(value, Mapping):
        value = value.get("value")
    try:
        return float(value) if isinstance(value, int | float) else nan
    except OverflowError:
        return nan


def _gap_weights(measured: Measured) -> dict[str, float]:
    points = _FRACTION * _PERCENT
    ratio = _FRACTION * measured.validation["log_loss"]
    return {"points": points, "low": points, "high": points, "n_validation": 1, "n_test": 1, "log_loss_ratio": ratio}


def _bin_weights(row: Row, n: int) -> dict[str, float]:
    of_bin = _FRACTION * row["count"] / n
    return {"low": 1, "high": 1, "count": 1 / n, "confidence": of_bin, "accuracy": of_bin}


def _threshold_weights(row: Row, n: int) -> dict[str, float]:
    """By ``n`` images all but the precision, which rests on what is said at the threshold."""
    said = row["true_positives"] + row["false_positives"]
    counts = ("true_positives", "false_positives", "true_negatives", "false_negatives")
    rates = (f"{name}{end}" for name in ("recall", "f1", "false_positive_rate") for end in ("", "_at_1"))
    precision = dict.fromkeys(("precision", "precision_at_1"), _FRACTION * min(said, n) / n)
    return {"threshold": 1} | dict.fromkeys(counts, 1 / n) | dict.fromkeys(rates, _FRACTION) | precision


_TABLES: Mapping[str, Weights] = {
    "calibration_bins": _bin_weights,
    "confidence_metrics": _threshold_weights,
}
#: What of the same row is 0 where a figure rests on nothing and is None.
_RESTS_ON: Mapping[str, Sequence[str]] = {
    "confidence": ("count",),
    "accuracy": ("count",),
    **{
        f"{name}{end}": (f"recall{end}", f"false_positive_rate{end}")
        for name in ("precision", "f1")
        for end in ("", "_at_1")
    },
}


def _table_apart(written: Any, found: list[Row], weights: Weights, n: int) -> float:
    if not isinstance(written, list) or len(written) != len(found):
        return nan
    return _furthest(
        _row_apart(theirs, ours, _comparable(theirs, ours, weights(ours, n)))
        for theirs, ours in zip(written, found, strict=True)
    )


def _comparable(written: Any, found: Row, weights: Mapping[str, float]) -> Mapping[str, float]:
    """Without what rests on nothing on one side only: what it rests on is compared itself."""
    if not isinstance(written, Mapping):
        return weights
    return {name: weight for name, weight in weights.items() if not _one_rests_on_nothing(name, written, found)}


def _one_rests_on_nothing(name: str, written: Row, found: Row) -> bool:
    """Each side says so itself: a figure of nothing, or none of something, is a false one."""
    if name not in _RESTS_ON or (written.get(name) is None) == (found[name] is None):
        return False
    return all(
        (row.get(name) is None) == all(row.get(base) == 0 for base in _RESTS_ON[name]) for row in (written, found)
    )


def _classes_apart(written: Row, matrix: NDArray[np.int64]) -> float:
    """``class_performance.json`` against the confusion matrix, from which all of it follows."""
    classes, n = written.get("classes", {}), int(matrix.sum())
    if not set(CLASS_NAMES) <= set(classes):
        return nan
    rows = (_class_apart(classes[name], matrix, k) / n for k, name in enumerate(CLASS_NAMES))
    return _furthest([_row_apart(written, {"n": n}, {"n": 1}), _share_moved(_counts(classes), matrix), *rows])


def _class_apart(written: Row, matrix: NDArray[np.int64], k: int) -> float:
    """By how many images the row of class ``k`` is off, or what it says of the classes that it is mistaken for."""
    counts = dict(zip(CLASS_NAMES, matrix[k].tolist(), strict=True))
    hits, support, predicted = counts[CLASS_NAMES[k]], sum(counts.values()), int(matrix[:, k].sum())
    either = support + predicted
    found = {
        "precision": hits / predicted if predicted else None,
        "recall": hits / support if support else None,
        "f1": 2 * hits / either if either else None,
        "support": support,
    }
    parts = {"precision": predicted, "recall": support, "f1": either}
    weights = {name: _FRACTION * part for name, part in parts.items()} | {"support": 1}
    distances = [_row_apart(written, found, weights)]
    for item in written["mistaken_for"]:
        count = counts.get(item["class"], 0)
        mistaken = {"count": count, "rate": count / support if support else None}
        distances.append(_row_apart(item, mistaken, {"count": 1, "rate": _FRACTION * support}))
    return _furthest(distances)


def _counts(classes: Row) -> list[list[float]]:
    """The confusion matrix as ``class_performance.json`` tells it."""
    matrix = []
    for name in CLASS_NAMES:
        mistaken = {item["class"]: item["count"] for item in classes[name]["mistaken_for"]}
        hits = (classes[name]["recall"] or 0) * classes[name]["support"]
        matrix.append([hits if other == name else mistaken.get(other, 0) for other in CLASS_NAMES])
    return matrix


def _share_moved(written: Any, measured: NDArray[np.int64]) -> float:
    """The share of all images by which the cell differs most, of two confusion matrices."""
    try:
        cells = np.asarray(written, np.float64) - measured
    except (ValueError, TypeError, OverflowError):
        return nan
    return float(np.abs(cells).max() / measured.sum())


def _row_apart(written: Any, found: Row, weights: Mapping[str, float]) -> float:
    """The largest weighed distance of what is written of a row; not a number for what is no row of numbers."""
    if not isinstance(written, Mapping):
        return nan
    return _furthest(
        0.0 if written[name] is found[name] is None else weight * abs(_number(written[name]) - _number(found[name]))
        for name, weight in weights.items()
        if name in written
    )


def _furthest(distances: Iterable[float]) -> float:
    """Not a number if one of them isn't."""
    return float(np.max([0.0, *distances]))

"""A model that is not ours, known by its figures only, and how it compares: like with like, or not at all.

The project before this one set AutoML's 97.2 % average precision beside its own model's 45.57 % accuracy, as if they
were the same figure. Average precision is the area under the precision–recall curve; it is no accuracy.
"""

import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeGuard

from trainer.artifacts.manifest import Manifest, describe_files, write_manifest
from trainer.contract import MANIFEST_NAME, METADATA_DIR
from trainer.errors import SettingsError
from trainer.release.plain_json import load_json

#: What a file of figures may call them: our own names, and those of a Vertex AI evaluation, which are micro-averages
#: (classification_metrics_1.0.0.yaml).
_NAMES = {
    "accuracy": "accuracy",
    "average_precision": "average_precision",
    "average_precision_macro": "average_precision_macro",
    "average_precision_micro": "average_precision_micro",
    "roc_auc": "roc_auc",
    "roc_auc_macro": "roc_auc_macro",
    "roc_auc_micro": "roc_auc_micro",
    "log_loss": "log_loss",
    "auPrc": "average_precision_micro",
    "auRoc": "roc_auc_micro",
    "logLoss": "log_loss",
}
_EXPECTED = f"a JSON object with at least one of {', '.join(_NAMES)}"
#: Ours, its name for people, and what stands in for it in a baseline that doesn't say how it averages over classes.
_ROWS = (
    ("accuracy", "Accuracy", None),
    ("average_precision_macro", "Average precision, macro", "average_precision"),
    ("average_precision_micro", "Average precision, micro", "average_precision"),
    ("roc_auc_macro", "ROC AUC, macro", "roc_auc"),
    ("roc_auc_micro", "ROC AUC, micro", "roc_auc"),
    ("log_loss", "Log loss", None),
)


@dataclass(frozen=True)
class Row:
    """One metric of ours and theirs. ``difference`` is ours minus theirs, None unless they are ``comparable``."""

    metric: str
    ours: float | None
    theirs: float | None
    difference: float | None
    comparable: bool
    remark: str


def read_figures(content: bytes) -> dict[str, Any]:
    """Figures by our names, from JSON as a person writes it or as Vertex AI exports an evaluation.

    Figures may stand at the top or below ``metrics``, or at both if they agree; a proportion is in [0, 1]. ``n`` and
    ``data_fingerprint`` of the test images are kept. Raises SettingsError that names every problem.
    """
    try:
        document = load_json(content, object_pairs_hook=_once_each)
    except ValueError as error:
        raise _refused("read", str(error)) from error
    if not isinstance(document, Mapping):
        raise _refused("read", repr(document))
    nested = document.get("metrics")
    places = [document, nested] if isinstance(nested, Mapping) else [document]
    given = _given(places)
    problems = [problem for name, values in given.items() for problem in _problems(name, values)]
    if problems or not given.keys() - {*_OF_IMAGES}:
        names = dict.fromkeys(name for place in places for name in place)
        raise _refused("used", "; ".join(problems) or f"only {', '.join(names) or 'nothing'}")
    return {name: values[0] for name, values in given.items()}


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object in which no key stands twice: JSON itself would silently take the last one."""
    document = dict(pairs)
    if len(document) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!a} stands there twice")
    return document


def _given(places: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Everything that ``places`` say of each figure, whatever they call it, and of the test images."""
    given: dict[str, list[Any]] = {}
    for place in places:
        for name, ours in _NAMES.items():
            if name in place:
                given.setdefault(ours, []).append(value_of(place[name]))
        for name in _OF_IMAGES:
            if name in place:
                given.setdefault(name, []).append(place[name])
    return given


def _problems(name: str, values: Sequence[Any]) -> list[str]:
    """What is wrong with any of the values of one figure, or between two of them."""
    found = [problem for value in values if (problem := _OF_IMAGES.get(name, _problem)(name, value))]
    other = next((value for value in values if value != values[0]), values[0])
    contradiction = [f"{name} is given twice: {values[0]!r} and {other!r}"] if other != values[0] else []
    return [*dict.fromkeys(found), *contradiction]


def _refused(verb: str, received: str) -> SettingsError:
    do = "see docs/release.md for an example"
    return SettingsError(f"the baseline's figures can't be {verb}", expected=_EXPECTED, received=received, do=do)


def commit(content: bytes, folder: Path) -> str:
    """Fill ``folder`` with the figures and their manifest, whose SHA-256 is returned: one content, one digest."""
    metrics = folder / METADATA_DIR / "metrics.json"
    metrics.parent.mkdir(parents=True)
    metrics.write_bytes(content)
    run_id = hashlib.sha256(content).hexdigest()[:12]
    write_manifest(folder, Manifest(run_id, "not known", False, ["there is no model"], describe_files(folder)))
    return hashlib.sha256((folder / MANIFEST_NAME).read_bytes()).hexdigest()


def compare(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[Row]:
    """Row by row, both as headline figures: numbers, or ``{"value": …}``."""
    return [_row(ours, theirs, *row) for row in _ROWS]


def as_documents(rows: list[Row]) -> list[dict[str, Any]]:
    return [asdict(row) for row in rows]


def same_images(ours: Mapping[str, Any], theirs: Mapping[str, Any], report: Mapping[str, Any]) -> bool:
    """Whether the baseline says that it was tested on the very images that ours was.

    The fingerprint in our data ``report`` is that of the whole set: both must have been tested on all of its test
    images, as of two samples nobody knows whether they are the same.
    """
    fingerprint, all_images = report.get("fingerprint"), report.get("counts", {}).get("test")
    if fingerprint is None or all_images is None:
        return False
    tested = theirs.get("data_fingerprint"), ours.get("n"), theirs.get("n", all_images)
    return tested == (fingerprint, all_images, all_images)


def _row(ours: Mapping[str, Any], theirs: Mapping[str, Any], name: str, title: str, loose: str | None) -> Row:
    mine, other, remark = number_of(ours.get(name)), number_of(theirs.get(name)), ""
    if other is None and loose is not None and loose in theirs:
        other, remark = number_of(theirs[loose]), "the baseline doesn't say how it averages over the classes"
    if name == "accuracy" and other is not None and other in _precisions(theirs):
        remark = "not comparable: the baseline gives the same number as average precision, so one is mislabelled"
        return Row(title, mine, other, None, False, remark)
    if mine is None or other is None:
        missing = "this version" if mine is None else "the baseline"
        return Row(title, mine, other, None, False, f"not comparable: {missing} has none")
    return Row(title, mine, other, mine - other, True, remark)


def _precisions(theirs: Mapping[str, Any]) -> list[Any]:
    return [value_of(value) for name, value in theirs.items() if name.startswith("average_precision")]


def value_of(figure: Any) -> Any:
    """The number of a headline figure, which may stand below ``value``, beside its interval."""
    return figure.get("value") if isinstance(figure, Mapping) else figure


def number_of(figure: Any) -> float | None:
    """``value_of`` what is a number; an older release of this package kept figures that are none."""
    value = value_of(figure)
    return value if _finite(value) else None


def _finite(value: Any) -> bool:
    """Whether it is a number that can be reckoned with: no NaN, and no integer that is too large for a float."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and abs(value) <= sys.float_info.max


def _problem(name: str, value: Any) -> str | None:
    if not _finite(value) or value < 0:
        return f"{name} = {value!r}, which is no figure"
    if name != "log_loss" and value > 1:
        return f"{name} = {value!r}, which is no share of 1"
    return None


def is_count(value: Any) -> TypeGuard[int]:
    """Whether there can be so many test images."""
    return type(value) is int and 0 < value < 2**31


def _count_problem(name: str, count: Any) -> str | None:
    return None if is_count(count) else f"{name} is {count!r}, no number of images"


def _fingerprint_problem(name: str, fingerprint: Any) -> str | None:
    # A fingerprint is hexadecimal; what is no ASCII could not be kept in the history either.
    return None if isinstance(fingerprint, str) and fingerprint.isascii() else f"{name} is {fingerprint!a}, none"


#: What else is kept, about the test images.
_OF_IMAGES = {"n": _count_problem, "data_fingerprint": _fingerprint_problem}

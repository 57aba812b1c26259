"""A model that is not ours, known by its figures only, and how it compares: like with like, or not at all.

The project before this one set AutoML's 97.2 % average precision beside its own model's 45.57 % accuracy, as if they
were the same figure. Average precision is the area under the precision–recall curve; it is no accuracy.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from trainer.artifacts.manifest import Manifest, describe_files, write_manifest
from trainer.contract import MANIFEST_NAME, METADATA_DIR
from trainer.errors import SettingsError

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

    Figures may stand at the top or below ``metrics``; a proportion is in [0, 1]. ``n`` and ``data_fingerprint`` of
    the test images are kept. Raises SettingsError that names every problem.
    """
    try:
        document = json.loads(content)
    except ValueError as error:
        raise _refused("read", str(error)) from error
    if not isinstance(document, Mapping):
        raise _refused("read", repr(document))
    nested = document.get("metrics")
    given = {**document, **nested} if isinstance(nested, Mapping) else document
    figures = {ours: value_of(given[name]) for name, ours in _NAMES.items() if name in given}
    problems = [problem for name, value in figures.items() if (problem := _problem(name, value))]
    problems += _problems_of_images(given)
    if problems or not figures:
        received = "; ".join(problems) or f"only {', '.join(map(str, given)) or 'nothing'}"
        raise _refused("used", received)
    return figures | {name: given[name] for name in ("n", "data_fingerprint") if name in given}


def _problems_of_images(given: Mapping[str, Any]) -> list[str]:
    count, fingerprint = given.get("n", 1), given.get("data_fingerprint", "")
    problems = [] if type(count) is int and count > 0 else [f"n is {count!r}, no number of images"]
    # A fingerprint is hexadecimal; what is no ASCII could not be kept in the history either.
    if not (isinstance(fingerprint, str) and fingerprint.isascii()):
        problems.append(f"data_fingerprint is {fingerprint!a}, none")
    return problems


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
    mine, other, remark = value_of(ours.get(name)), value_of(theirs.get(name)), ""
    if other is None and loose is not None and loose in theirs:
        other, remark = value_of(theirs[loose]), "the baseline doesn't say how it averages over the classes"
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


def _problem(name: str, value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        return f"{name} = {value!r}, which is no figure"
    if name != "log_loss" and value > 1:
        return f"{name} = {value!r}, which is no share of 1"
    return None

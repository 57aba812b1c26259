"""What changed between two versions, from their JSON documents."""

from collections.abc import Collection, Mapping
from typing import Any

from trainer.artifacts.report import METRIC_ROWS
from trainer.contract import CLASS_NAMES
from trainer.evaluation.intervals import newcombe_interval
from trainer.release.baseline import is_count, number_of

Documents = Mapping[str, Mapping[str, Any]]

#: Beside the settings: what else of ``params.json`` may explain another result.
_CIRCUMSTANCES = ("parameters", "precision", "backend", "epochs_run", "commit", "code_fingerprint", "versions")


def differences(a: Documents, b: Documents, *, silent: Collection[str]) -> dict[str, Any]:
    """Each document by its name without ``.json``; one that is missing counts as empty.

    ``silent`` settings, such as the output folder, are left out: they differ always and explain nothing.
    ``settings``, ``circumstances`` and ``data`` hold what differs: ``name``, ``a``, ``b``. ``metrics`` holds every
    figure on test, ``classes`` the recall and F1 of every class: ``a``, ``b`` and ``difference``, b minus a.
    """
    params = [documents.get("params", {}) for documents in (a, b)]
    reports = [_flat(documents.get("data_report", {})) for documents in (a, b)]
    settings = [item.get("settings", {}) for item in params]
    circumstances = [_flat({name: item.get(name) for name in _CIRCUMSTANCES}) for item in params]
    return {
        "settings": [row for row in _changed(*settings) if row["name"] not in silent],
        "circumstances": _changed(*circumstances),
        "data": _changed(*reports),
        "metrics": _metrics(*(documents.get("metrics", {}).get("test", {}) for documents in (a, b))),
        "classes": _classes(*(documents.get("class_performance", {}).get("classes", {}) for documents in (a, b))),
    }


def _changed(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[dict[str, Any]]:
    names = dict.fromkeys([*a, *b])
    return [{"name": name, "a": a.get(name), "b": b.get(name)} for name in names if a.get(name) != b.get(name)]


def _flat(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested names joined by dots; lists stay as they are."""
    flat: dict[str, Any] = {}
    for name, value in document.items():
        inner = isinstance(value, Mapping)
        flat |= _flat(value, f"{prefix}{name}.") if inner else {f"{prefix}{name}": value}
    return flat


def _metrics(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for key, title, _ in METRIC_ROWS:
        row: dict[str, Any] = {"name": title, "a": a.get(key), "b": b.get(key)}
        row["difference"] = _minus(number_of(row["b"]), number_of(row["a"]))
        if key == "accuracy" and (first := _hits(a)) and (second := _hits(b)):
            # As if of different images: on the same ones the true interval is narrower.
            row["low"], row["high"] = newcombe_interval(second, first)
        rows.append(row)
    return rows


def _hits(test: Mapping[str, Any]) -> tuple[int, int] | None:
    """How many of how many images were right; None where that isn't known, as of a baseline without ``n``."""
    accuracy, n = number_of(test.get("accuracy")), test.get("n")
    if accuracy is None or not 0 <= accuracy <= 1 or not is_count(n):
        return None
    return round(accuracy * n), n


def _classes(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for name in CLASS_NAMES:
        row: dict[str, Any] = {"class": name}
        for figure in ("recall", "f1"):
            first, second = (item.get(name, {}).get(figure) for item in (a, b))
            row[figure] = {"a": first, "b": second, "difference": _minus(second, first)}
        rows.append(row)
    return rows


def _minus(second: float | None, first: float | None) -> float | None:
    return None if first is None or second is None else second - first

"""What the registry's commands show to people: each document as lines of text."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trainer.artifacts.formats import DASH, number, percent, setting_value, signed
from trainer.registry.tables import Cell, Page
from trainer.release.baseline import number_of

Document = Mapping[str, Any]


def show(command: str, document: Document, page: Page) -> str:
    """The text of ``document``, as ``command`` has made it."""
    parts = _VIEWS[command](document, page)
    return "\n\n".join(part for part in parts if part)


def _list(document: Document, page: Page) -> list[str]:
    if not document["versions"]:
        return [f"{document['registry']} is empty: register a model folder first."]
    header = ("version", "stage", "approved", "deployment", "performance", "accuracy, 95 % interval", "log loss",
              "avg. precision", "registered", "remark")  # fmt: skip
    return [page.table(header, [_row(version) for version in document["versions"]])]


def _row(version: Document) -> list[Cell | str]:
    labels, figures = version["labels"], version["figures"]
    precision = figures.get("average_precision_macro", figures.get("average_precision"))
    return [
        Cell(version["version"], "strong" if version["is_latest"] else ""),
        Cell(labels["stage"], "strong" if labels["stage"] == "prod" else ""),
        _approved(version),
        labels["deployment"],
        _performance(labels),
        _figure(figures.get("accuracy")),
        _figure(figures.get("log_loss")),
        _figure(precision),
        _moment(version["registered"]["when"]),
        _remark(version),
    ]


def _approved(version: Document) -> Cell:
    if version["override"]:
        return Cell("yes, overridden", "caution")
    approved = version["labels"]["approved"]
    return Cell(approved, "good" if approved == "yes" else "bad")


def _performance(labels: Document) -> Cell:
    performance = labels.get("performance", DASH)
    return Cell(performance, {"ok": "good", "needs-improvement": "bad"}.get(performance, ""))


def _remark(version: Document) -> Cell:
    remarks = ["latest"] if version["is_latest"] else []
    refused = [verdict["gate"] for verdict in version["verdicts"] if not verdict["passed"]]
    if refused:
        remarks.append(f"refused by {', '.join(refused)}")
    cautions = _cautions(version)
    return Cell("; ".join([*remarks, *cautions]), "caution" if cautions else "")


def _cautions(version: Document) -> list[str]:
    """What must not be overlooked wherever a version is shown."""
    override, thresholds = version["override"], version["other_thresholds"]
    said = [f"approved all the same by {override['who']}: {override['reason']}"] if override else []
    return [*said, in_words(thresholds)] if thresholds else said


def in_words(thresholds: Document) -> str:
    """``with other thresholds: absolute.recall_at_least 0 (0.6)``: what was asked for, and the package's own."""
    pairs = [f"{name} {limit['asked']:g} ({limit['default']:g})" for name, limit in thresholds.items()]
    return f"with other thresholds: {', '.join(pairs)}"


def _about(document: Document, page: Page) -> list[str]:
    labels = ", ".join(f"{name} {value}" for name, value in document["labels"].items())
    lines = [f"{document['name']} {document['version']}: {labels}"]
    if document.get("withdrawn"):
        lines.append(f"{document['withdrawn']} is no longer in production")
    lines += [page.paint(Cell(caution, "caution")) for caution in _cautions(document)]
    lines.append(f"latest {document['latest'] or DASH}, in production {document['production'] or DASH}")
    return ["\n".join(lines + [f"Vertex AI: {name}" for name in document.get("vertex", ())])]


def _registered(document: Document, page: Page) -> list[str]:
    return [_gates(document, page), *_about(document, page)]


def _one(document: Document, page: Page) -> list[str]:
    facts = [
        ("place", document["place"]),
        ("run", document["run_id"]),
        ("manifest", document["digest"]),
        ("signed", "yes" if document["signed"] else "no"),
        *((name.replace("_", " "), _figure(value)) for name, value in document["figures"].items()),
    ]
    about, gates = _about(document, page), _gates(document, page)
    return [*about, page.table(("", ""), facts).lstrip("\n"), gates, *_history(document, page)]


def _gates(document: Document, page: Page) -> str:
    rows = [
        (verdict["gate"], Cell("passed", "good") if verdict["passed"] else Cell("refused", "bad"), verdict["sentence"])
        for verdict in document["verdicts"]
    ]
    return page.table(("gate", "verdict", "why"), rows) if rows else ""


def _history(document: Document, page: Page) -> list[str]:
    rows = [
        (str(line["number"]), _moment(line["when"]), line["who"], _deed(line), line["version"], _reason(line))
        for line in document["history"]
        if line["kind"] != "reserve"
    ]
    return [page.table(("event", "when", "who", "what", "version", "why"), rows)] if rows else ["nothing happened yet"]


def _deed(line: Document) -> Cell:
    return Cell(line["kind"], {"rollback": "bad", "promote": "good"}.get(line["kind"], ""))


def _reason(line: Document) -> str:
    parts = [line["why"]]
    if line.get("override") and line["override"] != line["why"]:
        parts.append(f"override: {line['override']}")
    if line.get("other_thresholds"):
        parts.append(in_words(line["other_thresholds"]))
    if line.get("restored"):
        parts.append(f"{line['restored']} is in production again")
    if line.get("latest"):
        parts.append(f"latest is {line['latest']}")
    return "; ".join(parts)


def _diff(document: Document, page: Page) -> list[str]:
    names = tuple(document[side]["version"] for side in "ab")
    parts = [page.table(("", *names), [(title, *map(_status, (document["a"], document["b"]))) for title in ["status"]])]
    for title in ("settings", "circumstances", "data"):
        rows = [(item["name"], setting_value(item["a"]), setting_value(item["b"])) for item in document[title]]
        parts.append(page.table((title, *names), rows) if rows else f"{title}: no difference")
    metrics = [
        (row["name"], _figure(row["a"]), _figure(row["b"]), _change(row, good_if_higher="loss" not in row["name"]))
        for row in document["metrics"]
        if not row["name"].startswith("Expected")
    ]
    parts.append(page.table(("metric, on test", *names, "difference"), metrics))
    parts.append(page.table(("class", *(f"recall {name}" for name in names), "difference", "F1 difference"), [
        (row["class"], percent(row["recall"]["a"]), percent(row["recall"]["b"]),
         _points(row["recall"]["difference"]), signed(row["f1"]["difference"], 3))
        for row in document["classes"]
    ]))  # fmt: skip
    return parts


def _status(version: Document) -> str:
    labels = ", ".join(f"{name} {value}" for name, value in version["labels"].items())
    return "; ".join([labels, *_cautions(version)])


def _change(row: Document, *, good_if_higher: bool) -> Cell:
    difference = row["difference"]
    if difference is None:
        return Cell(DASH)
    style = "" if not difference else "good" if (difference > 0) == good_if_higher else "bad"
    if "low" not in row:
        return Cell(signed(difference, 4), style)
    beyond_chance = row["low"] > 0 or row["high"] < 0
    interval = f" ({signed(100 * row['low'])} to {signed(100 * row['high'])})"
    return Cell(_points(difference).text + interval, style if beyond_chance else "")


def _points(difference: float | None) -> Cell:
    return Cell(DASH if difference is None else f"{signed(100 * difference)} points")


def _verify(document: Document, page: Page) -> list[str]:
    rows = [
        (version["version"], Cell("refused", "bad") if version["faults"] else Cell("intact", "good"),
         "; ".join(version["faults"]) or str(_remark(version).text))
        for version in document["versions"]
    ]  # fmt: skip
    faults = "\n".join(page.paint(Cell(fault, "bad")) for fault in document["faults"])
    table = page.table(("version", "state", "remark"), rows) if rows else "there are no versions"
    return [table, faults, f"signatures: {document['signatures']}"]


def _compare(document: Document, page: Page) -> list[str]:
    ours, theirs = document["version"], document["baseline"]
    rows = [
        (row["metric"], number(row["ours"], 4), number(row["theirs"], 4), signed(row["difference"], 4), row["remark"])
        for row in document["rows"]
    ]
    notes = ["The difference is ours minus theirs. Average precision is no accuracy: each is compared with its like."]
    if not document["same_images"]:
        notes.append("The baseline is not known to have been tested on the same images: compare with care.")
    notes += [f"Version {ours['version']}: {caution}." for caution in _cautions(ours)]
    header = ("metric, on test", f"version {ours['version']}", f"{theirs['name']} {theirs['version']}", "difference")
    return [page.table((*header, "remark"), rows), "\n".join(notes)]


def _figure(value: Any) -> str:
    """A number, or a proportion with its interval. An older release of this package kept figures that are neither."""
    if isinstance(value, Mapping) and (share := number_of(value)) is not None:
        low, high = (number_of(value.get(end)) for end in ("low", "high"))
        interval = "" if low is None or high is None else f" ({100 * low:.2f} to {100 * high:.2f})"
        return percent(share, 2) + interval
    if isinstance(value, int):
        return f"{value:,}"
    return number(value, 4) if isinstance(value, float) else setting_value(value)


def _moment(when: str) -> str:
    """To the minute; UTC as in the history."""
    return when[:16].replace("T", " ")


_VIEWS: Mapping[str, Callable[[Document, Page], Sequence[str]]] = {
    "register": _registered,
    "list": _list,
    "mirror": _list,
    "show": _one,
    "history": _history,
    "diff": _diff,
    "verify": _verify,
    "approve": _about,
    "promote": _about,
    "rollback": _about,
    "import-baseline": _about,
    "compare": _compare,
}

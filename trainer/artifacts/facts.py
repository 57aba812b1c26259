"""What one run found out, and what it says in plain words: derived from the figures, never typed by hand."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trainer.artifacts.formats import count, duration, number, setting_value
from trainer.contract import CLASS_NAMES

# What the project that this one replaces got from AutoML. It was published as if it were an accuracy.
AUTOML_AVERAGE_PRECISION = 0.972
#: Of the files that Zalando Research published (Xiao, Rasul and Vollgraf, arXiv:1708.07747).
PUBLISHED_LICENCE = "MIT, Zalando Research (arXiv:1708.07747)"
WEAKEST_SHOWN = 3
MISTAKES_SHOWN = 3


@dataclass(frozen=True)
class Facts:
    """The contents of the four JSON files in ``metadata/``: all that the report and the card may say."""

    params: Mapping[str, Any]
    metrics: Mapping[str, Any]
    class_performance: Mapping[str, Any]
    data_report: Mapping[str, Any]

    @property
    def synthetic(self) -> bool:
        return bool(self.metrics["synthetic"])


@dataclass(frozen=True)
class Headline:
    """The first line of a report. ``tone`` is ``good``, ``caution`` or ``bad``: how it is coloured."""

    tone: str
    text: str


def headline(facts: Facts) -> Headline:
    """May this model be relied on? The worst news first."""
    level = facts.metrics["gap"]["level"]
    if level == "broken":
        return Headline("bad", "Don't use this model: test doesn't agree with validation")
    if not beats_baseline(facts):
        return Headline("bad", "Don't use this model: it is no better than always giving the same answer")
    if facts.synthetic:
        return Headline("bad", "Not for release: trained on synthetic drawings")
    if facts.data_report.get("blocking"):
        return Headline("bad", "Not for release")
    if level == "suspicious":
        return Headline("caution", "Look before you use it: the gap between validation and test is suspicious")
    if level == "inconclusive":
        return Headline("caution", "Too few examples to judge it")
    return Headline("good", "Sound: test agrees with validation")


def warnings(facts: Facts) -> list[str]:
    """Everything that speaks against using or releasing the model, in sentences; empty if nothing does."""
    found = []
    if facts.synthetic:
        found.append(
            "Synthetic data: this model was trained and tested on procedural drawings. "
            "Its figures say nothing about photographs of real garments."
        )
    found += [f"Blocks release: {mark}" for mark in facts.data_report.get("blocking") or ()]
    if not beats_baseline(facts):
        found.append("Nothing was learned: the interval of its accuracy reaches down to the majority baseline.")
    if facts.metrics["gap"]["level"] != "sound":
        found.append(facts.metrics["gap"]["verdict"])
    absent = facts.metrics["test"]["absent_classes"]
    if absent:
        found.append(f"Not tested at all: {', '.join(absent)}. The test set holds none of them.")
    return found


def beats_baseline(facts: Facts) -> bool:
    """Is even the low end of the accuracy's interval above the majority baseline?"""
    return bool(facts.metrics["test"]["accuracy"]["low"] > facts.metrics["baseline"]["accuracy"]["value"])


def class_rows(facts: Facts) -> list[dict[str, Any]]:
    """One row a class, in the contract's order: its figures, ``class`` and the top three in ``taken_for``."""
    classes = facts.class_performance["classes"]
    return [
        {**classes[name], "class": name, "taken_for": classes[name]["mistaken_for"][:MISTAKES_SHOWN]}
        for name in CLASS_NAMES
    ]


def weakest_classes(facts: Facts) -> list[dict[str, Any]]:
    """The three rows of ``class_rows`` with the lowest F1, lowest first, without classes never mistaken."""
    tested = [row for row in class_rows(facts) if row["support"] and row["mistaken_for"]]
    return sorted(tested, key=lambda row: float(row["f1"]))[:WEAKEST_SHOWN]


def calibration_verdict(facts: Facts) -> str:
    """Is the model surer than it is right, or the other way round?"""
    test = facts.metrics["test"]
    confidence = mean_confidence(test)
    points = 100 * (confidence - test["accuracy"]["value"])
    shown = f"mean confidence {100 * confidence:.2f} %, accuracy {100 * test['accuracy']['value']:.2f} %"
    if test["accuracy"]["low"] <= confidence <= test["accuracy"]["high"]:
        return f"On the whole it is as sure as it is right ({shown}; the difference is within chance)."
    if points > 0:
        return f"It is over-confident by {points:.2f} points ({shown}): it is right less often than it says."
    return f"It is under-confident by {-points:.2f} points ({shown}): it is right more often than it says."


def mean_confidence(metrics: Mapping[str, Any]) -> float:
    """Mean probability of the predicted class, in [0, 1], put together again from the calibration bins."""
    filled = [b for b in metrics["calibration_bins"] if b["count"]]
    return float(sum(b["count"] * b["confidence"] for b in filled) / metrics["n"])


def data_facts(facts: Facts) -> list[tuple[str, str]]:
    """What the images were: name and value of everything that tells this data set from another."""
    data = facts.data_report
    means = [number(_lookup(data, "pixels", split, "mean"), 5) for split in ("train", "test")]
    return [
        ("Source", setting_value(_lookup(data, "source", "name"))),
        ("Found at", setting_value(_lookup(data, "source", "origin"))),
        ("Byte-identical to the published files", setting_value(_lookup(data, "source", "published"))),
        *([("Licence", PUBLISHED_LICENCE)] if _lookup(data, "source", "published") is True else []),
        ("Fingerprint (SHA-256 of the arrays)", setting_value(data.get("fingerprint"))),
        ("Training images in the source", count(_lookup(data, "counts", "train"))),
        ("Test images in the source", count(_lookup(data, "counts", "test"))),
        ("Validation images", count(facts.metrics["validation"]["n"])),
        ("Test images used", count(facts.metrics["test"]["n"])),
        ("Mean pixel of full scale, train and test", " and ".join(means)),
        ("Test images that are copies of training images", count(_lookup(data, "leakage", "copies"))),
    ]


def run_facts(facts: Facts) -> list[tuple[str, str]]:
    """How the weights came about and how fast: name and value."""
    params = facts.params
    return [
        ("Parameters of the network", count(params.get("parameters"))),
        ("Epochs run", count(params.get("epochs_run"))),
        ("Best epoch (lowest validation loss)", count(facts.metrics.get("best_epoch"))),
        ("Training time", duration(params.get("training_seconds"))),
        ("Images seen in training", count(params.get("images_seen"))),
        ("Training speed, images per second", count(params.get("images_per_second"))),
        ("Precision", setting_value(params.get("precision"))),
        ("Backend", setting_value(params.get("backend"))),
        ("Processor", setting_value(_lookup(params, "hardware", "processor"))),
        ("Cores", count(_lookup(params, "hardware", "cores"))),
        ("Memory, GiB", number(_lookup(params, "hardware", "memory_gib"), 1)),
        ("Accelerator", setting_value(_lookup(params, "hardware", "accelerator"))),
        *(_latency_fact(name, timing) for name, timing in (facts.metrics.get("latency") or {}).items()),
    ]


def _lookup(document: Mapping[str, Any], *keys: str) -> Any:
    """The value at the end of ``keys``, None where one of them is missing."""
    value: Any = document
    for key in keys:
        value = (value or {}).get(key)
    return value


def _latency_fact(name: str, timing: Mapping[str, Any]) -> tuple[str, str]:
    figures = (
        f"{number(timing['median_ms'], 2)} ms, 95th percentile {number(timing['p95_ms'], 2)} ms, "
        f"n = {count(timing['n'])}"
    )
    return f"Latency, {name.replace('_', ' ')}, median", figures

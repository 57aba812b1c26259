"""Rows of docs/results.md from finished model folders that differ in their seed only.

    python -m benchmarks.results FOLDER [FOLDER …] [--before FOLDER [FOLDER …]]

Prints what the recipe reaches and what it costs, and, beside another recipe's folders, the classes that are taken for
each other.
"""

import argparse
import json
import re
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trainer import settings
from trainer.artifacts.facts import Facts
from trainer.contract import METADATA_DIR
from trainer.presets import PRESETS

ACCURACY_COLUMNS = (
    *("recipe", "seeds", "test accuracy, %", "validation, %", "gap, points"),
    *("log loss", "ECE", "epochs", "commit"),
)
COST_COLUMNS = ("recipe", "hardware", "training, s", "images/s", "images seen", "PFLOP", "cost, $")
CLASS_COLUMNS = ("class", "recall before, %", "recall, %", "F1 before", "F1")
#: What the networks, like people, take for each other.
CONFUSABLE = ("T-shirt/top", "Pullover", "Coat", "Shirt")
#: Vertex AI's custom training on n1-standard-4, and AutoML's least: 8 node hours at $3.465. Of 2025, us-central1.
DOLLARS_PER_HOUR, AUTOML_DOLLARS = 0.2185, 27.72
COST_NOTE = (
    "PFLOP: 3 × the forward pass's multiplications and additions in convolutions and dense layers × images seen "
    f"(`benchmarks/arithmetic.py`). Cost: the seconds of training at ${DOLLARS_PER_HOUR} an hour, the price of "
    f"Vertex AI's n1-standard-4; AutoML asks for ${AUTOML_DOLLARS} at least."
)


class Model(Facts):
    """What a model folder tells of itself, and what follows from that for a row."""

    @property
    def command(self) -> str:
        """Of all seeds."""
        return re.sub(r" --seed \d+", "", self.params["command"])

    @property
    def images_seen(self) -> int:
        images = self.params["settings"]["limit_train"] or self.data_report["counts"]["train"]
        # Models of before there was that setting visited every image.
        share = self.params["settings"].get("visit_fraction", 1.0)
        return int(self.params["epochs_run"]) * round(share * (images - int(self.metrics["validation"]["n"])))


def read(folder: Path) -> Model:
    names = ("params", "metrics", "class_performance", "data_report")
    texts = ((folder / METADATA_DIR / f"{name}.json").read_text(encoding="utf-8") for name in names)
    return Model(*map(json.loads, texts))


def read_recipe(folders: Sequence[Path]) -> list[Model]:
    """The models of one recipe. Ends if they are of several."""
    models = [read(folder) for folder in folders]
    if len({model.command for model in models}) > 1:
        raise SystemExit("these models differ in more than their seed")
    return models


def recipe(model: Model) -> str:
    """The preset, or else the flags that differ from the defaults."""
    for name in PRESETS:
        of_preset = settings.parse(["--preset", name, "--data", model.params["settings"]["data"]], {})
        if of_preset.command() == model.command:
            return f"`--preset {name}`"
    return f"`{re.sub('^python -m trainer.task --data [^ ]+ ?', '', model.command)}`"


def spread(values: Sequence[float], digits: int) -> str:
    """Mean ± sample standard deviation; of a single value, itself."""
    if len(values) == 1:
        return f"{values[0]:,.{digits}f}"
    return f"{statistics.mean(values):,.{digits}f} ± {statistics.stdev(values):,.{digits}f}"


def accuracy_row(models: Sequence[Model]) -> list[str]:
    metrics = [model.metrics for model in models]
    return [
        recipe(models[0]),
        ", ".join(str(model.params["seed"]) for model in models),
        spread([100 * m["test"]["accuracy"]["value"] for m in metrics], 2),
        spread([100 * m["validation"]["accuracy"]["value"] for m in metrics], 2),
        spread([m["gap"]["points"] for m in metrics], 2),
        spread([m["test"]["log_loss"] for m in metrics], 3),
        spread([m["test"]["expected_calibration_error"] for m in metrics], 3),
        ", ".join(str(model.params["epochs_run"]) for model in models),
        ", ".join(sorted({str(model.params["commit"])[:7] for model in models})),
    ]


def cost_row(models: Sequence[Model]) -> list[str]:
    seconds = [model.params["training_seconds"] for model in models]
    seen = [model.images_seen for model in models]
    return [
        recipe(models[0]),
        ", ".join(sorted({hardware(model.params["hardware"], model.params["precision"]) for model in models})),
        spread(seconds, 0),
        spread([images / taken for images, taken in zip(seen, seconds, strict=True)], 0),
        f"{statistics.mean(seen):,.0f}",
        f"{statistics.mean(petaflop(model) for model in models):.2g}",
        f"{statistics.mean(seconds) / 3600 * DOLLARS_PER_HOUR:.3f}",
    ]


def hardware(facts: dict[str, Any], precision: str) -> str:
    return f"{facts['cores']} cores of {facts['accelerator'] or facts['processor']}, {precision}"


def petaflop(model: Model) -> float:
    """Floating-point operations of the training, in 10¹⁵."""
    from benchmarks.arithmetic import training_operations
    from trainer.training_run import network_builder

    network = network_builder(settings.Settings(**model.params["settings"]))(dtype="float32")
    return training_operations(network, model.images_seen) / 1e15


def class_rows(before: Sequence[Model], after: Sequence[Model]) -> list[list[str]]:
    def figures(models: Sequence[Model], name: str, figure: str) -> list[float]:
        return [model.class_performance["classes"][name][figure] for model in models]

    return [
        [
            name,
            *(spread([100 * value for value in figures(models, name, "recall")], 1) for models in (before, after)),
            *(spread(figures(models, name, "f1"), 3) for models in (before, after)),
        ]
        for name in CONFUSABLE
    ]


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (columns, ["---"] * len(columns), *rows))


def report(after: Sequence[Model], before: Sequence[Model]) -> str:
    parts = [
        table(ACCURACY_COLUMNS, [accuracy_row(after)]),
        table(COST_COLUMNS, [cost_row(after)]),
        COST_NOTE,
    ]
    if before:
        parts += [f"Before: {recipe(before[0])}.", table(CLASS_COLUMNS, class_rows(before, after))]
    return "\n\n".join(parts)


def main(argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="models of one recipe")
    parser.add_argument("--before", type=Path, nargs="+", default=[], metavar="FOLDER", help="models of another recipe")
    options = parser.parse_args(argv)
    print(report(read_recipe(options.folders), read_recipe(options.before)))


if __name__ == "__main__":
    main(sys.argv[1:])

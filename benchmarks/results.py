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

from benchmarks.document import table
from trainer import settings
from trainer.artifacts.facts import Facts
from trainer.cloud import prices
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
REGION, MACHINE = "us-central1", "n1-standard-4"


class Model(Facts):
    """What a model folder tells of itself, and what follows from that for a row."""

    @property
    def command(self) -> str:
        """Of all seeds."""
        return re.sub(r" --seed \d+", "", self.params["command"])

    @property
    def settings(self) -> settings.Settings:
        """Not checked: today's rules need not have held then. What was no setting yet was done as its default is."""
        return settings.Settings.model_construct(**self.params["settings"])

    @property
    def images_seen(self) -> int:
        if "images_seen" in self.params:
            return int(self.params["images_seen"])
        from trainer.visits import images_per_epoch  # The folder is of before it told so itself.

        images = self.settings.limit_train or self.data_report["counts"]["train"]
        return int(self.params["epochs_run"]) * images_per_epoch(
            images - self.metrics["validation"]["n"], self.settings
        )


def read(folder: Path) -> Model:
    names = ("params", "metrics", "class_performance", "data_report")
    try:
        texts = [(folder / METADATA_DIR / f"{name}.json").read_text(encoding="utf-8") for name in names]
    except OSError as error:
        raise SystemExit(f"{folder} is not a model folder that can be read: {error}") from error
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


def mean_and_deviation(values: Sequence[float], digits: int) -> str:
    """Mean ± sample standard deviation; of a single value, itself."""
    if len(values) == 1:
        return f"{values[0]:,.{digits}f}"
    return f"{statistics.mean(values):,.{digits}f} ± {statistics.stdev(values):,.{digits}f}"


def accuracy_row(models: Sequence[Model]) -> list[str]:
    metrics = [model.metrics for model in models]
    return [
        recipe(models[0]),
        ", ".join(str(model.params["seed"]) for model in models),
        mean_and_deviation([100 * m["test"]["accuracy"]["value"] for m in metrics], 2),
        mean_and_deviation([100 * m["validation"]["accuracy"]["value"] for m in metrics], 2),
        mean_and_deviation([m["gap"]["points"] for m in metrics], 2),
        mean_and_deviation([m["test"]["log_loss"] for m in metrics], 3),
        mean_and_deviation([m["test"]["expected_calibration_error"] for m in metrics], 3),
        ", ".join(str(model.params["epochs_run"]) for model in models),
        ", ".join(sorted({str(model.params["commit"])[:7] for model in models})),
    ]


def cost_row(models: Sequence[Model]) -> list[str]:
    seconds = [model.params["training_seconds"] for model in models]
    seen = [model.images_seen for model in models]
    return [
        recipe(models[0]),
        ", ".join(sorted({hardware(model.params["hardware"], model.params["precision"]) for model in models})),
        mean_and_deviation(seconds, 0),
        mean_and_deviation([images / taken for images, taken in zip(seen, seconds, strict=True)], 0),
        f"{statistics.mean(seen):,.0f}",
        f"{statistics.mean(petaflop(model) for model in models):.2g}",
        f"{statistics.mean(seconds) / 3600 * price().usd:.3f}",
    ]


def price() -> prices.Price:
    """Of the machine that Vertex AI's custom training would take."""
    return prices.regions()[REGION].machines[MACHINE]


def cost_note() -> str:
    automl = prices.automl()
    return (
        "PFLOP: 3 × the forward pass's multiplications and additions in convolutions and dense layers × images seen "
        f"(`benchmarks/arithmetic.py`). Cost: the seconds of training at ${price().usd:.4f} an hour, the price of "
        f"Vertex AI's {MACHINE} in {REGION} as of {price().as_of}; AutoML asks for ${automl.usd:.2f} at least (as of "
        f"{automl.as_of})."
    )


def hardware(facts: dict[str, Any], precision: str) -> str:
    return f"{facts['cores']} cores of {facts['accelerator'] or facts['processor']}, {precision}"


def petaflop(model: Model) -> float:
    """Floating-point operations of the training, in 10¹⁵."""
    from benchmarks.arithmetic import training_operations
    from trainer.training_run import network_builder

    network = network_builder(model.settings)(dtype="float32")
    return training_operations(network, model.images_seen) / 1e15


def class_rows(before: Sequence[Model], after: Sequence[Model]) -> list[list[str]]:
    def figures(models: Sequence[Model], name: str, figure: str) -> list[float]:
        return [model.class_performance["classes"][name][figure] for model in models]

    return [
        [
            name,
            *(
                mean_and_deviation([100 * value for value in figures(models, name, "recall")], 1)
                for models in (before, after)
            ),
            *(mean_and_deviation(figures(models, name, "f1"), 3) for models in (before, after)),
        ]
        for name in CONFUSABLE
    ]


def report(after: Sequence[Model], before: Sequence[Model]) -> str:
    parts = [
        table(ACCURACY_COLUMNS, [accuracy_row(after)]),
        table(COST_COLUMNS, [cost_row(after)]),
        cost_note(),
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

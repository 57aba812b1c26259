"""Rows from model folders of which only the figures matter."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import results
from benchmarks.results import Model
from trainer.cloud import prices
from trainer.settings import parse

HARDWARE = {"processor": "a processor", "cores": 2, "accelerator": None}


def write_model(folder: Path, *, seed: int, accuracy: float, preset: str = "fast", seconds: float = 180.0) -> Path:
    settings = parse(["--preset", preset, "--seed", str(seed)], {})
    part = {"accuracy": {"value": accuracy}, "log_loss": 0.2, "expected_calibration_error": 0.01, "n": 6000}
    documents = {
        "params": {
            "command": settings.command(),
            "settings": settings.as_dict(),
            "seed": seed,
            "commit": "0123456789",
            "precision": "bfloat16",
            "epochs_run": 10,
            "training_seconds": seconds,
            "hardware": HARDWARE,
        },
        "metrics": {"test": part, "validation": part, "gap": {"points": 0.5}},
        "class_performance": {"classes": {name: {"recall": accuracy, "f1": 0.9} for name in results.CONFUSABLE}},
        "data_report": {"counts": {"train": 60_000, "test": 10_000}},
    }
    (folder / "metadata").mkdir(parents=True)
    for name, document in documents.items():
        (folder / "metadata" / f"{name}.json").write_text(json.dumps(document))
    return folder


@pytest.fixture
def models(tmp_path: Path) -> list[Model]:
    accuracies = {42: 0.94, 43: 0.95, 44: 0.96}
    folders = [write_model(tmp_path / str(s), seed=s, accuracy=a, seconds=134 + s) for s, a in accuracies.items()]
    return results.read_recipe(folders)


def test_a_row_has_mean_and_standard_deviation_over_the_seeds(models: list[Model]) -> None:
    row = dict(zip(results.ACCURACY_COLUMNS, results.accuracy_row(models), strict=True))
    assert row["recipe"] == "`--preset fast`"
    assert row["seeds"] == "42, 43, 44"
    assert row["test accuracy, %"] == "95.00 ± 1.00"
    assert row["commit"] == "0123456"


def test_what_it_costs(models: list[Model]) -> None:
    row = dict(zip(results.COST_COLUMNS, results.cost_row(models), strict=True))
    assert row["hardware"] == "2 cores of a processor, bfloat16"
    assert row["training, s"] == "177 ± 1"
    assert row["images seen"] == "270,000"  # 10 epochs of half of 54,000
    assert row["images/s"] == "1,525 ± 9"
    assert row["cost, $"] == "0.011"  # 177 s of $0.21849885 an hour
    # A residual network of 32, 64 and 128 channels: 35.7 million operations an image, three times, 270,000 images.
    products = 9 * (784 * 32 + 196 * (32 * 32 + 32 * 64) + 49 * (64 * 64 + 64 * 128) + 9 * 128 * 128) + 1280
    assert float(row["PFLOP"]) == pytest.approx(3 * 2 * products * 270_000 / 1e15, rel=0.05)


def test_a_recipe_without_a_name_is_its_flags(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "a", seed=42, accuracy=0.9)
    params = json.loads((folder / "metadata" / "params.json").read_text())
    params["command"] = "python -m trainer.task --data fashion-mnist --epochs 7 --seed 3"
    assert results.recipe(Model(params, {}, {}, {})) == "`--epochs 7`"


def test_the_seeds_of_two_recipes_make_no_row(tmp_path: Path) -> None:
    folders = [write_model(tmp_path / p, seed=42, accuracy=0.9, preset=p) for p in ("fast", "reference")]
    with pytest.raises(SystemExit, match="more than their seed"):
        results.read_recipe(folders)


def test_the_confusable_classes_before_and_after(models: list[Model], tmp_path: Path) -> None:
    before = results.read_recipe([write_model(tmp_path / "b", seed=42, accuracy=0.8, preset="reference")])
    rows = results.class_rows(before, models)
    assert rows[0] == ["T-shirt/top", "80.0", "95.0 ± 1.0", "0.900", "0.900 ± 0.000"]
    assert [row[0] for row in rows] == ["T-shirt/top", "Pullover", "Coat", "Shirt"]
    assert "Before: `--preset reference`." in results.report(models, before)


@pytest.mark.parametrize(
    ("told", "images"),
    [
        ({"visit_fraction": 1.0}, 540_000),
        ({"visit_fraction": None}, 540_000),  # Of before there was that setting.
        ({"visit_fraction": 0.5, "limit_train": 12_000}, 30_000),
    ],
)
def test_a_folder_that_does_not_tell_how_many_images_it_saw_follows_from_its_settings(
    models: list[Model], told: dict[str, Any], images: int
) -> None:
    asked = {name: value for name, value in (models[0].params["settings"] | told).items() if value is not None}
    assert replace(models[0], params={**models[0].params, "settings": asked}).images_seen == images


def test_a_folder_that_tells_how_many_images_it_saw_is_believed(models: list[Model]) -> None:
    assert replace(models[0], params={**models[0].params, "images_seen": 7}).images_seen == 7


def test_the_prices_are_those_that_a_job_is_estimated_by() -> None:
    n1, automl = prices.regions()["us-central1"].machines["n1-standard-4"], prices.automl()
    assert f"${n1.usd:.4f} an hour" in results.cost_note()
    assert f"as of {n1.as_of}; AutoML asks for ${automl.usd:.2f} at least (as of {automl.as_of})" in results.cost_note()


def test_a_folder_without_a_model_ends_it_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"is not a model folder that can be read: .*params\.json"):
        results.read(tmp_path)

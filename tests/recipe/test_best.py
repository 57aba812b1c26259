"""The main job with everything that preset best adds to the reference, on networks that are small."""

from pathlib import Path

import pytest

from tests.support.candidates import document
from tests.support.jobs import run_job
from trainer.artifacts.manifest import read_manifest, verify
from trainer.storage import open_folder

SMALL = (
    *("--preset", "best", "--data", "synthetic", "--limit-train", "800", "--limit-test", "200", "--epochs", "2"),
    *("--batch-size", "50", "--filters", "8,16", "--stem-filters", "4", "--stage-depth", "1"),
)


@pytest.fixture(scope="module")
def model(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("best")
    done = run_job([*SMALL, "--output-dir", "model"], cache=cache, folder=folder)
    assert done.returncode == 0, done.stderr
    return folder / "model"


def test_its_model_folder_is_whole(model: Path) -> None:
    folder = open_folder(model)
    manifest = read_manifest(folder)
    assert manifest is not None
    assert verify(folder, manifest) == []


def test_its_networks_learn(model: Path) -> None:
    metrics = document(model, "metrics")
    assert metrics["test"]["accuracy"]["value"] > 2 * metrics["baseline"]["accuracy"]["value"]


def test_only_visited_images_count_as_seen(model: Path) -> None:
    params, metrics = document(model, "params"), document(model, "metrics")
    visits = (800 - metrics["validation"]["n"]) // 2
    assert params["images_seen"] == 2 * visits
    assert params["images_per_second"] == pytest.approx(2 * visits / params["training_seconds"], rel=0.05)

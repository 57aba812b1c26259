"""Each way to serve a model gives its probabilities, and the table says so where one does not."""

import io
import json
import sys
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from benchmarks import inference
from benchmarks.contenders import serving
from benchmarks.contenders.processes import Contender, start
from benchmarks.contenders.serving import WARM_UP_CALLS, WAYS, time_calls


def test_every_way_has_a_name() -> None:
    assert inference.NAMES.keys() == WAYS.keys()


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, np.ndarray]:
    """An exported model that looks at an image twice, a file of images, and its answers to them."""
    from trainer.artifacts.export import export_saved_model
    from trainer.model.residual import build_residual
    from trainer.model.views import with_flips

    folder = tmp_path_factory.mktemp("exported")
    images = np.random.default_rng(0).integers(0, 256, (50, 28, 28, 1), dtype=np.uint8)
    np.save(folder / "images.npy", images)
    network = with_flips(build_residual(filters=(8, 16), stem_filters=0, stage_depth=1, seed=3))
    predict = export_saved_model(network, folder / "model", images)
    return folder / "model", folder / "images.npy", predict(images)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["tensorflow_bfloat16", "onnx_runtime", "litert"])
def test_a_way_to_serve_answers_what_the_model_does(
    way: str, exported: tuple[Path, Path, np.ndarray], tmp_path: Path
) -> None:
    model, images, expected = exported
    contender = start(way, sys.executable, "serving", way, str(model), str(images), str(tmp_path / "answers.npy"))
    calls = json.loads(contender.ask("7 0"))
    contender.end()
    assert len(calls) == 3
    difference = np.abs(np.load(tmp_path / "answers.npy") - expected).max()
    if way == "tensorflow_bfloat16":
        assert difference < 0.1
    else:
        assert difference <= inference.AGREEMENT


def test_a_way_that_disagrees_is_marked() -> None:
    served = np.eye(10, dtype=np.float32)
    labels = np.arange(10, dtype=np.int32)
    assert inference.agreement(served, served, labels) == ["0.0e+00", "yes", "100.00 %"]
    other = served.copy()
    other[0] = other[1]
    assert inference.agreement(other, served, labels) == ["1.0e+00", "**no**", "90.00 %"]
    assert inference.agreement(served + np.float32(2e-4), served, labels)[1] == "**no**"


def test_a_way_that_can_not_serve_the_model_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> NoReturn:
        raise ValueError("no such op: a|b\nin here " + 200 * "x")

    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setitem(WAYS, "litert", refuse)
    np.save(tmp_path / "images.npy", np.zeros((1, 28, 28, 1), np.uint8))
    serving.main("litert", "model", str(tmp_path / "images.npy"), str(tmp_path / "answers.npy"))
    reason = json.loads(out.getvalue())["failed"]
    assert reason.startswith("ValueError: no such op: a\\|b in here xxx")
    assert len(reason) == serving.LONGEST_REASON + 2


def test_the_tables_hold_the_ways_that_serve_and_why_the_others_do_not() -> None:
    seconds = {size: [0.002, 0.001, 0.003] for size in inference.BATCH_SIZES}
    server = inference.Server(Contender("", None, {}), np.eye(10, dtype=np.float32), seconds)
    lines = inference.tables({"tensorflow": server}, {"litert": "a reason"}, np.arange(10, dtype=np.int32)).splitlines()
    assert lines[3] == "| TensorFlow, the folder as it is | 32 | 2.00 | 2.90 | 2.98 | 16,000 | 3 |"
    assert lines[-2:] == [
        "| TensorFlow, the folder as it is | 0.0e+00 | yes | 100.00 % |",
        "| LiteRT | — | can't serve this model: a reason | — |",
    ]


@pytest.mark.slow
def test_a_folder_that_holds_no_model_can_not_be_measured(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="can't be served as it is: OSError"):
        inference.start_all(tmp_path, np.zeros((1, 28, 28, 1), np.uint8), tmp_path)


def test_calls_are_timed_after_a_warm_up() -> None:
    sizes = []

    def answer(images: np.ndarray) -> np.ndarray:
        sizes.append(len(images))
        return images

    durations = time_calls(answer, np.zeros((4, 28, 28, 1), np.uint8), seconds=0.01)
    assert len(durations) == len(sizes) - WARM_UP_CALLS >= 3
    assert set(sizes) == {4}

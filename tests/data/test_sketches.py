import hashlib
import logging
from pathlib import Path

import numpy as np
import pytest

from tests.support.racing import race
from trainer.contract import NUM_CLASSES
from trainer.data import sketches
from trainer.data.garments import GARMENTS
from trainer.data.idx import read_dataset
from trainer.data.shapes import Dice, ellipse, stroke, trapezoid, triangle_wave
from trainer.errors import StorageError


@pytest.fixture
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sketches, "TRAIN_COUNT", 40)
    monkeypatch.setattr(sketches, "TEST_COUNT", 20)


def fingerprint(images: np.ndarray) -> str:
    return hashlib.sha256(images.tobytes()).hexdigest()


def test_drawings_are_images_like_any_other_and_of_each_class_equally_many() -> None:
    examples = sketches.draw(200, stream=1)
    assert (examples.images.shape, examples.images.dtype) == ((200, 28, 28, 1), np.uint8)
    assert (examples.labels.shape, examples.labels.dtype) == ((200,), np.int32)
    np.testing.assert_array_equal(np.bincount(examples.labels), [20] * NUM_CLASSES)
    assert len(np.unique(examples.labels[:20])) > 3, "sorted by class"


@pytest.mark.parametrize("label", range(NUM_CLASSES))
def test_garments_are_light_on_black_and_fill_a_sensible_part(label: int) -> None:
    examples = sketches.draw(300, stream=3)
    images = examples.images[examples.labels == label][..., 0]
    lit = (images > 20).mean(axis=(1, 2))
    assert 0.05 < np.median(lit) < 0.6
    assert (images.max(axis=(1, 2)) > 60).all()
    assert np.median(images[:, [0, 0, -1, -1], [0, -1, 0, -1]]) == 0


def test_same_stream_gives_the_same_drawings_on_every_machine() -> None:
    examples = sketches.draw(30, stream=1)
    np.testing.assert_array_equal(examples.images, sketches.draw(30, stream=1).images)
    assert fingerprint(examples.images)[:16] == "19bf8b30c70be0d7"
    assert fingerprint(examples.labels)[:16] == "f5bc140c1d400959"


def test_no_two_drawings_are_equal_within_or_across_the_splits() -> None:
    images = np.concatenate([sketches.draw(300, stream=stream).images for stream in (1, 2)])
    assert len(np.unique(images.reshape(600, -1), axis=0)) == 600


def test_training_and_test_are_drawn_alike() -> None:
    train, test = (sketches.draw(1000, stream=stream) for stream in (1, 2))
    for label in range(NUM_CLASSES):
        means = [part.images[part.labels == label].mean() for part in (train, test)]
        assert means[0] == pytest.approx(means[1], rel=0.15)


def test_classes_can_be_told_apart_but_not_by_the_mean_image() -> None:
    train, test = sketches.draw(1500, stream=1), sketches.draw(500, stream=2)
    means = np.stack([train.images[train.labels == label].mean(axis=0).ravel() for label in range(NUM_CLASSES)])
    distances = ((test.images.reshape(500, 1, -1) - means) ** 2).sum(axis=2)
    accuracy = (distances.argmin(axis=1) == test.labels).mean()
    assert 0.3 < accuracy < 0.85


@pytest.mark.usefixtures("_few")
def test_files_are_written_once_and_are_of_the_contract(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    paths = sketches.locate(tmp_path)
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert sketches.locate(tmp_path) == paths
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == written
    dataset = read_dataset(paths)
    assert (len(dataset.train), len(dataset.test)) == (40, 20)
    assert [record.getMessage() for record in caplog.records] == ["drawing 60 synthetic images"]


@pytest.mark.usefixtures("_few")
@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-1])])
@pytest.mark.parametrize("name", ["t10k-images-idx3-ubyte", "SHA256SUMS"])
def test_damaged_or_unfinished_cache_is_drawn_again(damage, name: str, tmp_path: Path) -> None:
    paths = sketches.locate(tmp_path)
    whole = [path.read_bytes() for path in paths.values()]
    damage(next(tmp_path.rglob(f"{name}*")))
    assert [path.read_bytes() for path in sketches.locate(tmp_path).values()] == whole


@pytest.mark.usefixtures("_few")
def test_other_version_lies_in_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = sketches.locate(tmp_path)
    monkeypatch.setattr(sketches, "VERSION", sketches.VERSION + 1)
    assert not set(sketches.locate(tmp_path).values()) & set(old.values())


@pytest.mark.usefixtures("_few")
def test_several_may_draw_at_once(tmp_path: Path) -> None:
    for paths in race(lambda _: sketches.locate(tmp_path), 4):
        assert not isinstance(paths, Exception)
        assert len(read_dataset(paths).train) == 40


@pytest.mark.usefixtures("_few")
def test_unwritable_cache_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(b"")
    with pytest.raises(StorageError, match="a file where a folder should be"):
        sketches.locate(tmp_path / "cache")


def test_there_is_a_garment_for_each_class() -> None:
    assert len(GARMENTS) == NUM_CLASSES


X, Y = np.array([[0.0, 0.3, 0.5, 0.0]], np.float32), np.array([[0.0, 0.0, 0.0, 0.7]], np.float32)


def test_ellipse_is_a_distance_for_a_circle() -> None:
    inside = ellipse(X, Y, centre=(0, 0), radii=(0.4, 0.4))
    np.testing.assert_allclose(inside, [[0.4, 0.1, -0.1, -0.3]], atol=1e-6)


def test_stroke_has_round_ends() -> None:
    inside = stroke(X, Y, start=(-0.2, 0), end=(0.2, 0), half=0.1)
    np.testing.assert_allclose(inside, [[0.1, 0.0, -0.2, 0.1 - 0.7]], atol=1e-6)


def test_trapezoid_widens_from_row_to_row() -> None:
    inside = trapezoid(X, Y, rows=(-1, 1), widths=(0.2, 0.6))
    np.testing.assert_allclose(inside, [[0.4, 0.1, -0.1, 0.3]], atol=1e-6)


def test_triangle_wave_has_period_two() -> None:
    values = np.array([-2, -1.5, -1, 0, 0.25, 1, 2, 3], np.float32)
    np.testing.assert_allclose(triangle_wave(values), [1, 0.5, 0, 1, 0.75, 0, 1, 0], atol=1e-6)


def test_dice_fill_their_range_and_keep_to_it() -> None:
    draws = Dice(5000, seed=1, stream=(1,)).between(-2, 3)
    assert draws.dtype == np.float32
    assert draws.shape == (5000, 1)
    assert -2 <= draws.min() < -1.99
    assert 2.99 < draws.max() <= 3
    assert Dice(5000, seed=1, stream=(2,)).chance(0.25).mean() == pytest.approx(0.25, abs=0.02)

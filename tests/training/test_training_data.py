"""What training sees of the data: its own part, and nothing that decides or judges."""

import numpy as np
import pytest

from trainer.artifacts.provenance import Code
from trainer.contract import Examples
from trainer.data import sketches
from trainer.data.batches import epoch_order
from trainer.data.idx import Dataset
from trainer.data.sources import Source
from trainer.job import Job, split_dataset
from trainer.model.augment import AugmentLimits, draw_transforms
from trainer.model.cut_mix import kept_shares, partners
from trainer.settings import Settings
from trainer.training.fit import TrainingData
from trainer.training.targets import targets_of
from trainer.training_run import training_data
from trainer.visits import images_per_epoch


def data_of(settings: Settings) -> tuple[TrainingData, Examples]:
    """Of 200 drawings, and the part that is trained on."""
    dataset = Dataset(sketches.draw(200, stream=1), sketches.draw(20, stream=2))
    split = split_dataset(dataset, settings)
    job = Job(settings, "seen", Source("synthetic", "drawn", {}, {}), dataset, split, {}, Code(None, ""))
    return training_data(job), dataset.train.take(split.train)


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_an_epoch_visits_images_of_the_training_part_only(share: float) -> None:
    settings = Settings(visit_fraction=share, hard_fraction=share / 2 if share < 1 else 0, val_fraction=0.25)
    data, part = data_of(settings)
    assert data.images == len(part) == 150
    visits = data.visits(2, np.random.default_rng(0).random(150).astype(np.float32))
    visited = visits.indices
    assert len(set(visited)) == len(visited) == images_per_epoch(150, settings) == data.images_per_epoch
    np.testing.assert_array_equal(visits.inputs["image"], part.images[visited])
    np.testing.assert_array_equal(visits.targets, np.eye(10)[part.labels[visited]])
    assert visits.whole.all()
    in_any_order = epoch_order(150, seed=settings.seed, epoch=0)
    np.testing.assert_array_equal(data.calibration, part.images[in_any_order])
    assert (in_any_order != np.arange(150)).any()


def test_each_epoch_has_an_order_and_warps_of_its_own_as_the_settings_ask_for() -> None:
    limits = {
        "rotation_degrees": 11.0, "shift_fraction": 0.21, "shear_fraction": 0.31, "zoom_fraction": 0.41,
        "horizontal_flip": False, "whole_pixels": True,
    }  # fmt: skip
    data, _ = data_of(Settings(val_fraction=0.25, seed=5, **limits))
    no_losses = np.full(150, np.inf, np.float32)
    for epoch in (2, 3):
        visits = data.visits(epoch, no_losses)
        drawn = draw_transforms(150, seed=5, epoch=epoch, limits=AugmentLimits(**limits))
        np.testing.assert_array_equal(visits.inputs["transform"], drawn)
        np.testing.assert_array_equal(visits.indices, epoch_order(150, seed=5, epoch=epoch))
    mirrored = Settings(val_fraction=0.25, seed=5, **limits | {"horizontal_flip": True})
    assert (data_of(mirrored)[0].visits(3, no_losses).inputs["transform"] != drawn).any()


def test_the_images_of_the_highest_loss_are_visited() -> None:
    data, _ = data_of(Settings(visit_fraction=0.5, hard_fraction=0.2, val_fraction=0.25))
    hardest = np.arange(7, 150, 5)[:30]
    losses = np.zeros(150, np.float32)
    losses[hardest] = 1
    assert set(hardest) <= set(data.visits(2, losses).indices)


def test_a_mixed_image_has_a_mixed_target_and_is_not_whole() -> None:
    settings = Settings(cut_mix_probability=0.5, label_smoothing=0.1, batch_size=32, val_fraction=0.25)
    data, part = data_of(settings)
    visits = data.visits(2, np.full(150, np.inf, dtype=np.float32))
    boxes, own = visits.inputs["box"], targets_of(part.labels[visits.indices], smoothing=0.1)
    np.testing.assert_array_equal(visits.whole, ~boxes.any(axis=1))
    assert 40 < visits.whole.sum() < 110
    next_boxes = data.visits(3, np.full(150, np.inf, dtype=np.float32)).inputs["box"]
    assert (next_boxes.any(axis=1) != boxes.any(axis=1)).any()
    np.testing.assert_array_equal(visits.targets[visits.whole], own[visits.whole])
    kept = kept_shares(boxes)[:, None]
    expected = kept * own + (1 - kept) * own[partners(150, batch_size=32)]
    np.testing.assert_allclose(visits.targets, expected, rtol=1e-6)
    np.testing.assert_array_equal(visits.inputs["image"], part.images[visits.indices])

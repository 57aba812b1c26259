"""What training sees of the data: its own part, and nothing that decides or judges."""

import numpy as np
import pytest

from trainer.artifacts.provenance import Code
from trainer.contract import Examples
from trainer.data import sketches
from trainer.data.idx import Dataset
from trainer.data.sources import Source
from trainer.job import Job, split_dataset
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
    seen, own = ({image.tobytes() for image in images} for images in (data.calibration, part.images))
    assert seen == own


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

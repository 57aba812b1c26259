"""What training sees of the data: its own part, and nothing that decides or judges."""

import numpy as np
import pytest

from trainer.artifacts.provenance import Code
from trainer.data import sketches
from trainer.data.idx import Dataset
from trainer.data.sources import Source
from trainer.job import Job, split_dataset
from trainer.settings import Settings
from trainer.training_run import training_data, visits


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_an_epoch_visits_images_of_the_training_part_only(share: float) -> None:
    settings = Settings(visit_fraction=share, hard_fraction=share / 2 if share < 1 else 0, val_fraction=0.25)
    dataset = Dataset(sketches.draw(200, stream=1), sketches.draw(20, stream=2))
    split = split_dataset(dataset, settings)
    job = Job(settings, "seen", Source("synthetic", "drawn", {}, {}), dataset, split, {}, Code(None, ""))
    data = training_data(job)
    part = dataset.train.take(split.train)
    assert data.images == len(part) == 150
    inputs, labels, visited = data.epoch_inputs(2, np.random.default_rng(0).random(150).astype(np.float32))
    assert len(set(visited)) == len(visited) == visits(150, settings) == data.images_per_epoch
    np.testing.assert_array_equal(inputs["image"], part.images[visited])
    np.testing.assert_array_equal(labels, part.labels[visited])
    seen, own = ({image.tobytes() for image in images} for images in (data.calibration, part.images))
    assert seen == own

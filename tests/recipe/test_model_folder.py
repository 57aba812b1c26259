"""What a model folder says of the run that made it."""

import pytest

from tests.support.datasets import random_dataset
from trainer.artifacts.provenance import Code
from trainer.data.sources import Source
from trainer.job import Job, split_dataset
from trainer.model_folder import command_of
from trainer.settings import Settings


@pytest.mark.parametrize("found", ["fashion-mnist", "synthetic"])
def test_the_command_names_the_data_that_were_found(found: str) -> None:
    settings, dataset = Settings(data="auto", epochs=3), random_dataset(train=60, test=40)
    source, split = Source(found, "somewhere", {}, {}), split_dataset(dataset, settings)
    job = Job(settings, "run", source, dataset, split, {}, Code(None, ""))
    assert command_of(job) == f"python -m trainer.task --data {found} --epochs 3"

"""What the steps of the recipe hand to each other."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trainer.cloud.environment import Cluster
from trainer.settings import Settings

if TYPE_CHECKING:
    import keras

    from trainer.artifacts.provenance import Code
    from trainer.contract import Examples
    from trainer.data.idx import Dataset
    from trainer.data.sources import Source
    from trainer.data.split import Split
    from trainer.training.checkpoint import TrainingState


@dataclass(frozen=True)
class Job:
    """What is known before training begins."""

    settings: Settings
    run_id: str
    source: "Source"
    dataset: "Dataset"
    split: "Split"
    data_report: dict[str, Any]
    code: "Code"
    cluster: Cluster = field(default_factory=Cluster)

    @property
    def validation(self) -> "Examples":
        return self.dataset.train.take(self.split.validation)

    @property
    def test(self) -> "Examples":
        return self.dataset.test.take(self.split.test)


@dataclass(frozen=True)
class Trained:
    """The chosen network, computing in float32 as it will when it is served, and how it came about."""

    network: "keras.Model"
    state: "TrainingState"
    precision: str


def split_dataset(dataset: "Dataset", settings: Settings) -> "Split":
    """The parts of ``dataset`` that the settings ask for. Raises DataError when they can't be had."""
    from trainer.data.split import stratified_split

    return stratified_split(
        dataset.train.labels,
        dataset.test.labels,
        val_fraction=settings.val_fraction,
        seed=settings.seed,
        limit_train=settings.limit_train,
        limit_test=settings.limit_test,
    )

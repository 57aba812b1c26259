"""All of the preset ``best`` at once, and CutMix, as the job trains it: killed after an epoch, as if never stopped."""

import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import keras
import pytest

from tests.support.training_states import bytes_of
from trainer.artifacts.provenance import Code
from trainer.data import sketches
from trainer.data.idx import Dataset
from trainer.data.sources import Source
from trainer.job import Job, split_dataset
from trainer.presets import PRESETS
from trainer.settings import Settings
from trainer.storage import open_folder
from trainer.training.checkpoint import Checkpoints, TrainingState
from trainer.training_run import network_builder, train, train_network, training_model

EPOCHS = 3
SETTINGS = Settings(
    **{
        **PRESETS["best"],
        **{"filters": (8, 8), "stem_filters": 4, "stage_depth": 1, "ensemble_size": 2},
        **{
            "cut_mix_probability": 0.3,
            "epochs": EPOCHS,
            "batch_size": 32,
            "learning_rate": 0.02,
            "val_fraction": 0.2,
            "precision": "float32",
        },
    }
)


@pytest.fixture(scope="module")
def job() -> Job:
    dataset = Dataset(sketches.draw(1200, stream=1), sketches.draw(20, stream=2))
    source, split = Source("synthetic", "drawn", {}, {}), split_dataset(dataset, SETTINGS)
    return Job(SETTINGS, "resumed", source, dataset, split, {}, Code(None, ""))


@pytest.fixture(scope="module")
def states(job: Job, tmp_path_factory: pytest.TempPathFactory) -> list[TrainingState]:
    """Of a training that nothing stopped: after its last epoch but one, as it was written, and after its last."""
    folder = open_folder(tmp_path_factory.mktemp("checkpoints"))
    last = train_network(job, "float32", Checkpoints(folder, {}), None)
    folder.delete(f"epoch-{EPOCHS:05d}.npz")
    before = Checkpoints(folder, {}).latest()
    assert before is not None
    return [before, last]


def without_time(state: TrainingState) -> list[dict[str, float]]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in state.history]


def test_the_recipe_has_all_of_it() -> None:
    assert (SETTINGS.ensemble_size, SETTINGS.optimizer) == (2, "muon")
    assert min(SETTINGS.erase_probability, SETTINGS.label_smoothing, SETTINGS.hard_fraction) > 0
    assert SETTINGS.cut_mix_probability > 0


def test_going_on_equals_never_having_stopped(job: Job, states: list[TrainingState], tmp_path: Path) -> None:
    before, last = states
    assert before.epoch == EPOCHS - 1
    resumed = train_network(job, "float32", Checkpoints(open_folder(tmp_path), {}), before)
    assert bytes_of(resumed) == bytes_of(last)
    assert without_time(resumed) == without_time(last)
    assert resumed.early_stop == last.early_stop


def test_it_goes_on_in_the_precision_that_it_began_in(
    job: Job,
    states: list[TrainingState],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """On a machine that would have chosen another: a model is not part this and part that."""
    before, last = states
    monkeypatch.setattr("trainer.training_run.resolve_precision", lambda _wanted: "bfloat16")
    trained = train(job, Checkpoints(open_folder(tmp_path), {}), before)
    assert trained is not None
    assert trained.precision == trained.state.precision == "float32"
    assert bytes_of(trained.state) == bytes_of(last)
    assert "going on in float32, in which training began" in caplog.text


def test_what_trained_is_let_go_before_the_served_network_is_built(
    job: Job, states: list[TrainingState], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds itself in circles, and would add its memory to that of the evaluation."""
    trained, alive = [], []

    def built_for_training(network: keras.Model, settings: Settings) -> keras.Model:
        model = training_model(network, settings)
        trained.append(weakref.ref(model))
        return model

    def builder(settings: Settings) -> Callable[..., keras.Model]:
        alive.append([reference() is not None for reference in trained])
        return network_builder(settings)

    monkeypatch.setattr("trainer.training_run.training_model", built_for_training)
    monkeypatch.setattr("trainer.training_run.network_builder", builder)
    train(job, Checkpoints(open_folder(tmp_path), {}), states[0])
    assert alive == [[], [False]]


@pytest.mark.parametrize("has_it", [True, False])
def test_bfloat16_where_it_is_imitated_is_told_of(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, has_it: bool
) -> None:
    monkeypatch.setattr("trainer.training_run.computes_in_bfloat16", lambda: has_it)
    once = replace(job, settings=SETTINGS.model_copy(update={"precision": "bfloat16", "epochs": 1}))
    trained = train(once, Checkpoints(open_folder(tmp_path), {}), None)
    assert trained is not None
    assert trained.precision == "bfloat16"
    assert ("this machine imitates bfloat16" in caplog.text) is not has_it


@pytest.mark.parametrize(("smoothing", "cut_mix"), [(0.1, 0.0), (0.0, 0.5), (0.0, 0.0)])
def test_who_was_taught_to_be_unsure_is_cooled(
    job: Job, tmp_path: Path, caplog: pytest.LogCaptureFixture, smoothing: float, cut_mix: float
) -> None:
    caplog.set_level("INFO")
    taught = {"label_smoothing": smoothing, "cut_mix_probability": cut_mix, "epochs": 1}
    once = replace(job, settings=SETTINGS.model_copy(update=taught))
    assert train(once, Checkpoints(open_folder(tmp_path), {}), None)
    assert ("logits divided by a temperature" in caplog.text) is (smoothing + cut_mix > 0)


def test_the_random_stream_of_erasing_matters_for_that(job: Job, states: list[TrainingState], tmp_path: Path) -> None:
    """The test above would notice a restart that draws the first epoch's patches again."""
    before, last = states
    model = training_model(network_builder(SETTINGS)(dtype="float32"), SETTINGS)
    fresh = model.get_layer("erase").generator.state
    (place,) = (number for number, variable in enumerate(model.variables) if variable is fresh)
    forgetful = list(before.model)
    forgetful[place] = fresh.numpy()
    assert forgetful[place].tolist() != before.model[place].tolist()
    resumed = train_network(job, "float32", Checkpoints(open_folder(tmp_path), {}), replace(before, model=forgetful))
    assert bytes_of(resumed) != bytes_of(last)

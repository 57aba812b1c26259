"""The loop on a network small enough to train in a second, and on images whose class can be read off one pixel."""

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.training_states import bytes_of
from trainer.contract import Examples
from trainer.data.batches import visited
from trainer.errors import TrainingError
from trainer.model.cnn import build_cnn
from trainer.model.training_model import with_augmentation
from trainer.training.checkpoint import TrainingState
from trainer.training.fit import Networks, TrainingData, Visits, fit, predict
from trainer.training.recipe import Recipe
from trainer.training.targets import targets_of

RECIPE = Recipe(
    epochs=4,
    batch_size=32,
    schedule="plateau",
    optimizer="adam",
    learning_rate=0.02,
    kernel_learning_rate=0.08,
    warmup_fraction=0.2,
    min_learning_rate=1e-6,
    lr_factor=0.2,
    lr_patience=1,
    early_stop_patience=10,
    clip_norm=1.0,
    weight_decay=1e-5,
)
IDENTITY = np.array([1, 0, 0, 0, 1, 0, 0, 0], dtype=np.float32)


def easy_examples(count: int, *, seed: int) -> Examples:
    """Grey noise with one bright row whose position is the class."""
    random = np.random.default_rng(seed)
    labels = (np.arange(count) % 10).astype(np.int32)
    images = random.integers(0, 100, size=(count, 28, 28, 1), dtype=np.uint8)
    images[np.arange(count), 2 * labels + 3] = 250
    return Examples(images, labels)


TRAIN, VALIDATION = easy_examples(320, seed=1), easy_examples(100, seed=2)


def small_networks(*, dropout: bool = True) -> Networks:
    rates = {"conv_dropout": 0.25, "dense_dropout": 0.5} if dropout else {"conv_dropout": 0.0, "dense_dropout": 0.0}
    network = build_cnn(filters=(4, 4), dense_units=16, seed=7, **rates)
    return Networks(with_augmentation(network), network, network)


class Recorder:
    def __init__(self, states: list[TrainingState]) -> None:
        self.callback = keras.callbacks.Callback()
        self.commit = states.append


def all_images(epoch: int, losses: NDArray[np.float32]) -> Visits:
    return visits_of(np.random.default_rng(epoch).permutation(len(losses)))


def visits_of(order: NDArray[np.int64], *, smoothing: float = 0) -> Visits:
    chosen = TRAIN.take(order)
    inputs = {"image": chosen.images, "transform": np.tile(IDENTITY, (len(order), 1))}
    return Visits(inputs, targets_of(chosen.labels, smoothing=smoothing), order, np.ones(len(order), dtype=np.bool_))


def hardest_half(epoch: int, losses: NDArray[np.float32]) -> Visits:
    order = np.random.default_rng(epoch).permutation(len(losses))
    return visits_of(visited(order, losses, visits=len(order) // 2, hardest=len(order) // 4))


def train(
    recipe: Recipe = RECIPE, *, start: TrainingState | None = None, visits: Any = all_images, share: float = 1
) -> tuple[list[TrainingState], Networks]:
    networks, states = small_networks(), []
    fit(
        networks,
        TrainingData(len(TRAIN), int(share * len(TRAIN)), visits, TRAIN.images, VALIDATION),
        recipe=recipe,
        start=start or recipe.initial_state(),
        observer=Recorder(states),
    )
    return states, networks


@pytest.fixture(scope="module")
def uninterrupted() -> tuple[list[TrainingState], Networks]:
    return train()


def without_time(state: TrainingState) -> list[dict[str, float]]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in state.history]


def test_learns(uninterrupted: tuple[list[TrainingState], Networks]) -> None:
    states, _ = uninterrupted
    assert [state.epoch for state in states] == [1, 2, 3, 4]
    assert max(row["val_accuracy"] for row in states[-1].history) > 0.5


@pytest.mark.parametrize("epochs_done", [1, 2, 3])
def test_going_on_equals_never_having_stopped(
    uninterrupted: tuple[list[TrainingState], Networks], epochs_done: int
) -> None:
    states, _ = uninterrupted
    resumed, _ = train(start=states[epochs_done - 1])
    assert bytes_of(resumed[-1]) == bytes_of(states[-1])
    assert without_time(resumed[-1]) == without_time(states[-1])
    assert (resumed[-1].plateau, resumed[-1].early_stop) == (states[-1].plateau, states[-1].early_stop)


@pytest.mark.parametrize("group", ["model", "optimizer"])
def test_every_group_of_variables_matters_for_that(
    uninterrupted: tuple[list[TrainingState], Networks], group: str
) -> None:
    """The test above would notice a state that forgets something."""
    states, _ = uninterrupted
    forgetful = replace(states[1], **{group: getattr(states[0], group)})
    resumed, _ = train(start=forgetful)
    assert bytes_of(resumed[-1]) != bytes_of(states[-1])


def test_random_state_of_dropout_is_part_of_the_state(
    uninterrupted: tuple[list[TrainingState], Networks],
) -> None:
    states, networks = uninterrupted
    seeds = [i for i, v in enumerate(networks.training.variables) if "seed_generator" in v.path]
    assert len(seeds) == 3
    forgetful = list(states[1].model)
    for i in seeds:
        forgetful[i] = states[0].model[i]
    resumed, _ = train(start=replace(states[1], model=forgetful))
    assert bytes_of(resumed[-1]) != bytes_of(states[-1])


def test_ends_with_the_weights_of_the_lowest_validation_loss(
    uninterrupted: tuple[list[TrainingState], Networks],
) -> None:
    states, networks = uninterrupted
    losses = [row["val_loss"] for row in states[-1].history]
    assert states[-1].early_stop.best_epoch == int(np.argmin(losses)) + 1
    probabilities = predict(networks.network, VALIDATION.images)
    loss = -np.log(probabilities[np.arange(len(VALIDATION)), VALIDATION.labels]).mean()
    assert loss == pytest.approx(min(losses), abs=1e-5)


def test_stops_when_patience_runs_out() -> None:
    recipe = replace(RECIPE, epochs=30, learning_rate=1e-9, early_stop_patience=2)
    with pytest.raises(TrainingError, match=r"nothing was learned in .* epochs .* above 0\.\d+, which chance explains"):
        train(replace(recipe, epochs=2))
    first, _ = train(replace(RECIPE, epochs=1))
    better_than_can_be = replace(first[0].early_stop, patience=2, best=0.0)
    states, _ = train(replace(RECIPE, epochs=30), start=replace(first[0], early_stop=better_than_can_be))
    assert states[-1].early_stop.stopped
    assert (states[-1].epoch, states[-1].early_stop.best_epoch) == (3, 1)


def test_a_triangular_rate_comes_down_before_training_ends() -> None:
    recipe = replace(RECIPE, epochs=4, schedule="triangular", early_stop_patience=1)
    assert recipe.initial_state().early_stop.patience == 4
    states, _ = train(recipe)
    assert len(states) == 4


def test_a_lower_rate_is_used_in_the_next_epoch() -> None:
    first, _ = train(replace(RECIPE, epochs=1))
    better_than_can_be = replace(first[0].plateau, patience=1, best=0.0)
    states, networks = train(replace(RECIPE, epochs=3), start=replace(first[0], plateau=better_than_can_be))
    rates = [row["learning_rate"] for row in states[-1].history]
    assert rates == pytest.approx([0.02, 0.02, 0.004])
    assert float(networks.training.optimizer.learning_rate) == pytest.approx(0.0008)


@pytest.mark.parametrize(
    "changes",
    [{"optimizer": "muon", "kernel_learning_rate": 0.05}, {"clip_norm": 0.1}],
    ids=lambda changes: next(iter(changes)),
)
def test_other_recipes_learn_and_go_on_as_if_never_stopped(changes: dict[str, Any]) -> None:
    recipe = replace(RECIPE, **changes)
    states, _ = train(recipe)
    assert max(row["val_accuracy"] for row in states[-1].history) > 0.5
    resumed, _ = train(recipe, start=states[1])
    assert bytes_of(resumed[-1]) == bytes_of(states[-1])
    plain, _ = train(replace(RECIPE, epochs=1))
    assert bytes_of(plain[0]) != bytes_of(states[0])


def test_epochs_that_choose_by_loss_go_on_as_if_never_stopped() -> None:
    states, _ = train(visits=hardest_half, share=0.5)
    assert max(row["val_accuracy"] for row in states[-1].history) > 0.5
    resumed, _ = train(visits=hardest_half, share=0.5, start=states[1])
    assert bytes_of(resumed[-1]) == bytes_of(states[-1])
    np.testing.assert_array_equal(resumed[-1].losses, states[-1].losses)
    forgetful, _ = train(visits=hardest_half, share=0.5, start=replace(states[1], losses=[]))
    assert bytes_of(forgetful[-1]) != bytes_of(states[-1])


def test_losses_are_those_of_the_images_visited_whole_and_of_no_others() -> None:
    """One step: every loss is one of the first weights, and of the label alone, though the target is smoothed."""
    whole = np.arange(len(TRAIN) // 2) % 3 > 0
    seen = []

    def visits(epoch: int, losses: NDArray[np.float32]) -> Visits:
        order = hardest_half(epoch, losses).indices
        seen.append(replace(visits_of(order, smoothing=0.2), whole=whole))
        return seen[-1]

    states: list[TrainingState] = []
    networks = small_networks(dropout=False)
    fit(
        networks,
        TrainingData(len(TRAIN), len(TRAIN) // 2, visits, TRAIN.images, VALIDATION),
        recipe=replace(RECIPE, epochs=1, batch_size=160),
        start=RECIPE.initial_state(),
        observer=Recorder(states),
    )
    (losses,), order = states[-1].losses, seen[-1].indices[whole]
    unseen = np.setdiff1d(np.arange(len(TRAIN)), order)
    assert np.isinf(losses[unseen]).all()
    logits = small_networks(dropout=False).training(seen[-1].inputs, training=True).numpy()[whole]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = -np.log(probabilities[np.arange(len(order)), TRAIN.labels[order]])
    np.testing.assert_allclose(losses[order], expected, rtol=1e-3, atol=1e-3)


TRIANGULAR = replace(RECIPE, schedule="triangular", warmup_fraction=0.25)


def test_a_triangular_rate_ends_at_nothing_whatever_the_validation_loss_does() -> None:
    states, networks = train(TRIANGULAR)
    assert [row["learning_rate"] for row in states[-1].history] == pytest.approx(
        [0.02, 0.02 * 21 / 30, 0.02 * 11 / 30, 0.02 * 1 / 30]
    )  # Of each epoch's last step.
    assert int(networks.training.optimizer.iterations) == 40


def test_going_on_in_the_middle_of_a_triangular_schedule_equals_never_having_stopped() -> None:
    states, _ = train(TRIANGULAR)
    resumed, _ = train(TRIANGULAR, start=states[1])
    assert bytes_of(resumed[-1]) == bytes_of(states[-1])
    assert without_time(resumed[-1]) == without_time(states[-1])


def test_names_the_step_at_which_the_loss_stops_being_finite() -> None:
    """Weights that turn infinite before the second epoch: its first step is the eleventh."""
    networks = small_networks()

    def visits(epoch: int, losses: NDArray[np.float32]) -> Visits:
        if epoch == 2:
            networks.network.get_layer("logits").bias.assign(np.full(10, np.inf, dtype=np.float32))
        return all_images(epoch, losses)

    with pytest.raises(TrainingError, match=r"not finite at step 11 .*--learning-rate"):
        fit(
            networks,
            TrainingData(len(TRAIN), len(TRAIN), visits, TRAIN.images, VALIDATION),
            recipe=RECIPE,
            start=RECIPE.initial_state(),
            observer=Recorder([]),
        )

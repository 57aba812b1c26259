"""Several networks in one, trained by the loop: as if each were alone, and as if never stopped."""

import keras
import numpy as np
from numpy.typing import NDArray

from tests.support.training_states import bytes_of
from trainer.contract import Examples
from trainer.data.batches import visited
from trainer.model.residual import build_residual
from trainer.model.training_model import with_augmentation
from trainer.settings import Settings
from trainer.training.checkpoint import TrainingState
from trainer.training.fit import Networks, TrainingData, Visits, fit
from trainer.training.targets import targets_of
from trainer.training_run import recipe_of

COUNT = 320
IDENTITY = np.array([1, 0, 0, 0, 1, 0, 0, 0], dtype=np.float32)


def patterned(count: int, *, seed: int) -> Examples:
    """Noise over a pattern for each class, the same everywhere: the residual network does not see where things are."""
    tiles = np.random.default_rng(0).integers(0, 2, size=(10, 4, 4, 1), dtype=np.uint8)
    labels = (np.arange(count) % 10).astype(np.int32)
    noise = np.random.default_rng(seed).integers(0, 100, size=(count, 28, 28, 1), dtype=np.uint8)
    return Examples(noise + 150 * np.tile(tiles[labels], (1, 7, 7, 1)), labels)


TRAIN, VALIDATION = patterned(COUNT, seed=1), patterned(100, seed=2)


def pair(*, second: int = 7) -> Networks:
    """Two members, of which the second has the first weights that the seed ``second`` gives it."""
    network, other = (
        build_residual(filters=(8, 8), stem_filters=0, stage_depth=1, ensemble_size=2, seed=seed)
        for seed in (7, second)
    )
    for layer in other.layers:
        if layer.name.startswith("member_2"):
            network.get_layer(layer.name).set_weights(layer.get_weights())
    return Networks(with_augmentation(network), network, network)


class Recorder:
    def __init__(self, states: list[TrainingState]) -> None:
        self.callback = keras.callbacks.Callback()
        self.commit = states.append


def train(networks: Networks, *, epochs: int, visits: int, start: TrainingState | None = None) -> list[TrainingState]:
    """The state after each epoch of ``visits`` images; where these are not all, half of them come for their loss."""
    states: list[TrainingState] = []
    recipe = recipe_of(Settings(epochs=epochs, learning_rate=0.02, optimizer="muon"))

    def visits_of(epoch: int, losses: NDArray[np.float32]) -> Visits:
        order = np.random.default_rng(epoch).permutation(COUNT)
        if visits < COUNT:
            order = visited(order, losses, visits=visits, hardest=visits // 2)
        chosen = TRAIN.take(order)
        inputs = {"image": chosen.images, "transform": np.tile(IDENTITY, (visits, 1))}
        return Visits(inputs, targets_of(chosen.labels, smoothing=0), order, np.ones(visits, dtype=np.bool_))

    fit(
        networks,
        TrainingData(COUNT, visits, visits_of, TRAIN.images, VALIDATION),
        recipe=recipe,
        start=start or recipe.initial_state(),
        observer=Recorder(states),
    )
    return states


def weights_of(networks: Networks, member: str) -> list[bytes]:
    layers = [layer for layer in networks.network.layers if layer.name.startswith(member)]
    return [weights.tobytes() for layer in layers for weights in layer.get_weights()]


def test_it_learns_and_goes_on_as_if_never_stopped_where_epochs_choose_by_loss() -> None:
    states = train(pair(), epochs=4, visits=COUNT // 2)
    assert max(row["val_accuracy"] for row in states[-1].history) > 0.5
    resumed = train(pair(), epochs=4, visits=COUNT // 2, start=states[1])
    assert bytes_of(resumed[-1]) == bytes_of(states[-1])


def test_no_member_learns_by_what_another_says() -> None:
    one, other, fresh = pair(), pair(second=8), pair()
    for networks in (one, other):  # Which then hold the weights of their best epoch.
        assert train(networks, epochs=2, visits=COUNT)[-1].early_stop.best_epoch == 2
    assert weights_of(one, "member_1") == weights_of(other, "member_1")
    assert weights_of(one, "member_1") != weights_of(fresh, "member_1")
    assert weights_of(one, "member_2") != weights_of(other, "member_2")

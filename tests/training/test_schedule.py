"""Held against the Keras callbacks they stand for, over random courses of the validation loss."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

from trainer.training.schedule import EarlyStop, Plateau

EPOCHS = 60


def random_losses(seed: int) -> list[float]:
    """A falling, noisy course with plateaus, and with steps smaller than Plateau's least progress."""
    random = np.random.default_rng(seed)
    falls = random.choice([0.0, 5e-5, 2e-4, 0.05], size=EPOCHS, p=[0.4, 0.2, 0.2, 0.2])
    noise = random.choice([0.0, 0.02], size=EPOCHS) * random.random(EPOCHS)
    return list(2.0 - np.cumsum(falls) + noise)


def keras_learning_rates(losses: list[float], patience: int) -> list[float]:
    optimizer = keras.optimizers.SGD(learning_rate=1e-3)
    callback = keras.callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.2, patience=patience, min_lr=1e-6)
    callback.set_model(SimpleNamespace(optimizer=optimizer))
    callback.on_train_begin()
    rates = []
    for epoch, loss in enumerate(losses):
        callback.on_epoch_end(epoch, {"val_loss": loss})
        rates.append(float(keras.ops.convert_to_numpy(optimizer.learning_rate)))
    return rates


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("patience", [1, 3])
def test_plateau_lowers_the_rate_when_keras_does(seed: int, patience: int) -> None:
    losses = random_losses(seed)
    plateau, rate, rates = Plateau(factor=0.2, patience=patience, min_learning_rate=1e-6), 1e-3, []
    for loss in losses:
        plateau, rate = plateau.observe(loss, rate)
        rates.append(rate)
    assert min(rates) < 1e-3, "this course tests nothing"
    np.testing.assert_allclose(rates, keras_learning_rates(losses, patience), rtol=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_early_stop_ends_when_keras_does_with_its_best_epoch(seed: int) -> None:
    losses = random_losses(seed)
    weights = iter(range(EPOCHS))
    model = SimpleNamespace(stop_training=False, get_weights=lambda: [next(weights)], set_weights=lambda _: None)
    callback = keras.callbacks.EarlyStopping(monitor="val_loss", patience=4, restore_best_weights=True)
    callback.set_model(model)
    callback.on_train_begin()
    stop = EarlyStop(patience=4)
    for epoch, loss in enumerate(losses):
        callback.on_epoch_end(epoch, {"val_loss": loss})
        stop = stop.observe(loss, epoch + 1)
        assert stop.stopped == model.stop_training
        assert stop.best_epoch == callback.best_epoch + 1
        if stop.stopped:
            break


def test_states_are_values_so_that_an_old_one_is_never_changed() -> None:
    first = Plateau(factor=0.2, patience=1, min_learning_rate=0.0)
    second, _ = first.observe(1.0, 0.1)
    assert first.best > second.best == 1.0

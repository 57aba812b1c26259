"""The training loop: one epoch is one call of Keras's ``fit``, then the decisions, then the checkpoint.

The state between two epochs is explicit (``TrainingState``), and everything random inside an epoch comes from the
seed, the epoch's number and the dropout layers' own variables. So an epoch that starts from a checkpoint is, bit for
bit, the epoch that an uninterrupted run would have trained.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import keras
import numpy as np
from numpy.typing import NDArray

from trainer.contract import Examples
from trainer.errors import TrainingError
from trainer.training.averaging import WeightAverage
from trainer.training.checkpoint import Arrays, TrainingState
from trainer.training.feeding import fed
from trainer.training.non_finite import StopOnNonFinite
from trainer.training.recipe import Recipe, compile_for_training
from trainer.training.statistics import StatisticsMeter
from trainer.training.targets import Targets
from trainer.training.triangular import Triangular

PREDICTION_BATCH = 250

Losses = NDArray[np.float32]
EpochRow = dict[str, float]


@dataclass(frozen=True)
class Visits:
    """The N images that an epoch visits, in its order.

    Attributes:
        inputs: of ``Networks.training``, each (N, …).
        targets: float32 (N, 10), rows sum to 1.
        indices: which of the training images these are, int64 (N,).
        whole: bool (N,), false where an image is mixed with another: its loss tells of both.
    """

    inputs: Mapping[str, NDArray[Any]]
    targets: Targets
    indices: NDArray[np.int64]
    whole: NDArray[np.bool_]


@dataclass(frozen=True)
class Networks:
    """Three views of the same weights.

    Attributes:
        training: the inputs of an epoch's visits → logits (B, 10), of an ensemble (B, K, 10), augmentation in front.
        network: images uint8 (B, 28, 28, 1) → probabilities float32 (B, 10), layer by layer.
        inference: the same as it is validated: ``network`` itself, or computed by several devices together.
    """

    training: keras.Model
    network: keras.Model
    inference: keras.Model


@dataclass(frozen=True)
class TrainingData:
    """What training sees.

    Attributes:
        images: how many there are.
        images_per_epoch: how many of them an epoch visits.
        visits: those of an epoch, by its number (from 1) and the latest known loss of every image, float32 (images,),
            infinite where none is known.
        calibration: clean training images uint8 (M, 28, 28, 1) in random order, for batch normalisation's statistics.
        validation: decides on the learning rate, on the end, and on which epoch's weights are the best.
    """

    images: int
    images_per_epoch: int
    visits: Callable[[int, Losses], Visits]
    calibration: NDArray[np.uint8]
    validation: Examples


class Observer(Protocol):
    """Who is told of the course of training."""

    @property
    def callback(self) -> keras.callbacks.Callback:
        """Sees every execution of the compiled loop."""

    def commit(self, state: TrainingState) -> None:
        """Make ``state``, that after one more epoch, survive the end of this process."""


def fit(
    networks: Networks, data: TrainingData, *, recipe: Recipe, start: TrainingState, observer: Observer
) -> TrainingState:
    """Train from ``start`` until the epochs or the patience run out.

    Args:
        start: ``recipe.initial_state()``, or what an earlier run committed.
        observer: stores the state after each epoch, and tells how far training is.

    Returns:
        The last state. ``networks`` then hold its best weights.

    Raises:
        TrainingError: the loss is not finite, or nothing was learned.
    """
    tracker = compile_for_training(
        networks.training, recipe, images=data.images, images_per_epoch=data.images_per_epoch
    )
    meter = StatisticsMeter(networks.network, data.calibration)
    state = start
    if state.epoch:
        _restore(networks.training, state)
    while state.epoch < recipe.epochs and not state.early_stop.stopped:
        started = time.perf_counter()
        epoch = state.epoch + 1
        losses = state.losses[0] if state.losses else np.full(data.images, np.inf, dtype=np.float32)
        visits = data.visits(epoch, losses)
        row, average = train_epoch(networks.training, visits, epoch, recipe, observer.callback)
        with _weights(networks.training, average):
            meter.measure()
            row["val_loss"], row["val_accuracy"] = _validate(networks.inference, data.validation)
            validated_weights = networks.network.get_weights()
        row["seconds"] = time.perf_counter() - started
        state = _decide(networks.training, state, row, validated_weights)
        if tracker:
            state = replace(state, losses=[_updated(losses, visits, tracker.values())])
        observer.commit(state)
    _refuse_unlearned(state, data.validation)
    networks.network.set_weights(state.best)
    return state


def train_epoch(
    model: keras.Model, visits: Visits, epoch: int, recipe: Recipe, progress: keras.callbacks.Callback
) -> tuple[EpochRow, Arrays]:
    """Train one epoch; return its number, loss and accuracy in training and last rate, and its average weights."""
    steps = math.ceil(len(visits.indices) / recipe.batch_size)
    average = WeightAverage(steps)
    logs = model.fit(
        **fed(visits.inputs, visits.targets, recipe.batch_size),
        initial_epoch=epoch - 1,
        epochs=epoch,
        shuffle=False,  # The order is that of the visits: Keras's own shuffle can't be resumed.
        verbose=0,
        callbacks=[StopOnNonFinite(steps_before=(epoch - 1) * steps), average, progress],
    ).history
    row = {
        "epoch": epoch,
        "loss": logs["loss"][0],
        "accuracy": logs["accuracy"][0],
        "learning_rate": _last_rate(model.optimizer, recipe, epoch=epoch, steps=steps),
    }
    return row, average.mean()


def _last_rate(optimizer: keras.optimizers.Optimizer, recipe: Recipe, *, epoch: int, steps: int) -> float:
    """That of the last step of ``epoch``: a schedule is at the next step by then."""
    rate = recipe.rate(steps)
    last = rate(epoch * steps - 1) if isinstance(rate, Triangular) else optimizer.learning_rate
    return float(keras.ops.convert_to_numpy(last))


def _updated(losses: Losses, visits: Visits, latest: Losses) -> Losses:
    """``losses`` with those of the images visited whole replaced by the ``latest``, (N,)."""
    updated = losses.copy()
    updated[visits.indices[visits.whole]] = latest[visits.whole]
    return updated


@contextmanager
def _weights(model: keras.Model, weights: Arrays) -> Iterator[None]:
    """Within the context ``model`` has ``weights``; after it, those with which training goes on."""
    last = _values(model.trainable_variables)
    _assign(model.trainable_variables, weights)
    try:
        yield
    finally:
        _assign(model.trainable_variables, last)


def _decide(model: keras.Model, state: TrainingState, row: EpochRow, validated_weights: Arrays) -> TrainingState:
    """The state after the epoch that ``row`` describes, with the next epoch's learning rate already set."""
    epoch, val_loss, plateau = int(row["epoch"]), row["val_loss"], state.plateau
    early_stop = state.early_stop.observe(val_loss, epoch)
    if plateau:
        plateau, model.optimizer.learning_rate = plateau.observe(val_loss, row["learning_rate"])
    return replace(
        state,
        plateau=plateau,
        early_stop=early_stop,
        epoch=epoch,
        model=_values(model.variables),
        optimizer=_values(model.optimizer.variables),
        best=validated_weights if early_stop.best_epoch == epoch else state.best,
        history=(*state.history, row),
        seconds=state.seconds + row["seconds"],
    )


def _restore(model: keras.Model, state: TrainingState) -> None:
    _assign(model.variables, state.model)
    _assign(model.optimizer.variables, state.optimizer)


def _values(variables: list[keras.Variable]) -> Arrays:
    return [np.asarray(keras.ops.convert_to_numpy(variable)) for variable in variables]


def _assign(variables: list[keras.Variable], values: Arrays) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def predict(network: keras.Model, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Probabilities float32 (N, 10) of ``images`` uint8 (N, 28, 28, 1), every image once and in order."""
    probabilities = network.predict(**fed(images, None, PREDICTION_BATCH), verbose=0)
    return np.asarray(probabilities, dtype=np.float32)


def _validate(network: keras.Model, validation: Examples) -> tuple[float, float]:
    """Mean cross-entropy in nats, and accuracy in [0, 1]."""
    probabilities = predict(network, validation.images).astype(np.float64)
    of_truth = probabilities[np.arange(len(validation)), validation.labels]
    loss = float(-np.log(np.clip(of_truth, keras.backend.epsilon(), 1.0)).mean())
    if not math.isfinite(loss):
        raise TrainingError(
            "the validation loss is not finite",
            expected="a finite loss",
            received=str(loss),
            do="lower --learning-rate, or choose --precision float32",
        )
    return loss, float((probabilities.argmax(axis=1) == validation.labels).mean())


def _refuse_unlearned(state: TrainingState, validation: Examples) -> None:
    """Raise TrainingError unless the best epoch beats always naming the commonest class."""
    accuracy = state.history[state.early_stop.best_epoch - 1]["val_accuracy"]
    count = len(validation)
    majority = float(np.bincount(validation.labels).max() / count)
    by_chance = majority + 3 * math.sqrt(majority * (1 - majority) / count)
    if accuracy <= by_chance:
        raise TrainingError(
            f"nothing was learned in {state.epoch} epoch{'s' if state.epoch > 1 else ''}",
            expected=f"a validation accuracy above {by_chance:.3f}, which chance explains on {count} images",
            received=f"{accuracy:.3f}",
            do="train longer, on more images, in larger batches, or with another --learning-rate",
        )

"""The middle of the recipe: from checked data to a trained network."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trainer.artifacts.provenance import code_fingerprint
from trainer.contract import Examples
from trainer.data.batches import epoch_order
from trainer.job import Job, Trained
from trainer.model.augment import AugmentLimits, draw_transforms
from trainer.model.cnn import build_cnn
from trainer.model.flip_averaging import with_flip_averaging
from trainer.model.precision import accelerators, dtype_policy, resolve_precision
from trainer.model.residual import build_residual
from trainer.model.spread import spread
from trainer.model.training_model import with_augmentation
from trainer.settings import Settings
from trainer.storage import open_folder
from trainer.training import replicas
from trainer.training.checkpoint import Checkpoints, TrainingState
from trainer.training.fit import Networks, Observer, Recipe, TrainingData, fit
from trainer.training.progress import EpochReporter, Follower

if TYPE_CHECKING:
    import keras  # At run time trainer.model starts it, before anything else imports it.

#: For the statistics of batch normalisation: more don't change them by anything that matters.
CALIBRATION_IMAGES = 5000

log = logging.getLogger(__name__)


def train(job: Job, checkpoints: Checkpoints | None, start: TrainingState | None) -> Trained:
    """Train the network, or go on from ``start``, and choose its weights by the validation part.

    Together with the job's other replicas, of which the primary has ``checkpoints`` and may have a ``start``.
    """
    settings, cluster = job.settings, job.cluster
    with replicas.lost_replicas_interrupt():
        if cluster.replicas > 1:
            replicas.join(cluster.addresses, cluster.rank)
        precision = resolve_precision(settings.precision)
        if cluster.replicas > 1:
            replicas.agree(f"{job.run_id} {code_fingerprint()} {precision}")
            start = replicas.told_by_primary(start)
        use_devices(settings.backend)
        state = train_network(job, precision, checkpoints, start)
        if settings.backend == "jax":
            replicas.leave()
    served = network_builder(settings)(dtype="float32")
    served.set_weights(state.best)
    return Trained(as_served(served, settings), state, precision)


def use_devices(backend: str) -> None:
    """Train on all accelerators where the backend can, and say which are left idle."""
    if backend == "jax":
        log.info("training on %d devices", replicas.use_all_devices())
    elif len(accelerators()) > 1:
        log.warning("%d GPUs, of which TensorFlow uses one: --backend jax uses all", len(accelerators()))


def train_network(
    job: Job, precision: str, checkpoints: Checkpoints | None, start: TrainingState | None
) -> TrainingState:
    """The last state of training; its best weights are those of the lowest validation loss."""
    settings = job.settings
    network = network_builder(settings)(dtype=dtype_policy(precision))
    inference = as_served(network, settings)
    train_part = job.dataset.train.take(job.split.train)
    log.info(
        "training %d parameters on %d images, validating on %d, in %s",
        network.count_params(), len(train_part), len(job.split.validation), precision,
    )  # fmt: skip
    recipe = recipe_of(settings)
    with observer(settings, checkpoints, steps=ceil(len(train_part) / settings.batch_size)) as watching:
        return fit(
            Networks(with_augmentation(network), network, spread(inference) if replicas.several() else inference),
            training_data(job, train_part),
            recipe=recipe,
            start=start or recipe.initial_state(),
            observer=watching,
        )


@contextmanager
def observer(settings: Settings, checkpoints: Checkpoints | None, *, steps: int) -> Iterator[Observer]:
    """Who commits and tells of each epoch: only the primary has ``checkpoints``."""
    if checkpoints is None:
        yield Follower()
        return
    with EpochReporter(
        checkpoints,
        epochs=settings.epochs,
        steps=steps,
        terminal=settings.log_format == "text" and sys.stderr.isatty(),
        tensorboard=open_folder(settings.tensorboard_dir) if settings.tensorboard_dir else None,
    ) as reporter:
        yield reporter


def network_builder(settings: Settings) -> "Callable[..., keras.Model]":
    """Builds the network that the settings ask for, in the ``dtype`` policy given: the same weights each time."""
    if settings.network == "residual":
        return partial(build_residual, filters=settings.filters, seed=settings.seed)
    return partial(
        build_cnn,
        filters=settings.filters,
        dense_units=settings.dense_units,
        conv_dropout=settings.conv_dropout,
        dense_dropout=settings.dense_dropout,
        seed=settings.seed,
    )


def as_served(network: "keras.Model", settings: Settings) -> "keras.Model":
    """What is validated and exported: ``network`` itself, or the mean of its two looks at an image."""
    return with_flip_averaging(network) if settings.flip_averaging else network


def recipe_of(settings: Settings) -> Recipe:
    """The part of the settings that the training loop needs."""
    return Recipe(**{item.name: getattr(settings, item.name) for item in fields(Recipe)})


def training_data(job: Job, train_part: Examples) -> TrainingData:
    """The inputs of each epoch, drawn when it begins, and the images that are looked at after it."""
    any_order = epoch_order(len(train_part), seed=job.settings.seed, epoch=0)
    return TrainingData(
        images_per_epoch=len(train_part),
        epoch_inputs=partial(epoch_inputs, train_part, job.settings),
        calibration=train_part.images[any_order[:CALIBRATION_IMAGES]],
        validation=job.validation,
    )


def epoch_inputs(
    train_part: Examples, settings: Settings, epoch: int
) -> tuple[dict[str, NDArray[Any]], NDArray[np.int32]]:
    """The images of ``epoch`` in its order, a random warp for each, and their labels."""
    limits = AugmentLimits(
        rotation_degrees=settings.rotation_degrees,
        shift_fraction=settings.shift_fraction,
        shear_fraction=settings.shear_fraction,
        zoom_fraction=settings.zoom_fraction,
        horizontal_flip=settings.horizontal_flip,
        whole_pixels=settings.whole_pixels,
    )
    shuffled = train_part.take(epoch_order(len(train_part), seed=settings.seed, epoch=epoch))
    transforms = draw_transforms(len(train_part), seed=settings.seed, epoch=epoch, limits=limits)
    return {"image": shuffled.images, "transform": transforms}, shuffled.labels

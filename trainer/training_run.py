"""The middle of the recipe: from checked data to a trained network."""

import logging
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import fields
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trainer.cloud.experiments import Destination, ExperimentReport
from trainer.contract import Examples
from trainer.data.batches import epoch_order
from trainer.fields import as_text
from trainer.job import Job, Trained
from trainer.model.augment import AugmentLimits, draw_transforms
from trainer.model.cnn import build_cnn
from trainer.model.flip_averaging import with_flip_averaging
from trainer.model.precision import dtype_policy, resolve_precision
from trainer.model.residual import build_residual
from trainer.model.training_model import with_augmentation
from trainer.settings import Settings
from trainer.storage import open_folder
from trainer.training.checkpoint import Checkpoints, TrainingState
from trainer.training.fit import Networks, Recipe, TrainingData, fit
from trainer.training.hypertune import DEFAULT_FILE, TrialReports
from trainer.training.progress import EpochReporter, Listener
from trainer.training.tensorboard import EpochEvents

if TYPE_CHECKING:
    import keras  # At run time trainer.model starts it, before anything else imports it.

#: For the statistics of batch normalisation: more don't change them by anything that matters.
CALIBRATION_IMAGES = 5000

log = logging.getLogger(__name__)


def train(job: Job, checkpoints: Checkpoints, start: TrainingState | None) -> Trained:
    """Train the network, or go on from ``start``, and choose its weights by the validation part."""
    settings = job.settings
    precision = resolve_precision(settings.precision)
    build = network_builder(settings)
    network = build(dtype=dtype_policy(precision))
    train_part = job.dataset.train.take(job.split.train)
    log.info(
        "training %d parameters on %d images, validating on %d, in %s",
        network.count_params(), len(train_part), len(job.split.validation), precision,
    )  # fmt: skip
    recipe = recipe_of(settings)
    with ExitStack() as resources:
        reporter = EpochReporter(
            checkpoints,
            epochs=settings.epochs,
            steps=ceil(len(train_part) / settings.batch_size),
            terminal=settings.log_format == "text" and sys.stderr.isatty(),
            listeners=listeners(job, start, resources),
        )
        state = fit(
            Networks(with_augmentation(network), network, as_served(network, settings)),
            training_data(job, train_part),
            recipe=recipe,
            start=start or recipe.initial_state(),
            observer=resources.enter_context(reporter),
        )
    served = build(dtype="float32")
    served.set_weights(state.best)
    return Trained(as_served(served, settings), state, precision)


def listeners(job: Job, start: TrainingState | None, resources: ExitStack) -> list[Listener]:
    """Who is told of each epoch, as the settings ask for it; ``resources`` closes what they hold open."""
    settings = job.settings
    found: list[Listener] = []
    if settings.tensorboard_dir:
        found.append(resources.enter_context(EpochEvents(open_folder(settings.tensorboard_dir))))
    if settings.trial or settings.hypertune_file:
        reports = TrialReports(settings.hypertune_file or DEFAULT_FILE, settings.trial or "0")
        if start:
            reports.write(start.history)
        found.append(reports)
    if settings.experiment:
        found.append(resources.enter_context(experiment_report(job)))
    return found


def experiment_report(job: Job) -> ExperimentReport:
    settings = job.settings
    destination = Destination(
        project=str(settings.vertex_project),
        region=str(settings.vertex_region),
        experiment=str(settings.experiment),
        tensorboard=settings.experiment_tensorboard,
        endpoint=settings.vertex_endpoint,
    )
    shaping = {name: getattr(settings, name) for name in settings.shaping()}
    numbers = {name: value for name, value in shaping.items() if type(value) in (int, float)}
    texts = {name: as_text(value) for name, value in shaping.items()}
    facts = {"data": settings.data, "data_fingerprint": job.data_report["fingerprint"]}
    return ExperimentReport(destination, job.run_id, {**texts, **numbers, **facts})


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

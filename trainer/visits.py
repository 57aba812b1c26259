"""The images that an epoch visits, as the settings ask for them, and what is done to each: drawn when it begins."""

from dataclasses import replace
from math import ceil

import numpy as np
from numpy.typing import NDArray

from trainer.contract import INPUT_NAME, Examples
from trainer.data.batches import epoch_order, visited
from trainer.model.augment import AugmentLimits, draw_transforms
from trainer.model.cut_mix import draw_boxes, kept_shares, partners
from trainer.model.training_model import BOX_NAME, TRANSFORM_NAME
from trainer.settings import Settings
from trainer.training.fit import Visits
from trainer.training.targets import mixed, targets_of


def images_per_epoch(images: int, settings: Settings) -> int:
    """How many of ``images`` an epoch visits."""
    return max(1, round(settings.visit_fraction * images))


def steps_per_epoch(images: int, settings: Settings) -> int:
    """How many batches these visits are, of which the last may be smaller."""
    return ceil(images_per_epoch(images, settings) / settings.batch_size)


def epoch_visits(
    examples: Examples, part: NDArray[np.int64], settings: Settings, epoch: int, losses: NDArray[np.float32]
) -> Visits:
    """The images that ``epoch`` visits, in its order, a random warp for each, and for some a rectangle of another one.

    They are drawn from the ``examples`` at the indices ``part`` (N,), and numbered within it. Which they are depends on
    the latest loss of each, float32 (N,), where an epoch leaves images out.
    """
    limits = AugmentLimits(
        rotation_degrees=settings.rotation_degrees,
        shift_fraction=settings.shift_fraction,
        shear_fraction=settings.shear_fraction,
        zoom_fraction=settings.zoom_fraction,
        horizontal_flip=settings.horizontal_flip,
        whole_pixels=settings.whole_pixels,
    )
    order = epoch_order(len(part), seed=settings.seed, epoch=epoch)
    if (count := images_per_epoch(len(part), settings)) < len(order):
        order = visited(order, losses, visits=count, hardest=int(settings.hard_fraction * len(order)))
    chosen = examples.take(part[order])
    transforms = draw_transforms(count, seed=settings.seed, epoch=epoch, limits=limits)
    visits = Visits(
        {INPUT_NAME: chosen.images, TRANSFORM_NAME: transforms},
        targets_of(chosen.labels, smoothing=settings.label_smoothing),
        order,
        whole=np.ones(count, dtype=np.bool_),
    )
    return with_cut_mix(visits, settings, epoch) if settings.cut_mix_probability else visits


def with_cut_mix(visits: Visits, settings: Settings, epoch: int) -> Visits:
    """``visits`` of which some get a rectangle of their partner, and their target so much of its target."""
    count = len(visits.indices)
    boxes = draw_boxes(count, seed=settings.seed, epoch=epoch, probability=settings.cut_mix_probability)
    kept = kept_shares(boxes)
    return replace(
        visits,
        inputs={**visits.inputs, BOX_NAME: boxes},
        targets=mixed(visits.targets, partners(count, batch_size=settings.batch_size), kept),
        whole=kept == 1,
    )

"""How a network is trained: its optimizer, its rate, its loss, and the two decisions taken after an epoch."""

import math
from dataclasses import dataclass
from typing import Any

import keras

from trainer.training.checkpoint import TrainingState
from trainer.training.loss import CrossEntropy, right_answers
from trainer.training.loss_of_each import LossOfEach
from trainer.training.muon import Muon
from trainer.training.non_finite import FirstNonFiniteStep
from trainer.training.optimizer import FusedAdam
from trainer.training.schedule import EarlyStop, Plateau
from trainer.training.triangular import Triangular

# The compiled loop returns to Python after about this many images: often enough for a progress bar and for a signal
# to be heard within seconds, seldom enough that the time spent in Python does not matter.
IMAGES_PER_EXECUTION = 2048


@dataclass(frozen=True)
class Recipe:
    """How to train, in the words of ``trainer.settings``. A ``triangular`` schedule has no plateau and no early end."""

    epochs: int
    batch_size: int
    schedule: str
    optimizer: str
    learning_rate: float
    kernel_learning_rate: float
    warmup_fraction: float
    min_learning_rate: float
    lr_factor: float
    lr_patience: int
    early_stop_patience: int
    clip_norm: float
    weight_decay: float

    def initial_state(self) -> TrainingState:
        """The state before the first epoch."""
        if self.schedule == "triangular":
            return TrainingState(None, EarlyStop(patience=self.epochs))
        plateau = Plateau(self.lr_factor, self.lr_patience, self.min_learning_rate)
        return TrainingState(plateau, EarlyStop(self.early_stop_patience))

    def rate(self, steps_per_epoch: int) -> float | Triangular:
        """What the optimizer starts with: a rate that is lowered after an epoch, or one for every step."""
        if self.schedule == "plateau":
            return self.learning_rate
        return Triangular(self.learning_rate, self.warmup_fraction, steps=self.epochs * steps_per_epoch)

    def build_optimizer(self, steps_per_epoch: int) -> keras.optimizers.Optimizer:
        """Adam, or Muon for the kernels and Adam for the rest."""
        rate = self.rate(steps_per_epoch)
        options: dict[str, Any] = {"weight_decay": self.weight_decay or None, "clipnorm": self.clip_norm}
        if self.optimizer == "adam":
            return FusedAdam(rate, **options)
        return Muon(rate, peak=self.learning_rate, kernel_learning_rate=self.kernel_learning_rate, **options)


def compile_for_training(
    model: keras.Model, recipe: Recipe, *, images: int, images_per_epoch: int
) -> LossOfEach | None:
    """Give ``model``, logits out, its loss, optimizer and loop, for epochs that visit so many of so many images.

    Returns the metric that holds the loss of each image visited, where an epoch leaves some out.
    """
    tracker = LossOfEach(images_per_epoch) if images_per_epoch < images else None
    metrics = [keras.metrics.MeanMetricWrapper(right_answers, name="accuracy"), FirstNonFiniteStep()]
    model.compile(
        optimizer=recipe.build_optimizer(math.ceil(images_per_epoch / recipe.batch_size)),
        loss=CrossEntropy(),
        metrics=[*metrics, tracker] if tracker else metrics,
        steps_per_execution=max(1, IMAGES_PER_EXECUTION // recipe.batch_size),
        # XLA makes convolutions slower on CPUs; on JAX compiling is the only way, so Keras's choice stands there.
        jit_compile=False if keras.backend.backend() == "tensorflow" else "auto",
    )
    model.optimizer.build(model.trainable_variables)
    return tracker

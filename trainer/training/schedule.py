"""The two decisions taken after each epoch from the validation loss: a lower learning rate, and an early end.

Both follow ``keras.callbacks.ReduceLROnPlateau`` and ``keras.callbacks.EarlyStopping`` with Keras's defaults, and a
test holds them against those. They are not those callbacks because Keras resets theirs whenever ``fit`` begins, so a
resumed run would forget how long it has been waiting. Here the state is the object, and a checkpoint stores it.
"""

import math
from dataclasses import dataclass, replace

PLATEAU_MIN_DELTA = 1e-4  # Keras's default: a smaller fall of the loss does not count as progress.


@dataclass(frozen=True)
class Plateau:
    """Lowers the learning rate by ``factor`` after ``patience`` epochs without a better validation loss."""

    factor: float
    patience: int
    min_learning_rate: float
    best: float = math.inf
    wait: int = 0

    def observe(self, val_loss: float, learning_rate: float) -> tuple["Plateau", float]:
        """The state after an epoch that ended with ``val_loss``, and the learning rate of the next one."""
        if val_loss < self.best - PLATEAU_MIN_DELTA:
            return replace(self, best=val_loss, wait=0), learning_rate
        if self.wait + 1 < self.patience or learning_rate <= self.min_learning_rate:
            return replace(self, wait=self.wait + 1), learning_rate
        return replace(self, wait=0), max(learning_rate * self.factor, self.min_learning_rate)


@dataclass(frozen=True)
class EarlyStop:
    """Remembers the epoch of the lowest validation loss; ends training ``patience`` epochs after it."""

    patience: int
    best: float = math.inf
    best_epoch: int = 0
    wait: int = 0

    def observe(self, val_loss: float, epoch: int) -> "EarlyStop":
        """The state after ``epoch`` (1-based) ended with ``val_loss``."""
        if val_loss < self.best:
            return replace(self, best=val_loss, best_epoch=epoch, wait=0)
        return replace(self, wait=self.wait + 1)

    @property
    def stopped(self) -> bool:
        """True once patience has run out."""
        return self.wait >= self.patience

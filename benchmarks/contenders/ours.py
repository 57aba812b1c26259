"""This project: its own inputs of an epoch, its own compiled loop. Arguments: batch size, precision."""

import sys
from collections.abc import Callable

import numpy as np

from benchmarks.contenders.turns import batch_size, data, take_turns
from trainer.contract import Examples
from trainer.model.precision import dtype_policy
from trainer.settings import Settings
from trainer.training.fit import train_epoch
from trainer.training_run import compiled_model, network_builder, recipe_of
from trainer.visits import epoch_visits

import keras  # isort: skip – after trainer.model, which starts it


def epoch_of(examples: Examples, settings: Settings) -> Callable[[], object]:
    """Trains one epoch of ``examples``, of which it visits as many as the settings say, whenever it is called."""
    network = network_builder(settings)(dtype=dtype_policy(settings.precision))
    model, recipe = compiled_model(network, settings, images=len(examples)), recipe_of(settings)
    everything, no_losses = np.arange(len(examples)), np.zeros(len(examples), dtype=np.float32)
    silent = keras.callbacks.Callback()

    def epoch() -> None:
        train_epoch(model, epoch_visits(examples, everything, settings, 1, no_losses), 1, recipe, silent)

    return epoch


if __name__ == "__main__":
    asked = Settings(batch_size=batch_size(), precision=sys.argv[2])
    take_turns(epoch_of(Examples(*data()), asked), keras=keras.__version__)

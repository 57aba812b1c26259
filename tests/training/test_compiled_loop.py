"""What makes the loop fast, held without a clock: traced once, few returns to Python, nothing in it that leaves it."""

import math
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.contract import NUM_CLASSES
from trainer.data import sketches
from trainer.model.precision import dtype_policy
from trainer.presets import PRESETS
from trainer.settings import Settings
from trainer.training import fit
from trainer.training.fit import Networks, TrainingData
from trainer.training_run import compiled_model, network_builder, recipe_of, training_model
from trainer.visits import epoch_visits, images_per_epoch

#: Of 340 images, or of the half of them, the last batch of an epoch is smaller, and the last execution has fewer steps.
IMAGES, BATCH, STEPS_PER_EXECUTION, EPOCHS = 340, 32, 4, 3
#: Ops that hand a value to Python, print it, or send it to another device.
LEAVING = {"PyFunc", "PyFuncStateless", "EagerPyFunc", "Print", "PrintV2", "_Send", "_Recv", "_HostSend", "_HostRecv"}
SMALL = {"filters": (8, 8), "dense_units": 16, "batch_size": BATCH, "epochs": EPOCHS, "learning_rate": 0.02}
TRAIN = sketches.draw(IMAGES, stream=1)
#: And what no preset has.
RECIPES = {**PRESETS, "fast with CutMix": {**PRESETS["fast"], "cut_mix_probability": 0.5}}


class Recorder:
    callback = keras.callbacks.Callback()

    def commit(self, state: Any) -> None:
        """Nothing needs to survive."""


def counting(function: Callable[..., Any], name: str, counts: Counter[str]) -> Callable[..., Any]:
    def counted(*arguments: Any, **named: Any) -> Any:
        counts[name] += 1
        return function(*arguments, **named)

    return counted


class Watched(NamedTuple):
    """A whole training: its model, how often the step was traced, and how often the compiled loop was called."""

    settings: Settings
    model: keras.Model
    counts: Counter[str]


@pytest.fixture(params=["reference", "fast", "fast with CutMix", pytest.param("best", marks=pytest.mark.slow)])
def watched(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Watched:
    monkeypatch.setattr("trainer.training.recipe.IMAGES_PER_EXECUTION", STEPS_PER_EXECUTION * BATCH)
    counts: Counter[str] = Counter()
    settings = Settings(**{**RECIPES[request.param], **SMALL, "precision": "float32"})
    network = network_builder(settings)(dtype="float32")
    training = training_model(network, settings)
    training.train_step = counting(training.train_step, "traces", counts)
    make = training.make_train_function

    def make_counted(force: bool = False) -> None:
        fresh = force or training.train_function is None
        make(force)
        if fresh:
            training.train_function = counting(training.train_function, "calls", counts)

    training.make_train_function = make_counted
    recipe, visits = recipe_of(settings), partial(epoch_visits, TRAIN, np.arange(IMAGES), settings)
    data = TrainingData(IMAGES, images_per_epoch(IMAGES, settings), visits, TRAIN.images, TRAIN)
    networks = Networks(training, network, network)
    fit.fit(networks, data, recipe=recipe, start=recipe.initial_state(), observer=Recorder())
    return Watched(settings, training, counts)


def test_a_training_is_traced_once_and_returns_to_python_once_an_execution(watched: Watched) -> None:
    """Over all epochs, and although the last batch and the last execution of each are smaller."""
    images = images_per_epoch(IMAGES, watched.settings)
    steps = math.ceil(images / BATCH)
    assert images % BATCH
    assert steps % STEPS_PER_EXECUTION
    assert watched.counts == {"traces": 1, "calls": EPOCHS * math.ceil(steps / STEPS_PER_EXECUTION)}
    # What is examined below, and what the benchmarks measure, is this step.
    examined = compiled_model(network_builder(watched.settings)(dtype="float32"), watched.settings, images=IMAGES)
    assert operations(examined) == operations(watched.model)


def operations(model: keras.Model) -> Counter[str]:
    """How often each kind of op occurs in the step that Keras compiles, optimizer and metrics included."""
    inputs = {name: tf.TensorSpec(given.shape, given.dtype) for name, given in model.input.items()}
    step = tf.function(lambda inputs, targets: model.train_step((inputs, targets)))
    definition = step.get_concrete_function(inputs, tf.TensorSpec((None, NUM_CLASSES))).graph.as_graph_def()
    nodes = [*definition.node, *(node for item in definition.library.function for node in item.node_def)]
    return Counter(node.op for node in nodes)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("recipe", RECIPES)
def test_the_step_of_every_preset_is_made_of_fused_ops_and_leaves_the_device_never(recipe: str, precision: str) -> None:
    settings = Settings(**{**RECIPES[recipe], "precision": precision})
    network = network_builder(settings)(dtype=dtype_policy(precision))
    norms = sum(isinstance(layer, keras.layers.BatchNormalization) for layer in network.layers)
    model = compiled_model(network, settings, images=IMAGES)
    found = operations(model)
    names = [layer.name for layer in model.layers]
    assert ("erase" in names) == (settings.erase_probability > 0)
    assert ("cut_mix" in names) == (settings.cut_mix_probability > 0)
    assert found["TensorScatterUpdate"] == (settings.visit_fraction < 1)
    assert found["ImageProjectiveTransformV3"] == 1
    assert found["FusedBatchNormV3"] == found["FusedBatchNormGradV3"] == norms
    # The square roots and squared deviations of a batch norm that is spelled out.
    assert found["Rsqrt"] == found["SquaredDifference"] == 0
    # Adam's two powers are the same for all variables, and a gradient's length is one op.
    assert found["Pow"] == 2
    assert found["L2Loss"] == len(model.trainable_variables)
    assert found.keys() & LEAVING == set()

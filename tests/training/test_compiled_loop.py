"""What makes the loop fast, held without a clock: traced once, few returns to Python, nothing in it that leaves it."""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from trainer.contract import IMAGE_SHAPE, Examples
from trainer.model.precision import dtype_policy
from trainer.model.training_model import with_augmentation
from trainer.presets import PRESETS
from trainer.settings import Settings
from trainer.training import fit
from trainer.training.fit import Networks, TrainingData
from trainer.training_run import network_builder, recipe_of

#: With a batch size of 32 the last batch of an epoch has 20 images, and the last execution three of four steps.
IMAGES, BATCH, STEPS_PER_EXECUTION, EPOCHS = 340, 32, 4, 3
#: Ops that hand a value to Python, print it, or send it to another device.
LEAVING = {"PyFunc", "PyFuncStateless", "EagerPyFunc", "Print", "PrintV2", "_Send", "_Recv", "_HostSend", "_HostRecv"}
IDENTITY = np.array([1, 0, 0, 0, 1, 0, 0, 0], dtype=np.float32)


def examples(count: int) -> Examples:
    """Bars whose height is the class: a network learns them in an epoch or two."""
    labels = (np.arange(count) % 10).astype(np.int32)
    images = np.zeros((count, *IMAGE_SHAPE), np.uint8)
    images[np.arange(count), 2 * labels + 3] = 250
    return Examples(images, labels)


TRAIN = examples(IMAGES)


def epoch_inputs(epoch: int, losses: NDArray[np.float32]) -> tuple[Mapping[str, NDArray[Any]], Any, Any]:
    order = np.random.default_rng(epoch).permutation(len(losses))
    shuffled = TRAIN.take(order)
    return {"image": shuffled.images, "transform": np.tile(IDENTITY, (IMAGES, 1))}, shuffled.labels, order


class Recorder:
    callback = keras.callbacks.Callback()

    def commit(self, state: Any) -> None:
        """Nothing needs to survive."""


def counting(function: Callable[..., Any], name: str, counts: Counter[str]) -> Callable[..., Any]:
    def counted(*arguments: Any, **named: Any) -> Any:
        counts[name] += 1
        return function(*arguments, **named)

    return counted


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Of a whole training: how often the step was traced, and how often the compiled loop was called."""
    monkeypatch.setattr(fit, "IMAGES_PER_EXECUTION", STEPS_PER_EXECUTION * BATCH)
    counts: Counter[str] = Counter()
    settings = Settings(
        filters=(4, 4), dense_units=16, batch_size=BATCH, epochs=EPOCHS, learning_rate=0.02, conv_dropout=0.0
    )
    network = network_builder(settings)(dtype="float32")
    training = with_augmentation(network)
    training.train_step = counting(training.train_step, "traces", counts)
    make = training.make_train_function

    def make_counted(force: bool = False) -> None:
        fresh = force or training.train_function is None
        make(force)
        if fresh:
            training.train_function = counting(training.train_function, "calls", counts)

    training.make_train_function = make_counted
    recipe = recipe_of(settings)
    data = TrainingData(IMAGES, IMAGES, epoch_inputs, TRAIN.images, TRAIN)
    networks = Networks(training, network, network)
    fit.fit(networks, data, recipe=recipe, start=recipe.initial_state(), observer=Recorder())
    return counts


def test_a_training_is_traced_once_and_returns_to_python_once_an_execution(counts: Counter[str]) -> None:
    """Over all epochs, and although the last batch and the last execution of each are smaller."""
    steps = math.ceil(IMAGES / BATCH)
    assert IMAGES % BATCH
    assert steps % STEPS_PER_EXECUTION
    assert counts == {"traces": 1, "calls": EPOCHS * math.ceil(steps / STEPS_PER_EXECUTION)}


def operations(settings: Settings) -> Counter[str]:
    """How often each kind of op occurs in the step that Keras compiles, optimizer and metrics included."""
    model = with_augmentation(network_builder(settings)(dtype=dtype_policy(settings.precision)))
    fit.compile_for_training(model, recipe_of(settings), steps_per_epoch=10)
    inputs = {"image": tf.TensorSpec((None, *IMAGE_SHAPE), tf.uint8), "transform": tf.TensorSpec((None, 8))}
    step = tf.function(lambda inputs, labels: model.train_step((inputs, labels)))
    definition = step.get_concrete_function(inputs, tf.TensorSpec((None,), tf.int32)).graph.as_graph_def()
    nodes = [*definition.node, *(node for item in definition.library.function for node in item.node_def)]
    return Counter(node.op for node in nodes)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("preset", PRESETS)
def test_the_step_of_every_preset_is_made_of_fused_ops_and_leaves_the_device_never(preset: str, precision: str) -> None:
    settings = Settings(**{**PRESETS[preset], "precision": precision})
    model = network_builder(settings)(dtype="float32")
    norms = sum(isinstance(layer, keras.layers.BatchNormalization) for layer in model.layers)
    found = operations(settings)
    assert found["ImageProjectiveTransformV3"] == 1
    assert found["FusedBatchNormV3"] == found["FusedBatchNormGradV3"] == norms
    # The square roots and squared deviations of a batch norm that is spelled out.
    assert found["Rsqrt"] == found["SquaredDifference"] == 0
    assert found.keys() & LEAVING == set()

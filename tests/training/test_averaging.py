import keras
import numpy as np

from trainer.training.averaging import WeightAverage


def model_with(value: float) -> keras.Model:
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.trainable_variables[0].assign([[value]])
    return model


def run_epoch(average: WeightAverage, model: keras.Model, values: dict[int, float]) -> None:
    average.on_epoch_begin(0)
    for last_step, value in values.items():
        model.trainable_variables[0].assign([[value]])
        average.on_train_batch_end(last_step)


def test_is_that_of_the_second_half_of_the_epoch() -> None:
    model, average = model_with(0.0), WeightAverage(steps=8)
    average.set_model(model)
    run_epoch(average, model, {1: 100.0, 3: 100.0, 5: 1.0, 7: 2.0})
    (mean,) = average.mean()
    assert mean.dtype == np.float32
    assert mean.tolist() == [[1.5]]


def test_forgets_the_epoch_before() -> None:
    model, average = model_with(0.0), WeightAverage(steps=4)
    average.set_model(model)
    run_epoch(average, model, {1: 0.0, 3: 7.0})
    run_epoch(average, model, {1: 0.0, 3: 9.0})
    assert average.mean()[0].tolist() == [[9.0]]


def test_an_epoch_of_one_execution_has_its_last_weights() -> None:
    model, average = model_with(0.0), WeightAverage(steps=1)
    average.set_model(model)
    run_epoch(average, model, {0: 3.0})
    assert average.mean()[0].tolist() == [[3.0]]

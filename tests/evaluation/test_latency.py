import time

import numpy as np
import pytest

from trainer.evaluation.latency import MAX_RUNS, WARM_UP_RUNS, measure_latency

IMAGES = np.arange(3 * 784, dtype=np.uint8).reshape(3, 28, 28, 1)


def test_times_what_it_is_given() -> None:
    found = measure_latency(lambda _: time.sleep(0.004), IMAGES, batch_sizes=(2,), seconds_per_batch_size=0.15)
    timing = found["batch_2"]
    assert 4 <= timing["median_ms"] < 40
    assert timing["median_ms"] <= timing["p95_ms"]
    assert timing["images_per_second"] == pytest.approx(2000 / timing["median_ms"])
    assert 1 <= timing["n"] <= 38


def test_batches_have_the_asked_size_and_repeat_the_images() -> None:
    seen = []
    measure_latency(seen.append, IMAGES, batch_sizes=(1, 5), seconds_per_batch_size=0)
    assert {batch.shape for batch in seen} == {(1, 28, 28, 1), (5, 28, 28, 1)}
    assert all(batch.dtype == np.uint8 for batch in seen)
    np.testing.assert_array_equal(seen[-1], IMAGES[[0, 1, 2, 0, 1]])


def test_slow_first_calls_are_not_counted() -> None:
    calls = []

    def predict(_: np.ndarray) -> None:
        calls.append(1)
        time.sleep(0.05 if len(calls) <= WARM_UP_RUNS else 0)

    found = measure_latency(predict, IMAGES, batch_sizes=(1,), seconds_per_batch_size=1)
    assert found["batch_1"]["p95_ms"] < 10
    assert len(calls) == found["batch_1"]["n"] + WARM_UP_RUNS <= MAX_RUNS + WARM_UP_RUNS


def test_one_run_is_timed_even_without_time() -> None:
    assert measure_latency(lambda _: None, IMAGES, seconds_per_batch_size=0)["batch_32"]["n"] == 1

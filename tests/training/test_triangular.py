"""The rate of every step of a triangular schedule."""

import numpy as np
import pytest

from trainer.training.triangular import Triangular


def rates(schedule, steps):
    return [float(schedule(step)) for step in range(steps)]


def test_rises_in_equal_steps_to_the_peak_and_falls_in_equal_steps_to_nothing():
    found = rates(Triangular(1.0, 0.25, steps=8), 9)
    assert found == pytest.approx([0.5, 1.0, 1.0, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6, 0])


@pytest.mark.parametrize("warmup_fraction", [0.0, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("steps", [1, 2, 100])
def test_is_never_negative_nor_above_the_peak(warmup_fraction, steps):
    found = np.array(rates(Triangular(0.003, warmup_fraction, steps=steps), steps + 5))
    assert found[0] > 0
    assert found.min() >= 0
    assert found.max() <= 0.003 * (1 + 1e-6)
    assert (found[steps:] == 0).all()


def test_without_warmup_it_starts_at_the_peak():
    assert rates(Triangular(0.5, 0.0, steps=10), 1) == [0.5]


def test_can_be_made_again_from_its_configuration():
    schedule = Triangular(0.003, 0.2, steps=50)
    assert rates(Triangular.from_config(schedule.get_config()), 50) == rates(schedule, 50)

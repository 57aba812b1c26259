import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.evaluation.calibration import expected_calibration_error, reliability_bins

answers = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60)


def test_right_four_times_in_five_at_a_confidence_of_nine_tenths_is_off_by_a_tenth() -> None:
    bins = reliability_bins(np.full(5, 0.9), np.array([1, 1, 1, 1, 0], bool))
    assert expected_calibration_error(bins) == pytest.approx(0.1)
    filled = [b for b in bins if b["count"]]
    assert filled == [
        {
            "low": pytest.approx(13 / 15),
            "high": pytest.approx(14 / 15),
            "count": 5,
            "confidence": pytest.approx(0.9),
            "accuracy": pytest.approx(0.8),
        }
    ]


def test_errors_of_opposite_sign_in_two_bins_do_not_cancel() -> None:
    bins = reliability_bins(np.array([0.3, 0.3, 0.9, 0.9]), np.array([1, 1, 0, 0], bool))
    assert expected_calibration_error(bins) == pytest.approx((0.7 + 0.9) / 2)


@given(answers)
def test_equals_a_loop_over_the_definition(answers: list[tuple[float, bool]]) -> None:
    confidence = np.array([c for c, _ in answers])
    correct = np.array([right for _, right in answers])
    expected, edges = 0.0, np.linspace(0, 1, 16)
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        inside = (confidence > low) & (confidence <= high)
        if low == 0:
            inside |= confidence == 0
        if inside.any():
            expected += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    bins = reliability_bins(confidence, correct)
    assert sum(b["count"] for b in bins) == len(answers)
    assert expected_calibration_error(bins) == pytest.approx(expected, abs=1e-12)


def test_an_edge_belongs_to_the_bin_below_it_and_zero_to_the_first() -> None:
    edges = np.linspace(0, 1, 16)
    bins = reliability_bins(edges, np.ones(16, bool))
    assert [b["count"] for b in bins] == [2] + [1] * 14
    assert [b["confidence"] for b in bins][1:] == [b["high"] for b in bins][1:]

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from trainer.evaluation.intervals import newcombe_interval, wilson_interval

counts = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts)
def test_wilson_interval_equals_scipys(count: tuple[int, int]) -> None:
    expected = binomtest(*count).proportion_ci(0.95, method="wilson")
    assert wilson_interval(*count) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_without_a_trial_nothing_is_known() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)


# Newcombe 1998, Statistics in Medicine 17, 873–890, table II, method 10.
@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_newcombe_interval_gives_the_published_examples(
    first: tuple[int, int], second: tuple[int, int], low: float, high: float
) -> None:
    assert newcombe_interval(first, second) == pytest.approx((low, high), abs=6e-5)


@given(counts, counts)
def test_newcombe_interval_holds_the_difference_and_turns_round_with_it(
    first: tuple[int, int], second: tuple[int, int]
) -> None:
    low, high = newcombe_interval(first, second)
    difference = first[0] / first[1] - second[0] / second[1]
    assert -1 - 1e-12 <= low <= difference <= high <= 1 + 1e-12
    assert newcombe_interval(second, first) == pytest.approx((-high, -low))

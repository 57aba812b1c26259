"""Champion against challenger: the statistics, held against published examples, SciPy and counting."""

import math

import numpy as np
import pytest
from scipy import stats

from trainer.errors import DataError
from trainer.release.comparison import compare, holm, mcnemar

LABELS = (np.arange(2000) % 10).astype(np.int32)


def answers(errors: np.ndarray) -> np.ndarray:
    """Right but for the images in ``errors``."""
    given = LABELS.astype(np.intp)
    given[errors] = (given[errors] + 1) % 10
    return given


def test_the_mid_p_value_is_that_of_the_paper() -> None:
    """Fagerland et al. 2013, table 4: airway hyper-responsiveness before and after stem cell transplantation."""
    assert mcnemar(1, 7) == pytest.approx(0.0391, abs=5e-5)


@pytest.mark.parametrize(("first", "second"), [(0, 0), (5, 5), (0, 1), (3, 12), (40, 61), (120, 80), (700, 900)])
def test_it_is_the_binomial_test_with_the_split_itself_counted_half(first: int, second: int) -> None:
    exact = stats.binomtest(first, first + second, 0.5).pvalue if first + second else 1.0
    itself = stats.binom.pmf(first, first + second, 0.5)
    expected = 1.0 if first == second else exact - itself
    assert mcnemar(first, second) == pytest.approx(expected, rel=1e-9)
    assert mcnemar(second, first) == mcnemar(first, second)


def test_many_pairs_are_no_trouble_and_agree_with_chi_squared() -> None:
    chi_squared = (5200 - 4800) ** 2 / 10_000
    assert mcnemar(5200, 4800) == pytest.approx(stats.chi2.sf(chi_squared, 1), rel=0.01)
    assert 0.0 <= mcnemar(0, 10_000) < 1e-300


def test_equal_models_are_called_different_as_often_as_is_asked_for() -> None:
    random = np.random.default_rng(3)
    coins = random.binomial(60, 0.5, 4000)
    rejected = np.mean([mcnemar(int(heads), 60 - int(heads)) < 0.05 for heads in coins])
    assert 0.03 < rejected < 0.06


def test_holms_values_are_those_of_hand_and_keep_their_places() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_the_counts_and_the_difference_are_those_of_the_answers() -> None:
    comparison = compare(answers(np.arange(100)), answers(np.arange(60, 200)), LABELS, run_id="theirs")
    overall = comparison.overall
    assert (overall.n, overall.only_challenger, overall.only_champion) == (2000, 100, 60)
    assert overall.value == pytest.approx(0.02)
    assert overall.p_value == mcnemar(100, 60)
    assert comparison.champion == "theirs"
    assert overall.is_better(0.05)
    assert not overall.is_worse(0.05)
    assert set(comparison.classes) == set(comparison.as_dict()["classes"])
    assert all(difference.n == 200 for difference in comparison.classes.values())


def test_the_interval_is_as_wide_as_resampling_image_by_image_makes_it() -> None:
    gained = np.zeros(2000)
    gained[:100], gained[100:160] = 1, -1
    random = np.random.default_rng(0)
    means = [gained[random.integers(0, 2000, 2000)].mean() for _ in range(4000)]
    overall = compare(answers(np.arange(100)), answers(np.arange(60, 200)), LABELS, run_id="theirs").overall
    assert overall.low == pytest.approx(np.percentile(means, 2.5), abs=0.001)
    assert overall.high == pytest.approx(np.percentile(means, 97.5), abs=0.001)
    wald = 1.96 * math.sqrt(160 / 2000 - 0.02**2) / math.sqrt(2000)
    assert overall.high - overall.low == pytest.approx(2 * wald, rel=0.1)


def test_the_same_seed_gives_the_same_interval_and_another_one_another() -> None:
    pair = answers(np.arange(100)), answers(np.arange(60, 200))
    first, again, other = (compare(*pair, LABELS, run_id="r", seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_a_class_that_fell_is_found_among_ten() -> None:
    shirts = np.flatnonzero(LABELS == 6)
    comparison = compare(answers(shirts[:40]), answers(np.array([], int)), LABELS, run_id="r")
    assert [name for name, it in comparison.classes.items() if it.is_worse(0.05)] == ["Shirt"]


def test_a_class_without_images_is_left_out() -> None:
    some = LABELS < 4
    comparison = compare(answers(np.arange(10))[some], answers(np.arange(20))[some], LABELS[some], run_id="r")
    assert list(comparison.classes) == ["T-shirt/top", "Trouser", "Pullover", "Dress"]


def test_other_images_are_refused() -> None:
    with pytest.raises(DataError, match="not asked about the same images"):
        compare(answers(np.arange(2))[:-1], answers(np.arange(2)), LABELS, run_id="r")

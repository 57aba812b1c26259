"""Score intervals for proportions: how much of a figure is chance."""

import math

Z_95 = 1.959963984540054  # two-sided 95 % point of the standard normal distribution


def wilson_interval(successes: int, n: int) -> tuple[float, float]:
    """95 % score interval of ``successes`` out of ``n`` (Wilson 1927), a pair of fractions in [0, 1].

    Unlike the textbook ±1.96·√(p(1−p)/n) it stays inside [0, 1] and keeps its width at 0 and at n successes.
    Without any trial it is (0, 1): nothing is known.
    """
    if n == 0:
        return 0.0, 1.0
    p = successes / n
    z2 = Z_95 * Z_95
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half_width = Z_95 * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, min(p, centre - half_width)), min(1.0, max(p, centre + half_width))


def newcombe_interval(first: tuple[int, int], second: tuple[int, int]) -> tuple[float, float]:
    """95 % interval of the difference of two independent proportions, each given as (successes, n).

    Newcombe 1998, "Interval estimation for the difference between independent proportions", method 10:
    the two Wilson intervals joined as if they were the legs of a right triangle. Fractions in [-1, 1].
    """
    p1, p2 = (successes / n for successes, n in (first, second))
    low1, high1 = wilson_interval(*first)
    low2, high2 = wilson_interval(*second)
    difference = p1 - p2
    return (
        difference - math.hypot(p1 - low1, high2 - p2),
        difference + math.hypot(high1 - p1, p2 - low2),
    )

"""Is one model better than another on the same images, or is it chance?"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.contract import CLASS_NAMES
from trainer.errors import DataError

_RESAMPLES = 10_000
_INTERVAL_PERCENT = (2.5, 97.5)


@dataclass(frozen=True)
class Difference:
    """Accuracy of the challenger minus that of the champion on the same ``n`` images, in [-1, 1].

    ``low`` and ``high``: 95 % interval. ``only_challenger`` and ``only_champion`` count the images that one of them
    alone gets right; ``p_value`` is McNemar's for them.
    """

    n: int
    value: float
    low: float
    high: float
    only_challenger: int
    only_champion: int
    p_value: float

    def is_worse(self, significance: float) -> bool:
        return self.value < 0 and self.p_value < significance

    def is_better(self, significance: float) -> bool:
        return self.value > 0 and self.p_value < significance


@dataclass(frozen=True)
class Comparison:
    """Over all test images, and for each class among them. ``champion``: run id of the model compared with."""

    champion: str
    overall: Difference
    classes: Mapping[str, Difference]

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        classes = {name: asdict(difference) for name, difference in self.classes.items()}
        return {"champion": self.champion, "overall": asdict(self.overall), "classes": classes}


def compare(
    challenger: NDArray[np.intp], champion: NDArray[np.intp], labels: NDArray[np.int32], *, run_id: str, seed: int = 0
) -> Comparison:
    """Both models' predicted classes, int (N,), held against ``labels`` int32 (N,) in [0, 9], image by image.

    ``run_id`` names the champion. The p-values of the classes are Holm's (1979), for all of them together: of ten
    classes of two equal models, the plain ones would find one in every other comparison below 0.1 by chance.

    Raises DataError if the three are not of one length, or empty.
    """
    lengths = {len(challenger), len(champion), len(labels)}
    if len(lengths) > 1 or 0 in lengths:
        raise DataError(
            "the models were not asked about the same images",
            expected="an answer of each to every image",
            received=f"{sorted(lengths)} answers",
            do="examine both on the same test set",
        )
    random = np.random.default_rng(seed)
    gained = (challenger == labels).astype(np.int8) - (champion == labels)
    overall = _difference(gained, random)
    plain = {CLASS_NAMES[label]: _difference(gained[labels == label], random) for label in np.unique(labels)}
    adjusted = holm([difference.p_value for difference in plain.values()])
    classes = {name: replace(plain[name], p_value=p) for name, p in zip(plain, adjusted, strict=True)}
    return Comparison(run_id, overall, classes)


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided mid-p of McNemar's test, exact for any number of discordant pairs, in (0, 1].

    Under the null hypothesis each of them is a fair coin: the p-value is the probability of a split as uneven or more
    so, the split itself counted half. Fagerland, Lydersen and Laake 2013, "The McNemar test for binary matched-pairs
    data: mid-p and asymptotic are better than exact conditional": the exact test is too cautious, chi-squared rejects
    too often where pairs are few.
    """
    total, fewer = only_first + only_second, min(only_first, only_second)
    ways, below = 1, 0  # Exact integers: binomial coefficients of `total` over 0, 1, … and their sum.
    for count in range(fewer):
        below += ways
        ways = ways * (total - count) // (count + 1)
    return (2 * below + ways) / (1 << total)


def holm(p_values: Sequence[float]) -> list[float]:
    """Each p-value as it counts when all of them are looked at (Holm 1979), in [0, 1], in the same order."""
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(np.argsort(p_values, kind="stable")):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def _difference(gained: NDArray[np.int8], random: np.random.Generator) -> Difference:
    """``gained`` int8 (N,): 1 where only the challenger is right, -1 where only the champion is, else 0."""
    n = len(gained)
    only_challenger, only_champion = int((gained == 1).sum()), int((gained == -1).sum())
    # Drawing N images with replacement draws these three counts from a multinomial distribution: the paired bootstrap.
    shares = np.array([only_challenger, only_champion, n - only_challenger - only_champion]) / n
    drawn = random.multinomial(n, shares, size=_RESAMPLES)
    low, high = np.percentile((drawn[:, 0] - drawn[:, 1]) / n, _INTERVAL_PERCENT)
    p_value = mcnemar(only_challenger, only_champion)
    value = (only_challenger - only_champion) / n
    return Difference(n, value, float(low), float(high), only_challenger, only_champion, p_value)

"""Is one model better than another on the same images, or is it chance?"""

from collections.abc import Mapping
from dataclasses import dataclass


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


@dataclass(frozen=True)
class Comparison:
    """Over all test images, and class by class. ``champion``: run id of the model compared with."""

    champion: str
    overall: Difference
    classes: Mapping[str, Difference]

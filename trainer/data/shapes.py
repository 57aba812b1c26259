"""Plane shapes as distances: how far inside a point lies, negative outside, in units of half an image's width.

Coordinates run from -1 to 1, x to the right and y downwards, float32 (N, P): N images of P points. The measures of a
shape are numbers, or float32 (N, 1) to give each image its own. Union is ``np.maximum``, cutting out is
``np.minimum`` with the negative. Only operations that IEEE 754 rounds correctly are used (no sine, no exponential),
so a drawing is the same on every machine.
"""

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]
Measure = float | Field


class Dice:
    """Random measures for ``count`` images, from raw Philox words, which NumPy promises never to change (NEP 19)."""

    def __init__(self, count: int, *, seed: int, stream: tuple[int, ...]) -> None:
        self._count = count
        self._words = np.random.Philox(np.random.SeedSequence(seed, spawn_key=stream))

    def between(self, low: float, high: float, *, points: int = 1) -> Field:
        """Uniform float32 (count, points) in [low, high)."""
        words = self._words.random_raw((self._count * points + 1) // 2).view(np.uint32)
        unit = (words[: self._count * points] >> np.uint32(8)).astype(np.float32) * np.float32(2**-24)
        return unit.reshape(self._count, points) * np.float32(high - low) + np.float32(low)

    def chance(self, probability: float) -> NDArray[np.bool_]:
        """True (count, 1) with this probability."""
        return self.between(0, 1) < probability


def trapezoid(x: Field, y: Field, *, rows: tuple[Measure, Measure], widths: tuple[Measure, Measure]) -> Field:
    """Upright and centred on x = 0, from the first to the second of ``rows``; half ``widths`` at these two."""
    (top, bottom), (at_top, at_bottom) = rows, widths
    half_width = at_top + (y - top) / (bottom - top) * (at_bottom - at_top)
    inside: Field = np.minimum(half_width - np.abs(x), np.minimum(y - top, bottom - y))
    return inside


def stroke(x: Field, y: Field, *, start: tuple[Measure, Measure], end: tuple[Measure, Measure], half: Measure) -> Field:
    """A line from ``start`` to ``end`` with round ends, ``half`` as wide as twice this measure."""
    along_x, along_y = end[0] - start[0], end[1] - start[1]
    from_x, from_y = x - start[0], y - start[1]
    share = np.clip((from_x * along_x + from_y * along_y) / (along_x * along_x + along_y * along_y), 0, 1)
    away_x, away_y = from_x - share * along_x, from_y - share * along_y
    inside: Field = half - np.sqrt(away_x * away_x + away_y * away_y)
    return inside


def ellipse(x: Field, y: Field, *, centre: tuple[Measure, Measure], radii: tuple[Measure, Measure]) -> Field:
    """The distance is exact for a circle, and near enough at the edge of anything not too flat."""
    across, down = (x - centre[0]) / radii[0], (y - centre[1]) / radii[1]
    inside: Field = (1 - np.sqrt(across * across + down * down)) * np.minimum(radii[0], radii[1])
    return inside


def triangle_wave(value: Field) -> Field:
    """Period 2, range [0, 1]."""
    wave: Field = np.abs(value - 2 * np.floor(value * np.float32(0.5)) - 1)
    return wave

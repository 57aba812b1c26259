"""The ten garment classes as drawings: a silhouette with random proportions, and seams, collars and buttons on it."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from trainer.data.shapes import Dice, Field, Measure, ellipse, stroke, trapezoid


class Garment(NamedTuple):
    """``inside``: distance inside the silhouette. ``lines``: the same for lines drawn on it."""

    inside: Field
    lines: Field


def _upper_body(x: Field, y: Field, dice: Dice, *, sleeve_end: tuple[Measure, Measure], hem: Measure) -> Field:
    """A torso with two sleeves that end at (± x, y) of ``sleeve_end``."""
    shoulder = dice.between(0.34, 0.44)
    torso = trapezoid(x, y, rows=(-0.8, hem), widths=(shoulder, shoulder + dice.between(-0.02, 0.1)))
    sleeves = stroke(np.abs(x), y, start=(shoulder - 0.08, -0.64), end=sleeve_end, half=dice.between(0.12, 0.17))
    return np.maximum(torso, sleeves)


def _cut_neck(inside: Field, x: Field, y: Field, *, width: Measure, depth: Measure) -> Field:
    return np.minimum(inside, -ellipse(x, y, centre=(0, -0.84), radii=(width, depth)))


def _long_sleeve(dice: Dice) -> tuple[Measure, Measure]:
    return dice.between(0.6, 0.78), dice.between(0.35, 0.65)


def _side_seams(x: Field, y: Field) -> Field:
    return stroke(np.abs(x), y, start=(0.33, -0.35), end=(0.38, 0.7), half=0.02)


def _t_shirt(x: Field, y: Field, dice: Dice) -> Garment:
    sleeve_end = dice.between(0.66, 0.82), dice.between(-0.42, -0.15)
    body = _upper_body(x, y, dice, sleeve_end=sleeve_end, hem=dice.between(0.65, 0.9))
    inside = _cut_neck(body, x, y, width=dice.between(0.16, 0.26), depth=dice.between(0.1, 0.3))
    print_on_chest = ellipse(x, y, centre=(0, dice.between(-0.2, 0.1)), radii=(0.2, dice.between(0.08, 0.2)))
    return Garment(inside, np.where(dice.chance(0.4), print_on_chest, -1))


def _trouser(x: Field, y: Field, dice: Dice) -> Garment:
    waist, spread = dice.between(0.22, 0.34), dice.between(0.16, 0.32)
    hem, crotch = dice.between(0.75, 0.95), dice.between(-0.45, -0.15)
    hips = trapezoid(x, y, rows=(-0.95, crotch + 0.1), widths=(waist, waist + 0.06))
    legs = stroke(np.abs(x), y, start=(waist - 0.1, crotch), end=(spread, hem - 0.1), half=dice.between(0.11, 0.16))
    belt = np.broadcast_to(0.03 - np.abs(y + 0.8), x.shape)
    return Garment(np.maximum(hips, legs), belt)


def _pullover(x: Field, y: Field, dice: Dice) -> Garment:
    body = _upper_body(x, y, dice, sleeve_end=_long_sleeve(dice), hem=dice.between(0.6, 0.85))
    inside = _cut_neck(body, x, y, width=dice.between(0.14, 0.24), depth=dice.between(0.06, 0.14))
    ribbing = np.broadcast_to(0.03 - np.abs(y - dice.between(0.5, 0.6)), x.shape)
    return Garment(inside, np.maximum(ribbing, _side_seams(x, y)))


def _dress(x: Field, y: Field, dice: Dice) -> Garment:
    waist, bust, waist_row = dice.between(0.14, 0.24), dice.between(0.24, 0.34), dice.between(-0.3, 0.0)
    top = trapezoid(x, y, rows=(-0.92, waist_row), widths=(bust, waist))
    skirt = trapezoid(x, y, rows=(waist_row - 0.05, 0.95), widths=(waist, dice.between(0.28, 0.55)))
    arms = stroke(np.abs(x), y, start=(bust - 0.08, -0.76), end=(bust + 0.2, dice.between(-0.6, -0.2)), half=0.08)
    dressed = np.maximum(np.maximum(top, skirt), np.where(dice.chance(0.3), arms, -1))
    inside = _cut_neck(dressed, x, y, width=dice.between(0.12, 0.22), depth=dice.between(0.08, 0.35))
    return Garment(inside, 0.02 - np.abs(y - waist_row) + np.zeros_like(x))


def _coat(x: Field, y: Field, dice: Dice) -> Garment:
    body = _upper_body(x, y, dice, sleeve_end=_long_sleeve(dice), hem=dice.between(0.82, 0.98))
    lapels = stroke(np.abs(x), y, start=(0.2, -0.8), end=(0, dice.between(-0.3, 0.1)), half=0.05)
    opening = stroke(x, y, start=(0, -0.4), end=(0, 0.95), half=0.05)
    pockets = stroke(np.abs(x), y, start=(0.16, 0.35), end=(0.32, 0.3), half=0.03)
    return Garment(body, np.maximum(np.maximum(lapels, opening), pockets))


def _shirt(x: Field, y: Field, dice: Dice) -> Garment:
    sleeve_end = dice.between(0.6, 0.76), dice.between(-0.15, 0.35)
    body = _upper_body(x, y, dice, sleeve_end=sleeve_end, hem=dice.between(0.7, 0.95))
    inside = _cut_neck(body, x, y, width=dice.between(0.08, 0.13), depth=dice.between(0.3, 0.5))
    collar = stroke(np.abs(x), y, start=(0.1, -0.5), end=(0.22, -0.78), half=0.06)
    line = stroke(x, y, start=(0, -0.55), end=(0, 0.8), half=0.035)
    # Five buttons: circles that repeat down the front.
    row = (y + 0.5) * np.float32(1 / 0.28)
    button_y = (row - np.floor(row + np.float32(0.5))) * np.float32(0.28)
    buttons = np.where(np.abs(y) < 0.75, ellipse(x, button_y, centre=(0.07, 0), radii=(0.08, 0.08)), -1)
    return Garment(inside, np.maximum(np.maximum(collar, line), buttons))


def _shoe(x: Field, y: Field, dice: Dice, *, ankle: Measure) -> Field:
    """A low shoe seen from the side, toe on the left: its upper edge falls from ``ankle`` to the toe."""
    sole = dice.between(0.42, 0.55)
    toe = sole - dice.between(0.22, 0.32)
    upper_edge = np.clip(ankle + (dice.between(0.1, 0.3) - x) * dice.between(0.45, 0.8), ankle, toe)
    rounding = ellipse(x, y, centre=(0.1, sole), radii=(dice.between(0.92, 1.04), 1.2))
    inside: Field = np.minimum(np.minimum(y - upper_edge, sole - y), np.minimum(rounding, 0.85 - x))
    return inside


def _sneaker(x: Field, y: Field, dice: Dice) -> Garment:
    inside = _shoe(x, y, dice, ankle=dice.between(-0.25, -0.02))
    sole_line = np.broadcast_to(0.03 - np.abs(y - dice.between(0.3, 0.38)), x.shape)
    laces = stroke(x, y, start=(-0.25, 0.15), end=(0.1, dice.between(-0.1, 0.0)), half=0.04)
    return Garment(inside, np.maximum(sole_line, laces))


def _ankle_boot(x: Field, y: Field, dice: Dice) -> Garment:
    foot = _shoe(x, y, dice, ankle=dice.between(-0.2, 0.0))
    shaft_top, shaft_half = dice.between(-0.95, -0.6), dice.between(0.26, 0.36)
    shaft = trapezoid(x - 0.48, y, rows=(shaft_top, 0.42), widths=(shaft_half, shaft_half + 0.05))
    heel = trapezoid(x - 0.62, y, rows=(0.38, dice.between(0.55, 0.8)), widths=(0.2, 0.14))
    zip_line = stroke(x, y, start=(0.5, -0.5), end=(0.45, 0.3), half=0.03)
    return Garment(np.maximum(np.maximum(foot, shaft), heel), zip_line)


def _sandal(x: Field, y: Field, dice: Dice) -> Garment:
    heel_row, toe_row, half = dice.between(0.05, 0.45), dice.between(0.45, 0.55), dice.between(0.05, 0.1)
    sole = stroke(x, y, start=(-0.85, toe_row), end=(0.8, heel_row), half=half)
    heel = stroke(x, y, start=(0.78, heel_row), end=(dice.between(0.7, 0.85), 0.55), half=half)
    arch_x, arch_y = dice.between(-0.55, -0.1), dice.between(-0.1, 0.15)
    strap_half = dice.between(0.04, 0.09)
    front = stroke(x, y, start=(-0.7, toe_row), end=(arch_x, arch_y), half=strap_half)
    back = stroke(x, y, start=(arch_x, arch_y), end=(0.2, heel_row + 0.05), half=strap_half)
    ankle_y = dice.between(-0.45, -0.1)
    ankle = stroke(x, y, start=(0.8, heel_row), end=(0.75, ankle_y), half=strap_half)
    buckle = stroke(x, y, start=(0.75, ankle_y), end=(dice.between(0.1, 0.4), ankle_y + 0.15), half=strap_half)
    straps = np.maximum(np.maximum(front, back), np.where(dice.chance(0.7), np.maximum(ankle, buckle), -1))
    return Garment(np.maximum(np.maximum(sole, heel), straps), np.full_like(x, -1))


def _bag(x: Field, y: Field, dice: Dice) -> Garment:
    top, width = dice.between(-0.4, 0.0), dice.between(0.5, 0.85)
    body = trapezoid(x, y, rows=(top, dice.between(0.55, 0.85)), widths=(width, width + dice.between(-0.12, 0.1)))
    handle_width, handle_height = dice.between(0.25, 0.5), dice.between(0.25, 0.5)
    handle = ellipse(x, y, centre=(0, top), radii=(handle_width, handle_height))
    ring = dice.between(0.04, 0.08) - np.abs(handle)
    clasp = ellipse(x, y, centre=(0, top + 0.3), radii=(0.1, 0.08))
    flap = np.broadcast_to(0.025 - np.abs(y - top - 0.2), x.shape)
    return Garment(np.maximum(body, np.where(dice.chance(0.85), ring, -1)), np.maximum(clasp, flap))


#: In the order of ``contract.CLASS_NAMES``.
GARMENTS: tuple[Callable[[Field, Field, Dice], Garment], ...] = (
    _t_shirt,
    _trouser,
    _pullover,
    _dress,
    _coat,
    _sandal,
    _shirt,
    _sneaker,
    _bag,
    _ankle_boot,
)

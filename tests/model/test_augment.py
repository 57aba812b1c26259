"""Each component's geometry against SciPy's, the composition, the random draws, and the warp itself."""

import keras
import numpy as np
import pytest
from scipy import ndimage, stats

from trainer.model.augment import (
    AffineWarp,
    AugmentLimits,
    draw_transforms,
    flip,
    projective_rows,
    rotation,
    shear,
    shift,
    zoom,
)

NOTHING = AugmentLimits(rotation_degrees=0, shift_fraction=0, shear_fraction=0, zoom_fraction=0, horizontal_flip=False)
SCIPY = {"order": 1, "mode": "nearest"}
EVERYTHING = AugmentLimits(
    rotation_degrees=15, shift_fraction=0.15, shear_fraction=0.15, zoom_fraction=0.15, horizontal_flip=True
)


def only(**limit):
    return AugmentLimits(**{**vars(NOTHING), **limit})


def noise(count=1):
    """The hardest images: no pixel resembles its neighbour, and none is dark at the border."""
    return np.random.default_rng(0).integers(0, 256, (count, 28, 28, 1), dtype=np.uint8)


def warp(images, rows):
    return AffineWarp()(images, rows).numpy()


def scipy_affine(image, matrix):
    """SciPy's warp about the centre: it, too, maps output to input, but in the order (row, column)."""
    centre = np.array([13.5, 13.5])
    return ndimage.affine_transform(image, matrix, centre - matrix @ centre, **SCIPY)


def scipy_warp(images, rows):
    """SciPy's warp of each image by its row, not rounded: float64 (N, 28, 28)."""
    return np.stack(
        [
            ndimage.affine_transform(image[:, :, 0].astype(np.float64), [[e, d], [b, a]], (f, c), **SCIPY)
            for image, (a, b, c, d, e, f, _, _) in zip(images, rows, strict=True)
        ]
    )


def matrices(rows):
    return np.concatenate([rows, np.ones((len(rows), 1))], axis=1).reshape(-1, 3, 3)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (rotation(np.deg2rad([15.0])), lambda image: ndimage.rotate(image, 15, reshape=False, **SCIPY)),
        (rotation(np.deg2rad([-80.0])), lambda image: ndimage.rotate(image, -80, reshape=False, **SCIPY)),
        (shift(np.array([4.2]), np.array([-2.7])), lambda image: ndimage.shift(image, (2.7, -4.2), **SCIPY)),
        (shear(np.array([0.15])), lambda image: scipy_affine(image, np.array([[1, 0], [0.15, 1]]))),
        (zoom(np.array([1.15]), np.array([0.85])), lambda image: scipy_affine(image, np.diag([0.85, 1.15]))),
        (flip(np.array([True])), np.fliplr),
        (flip(np.array([False])), np.copy),
    ],
    ids=["rotation", "rotation-back", "shift", "shear", "zoom", "flip", "no-flip"],
)
def test_each_component_moves_the_pixels_as_scipy_does(step, expected):
    images = noise()
    ours = warp(images, projective_rows(step))[0, :, :, 0]
    theirs = expected(images[0, :, :, 0].astype(np.float64))
    # Half a grey level of rounding; coordinates are float32, neighbouring pixels up to 255 apart.
    np.testing.assert_allclose(ours, theirs, atol=0.51)


def test_beyond_the_border_lies_its_nearest_pixel():
    images = noise()
    moved = warp(images, projective_rows(shift(np.array([5.0]), np.array([0.0]))))
    np.testing.assert_array_equal(moved[:, :, :23], images[:, :, 5:])
    np.testing.assert_array_equal(moved[:, :, 23:], np.repeat(images[:, :, 27:], 5, axis=2))


def test_one_warp_of_all_components_equals_one_warp_by_scipy():
    images = noise(20)
    rows = draw_transforms(20, seed=3, epoch=0, limits=EVERYTHING)
    np.testing.assert_allclose(warp(images, rows)[:, :, :, 0], scipy_warp(images, rows), atol=0.51)


def test_the_composed_warp_is_the_product_of_its_components_rotation_done_first():
    components = [
        only(rotation_degrees=15),
        only(shift_fraction=0.15),
        only(shear_fraction=0.15),
        only(zoom_fraction=0.15),
        only(horizontal_flip=True),
    ]
    product = np.eye(3)
    for limits in components:
        product = product @ matrices(draw_transforms(100, seed=1, epoch=2, limits=limits))
    composed = matrices(draw_transforms(100, seed=1, epoch=2, limits=EVERYTHING))
    np.testing.assert_allclose(composed, product, atol=1e-5)


def test_the_composed_warp_does_what_its_components_do_one_after_the_other():
    y, x = np.mgrid[:28, :28]
    image = (255 * np.exp(-((x - 11) ** 2 + (y - 15) ** 2) / 30)).astype(np.uint8)[None, :, :, None]
    steps = [
        rotation(np.array([0.25])),
        shift(np.array([3.0]), np.array([-2.0])),
        shear(np.array([0.15])),
        zoom(np.array([1.1]), np.array([0.9])),
        flip(np.array([True])),
    ]
    successive = image
    for step in steps:
        successive = warp(successive, projective_rows(step))
    at_once = warp(image, projective_rows(*steps))
    reverse_order = warp(image, projective_rows(*steps[::-1]))
    # Each further interpolation blurs the blob a little; another order moves it. What a step moves beyond the
    # border is lost to the next one, so look at the inside.
    inside = np.s_[:, 4:-4, 4:-4]
    assert np.abs(successive[inside].astype(int) - at_once[inside]).max() <= 8
    assert np.abs(successive[inside].astype(int) - reverse_order[inside]).max() > 100


def test_without_limits_nothing_changes():
    images = noise(5)
    rows = draw_transforms(5, seed=1, epoch=1, limits=NOTHING)
    np.testing.assert_array_equal(rows, np.tile(np.float32([1, 0, 0, 0, 1, 0, 0, 0]), (5, 1)))
    np.testing.assert_array_equal(warp(images, rows), images)


@pytest.mark.parametrize(
    ("limits", "parameter", "low", "high"),
    [
        (only(rotation_degrees=15), lambda m: np.rad2deg(np.arctan2(m[:, 1, 0], m[:, 0, 0])), -15, 15),
        (only(shift_fraction=0.15), lambda m: m[:, 0, 2], -4.2, 4.2),
        (only(shift_fraction=0.15), lambda m: m[:, 1, 2], -4.2, 4.2),
        (only(shear_fraction=0.15), lambda m: m[:, 0, 1], -0.15, 0.15),
        (only(zoom_fraction=0.15), lambda m: m[:, 0, 0], 0.85, 1.15),
        (only(zoom_fraction=0.15), lambda m: m[:, 1, 1], 0.85, 1.15),
    ],
    ids=["rotation", "shift-x", "shift-y", "shear", "zoom-x", "zoom-y"],
)
def test_each_amount_is_triangular_over_its_range(limits, parameter, low, high):
    values = parameter(matrices(draw_transforms(20_000, seed=5, epoch=0, limits=limits).astype(np.float64)))
    assert values.min() >= low - 1e-5
    assert values.max() <= high + 1e-5
    # The largest distance between the distributions; by chance it stays below 0.014 in 999 of 1,000 draws.
    assert stats.kstest(values, stats.triang(0.5, low, high - low).cdf).statistic < 0.014


def test_whole_pixels_are_the_rounded_shifts_and_blur_nothing():
    exact, whole = (
        draw_transforms(2000, seed=5, epoch=0, limits=only(shift_fraction=0.15, whole_pixels=whole))
        for whole in (False, True)
    )
    np.testing.assert_array_equal(whole[:, [2, 5]], np.rint(exact[:, [2, 5]]))
    assert set(whole[:, 2]) == set(range(-4, 5))
    images = noise(2000)
    inside = np.s_[:, 5:-5, 5:-5]
    moved = np.stack(
        [np.roll(i, (-round(y), -round(x)), (0, 1)) for i, x, y in zip(images, *whole.T[[2, 5]], strict=True)]
    )
    np.testing.assert_array_equal(warp(images, whole)[inside], moved[inside])


def test_every_other_image_is_mirrored_by_chance():
    rows = draw_transforms(20_000, seed=5, epoch=0, limits=only(horizontal_flip=True))
    assert set(rows[:, 0]) == {-1.0, 1.0}
    assert abs(np.mean(rows[:, 0] < 0) - 0.5) < 0.012


def test_the_axes_are_shifted_and_zoomed_each_for_itself():
    limits = only(shift_fraction=0.15, zoom_fraction=0.15)
    rows = draw_transforms(20_000, seed=5, epoch=0, limits=limits)
    zoom_x, zoom_y = rows[:, 0], rows[:, 4]
    assert abs(np.corrcoef(zoom_x, zoom_y)[0, 1]) < 0.03
    x_px, y_px = rows[:, 2] - 13.5 * (1 - zoom_x), rows[:, 5] - 13.5 * (1 - zoom_y)
    assert abs(np.corrcoef(x_px, y_px)[0, 1]) < 0.03


def test_transforms_follow_from_seed_and_epoch_alone():
    rows = draw_transforms(50, seed=7, epoch=3, limits=EVERYTHING)
    assert rows.shape == (50, 8)
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows[:, 6:], 0)
    np.random.seed(0)
    np.testing.assert_array_equal(draw_transforms(50, seed=7, epoch=3, limits=EVERYTHING), rows)
    np.testing.assert_array_equal(draw_transforms(20, seed=7, epoch=3, limits=EVERYTHING), rows[:20])
    assert not np.isin(draw_transforms(50, seed=7, epoch=4, limits=EVERYTHING), rows)[:, :6].any()
    assert not np.isin(draw_transforms(50, seed=8, epoch=3, limits=EVERYTHING), rows)[:, :6].any()


def test_warped_values_are_rounded_to_the_nearest_grey_level():
    image = np.zeros((1, 28, 28, 1), np.uint8)
    image[:, :, 14:] = 3
    between = warp(image, projective_rows(shift(np.array([0.6]), np.array([0.0]))))
    assert between.dtype == np.uint8
    assert set(between[0, 0, :, 0].tolist()) == {0, 2, 3}


@pytest.fixture
def mixed_bfloat16():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(before)


@pytest.mark.usefixtures("mixed_bfloat16")
def test_the_warp_keeps_its_coordinates_in_float32_under_mixed_precision():
    images, rows = noise(8), draw_transforms(8, seed=2, epoch=0, limits=EVERYTHING)
    image, transform = keras.Input((28, 28, 1), dtype="uint8"), keras.Input((8,), dtype="float32")
    model = keras.Model([image, transform], AffineWarp()(image, transform))
    in_graph = model.predict_on_batch([images, rows])
    in_float32 = AffineWarp(dtype="float32")(images, rows).numpy()
    np.testing.assert_array_equal(in_graph, in_float32)
    np.testing.assert_allclose(in_graph[:, :, :, 0], scipy_warp(images, rows), atol=0.51)


def test_a_model_with_the_warp_can_be_saved_and_loaded(tmp_path):
    image, transform = keras.Input((28, 28, 1), dtype="uint8"), keras.Input((8,), dtype="float32")
    model = keras.Model([image, transform], AffineWarp()(image, transform))
    model.save(tmp_path / "warp.keras")
    restored = keras.saving.load_model(tmp_path / "warp.keras")
    inputs = [noise(3), draw_transforms(3, seed=1, epoch=0, limits=EVERYTHING)]
    np.testing.assert_array_equal(restored.predict_on_batch(inputs), model.predict_on_batch(inputs))

"""Random Erasing: what it does to images in training, and that it is drawn by its seed and can be resumed."""

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from trainer.contract import IMAGE_SHAPE, INPUT_NAME
from trainer.model.cnn import build_cnn
from trainer.model.training_model import ERASED_AREA, TRANSFORM_NAME, with_augmentation

COUNT, SHARE, GREY = 1500, 0.3, 200
IDENTITY = np.array([1, 0, 0, 0, 1, 0, 0, 0], dtype=np.float32)
IMAGES = {
    INPUT_NAME: np.full((COUNT, *IMAGE_SHAPE), GREY, dtype=np.uint8),
    TRANSFORM_NAME: np.tile(IDENTITY, (COUNT, 1)),
}


def model_with(*, seed: int, share: float = SHARE) -> keras.Model:
    network = build_cnn(filters=(2,), dense_units=4, conv_dropout=0.0, dense_dropout=0.0, seed=0)
    return with_augmentation(network, erase_probability=share, seed=seed)


def seen(model: keras.Model, *, training: bool = True) -> NDArray[np.float32]:
    """The grey images as the network sees them, behind the augmentation: (COUNT, 28, 28)."""
    images = keras.Model(model.input, model.get_layer("erase").output)(IMAGES, training=training)
    return np.asarray(keras.ops.convert_to_numpy(images), dtype=np.float32)[..., 0]


@pytest.fixture(scope="module")
def erased() -> NDArray[np.bool_]:
    return seen(model_with(seed=1)) != GREY


def test_so_large_a_share_of_the_images_is_erased(erased: NDArray[np.bool_]) -> None:
    four_deviations = 4 * np.sqrt(SHARE * (1 - SHARE) / COUNT)
    assert erased.any(axis=(1, 2)).mean() == pytest.approx(SHARE, abs=four_deviations)
    assert (seen(model_with(seed=1, share=1.0)) != GREY).any(axis=(1, 2)).all()


def test_what_is_erased_is_one_black_rectangle_of_the_area_that_is_told(erased: NDArray[np.bool_]) -> None:
    assert set(np.unique(seen(model_with(seed=1)))) == {0, GREY}
    patches = erased[erased.any(axis=(1, 2))]
    rows, columns = patches.any(axis=2), patches.any(axis=1)
    assert (patches == rows[:, :, None] & columns[:, None, :]).all()
    for side in (rows, columns):  # In one piece: it begins once, and ends once.
        assert (np.diff(side.astype(int), prepend=0, append=0) != 0).sum() == 2 * len(patches)
    heights, widths = rows.sum(axis=1), columns.sum(axis=1)
    areas = heights * widths
    # Each side is a root of such a share, and pixels are whole.
    shortest, longest = (28 * np.sqrt(share) for share in ERASED_AREA)
    for sides in (heights, widths):
        assert (np.floor(shortest) <= sides).all()
        assert (sides <= np.ceil(longest)).all()
    assert np.percentile(areas, 5) < 0.1 * 28**2
    assert np.percentile(areas, 95) > 0.25 * 28**2


def test_every_image_has_a_patch_of_its_own_anywhere(erased: NDArray[np.bool_]) -> None:
    # The upper left corner is above 0, so that Keras never reaches the first row and the first column.
    for ends in (erased.any(axis=(0, 1)), erased.any(axis=(0, 2))):
        assert ends.tolist() == [False] + 27 * [True]
    assert len(np.unique(erased.reshape(COUNT, -1), axis=0)) > 0.9 * erased.any(axis=(1, 2)).sum()


def test_the_seed_decides(erased: NDArray[np.bool_]) -> None:
    np.testing.assert_array_equal(seen(model_with(seed=1)) != GREY, erased)
    assert ((seen(model_with(seed=2)) != GREY) != erased).any()


def test_the_next_patches_are_others_and_follow_from_the_variables_of_the_model() -> None:
    """Which is what a checkpoint holds."""
    model, resumed = model_with(seed=1), model_with(seed=2)
    first = seen(model)
    for variable, kept in zip(resumed.variables, model.variables, strict=True):
        variable.assign(kept)
    second = seen(model)
    assert (second != first).any()
    np.testing.assert_array_equal(seen(resumed), second)


def test_inference_sees_whole_images_and_the_network_knows_of_no_erasing() -> None:
    network = build_cnn(filters=(2,), dense_units=4, conv_dropout=0.0, dense_dropout=0.0, seed=0)
    model = with_augmentation(network, erase_probability=1.0, seed=1)
    assert (seen(model, training=False) == GREY).all()
    assert not [layer for layer in network._flatten_layers() if isinstance(layer, keras.layers.RandomErasing)]


def test_a_probability_of_nothing_adds_no_layer() -> None:
    network = build_cnn(filters=(2,), dense_units=4, conv_dropout=0.0, dense_dropout=0.0, seed=0)
    assert "erase" not in [layer.name for layer in with_augmentation(network).layers]

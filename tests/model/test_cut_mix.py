"""CutMix: where its rectangles are, what the pasted image looks like, and that the targets' shares are those seen."""

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from trainer.contract import IMAGE_SHAPE, INPUT_NAME
from trainer.model.cnn import build_cnn
from trainer.model.cut_mix import CutMix, draw_boxes, kept_shares, partners
from trainer.model.training_model import BOX_NAME, TRANSFORM_NAME, with_augmentation

COUNT, SHARE = 4000, 0.4
IDENTITY = np.array([1, 0, 0, 0, 1, 0, 0, 0], dtype=np.float32)


def boxes_of(count: int = COUNT, *, seed: int = 1, epoch: int = 1, probability: float = SHARE) -> NDArray[np.uint8]:
    return draw_boxes(count, seed=seed, epoch=epoch, probability=probability)


def numbered(count: int) -> NDArray[np.uint8]:
    """Images that are grey, each of its own level from 1 on."""
    levels = np.arange(1, count + 1, dtype=np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (count, *IMAGE_SHAPE)).copy()


def pasted(images: NDArray[np.uint8], boxes: NDArray[np.uint8], erased: object = None) -> NDArray[np.uint8]:
    found = CutMix()(images, images if erased is None else erased, boxes)
    return np.asarray(keras.ops.convert_to_numpy(found))


def test_so_large_a_share_of_the_images_has_a_rectangle() -> None:
    four_deviations = 4 * np.sqrt(SHARE * (1 - SHARE) / COUNT)
    assert boxes_of().any(axis=1).mean() == pytest.approx(SHARE, abs=four_deviations)
    assert not boxes_of(probability=0).any()
    assert boxes_of(probability=1).any(axis=1).mean() > 0.99


def test_their_areas_are_the_papers_and_they_lie_anywhere() -> None:
    """A uniformly distributed share before what lies beyond the border is cut off."""
    boxes = boxes_of(probability=1).astype(int)
    top, bottom, left, right = boxes.T
    assert (top <= bottom).all()
    assert (left <= right).all()
    assert (bottom.max(), right.max()) == IMAGE_SHAPE[:2]
    inner = (top > 0) & (bottom < 28) & (left > 0) & (right < 28)
    np.testing.assert_allclose((bottom - top)[inner], (right - left)[inner], atol=1)  # Square, but for whole pixels.
    # By an integral over areas and centres, of the share that is left within the image.
    area, row, column = np.random.default_rng(0).random((3, 200_000))
    within = [np.clip(c + np.sqrt(area) / 2, 0, 1) - np.clip(c - np.sqrt(area) / 2, 0, 1) for c in (row, column)]
    assert 1 - kept_shares(boxes_of(probability=1)).mean() == pytest.approx(np.prod(within, axis=0).mean(), abs=0.01)
    covered = np.zeros(IMAGE_SHAPE[:2])
    for first, last, start, end in boxes:
        covered[first:last, start:end] += 1
    # A corner is reached from centres within half a side, the middle wherever the side reaches it from.
    np.testing.assert_allclose(covered[[0, 0, -1, -1], [0, -1, 0, -1]] / COUNT, 1 / 8, atol=0.025)
    np.testing.assert_allclose(covered[13:15, 13:15] / COUNT, 1 / 2, atol=0.04)


def test_the_seed_and_the_epoch_decide_and_the_number_of_images_does_not() -> None:
    np.testing.assert_array_equal(boxes_of(), boxes_of())
    np.testing.assert_array_equal(boxes_of(100), boxes_of()[:100])
    assert (boxes_of(seed=2) != boxes_of()).any(axis=1).mean() > 0.5
    assert (boxes_of(epoch=2) != boxes_of()).any(axis=1).mean() > 0.5


@pytest.mark.parametrize(("count", "last"), [(96, 32), (75, 11), (20, 20)])
def test_a_partner_is_who_stands_at_the_other_end_of_the_batch(count: int, last: int) -> None:
    batches = np.split(np.arange(count), range(32, count, 32))
    assert len(batches[-1]) == last
    expected = np.concatenate([batch[::-1] for batch in batches])
    np.testing.assert_array_equal(partners(count, batch_size=32), expected)


def test_a_rectangle_shows_the_partner_and_all_else_the_image() -> None:
    images, boxes = numbered(5), np.zeros((5, 4), dtype=np.uint8)
    boxes[0], boxes[3], boxes[4] = (2, 28, 0, 5), (0, 1, 27, 28), (0, 28, 0, 28)
    seen = pasted(images, boxes)
    assert seen.dtype == np.uint8
    expected = images.copy()
    expected[0, 2:28, 0:5] = 5
    expected[3, 0, 27] = 2
    expected[4] = 1
    np.testing.assert_array_equal(seen, expected)


def test_the_share_that_the_target_keeps_is_the_share_of_pixels_kept() -> None:
    images, boxes = numbered(250), boxes_of(250, probability=0.9)
    seen, own = pasted(images, boxes), np.arange(1, 251)[:, None, None, None]
    assert (partners(250, batch_size=250) != np.arange(250)).all()
    np.testing.assert_allclose((seen == own).mean(axis=(1, 2, 3)), kept_shares(boxes), rtol=1e-6)
    other = own[partners(250, batch_size=250)]
    assert ((seen == own) | (seen == other)).all()


def test_what_has_a_rectangle_is_not_erased_too_and_what_has_none_is() -> None:
    images, boxes = numbered(4), np.zeros((4, 4), dtype=np.uint8)
    boxes[1] = 0, 14, 0, 28
    seen = pasted(images, boxes, erased=np.zeros_like(images, dtype=np.float32))
    np.testing.assert_array_equal(seen[[0, 2, 3]], 0)
    np.testing.assert_array_equal(np.unique(seen[1]), [2, 3])


def test_the_training_model_erases_only_what_has_no_rectangle() -> None:
    network = build_cnn(filters=(2,), dense_units=4, conv_dropout=0.0, dense_dropout=0.0, seed=0)
    model = with_augmentation(network, erase_probability=1.0, cut_mix=True, seed=1)
    boxes = np.zeros((8, 4), dtype=np.uint8)
    boxes[:4] = 0, 14, 0, 28
    given = {INPUT_NAME: numbered(8), TRANSFORM_NAME: np.tile(IDENTITY, (8, 1)), BOX_NAME: boxes}
    seen = keras.Model(model.input, model.get_layer("cut_mix").output)(given, training=True)
    has_black = (keras.ops.convert_to_numpy(seen) == 0).any(axis=(1, 2, 3))
    np.testing.assert_array_equal(has_black, 4 * [False] + 4 * [True])


def test_the_training_model_pastes_behind_the_warp_and_the_network_knows_of_none() -> None:
    network = build_cnn(filters=(2,), dense_units=4, conv_dropout=0.0, dense_dropout=0.0, seed=0)
    model = with_augmentation(network, cut_mix=True, seed=1)
    images = np.zeros((2, *IMAGE_SHAPE), dtype=np.uint8)
    images[1, :, 27] = 250  # After its move by three pixels to the left this column is the 25th, and those after it.
    transforms = np.stack([IDENTITY, IDENTITY])
    transforms[1, 2] = 3
    boxes = np.array([[0, 28, 0, 28], [0, 0, 0, 0]], dtype=np.uint8)
    given = {INPUT_NAME: images, TRANSFORM_NAME: transforms, BOX_NAME: boxes}
    seen = keras.ops.convert_to_numpy(keras.Model(model.input, model.get_layer("cut_mix").output)(given))
    np.testing.assert_array_equal(np.flatnonzero(seen[0, 0, :, 0]), [24, 25, 26, 27])
    np.testing.assert_array_equal(seen[0], seen[1])
    assert not [layer for layer in network._flatten_layers() if isinstance(layer, CutMix)]
    assert BOX_NAME not in with_augmentation(network).input

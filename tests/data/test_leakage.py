import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.datasets import noise
from trainer.contract import Examples
from trainer.data import leakage
from trainer.data.leakage import Copy, find_copies, find_repeats


def moved(image: NDArray[np.uint8], down: int, right: int) -> NDArray[np.uint8]:
    """A copy of (28, 28, 1), its border filled with grey."""
    target = np.full((28, 28, 1), 77, np.uint8)
    rows, columns = (slice(max(0, step), 28 + min(0, step)) for step in (down, right))
    origin = tuple(slice(max(0, -step), 28 + min(0, -step)) for step in (down, right))
    target[rows, columns] = image[origin]
    return target


@pytest.mark.parametrize("down", range(-2, 3))
@pytest.mark.parametrize("right", range(-2, 3))
def test_finds_a_copy_moved_by_up_to_two_pixels(down: int, right: int) -> None:
    train, test = noise(60, 0), noise(20, 1)
    test[13] = moved(train[41], down, right)
    assert find_copies(train, test) == [Copy(13, 41, down, right)]


@pytest.mark.parametrize(("down", "right"), [(3, 0), (0, -3)])
def test_farther_is_no_copy(down: int, right: int) -> None:
    train, test = noise(60, 0), noise(20, 1)
    test[13] = moved(train[41], down, right)
    assert find_copies(train, test) == []


def test_one_grey_level_of_difference_is_no_copy() -> None:
    train, test = noise(60, 0), noise(20, 1)
    test[13] = train[41]
    test[13, 14, 14, 0] ^= 1
    assert find_copies(train, test) == []


def test_reports_each_test_image_once() -> None:
    train, test = noise(60, 0), noise(20, 1)
    train[50] = train[41]
    test[3] = test[13] = train[41]
    assert find_copies(train, test) == [Copy(3, 41, 0, 0), Copy(13, 41, 0, 0)]


def test_images_that_show_nothing_are_no_copies() -> None:
    """Drawings with a frame: the middles are blank, the frames differ."""
    train, test = np.zeros((5, 28, 28, 1), np.uint8), np.zeros((5, 28, 28, 1), np.uint8)
    train[:, 0], test[:, :, 0] = 200, 100
    assert find_copies(train, test) == []


@pytest.mark.parametrize("buckets", [1, leakage._BUCKETS])
def test_blocks_and_buckets_do_not_disturb_the_numbering(buckets: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leakage, "_BUCKETS", buckets)
    train, test = noise(5_000, 0), noise(2_500, 1)
    test[2_300] = train[4_700]
    assert find_copies(train, test) == [Copy(2_300, 4_700, 0, 0)]


def test_finds_repeats_and_conflicting_labels() -> None:
    images = noise(30, 0)
    images[[12, 20]] = images[4]
    images[9] = images[8]
    labels = np.zeros(30, np.int32)
    labels[20] = 3
    repeats = find_repeats(Examples(images, labels))
    assert repeats.count == 3
    assert repeats.conflicts == [(12, 20)]


@pytest.mark.parametrize("grey", [0, 255])
def test_a_difference_in_one_bit_of_one_pixel_hides_no_repeat(grey: int) -> None:
    """Equal images lie next to each other among the sorted hashes, unless another image has theirs."""
    pixels = np.full((1 + 784 * 8 + 1, 784), grey, np.uint8)
    changed, bit = np.divmod(np.arange(784 * 8), 8)
    pixels[1 + np.arange(784 * 8), changed] ^= (1 << bit).astype(np.uint8)
    assert find_repeats(Examples(pixels.reshape(-1, 28, 28, 1), np.zeros(len(pixels), np.int32))).count == 1

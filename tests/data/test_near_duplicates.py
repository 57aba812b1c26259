import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.datasets import noise
from trainer.contract import Examples
from trainer.data import near_duplicates
from trainer.data.checks import check
from trainer.data.idx import Dataset
from trainer.data.near_duplicates import distances_within, nearest_distances, thumbnails
from trainer.data.sketches import draw
from trainer.data.sources import Source
from trainer.errors import DataError

WITHIN = 5.0


def means(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    return images.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4))


def plain_distances(train: NDArray[np.uint8], test: NDArray[np.uint8]) -> NDArray[np.float64]:
    references = means(train)
    return np.array([np.sqrt(np.square(query - references).mean(axis=(1, 2))).min() for query in means(test)])


def test_nearest_distances_are_those_of_a_plain_search() -> None:
    train, test = noise(5_000, 0), noise(40, 1)
    test[3] = train[4_321]
    test[5] = np.clip(train[77].astype(int) + 4, 0, 255)
    np.testing.assert_array_equal(thumbnails(train), means(train))
    found = nearest_distances(thumbnails(train), thumbnails(test))
    assert found == pytest.approx(plain_distances(train, test), abs=0.1)
    assert found[[3, 5]] == pytest.approx([0, 4], abs=0.1)


@pytest.mark.parametrize("block", [1, 256])
def test_what_is_near_is_found_among_images_of_about_the_same_brightness(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of those made to be near, one is as bright as its origin, one brighter, one darker, one just within."""
    monkeypatch.setattr(near_duplicates, "_TEST_BLOCK", block)
    random = np.random.default_rng(2)
    brightness = random.integers(20, 200, (9_000, 1, 1, 1))
    train = (brightness + random.integers(0, 50, (9_000, 28, 28, 1))).astype(np.uint8)
    test = (random.integers(20, 200, (1_500, 1, 1, 1)) + random.integers(0, 50, (1_500, 28, 28, 1))).astype(np.uint8)
    copied = {3: (8_765, 0), 700: (12, 4), 900: (5_000, 5), 1_499: (4_000, -4)}
    for at, (origin, lighter) in copied.items():
        test[at] = train[origin].astype(int) + lighter
    exact = plain_distances(train, test)
    near = exact <= WITHIN
    found = distances_within(thumbnails(train), thumbnails(test), within=WITHIN)
    assert set(np.flatnonzero(near)) >= copied.keys()
    np.testing.assert_allclose(found[near], exact[near], atol=1e-5)
    assert np.isinf(found[~near]).all()


def test_what_looks_the_same_from_afar_only_is_not_near() -> None:
    """Squares of two pixels in light and dark: over four by four pixels all is grey."""
    grey = np.full((1, 28, 28, 1), 100, np.uint8)
    squares = np.where((np.indices((28, 28)) // 2).sum(axis=0) % 2, 80, 120).astype(np.uint8)
    small = thumbnails(grey), thumbnails(squares.reshape(grey.shape))
    assert nearest_distances(*small) == pytest.approx([20], abs=0.01)
    assert np.isinf(distances_within(*small, within=WITHIN)).all()


def test_a_set_in_which_all_are_near_is_searched_too() -> None:
    train, test = np.full((10_000, 28, 28, 1), 7, np.uint8), np.full((600, 28, 28, 1), 9, np.uint8)
    assert distances_within(thumbnails(train), thumbnails(test), within=WITHIN) == pytest.approx(np.full(600, 2.0))


@pytest.mark.parametrize(("brightness", "levels"), [(1.0, "4.1"), (0.25, "1")])
def test_a_test_set_made_of_training_images_is_refused(brightness: float, levels: str) -> None:
    """But for a grey level here and there, which no copy has. Without contrast all images are near: it takes less."""
    train, own = draw(1_000, stream=90), Source("own", "/somewhere", {}, {})
    dimmed = Examples((train.images * brightness).astype(np.uint8), train.labels)
    drawn = draw(500, stream=91)
    sound = Dataset(dimmed, Examples((drawn.images * brightness).astype(np.uint8), drawn.labels))
    assert check(sound, own)["near_duplicates"]["count"] <= 1
    grains = np.random.default_rng(0).integers(0, 2, (500, 28, 28, 1), dtype=np.uint8)
    noisy = Examples(np.minimum(dimmed.images[:500], 254) + grains, train.labels[:500])
    message = rf"500 of 500 test images are nearly the same as a training image \(closer than {levels} grey levels"
    with pytest.raises(DataError, match=message):
        check(Dataset(dimmed, noisy), own)

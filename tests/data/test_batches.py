import numpy as np
import pytest

from trainer.data.batches import epoch_order, permutation, visited


@pytest.mark.parametrize("count", [1, 10, 54_000])
def test_visits_every_image_once(count: int) -> None:
    order = epoch_order(count, seed=42, epoch=1)
    assert order.dtype == np.int64
    assert np.array_equal(np.sort(order), np.arange(count))


def test_comes_from_seed_and_epoch_alone() -> None:
    order = epoch_order(1000, seed=42, epoch=3)
    epoch_order(1000, seed=42, epoch=2)
    assert np.array_equal(order, epoch_order(1000, seed=42, epoch=3))
    assert not np.array_equal(order, epoch_order(1000, seed=42, epoch=4))
    assert not np.array_equal(order, epoch_order(1000, seed=43, epoch=3))


def test_is_the_order_it_always_was() -> None:
    """Pinned: a checkpoint of last year's goes on with the same images."""
    assert epoch_order(10, seed=42, epoch=1).tolist() == [2, 3, 7, 6, 0, 5, 9, 1, 4, 8]


def test_streams_of_one_seed_differ() -> None:
    orders = [permutation(1000, seed=42, stream=stream).tobytes() for stream in ((1,), (2,), (1, 0), (1, 1))]
    assert len(set(orders)) == 4


def test_an_epoch_that_leaves_images_out_visits_the_hardest_and_others_at_random() -> None:
    losses = np.random.default_rng(0).random(1000).astype(np.float32)
    orders = [epoch_order(1000, seed=42, epoch=epoch) for epoch in (1, 2)]
    first, second = (visited(order, losses, visits=500, hardest=200) for order in orders)
    hardest = np.argsort(-losses)[:200]
    for chosen, order in zip((first, second), orders, strict=True):
        assert len(np.unique(chosen)) == len(chosen) == 500
        assert np.isin(hardest, chosen).all()
        assert np.array_equal(chosen, order[np.isin(order, chosen)])
    both = np.intersect1d(np.setdiff1d(first, hardest), np.setdiff1d(second, hardest))
    assert 80 < len(both) < 145  # Of 800, 300 drawn twice: 112.5 in common, give or take 6.6.


def test_images_without_a_loss_come_before_all_others() -> None:
    losses = np.where(np.arange(100) < 10, np.inf, 5).astype(np.float32)
    chosen = visited(epoch_order(100, seed=1, epoch=1), losses, visits=20, hardest=10)
    assert np.isin(np.arange(10), chosen).all()


def test_with_no_losses_known_every_image_is_as_likely() -> None:
    unknown = np.full(1000, np.inf, dtype=np.float32)
    order = epoch_order(1000, seed=3, epoch=1)
    assert np.array_equal(visited(order, unknown, visits=400, hardest=300), order[:400])

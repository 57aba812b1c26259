import gzip
import os
import struct
import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.datasets import random_dataset, write_dataset
from trainer.contract import Examples
from trainer.data import idx
from trainer.data.idx import Dataset
from trainer.errors import DataError

PUBLISHED = "FASHION_MNIST_DIR"


@pytest.fixture
def paths(tmp_path: Path) -> Mapping[str, Path]:
    return write_dataset(tmp_path / "data", random_dataset(), suffix="")


def header(*shape: int, kind: int = 8) -> bytes:
    return bytes((0, 0, kind, len(shape))) + struct.pack(f">{len(shape)}I", *shape)


def test_content_and_not_the_name_tells_what_is_gzipped(paths: Mapping[str, Path]) -> None:
    plain = paths["test_labels"]
    labels = idx.read_labels(plain)
    plain.write_bytes(as_gzip(plain.read_bytes()))
    np.testing.assert_array_equal(idx.read_labels(plain), labels)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_what_is_written_is_read_back(tmp_path: Path, suffix: str) -> None:
    dataset = random_dataset()
    found = idx.read_dataset(write_dataset(tmp_path, dataset, suffix=suffix))
    for part, other in ((found.train, dataset.train), (found.test, dataset.test)):
        assert part.images.dtype == np.uint8
        assert part.labels.dtype == np.int32
        np.testing.assert_array_equal(part.images, other.images)
        np.testing.assert_array_equal(part.labels, other.labels)


@pytest.mark.skipif(PUBLISHED not in os.environ, reason=f"{PUBLISHED} is not set")
def test_reads_the_published_files() -> None:
    folder = Path(os.environ[PUBLISHED])
    labels = idx.read_labels(folder / "t10k-labels-idx1-ubyte.gz")
    images = idx.read_images(folder / "t10k-images-idx3-ubyte.gz")
    assert images.shape == (10_000, 28, 28, 1)
    assert np.bincount(labels).tolist() == [1000] * 10
    assert images.mean() / 255 == pytest.approx(0.28685, abs=1e-5)
    assert labels[:5].tolist() == [9, 2, 1, 1, 6]


def as_gzip(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def with_flipped_bit(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 16]) + content[middle + 1 :]


BAD_IMAGES: list[tuple[str, Callable[[bytes], bytes], str]] = [
    ("empty", lambda _: b"", "is empty – expected an IDX file of images"),
    ("gzip of nothing", lambda _: as_gzip(b""), "no IDX file of images"),
    ("cut header", lambda b: b[:10], "cut short – expected a whole header"),
    ("wrong magic", lambda b: b"\x01" + b[1:], "no IDX file of images.*00 00 08 03.*received 01 00 08 03"),
    ("wrong element type", lambda b: header(40, 28, 28, kind=13) + b[16:], "no IDX file of images.*00 00 0d 03"),
    ("labels for images", lambda b: header(len(b)) + b, "no IDX file of images.*00 00 08 01.*mixed up"),
    ("other size", lambda b: header(40, 14, 56) + b[16:], "wrong size – expected 28×28 – received 14×56"),
    ("no images", lambda _: header(0, 28, 28), "holds no images – expected 1 to 1000000 – received 0"),
    ("huge count", lambda _: header(2**32 - 1, 28, 28), "too many images.*received 4294967295"),
    ("huge shape", lambda _: header(2**32 - 1, 2**32 - 1, 2**32 - 1), "wrong size.*4294967295×4294967295"),
    ("one byte short", lambda b: b[:-1], "cut short – expected 31360 bytes for 40 images – received 31359 bytes"),
    ("trailing byte", lambda b: b + b"\0", "longer than its header says – expected 31360 bytes.*received more"),
    ("gzip cut", lambda b: as_gzip(b)[:-20], "is damaged – expected a whole gzip file"),
    ("gzip header only", lambda b: as_gzip(b)[:5], "is damaged – expected a whole gzip file"),
    ("gzip bit flipped", lambda b: with_flipped_bit(as_gzip(b)), "is damaged – expected a whole gzip file"),
    ("gzip invalid block", lambda b: as_gzip(b)[:10] + b"\x07" + as_gzip(b)[11:], "is damaged – .*invalid block type"),
    ("gzip wrong checksum", lambda b: as_gzip(b)[:-8] + b"\0" * 8, "is damaged – expected a whole gzip file"),
    ("gzip trailing bytes", lambda b: as_gzip(b) + b"garbage", "is damaged – expected a whole gzip file"),
    ("gzip trailing byte inside", lambda b: as_gzip(b + b"\0"), "longer than its header says"),
]


@pytest.mark.parametrize(("damage", "message"), [row[1:] for row in BAD_IMAGES], ids=[row[0] for row in BAD_IMAGES])
def test_refuses_a_malformed_image_file(
    paths: Mapping[str, Path], damage: Callable[[bytes], bytes], message: str
) -> None:
    path = paths["train_images"]
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=f"{path}.*{message}") as refused:
        idx.read_dataset(paths)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (header(3) + bytes([1, 10, 2]), "1 of 3 labels name no class – expected 0 to 9 – received 10 at position 1"),
        (header(3) + bytes([1, 2]), "cut short – expected 3 bytes for 3 labels – received 2 bytes"),
        (header(0), "holds no labels – expected 1 to 1000000"),
        (header(1, 28, 28) + bytes(784), "no IDX file of labels.*00 00 08 01 .unsigned bytes, 1 dimension.*mixed up"),
    ],
)
def test_refuses_a_malformed_label_file(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "labels"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        idx.read_labels(path)


def test_refuses_images_and_labels_that_do_not_pair_up(paths: Mapping[str, Path]) -> None:
    idx.write_labels(paths["test_labels"], np.zeros(19, dtype=np.int32))
    with pytest.raises(DataError, match="do not belong together.*received 20 images and 19 labels"):
        idx.read_dataset(paths)


def test_says_which_file_can_not_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="can't be read – expected a readable file of labels – received Is a directory"):
        idx.read_labels(tmp_path)
    with pytest.raises(
        DataError, match="nowhere can't be read – expected a readable file of images – received No such file"
    ):
        idx.read_images(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(header(1, 28, 28) + bytes(50_000_000), id="gzip bomb"),
        pytest.param(header(1_000_000, 28, 28) + bytes(784), id="header that announces 784 MB"),
    ],
)
def test_memory_grows_with_neither_bombs_nor_promises(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bomb.gz"
    path.write_bytes(as_gzip(content))
    tracemalloc.start()
    with pytest.raises(DataError, match="longer than its header says|cut short"):
        idx.read_images(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000


def test_fingerprint_is_that_of_the_content(tmp_path: Path) -> None:
    dataset = random_dataset()
    plain = idx.read_dataset(write_dataset(tmp_path / "plain", dataset, suffix=""))
    packed = idx.read_dataset(write_dataset(tmp_path / "packed", dataset, suffix=".gz"))
    assert idx.fingerprint(plain) == idx.fingerprint(packed) == idx.fingerprint(dataset)
    images = dataset.test.images.copy()
    images[-1, 27, 27] ^= 1
    assert idx.fingerprint(Dataset(dataset.train, Examples(images, dataset.test.labels))) != idx.fingerprint(dataset)
    assert idx.fingerprint(Dataset(dataset.test, dataset.train)) != idx.fingerprint(dataset)


@pytest.mark.parametrize("part", ["train", "test"])
def test_fingerprint_is_that_of_the_labels_too(part: str) -> None:
    dataset = random_dataset()
    examples = getattr(dataset, part)
    labels = examples.labels.copy()
    labels[-1] = (labels[-1] + 1) % 10
    relabelled = replace(dataset, **{part: Examples(examples.images, labels)})
    assert idx.fingerprint(relabelled) != idx.fingerprint(dataset)


def test_fingerprint_tells_where_train_ends_and_test_begins() -> None:
    def black(count: int) -> Examples:
        return Examples(np.zeros((count, 28, 28, 1), np.uint8), np.zeros(count, np.int32))

    assert idx.fingerprint(Dataset(black(1), black(3))) != idx.fingerprint(Dataset(black(2), black(2)))


def test_files_are_the_same_bytes_each_time(tmp_path: Path) -> None:
    first = write_dataset(tmp_path / "a", random_dataset())
    second = write_dataset(tmp_path / "b", random_dataset())
    assert all(first[key].read_bytes() == second[key].read_bytes() for key in first)

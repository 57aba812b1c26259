import gzip
import os
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from trainer.contract import Examples
from trainer.data import idx
from trainer.data.idx import Dataset
from trainer.errors import DataError

from tests.support.datasets import random_dataset, write_dataset

PUBLISHED = "FASHION_MNIST_DIR"


@pytest.fixture
def paths(tmp_path: Path) -> Mapping[str, Path]:
    return write_dataset(tmp_path / "data", random_dataset(), suffix="")


def header(*shape: int, kind: int = 8) -> bytes:
    return bytes((0, 0, kind, len(shape))) + struct.pack(f">{len(shape)}I", *shape)


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
    ("empty", lambda b: b"", "not an IDX image file.*received 0 bytes: nothing"),
    ("cut header", lambda b: b[:10], "not an IDX image file.*header of 16 bytes.*received 10 bytes"),
    ("wrong magic", lambda b: b"\x01" + b[1:], "not an IDX image file.*begins with 00000803.*01000803"),
    ("wrong element type", lambda b: header(40, 28, 28, kind=13) + b[16:], "begins with 00000803.*00000d03"),
    ("labels for images", lambda b: header(len(b)) + b, "not an IDX image file.*00000801.*give the image file"),
    ("other size", lambda b: header(40, 14, 56) + b[16:], "another shape.*28×28 pixels.*14×56"),
    ("no images", lambda b: header(0, 28, 28), "impossible size.*received 0×28×28"),
    ("huge", lambda b: header(2**32 - 1, 2**32 - 1, 2**32 - 1), "impossible size.*4294967295"),
    ("one byte short", lambda b: b[:-1], "does not hold.*expected 31360 bytes.*received 31359"),
    ("trailing byte", lambda b: b + b"\0", "does not hold.*received more"),
    ("gzip cut", lambda b: as_gzip(b)[:-20], "damaged.*whole gzip file"),
    ("gzip header only", lambda b: as_gzip(b)[:5], "damaged.*whole gzip file"),
    ("gzip bit flipped", lambda b: with_flipped_bit(as_gzip(b)), "damaged.*whole gzip file"),
    ("gzip wrong checksum", lambda b: as_gzip(b)[:-8] + b"\0" * 8, "damaged.*whole gzip file"),
    ("gzip trailing bytes", lambda b: as_gzip(b) + b"garbage", "damaged.*whole gzip file"),
    ("gzip trailing byte inside", lambda b: as_gzip(b + b"\0"), "does not hold.*received more"),
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
        (header(3) + bytes([1, 10, 2]), "label that names no class.*0 to 9.*received 10 at position 1"),
        (header(3) + bytes([1, 2]), "does not hold.*expected 3 bytes.*received 2"),
        (header(0), "impossible size.*1 to .* labels"),
        (header(1, 28, 28) + bytes(784), "not an IDX label file.*give the label file"),
    ],
)
def test_refuses_a_malformed_label_file(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "labels"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        idx.read_labels(path)


def test_refuses_images_and_labels_that_do_not_pair_up(paths: Mapping[str, Path]) -> None:
    idx.write_labels(paths["test_labels"], np.zeros(19, dtype=np.int32))
    with pytest.raises(DataError, match="don't pair up.*received 20 images and 19 labels"):
        idx.read_dataset(paths)


def test_names_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere can't be read"):
        idx.read_images(tmp_path / "nowhere")


def test_a_gzip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    path.write_bytes(as_gzip(header(1, 28, 28) + bytes(300_000_000)))
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError, match="received more"):
        idx.read_images(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000, "KiB"


def test_fingerprint_is_that_of_the_content(tmp_path: Path) -> None:
    dataset = random_dataset()
    plain = idx.read_dataset(write_dataset(tmp_path / "plain", dataset, suffix=""))
    packed = idx.read_dataset(write_dataset(tmp_path / "packed", dataset, suffix=".gz"))
    assert idx.fingerprint(plain) == idx.fingerprint(packed) == idx.fingerprint(dataset)
    images = dataset.test.images.copy()
    images[-1, 27, 27] ^= 1
    assert idx.fingerprint(Dataset(dataset.train, Examples(images, dataset.test.labels))) != idx.fingerprint(dataset)
    assert idx.fingerprint(Dataset(dataset.test, dataset.train)) != idx.fingerprint(dataset)


def test_files_are_the_same_bytes_each_time(tmp_path: Path) -> None:
    first = write_dataset(tmp_path / "a", random_dataset())
    second = write_dataset(tmp_path / "b", random_dataset())
    assert all(first[role].read_bytes() == second[role].read_bytes() for role in first)

"""IDX, the file format of MNIST and its successors, gzipped or not (http://yann.lecun.com/exdb/mnist).

A file is a magic number (two zero bytes, the element type, the number of dimensions), each dimension as a
big-endian 32-bit integer, and then the elements, last dimension fastest. What is read is trusted afterwards, so
everything about a file that can be wrong is refused here.
"""

import gzip
import hashlib
import math
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.contract import IMAGE_SHAPE, NUM_CLASSES, Examples
from trainer.errors import DataError
from trainer.storage.atomic import file_errors, replacing

#: The names of the four published files. A folder may hold each one with ``.gz`` behind it, or unpacked.
FILE_NAMES: Mapping[str, str] = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}
GZIP_MAGIC = b"\x1f\x8b"
UNSIGNED_BYTE = 0x08
#: Far above any real set. It keeps a corrupt or hostile header from filling the memory (784 MB at most).
MAX_EXAMPLES = 1_000_000
_CHUNK_BYTES = 1 << 20
_FETCH_AGAIN = "get an undamaged copy of the file"


@dataclass(frozen=True)
class Dataset:
    """The source's own two parts. ``test`` is never split off ``train``, nor mixed with it."""

    train: Examples
    test: Examples


def read_dataset(paths: Mapping[str, Path]) -> Dataset:
    """Read the four files, by the keys of ``FILE_NAMES``. Raises DataError, also for unequal counts."""
    parts = [_read_examples(paths[f"{part}_images"], paths[f"{part}_labels"]) for part in ("train", "test")]
    return Dataset(*parts)


def read_images(path: Path) -> NDArray[np.uint8]:
    """Images uint8 (N, 28, 28, 1) in [0, 255], N ≥ 1. Raises DataError for anything but a sound image file."""
    height, width, _ = IMAGE_SHAPE
    elements = _read_elements(path, "images", (height, width))
    return elements.reshape(-1, *IMAGE_SHAPE)


def read_labels(path: Path) -> NDArray[np.int32]:
    """Labels int32 (N,) in [0, 9], N ≥ 1. Raises DataError for anything but a sound label file."""
    labels = _read_elements(path, "labels", ())
    outside = np.flatnonzero(labels >= NUM_CLASSES)
    if len(outside):
        raise DataError(
            f"{path}: {len(outside)} of {len(labels)} labels name no class",
            expected=f"0 to {NUM_CLASSES - 1}",
            received=f"{labels[outside[0]]} at position {outside[0]}",
            do="map your classes to 0…9",
        )
    return labels.astype(np.int32)


def write_images(path: Path, images: NDArray[np.uint8]) -> None:
    """Write uint8 (N, 28, 28, 1), gzipped if the name ends in ``.gz``; the file appears complete or not at all."""
    _write(path, images.reshape(images.shape[:3]))


def write_labels(path: Path, labels: NDArray[np.int32]) -> None:
    """Write labels (N,) in [0, 255], gzipped if the name ends in ``.gz``."""
    _write(path, labels.astype(np.uint8))


def fingerprint(dataset: Dataset) -> str:
    """Hex SHA-256 of the arrays' shapes and contents: the same data gives the same, gzipped or not."""
    digest = hashlib.sha256()
    for part in (dataset.train, dataset.test):
        digest.update(repr(part.images.shape).encode())
        digest.update(np.ascontiguousarray(part.images).data)
        digest.update(part.labels.astype("<i4").data)
    return digest.hexdigest()


def _read_examples(images_path: Path, labels_path: Path) -> Examples:
    images, labels = read_images(images_path), read_labels(labels_path)
    if len(images) != len(labels):
        raise DataError(
            f"{images_path} and {labels_path.name} do not belong together",
            expected="one label for each image",
            received=f"{len(images)} images and {len(labels)} labels",
            do="take both files from the same set",
        )
    return Examples(images, labels)


def _read_elements(path: Path, kind: str, item_shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """The elements of a file of ``kind``, uint8 (N · size of an item,)."""
    try:
        with path.open("rb") as file:
            return _unpack(path, file, kind, item_shape)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DataError(
            f"{path} is damaged", expected="a whole gzip file", received=str(error), do=_FETCH_AGAIN
        ) from error
    except OSError as error:
        raise DataError(
            f"{path} can't be read",
            expected=f"a readable file of {kind}",
            received=error.strerror or str(error),
            do="correct its permissions, or name another folder with --data",
        ) from error


def _unpack(path: Path, file: BufferedIOBase, kind: str, item_shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """The content tells whether a file is gzipped: browsers unpack some of them and keep the name."""
    magic = file.read(len(GZIP_MAGIC))
    file.seek(0)
    if not magic:
        raise DataError(f"{path} is empty", expected=f"an IDX file of {kind}", received="0 bytes", do=_FETCH_AGAIN)
    if magic != GZIP_MAGIC:
        return _parse(path, file, kind, item_shape)
    with gzip.GzipFile(fileobj=file) as unpacked:
        return _parse(path, unpacked, kind, item_shape)


def _parse(path: Path, stream: BufferedIOBase, kind: str, item_shape: tuple[int, ...]) -> NDArray[np.uint8]:
    count = _parse_header(path, stream, kind, item_shape)
    expected = count * math.prod(item_shape)
    # One byte more than announced: it shows trailing data, and reading up to the end makes gzip check its CRC.
    content = _read_at_most(stream, expected + 1)
    if len(content) != expected:
        more = len(content) > expected
        raise DataError(
            f"{path} {'is longer than its header says' if more else 'is cut short'}",
            expected=f"{expected} bytes for {count} {kind}",
            received="more" if more else f"{len(content)} bytes",
            do=_FETCH_AGAIN,
        )
    return np.frombuffer(content, np.uint8)


def _parse_header(path: Path, stream: BufferedIOBase, kind: str, item_shape: tuple[int, ...]) -> int:
    """The number of items that the header announces."""
    rank = 1 + len(item_shape)
    header = _read_at_most(stream, 4 + 4 * rank)
    magic = bytes((0, 0, UNSIGNED_BYTE, rank))
    if header[:4] != magic:
        raise DataError(
            f"{path} is no IDX file of {kind}",
            expected=f"to begin with the bytes {magic.hex(' ')} (unsigned bytes, {rank} dimension{'s' * (rank > 1)})",
            received=header[:4].hex(" "),
            do="see whether image and label files are mixed up",
        )
    if len(header) < 4 + 4 * rank:
        received = f"{len(header)} bytes"
        raise DataError(f"{path} is cut short", expected="a whole header", received=received, do=_FETCH_AGAIN)
    count, *shape = struct.unpack(f">{rank}I", header[4:])
    if tuple(shape) != item_shape:
        expected, received = ("×".join(map(str, sizes)) for sizes in (item_shape, shape))
        raise DataError(f"{path}: images of a wrong size", expected=expected, received=received, do="resize them")
    if not 1 <= count <= MAX_EXAMPLES:
        raise DataError(
            f"{path} holds {'no' if count == 0 else 'too many'} {kind}",
            expected=f"1 to {MAX_EXAMPLES}",
            received=str(count),
            do=_FETCH_AGAIN,
        )
    return int(count)


def _read_at_most(stream: BufferedIOBase, size: int) -> bytearray:
    """Up to ``size`` bytes; memory grows with what is there, not with what a header announced."""
    content = bytearray()
    while len(content) < size and (chunk := stream.read(min(_CHUNK_BYTES, size - len(content)))):
        content += chunk
    return content


def _write(path: Path, array: NDArray[np.uint8]) -> None:
    header = bytes((0, 0, UNSIGNED_BYTE, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
    content = header + array.tobytes()
    if path.suffix == ".gz":
        content = gzip.compress(content, compresslevel=1, mtime=0)
    with file_errors(path), replacing(path) as file:
        file.write(content)

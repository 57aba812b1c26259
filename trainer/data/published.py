"""Fashion-MNIST as it was published (Xiao, Rasul and Vollgraf, 2017): where it is offered, and its digests."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

from trainer.storage.atomic import file_errors


@dataclass(frozen=True)
class Publication:
    """``hosts``: URLs below which the gzipped files lie, tried in this order.

    ``packed`` and ``unpacked``: hex SHA-256 of each file, gzipped and not, by the keys of ``idx.FILE_NAMES``.
    """

    hosts: tuple[str, ...]
    packed: Mapping[str, str]
    unpacked: Mapping[str, str]

    def includes(self, digests: Mapping[str, str]) -> bool:
        """Whether each file is byte-identical to the published one, gzipped or not."""
        return all(digest in (self.packed[key], self.unpacked[key]) for key, digest in digests.items())


FASHION_MNIST = Publication(
    hosts=(
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        # What the authors' README gives; it has no https.
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    packed={
        "train_images": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "train_labels": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "test_images": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "test_labels": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    },
    unpacked={
        "train_images": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train_labels": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "test_images": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "test_labels": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
)


def sha256(path: Path) -> str:
    """Hex SHA-256 of a file. Raises StorageError if it can't be read."""
    with file_errors(path), path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()

"""The registry's second half: a model folder, measured anew and judged by every gate."""

from dataclasses import dataclass
from pathlib import Path

from trainer.artifacts.facts import Facts
from trainer.artifacts.manifest import Manifest
from trainer.release.thresholds import Thresholds
from trainer.release.verdict import Verdict
from trainer.storage import Folder


@dataclass(frozen=True)
class DataPlace:
    """Where the data may be found: ``data`` as ``--data`` takes it, None for what the model's own report names."""

    data: str | None
    fashion_mnist_dir: Path | None
    cache_dir: Path


@dataclass(frozen=True)
class Seal:
    """The keys that are set up: ``signature`` is a local file, None for a model that isn't signed yet."""

    public_key: Path
    signature: Path | None = None


@dataclass(frozen=True)
class Examination:
    """What was found out. ``documents``: the four JSON documents, empty where one is missing."""

    manifest: Manifest
    documents: Facts
    verdicts: tuple[Verdict, ...]

    @property
    def failed(self) -> tuple[Verdict, ...]:
        return tuple(verdict for verdict in self.verdicts if not verdict.passed)

    @property
    def intact(self) -> bool:
        """Whether the files are what they were when they were committed: if not, nothing of it may be kept."""
        return all(verdict.passed for verdict in self.verdicts if verdict.gate == "integrity")

    @property
    def takes_over(self) -> bool:
        """Whether it is to become ``latest``: it passed every gate, and is better than the champion or has none."""
        return not self.failed and all(
            verdict.figures["better"] for verdict in self.verdicts if verdict.gate == "champion"
        )


def examine(
    folder: Folder,
    *,
    place: DataPlace,
    thresholds: Thresholds,
    champion: Folder | None = None,
    seal: Seal | None = None,
) -> Examination:
    """Judge the committed model in ``folder``, against the one in ``champion`` where there is one.

    Raises:
        StorageError: no model is committed there, or it can't be read.
        DataError: the data it was made from can't be found, or other data were named.
    """
    raise NotImplementedError

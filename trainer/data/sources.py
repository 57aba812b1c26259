"""Where the four files are: the published set, the built-in drawings, a folder, or a bucket."""

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from trainer.data import sketches
from trainer.data.download import Downloader, UnavailableError
from trainer.data.idx import FILE_NAMES
from trainer.data.published import FASHION_MNIST, Publication, sha256
from trainer.errors import DataError, StorageError
from trainer.storage import open_folder, with_home
from trainer.storage.atomic import file_errors

log = logging.getLogger(__name__)

_NAMES_EXPECTED = "the files " + ", ".join(FILE_NAMES.values()) + ", each with .gz or without"


@dataclass(frozen=True)
class Source:
    """Four local files and where they came from. Paths and hex SHA-256 by the keys of ``idx.FILE_NAMES``.

    ``name`` is "fashion-mnist", "synthetic", or the folder or URI as it was given; ``origin`` the place in which it
    was found. ``published`` says that the files are byte-identical to the published ones, ``synthetic`` that there are
    drawings among them, wherever they lie. ``warning`` is set when this is not what was hoped for: then the model must
    not be released.
    """

    name: str
    origin: str
    paths: Mapping[str, Path]
    sha256: Mapping[str, str]
    synthetic: bool = False
    warning: str | None = None
    published: bool = False


def locate(
    data: str,
    *,
    fashion_mnist_dir: Path | None,
    cache_dir: Path,
    publication: Publication = FASHION_MNIST,
) -> Source:
    """Find or fetch ``data``: "fashion-mnist", "synthetic", "auto", a folder, or a ``gs://`` prefix.

    Raises DataError when a file is missing, is not as published though it should be, or can't be had, and
    StorageError when a folder can't be read or the cache can't be written.
    """
    if data == "synthetic":
        return _synthetic(cache_dir)
    if data in ("fashion-mnist", "auto"):
        find = _fashion_mnist if data == "fashion-mnist" else _fashion_mnist_or_synthetic
        return find(fashion_mnist_dir, cache_dir, publication)
    if "://" in data:
        return _describe(data, data, _download_folder(data, cache_dir), publication)
    folder = with_home(data)
    if not folder.is_dir():
        raise DataError(
            "no such data",
            expected="fashion-mnist, synthetic, auto, or a folder or gs:// prefix with the four IDX files",
            received=data,
            do="correct --data",
        )
    return _describe(data, str(folder.absolute()), _files_in(folder), publication)


def _cache(cache_dir: Path) -> Path:
    """Where it is. Only who uses it needs it: its default lies in a home folder, which not every account has."""
    try:
        return with_home(cache_dir)
    except StorageError as error:
        raise StorageError(
            "there is no home folder to keep data in",
            expected="a folder for it, with ~ only for a user who has a home on this machine",
            received=str(cache_dir),
            do="name one with --data-cache-dir",
        ) from error


def _fashion_mnist(folder: Path | None, cache_dir: Path, publication: Publication) -> Source:
    if folder is None:
        origin, paths = _cached_or_downloaded(_cache(cache_dir) / "fashion-mnist", publication)
        return _describe("fashion-mnist", origin, paths, publication)
    if not folder.is_dir():
        raise DataError(
            "FASHION_MNIST_DIR is not a folder",
            expected=f"one with {_NAMES_EXPECTED}",
            received=str(folder),
            do="correct or unset it",
        )
    source = _describe("fashion-mnist", str(folder.absolute()), _files_in(folder), publication)
    if not source.published:
        raise DataError(
            f"the files in {folder} are not Fashion-MNIST",
            expected="those with the published SHA-256",
            received=_first_other(source, publication),
            do=f"get them again, or use --data {folder} to train on a set of your own",
        )
    return source


def _fashion_mnist_or_synthetic(folder: Path | None, cache_dir: Path, publication: Publication) -> Source:
    try:
        return _fashion_mnist(folder, cache_dir, publication)
    except UnavailableError as error:
        warning = f"training on SYNTHETIC drawings instead of Fashion-MNIST: {error}"
        log.warning(warning)
        return _synthetic(cache_dir, warning=warning)


def _synthetic(cache_dir: Path, *, warning: str | None = None) -> Source:
    cache_dir = _cache(cache_dir)
    paths = sketches.locate(cache_dir)
    digests = {key: sha256(path) for key, path in paths.items()}
    return Source("synthetic", str(cache_dir), paths, digests, synthetic=True, warning=warning)


def _describe(name: str, origin: str, paths: Mapping[str, Path], publication: Publication) -> Source:
    digests = {key: sha256(path) for key, path in paths.items()}
    published = publication.includes(digests)
    synthetic = not published and sketches.are_among(paths)
    return Source(name, origin, paths, digests, synthetic=synthetic, published=published)


def _cached_or_downloaded(cache: Path, publication: Publication) -> tuple[str, Mapping[str, Path]]:
    """Where the files came from, and the files. Cached ones are used only with the right digest."""
    origin = str(cache)
    downloader = Downloader(publication.hosts)
    paths = {key: cache / f"{name}.gz" for key, name in FILE_NAMES.items()}
    for key, path in paths.items():
        pinned = publication.packed[key]
        if path.is_file() and sha256(path) == pinned:
            continue
        if path.exists():
            log.warning("%s is damaged: downloading it again", path)
        origin = downloader.fetch(path.name, path, sha256=pinned)
    return origin, paths


def _files_in(folder: Path) -> Mapping[str, Path]:
    with file_errors(folder):
        names = _choose_names(str(folder), lambda name: (folder / name).is_file())
    return {key: folder / name for key, name in names.items()}


def _download_folder(uri: str, cache_dir: Path) -> Mapping[str, Path]:
    """Copies of a bucket's files. They are fetched each time: the objects may have changed."""
    folder = open_folder(uri)
    names = _choose_names(uri, folder.exists)
    cache = _cache(cache_dir) / "buckets" / hashlib.sha256(folder.uri.encode()).hexdigest()[:16]
    paths = {key: cache / name for key, name in names.items()}
    for path in paths.values():
        log.info("downloading %s/%s", folder.uri, path.name)
        folder.download(path.name, path)
    return paths


def _choose_names(place: str, exists: Callable[[str], bool]) -> Mapping[str, str]:
    """For each of the four, the name under which it is there; the gzipped one if both are."""
    found = {
        key: next((candidate for candidate in (f"{name}.gz", name) if exists(candidate)), None)
        for key, name in FILE_NAMES.items()
    }
    names = {key: name for key, name in found.items() if name}
    missing = [FILE_NAMES[key] for key in FILE_NAMES if key not in names]
    if missing:
        raise DataError(
            f"{place} does not hold the data set",
            expected=_NAMES_EXPECTED,
            received="none of them" if not names else f"no {' and no '.join(missing)}",
            do="name the folder with the four files",
        )
    return names


def _first_other(source: Source, publication: Publication) -> str:
    """Name and digest of the first file that is not as published."""
    key = next(key for key, digest in source.sha256.items() if not publication.includes({key: digest}))
    return f"{source.paths[key].name} with {source.sha256[key]}"

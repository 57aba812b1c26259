import gzip
import hashlib
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.datasets import FILE_NAMES, random_dataset, write_dataset
from tests.support.file_host import FileHost, delivers, file_host
from tests.support.racing import race
from tests.support.storage_server import storage_server
from trainer.data import sketches
from trainer.data.download import UnavailableError
from trainer.data.idx import fingerprint, read_dataset
from trainer.data.published import FASHION_MNIST, Publication
from trainer.data.sources import Source, locate
from trainer.errors import DataError, StorageError, TrainerError

DATASET = random_dataset()


def digests(paths: Mapping[str, Path]) -> dict[str, str]:
    return {key: hashlib.sha256(path.read_bytes()).hexdigest() for key, path in paths.items()}


def unpack(folder: Path) -> None:
    for packed in folder.glob("*.gz"):
        packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
        packed.unlink()


@pytest.fixture(autouse=True)
def _small_drawings_and_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(sketches, "TRAIN_COUNT", 40)
    monkeypatch.setattr(sketches, "TEST_COUNT", 20)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What stands for the published data set here, gzipped."""
    write_dataset(tmp_path / "set", DATASET)
    return tmp_path / "set"


@pytest.fixture
def host(folder: Path) -> Iterator[FileHost]:
    with file_host({f"/{path.name}": delivers(path.read_bytes()) for path in folder.iterdir()}) as running:
        yield running


@pytest.fixture
def publication(folder: Path, host: FileHost) -> Publication:
    packed = {key: folder / f"{name}.gz" for key, name in FILE_NAMES.items()}
    unpacked = {key: hashlib.sha256(gzip.decompress(path.read_bytes())).hexdigest() for key, path in packed.items()}
    return Publication(hosts=(host.url,), packed=digests(packed), unpacked=unpacked)


@pytest.fixture
def offline(publication: Publication) -> Publication:
    """The same, but its only host refuses the connection."""
    with file_host({}) as gone:
        url = gone.url
    return replace(publication, hosts=(url,))


def assert_is_the_set(source: Source) -> None:
    assert fingerprint(read_dataset(source.paths)) == fingerprint(DATASET)
    assert source.sha256 == digests(source.paths)


def test_first_use_downloads_and_the_second_does_not(publication: Publication, host: FileHost, tmp_path: Path) -> None:
    for _ in range(2):
        source = locate("fashion-mnist", fashion_mnist_dir=None, cache_dir=tmp_path / "cache", publication=publication)
        assert_is_the_set(source)
        assert (source.name, source.synthetic, source.warning, source.published) == ("fashion-mnist", False, None, True)
    assert len(host.requests) == 4


def test_damaged_cache_is_downloaded_again(publication: Publication, host: FileHost, tmp_path: Path) -> None:
    first = locate("fashion-mnist", fashion_mnist_dir=None, cache_dir=tmp_path / "cache", publication=publication)
    damaged = first.paths["train_images"]
    damaged.write_bytes(damaged.read_bytes()[:-1])
    again = locate("fashion-mnist", fashion_mnist_dir=None, cache_dir=tmp_path / "cache", publication=publication)
    assert_is_the_set(again)
    assert host.requests[4:] == [f"/{damaged.name}"]


def test_several_processes_may_fill_the_cache_at_once(publication: Publication, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    sources = race(lambda _: locate("auto", fashion_mnist_dir=None, cache_dir=cache, publication=publication), 4)
    for source in sources:
        assert isinstance(source, Source)
        assert_is_the_set(source)
    assert len([path for path in cache.rglob("*") if path.is_file()]) == 4


@pytest.mark.parametrize("data", ["fashion-mnist", "auto"])
@pytest.mark.parametrize("packed", [True, False], ids=["gzipped", "unpacked"])
def test_folder_of_the_environment_is_used_and_no_host(
    data: str, packed: bool, publication: Publication, folder: Path, host: FileHost, tmp_path: Path
) -> None:
    if not packed:
        unpack(folder)
    source = locate(data, fashion_mnist_dir=folder, cache_dir=tmp_path / "cache", publication=publication)
    assert_is_the_set(source)
    assert (source.name, source.origin, source.published) == ("fashion-mnist", str(folder), True)
    assert host.requests == []
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("data", ["fashion-mnist", "auto"])
def test_missing_folder_of_the_environment_is_an_error(data: str, publication: Publication, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"FASHION_MNIST_DIR is not a folder – .* – received .*/nowhere – "):
        locate(data, fashion_mnist_dir=tmp_path / "nowhere", cache_dir=tmp_path / "cache", publication=publication)


@pytest.mark.parametrize("data", ["fashion-mnist", "auto"])
def test_other_files_under_the_name_of_fashion_mnist_are_refused(
    data: str, publication: Publication, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    write_dataset(own, random_dataset(seed=1))
    with pytest.raises(DataError, match=f"are not Fashion-MNIST – .*--data {own}"):
        locate(data, fashion_mnist_dir=own, cache_dir=tmp_path / "cache", publication=publication)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_own_folder_is_used_as_it_is(suffix: str, publication: Publication, tmp_path: Path) -> None:
    own = random_dataset(seed=1)
    write_dataset(tmp_path / "own", own, suffix=suffix)
    source = locate(
        str(tmp_path / "own"), fashion_mnist_dir=None, cache_dir=tmp_path / "cache", publication=publication
    )
    assert fingerprint(read_dataset(source.paths)) == fingerprint(own)
    assert (source.name, source.published, source.synthetic) == (str(tmp_path / "own"), False, False)


def test_published_files_are_known_in_any_folder(publication: Publication, folder: Path, tmp_path: Path) -> None:
    unpack(folder)
    assert locate(str(folder), fashion_mnist_dir=None, cache_dir=tmp_path, publication=publication).published


def test_home_folder_may_be_written_with_a_tilde(
    publication: Publication, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(folder.parent))
    assert_is_the_set(locate(f"~/{folder.name}", fashion_mnist_dir=None, cache_dir=tmp_path, publication=publication))


NO_HOME = Path("~no-such-user/x")


def test_without_a_home_the_cache_needs_a_place(publication: Publication) -> None:
    message = "no home folder to keep data in – expected .* – received ~no-such-user/x – name one with --data-cache-dir"
    for data in ("synthetic", "fashion-mnist", "auto"):
        with pytest.raises(StorageError, match=message):
            locate(data, fashion_mnist_dir=None, cache_dir=NO_HOME, publication=publication)


def test_without_a_home_data_that_are_there_need_no_cache(publication: Publication, folder: Path) -> None:
    unpack(folder)
    assert_is_the_set(locate(str(folder), fashion_mnist_dir=None, cache_dir=NO_HOME, publication=publication))
    for data in ("fashion-mnist", "auto"):
        assert_is_the_set(locate(data, fashion_mnist_dir=folder, cache_dir=NO_HOME, publication=publication))


def test_data_in_a_home_that_there_is_none_of(tmp_path: Path) -> None:
    message = "there is no such home folder – expected a path, .* – received ~no-such-user/x – write the path out"
    with pytest.raises(StorageError, match=message):
        locate(str(NO_HOME), fashion_mnist_dir=None, cache_dir=tmp_path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (shutil.rmtree, "no such data"),
        (lambda folder: (folder / "t10k-labels-idx1-ubyte.gz").unlink(), "received no t10k-labels-idx1-ubyte"),
        (lambda folder: [path.unlink() for path in folder.iterdir()], "received none of them"),
        (lambda folder: (folder / "t10k-labels-idx1-ubyte.gz").rename(folder / "other.gz"), "no t10k-labels"),
    ],
)
def test_what_is_missing_is_said(spoil, message: str, folder: Path, tmp_path: Path) -> None:
    spoil(folder)
    with pytest.raises(DataError, match=message):
        locate(str(folder), fashion_mnist_dir=None, cache_dir=tmp_path / "cache")


def test_without_a_network_fashion_mnist_is_an_error(offline: Publication, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="can't be downloaded"):
        locate("fashion-mnist", fashion_mnist_dir=None, cache_dir=tmp_path / "cache", publication=offline)
    assert not [path for path in tmp_path.glob("cache/**/*") if path.is_file()]


def test_without_a_network_auto_draws_and_says_so_loudly(
    offline: Publication, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = time.monotonic()
    source = locate("auto", fashion_mnist_dir=None, cache_dir=tmp_path / "cache", publication=offline)
    assert time.monotonic() - before < 10
    assert source.warning is not None
    assert "SYNTHETIC" in source.warning
    assert (source.name, source.synthetic, source.published) == ("synthetic", True, False)
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [source.warning]
    assert len(read_dataset(source.paths).train) == 40


def test_asked_for_drawings_need_no_warning(tmp_path: Path) -> None:
    source = locate("synthetic", fashion_mnist_dir=tmp_path / "ignored", cache_dir=tmp_path / "cache")
    assert (source.name, source.synthetic, source.published) == ("synthetic", True, False)
    assert source.warning is None
    assert source.sha256 == digests(source.paths)


@pytest.mark.parametrize("packed", [False, True], ids=["unpacked", "gzipped"])
@pytest.mark.parametrize("theirs", ["nothing", "train_images", "test_images"])
def test_drawings_are_known_in_any_folder(packed: bool, theirs: str, cache: Path, tmp_path: Path) -> None:
    """Also where somebody put other images beside them."""
    drawn = cache / f"synthetic-{sketches.VERSION}"
    for key, name in FILE_NAMES.items():
        content = (drawn / name).read_bytes() if key != theirs else b"\x00\x00\x08\x03 other images"
        (tmp_path / f"{name}{'.gz' * packed}").write_bytes(gzip.compress(content, 1) if packed else content)
    source = locate(str(tmp_path), fashion_mnist_dir=None, cache_dir=tmp_path / "cache")
    assert (source.name, source.synthetic, source.published) == (str(tmp_path), True, False)


@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: data[:50], lambda data: data[:50] + b"?" * 99])
def test_damaged_files_are_left_to_their_reader(damage: Callable[[bytes], bytes], folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        path.write_bytes(damage(path.read_bytes()))
    source = locate(str(folder), fashion_mnist_dir=None, cache_dir=tmp_path)
    assert not source.synthetic
    with pytest.raises(DataError):
        read_dataset(source.paths)


@pytest.mark.parametrize("data", ["fashion-mnist", "auto", "synthetic"])
def test_unwritable_cache_is_a_storage_error(data: str, publication: Publication, tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(b"")
    with pytest.raises(StorageError, match="a file where a folder should be"):
        locate(data, fashion_mnist_dir=None, cache_dir=tmp_path / "cache", publication=publication)


def test_bucket_is_copied_afresh_each_time(
    folder: Path, publication: Publication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trainer.storage import open_folder

    with storage_server("my-bucket") as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        remote = open_folder("gs://my-bucket/some/set")
        for path in folder.iterdir():
            remote.upload(path.name, path)
        source = locate("gs://my-bucket/some/set", fashion_mnist_dir=None, cache_dir=tmp_path, publication=publication)
        assert_is_the_set(source)
        assert (source.name, source.published) == ("gs://my-bucket/some/set", True)

        other = write_dataset(tmp_path / "other", random_dataset(seed=1))["train_images"]
        remote.upload(other.name, other)
        changed = locate("gs://my-bucket/some/set", fashion_mnist_dir=None, cache_dir=tmp_path, publication=publication)
        assert changed.sha256 == digests(changed.paths)
        assert changed.sha256["train_images"] == hashlib.sha256(other.read_bytes()).hexdigest()
        assert not changed.published

        with pytest.raises(DataError, match="gs://my-bucket/empty does not hold the data set"):
            locate("gs://my-bucket/empty", fashion_mnist_dir=None, cache_dir=tmp_path)


@pytest.mark.parametrize("data", ["s3://bucket/set", "fashion-mnits", "https://example.com/set"])
def test_unknown_source_is_refused_in_one_line(data: str, tmp_path: Path) -> None:
    with pytest.raises(TrainerError, match=r"gs://") as raised:
        locate(data, fashion_mnist_dir=None, cache_dir=tmp_path)
    assert data in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.skipif("FASHION_MNIST_DIR" not in os.environ, reason="FASHION_MNIST_DIR names no folder")
def test_pinned_digests_are_those_of_the_published_files(tmp_path: Path) -> None:
    fashion_mnist_dir = Path(os.environ["FASHION_MNIST_DIR"])
    assert locate("fashion-mnist", fashion_mnist_dir=fashion_mnist_dir, cache_dir=tmp_path).published
    for key, name in FILE_NAMES.items():
        packed = (fashion_mnist_dir / f"{name}.gz").read_bytes()
        assert hashlib.sha256(packed).hexdigest() == FASHION_MNIST.packed[key]
        assert hashlib.sha256(gzip.decompress(packed)).hexdigest() == FASHION_MNIST.unpacked[key]

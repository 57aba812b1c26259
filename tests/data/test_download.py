import hashlib
import re
import socket
import threading
import time
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path

import pytest

from tests.support.file_host import (
    Answer,
    breaks_off,
    delivers,
    file_host,
    never_answers,
    packs,
    refuses,
    stalls,
    trickles,
)
from tests.support.racing import race
from trainer.data.download import REACH_SECONDS, Downloader, UnavailableError
from trainer.errors import StorageError

CONTENT = bytes(range(256)) * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NAME = "train-images-idx3-ubyte.gz"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


def fetch(hosts: Sequence[str], target: Path, *, patience_seconds: float = 3) -> str:
    downloader = Downloader(hosts, reach_seconds=patience_seconds * len(hosts), transfer_seconds=1.5)
    return downloader.fetch(NAME, target, sha256=SHA256)


def only_file_in(folder: Path) -> Path:
    (file,) = (path for path in folder.rglob("*") if path.is_file())
    return file


def test_fetched_file_is_whole_and_alone(tmp_path: Path) -> None:
    target = tmp_path / "new" / NAME
    with file_host({f"/{NAME}": delivers(CONTENT)}) as host:
        assert fetch([host.url], target).startswith(host.url)
    assert only_file_in(tmp_path) == target
    assert target.read_bytes() == CONTENT


def test_a_host_that_would_pack_the_bytes_is_asked_not_to(tmp_path: Path) -> None:
    with file_host({f"/{NAME}": packs(CONTENT)}) as host:
        fetch([host.url], tmp_path / NAME)
    assert (tmp_path / NAME).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (breaks_off(CONTENT), "IncompleteRead|sent other bytes"),
        (delivers(CONTENT[:-1] + b"x"), "sent other bytes"),
        (delivers(b""), "sent other bytes"),
        (refuses(HTTPStatus.NOT_FOUND), "HTTP 404"),
        (refuses(HTTPStatus.SERVICE_UNAVAILABLE), "HTTP 503"),
        (never_answers, "no answer within 1 s|timed out"),
        (stalls(CONTENT), "timed out"),
        (trickles(CONTENT), "not done after 1.5 s"),
    ],
    ids=["breaks-off", "other-bytes", "empty", "404", "503", "silent", "stalls", "trickles"],
)
def test_bad_host_is_told_and_leaves_nothing(answer: Answer, message: str, tmp_path: Path) -> None:
    before = time.monotonic()
    with (
        file_host({f"/{NAME}": answer}) as host,
        pytest.raises(UnavailableError, match=f"can't be downloaded – .*({message}).* – .*FASHION_MNIST_DIR"),
    ):
        fetch([host.url], tmp_path / NAME, patience_seconds=1)
    assert time.monotonic() - before < 4
    assert list(tmp_path.iterdir()) == []


def test_certificates_that_are_not_there_are_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
    with pytest.raises(UnavailableError, match=r"Could not find a suitable TLS CA certificate bundle.*none"):
        fetch(["https://127.0.0.1:1/"], tmp_path / NAME)


def test_a_proxys_address_that_is_none_is_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:p[ss@host:8080")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(UnavailableError, match="ValueError: Invalid IPv6 URL"):
        fetch(["https://no.such.host/"], tmp_path / NAME)


def test_next_host_is_asked_and_the_bad_one_not_again(tmp_path: Path) -> None:
    with (
        file_host({f"/{NAME}": delivers(CONTENT[:100])}) as bad,
        file_host({f"/{NAME}": delivers(CONTENT)}) as good,
    ):
        downloader = Downloader([bad.url, good.url])
        for number in (1, 2):
            assert downloader.fetch(NAME, tmp_path / str(number), sha256=SHA256).startswith(good.url)
        assert (len(bad.requests), len(good.requests)) == (1, 2)
    assert (tmp_path / "2").read_bytes() == CONTENT


def test_all_hosts_are_named_in_the_error(tmp_path: Path) -> None:
    with file_host({}) as one, file_host({f"/{NAME}": delivers(b"")}) as other:
        with pytest.raises(UnavailableError) as raised:
            fetch([one.url, other.url], tmp_path / NAME)
        ports = [host.server_address[1] for host in (one, other)]
    message = f"received 127.0.0.1:{ports[0]}: .*HTTP 404; 127.0.0.1:{ports[1]}: .*sent other bytes.* – put the"
    assert re.search(message, str(raised.value))


def test_hanging_name_look_up_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def hang(*_: object, **__: object) -> None:
        over.wait(20)
        raise socket.gaierror("gave up at last")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    before = time.monotonic()
    with pytest.raises(UnavailableError, match="no answer within 0.6 s"):
        fetch(["http://one.invalid/", "http://two.invalid/"], tmp_path / NAME, patience_seconds=0.6)
    assert time.monotonic() - before < 3
    over.set()


def test_closed_port_is_a_plain_reason(tmp_path: Path) -> None:
    with file_host({}) as host:
        url = host.url
    with pytest.raises(UnavailableError, match="Connection (refused|reset)"):
        fetch([url], tmp_path / NAME)


def test_unreachable_network_is_found_out_in_time() -> None:
    assert REACH_SECONDS < 10


def test_old_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    target = tmp_path / NAME
    target.write_bytes(b"old")
    with file_host({f"/{NAME}": breaks_off(CONTENT)}) as host, pytest.raises(UnavailableError):
        fetch([host.url], target)
    assert target.read_bytes() == b"old"
    with file_host({f"/{NAME}": delivers(CONTENT)}) as host:
        fetch([host.url], target)
    assert target.read_bytes() == CONTENT


def test_several_may_fetch_the_same_file_at_once(tmp_path: Path) -> None:
    target = tmp_path / NAME
    with file_host({f"/{NAME}": delivers(CONTENT)}) as host:
        for origin in race(lambda _: Downloader([host.url]).fetch(NAME, target, sha256=SHA256), 8):
            assert isinstance(origin, str)
            assert origin.startswith(host.url)
    assert only_file_in(tmp_path).read_bytes() == CONTENT


def test_unwritable_cache_is_not_the_hosts_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with (
        file_host({f"/{NAME}": delivers(CONTENT)}) as host,
        pytest.raises(StorageError, match="a file where a folder should be"),
    ):
        fetch([host.url], tmp_path / "file" / NAME)

"""What can go wrong between here and a bucket, and how it is said."""

import socket
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

import pytest

from tests.support.storage_server import StorageServer
from trainer.errors import AlreadyExistsError, NotFoundError, StorageError
from trainer.storage import Folder, bucket, open_folder

LOCAL_FILE = Path(__file__)
Action = Callable[[Folder], object]

ACTIONS: dict[str, Action] = {
    "read": lambda folder: folder.read("x"),
    "write": lambda folder: folder.write("x", b"2"),
    "write 9 MB": lambda folder: folder.write("x", bytes(9_000_000)),
    "create": lambda folder: folder.create("new", b"3"),
    "create 9 MB": lambda folder: folder.create("new", bytes(9_000_000)),
    "exists": lambda folder: folder.exists("x"),
    "names": lambda folder: folder.names(),
    "upload": lambda folder: folder.upload("x", LOCAL_FILE),
    "check_writable": lambda folder: folder.check_writable(),
    "delete": lambda folder: folder.delete("x"),
}
every_action = pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS.keys())


@pytest.fixture
def folder(server: StorageServer, monkeypatch) -> Folder:  # noqa: ARG001 – it has to run
    """With one object, ``x``; its client waits only shortly between two tries."""
    monkeypatch.setattr(bucket, "_FIRST_DELAY_SECONDS", 0.01)
    opened = open_folder("gs://my-bucket/folder")
    opened.write("x", b"1")
    return opened


@every_action
@pytest.mark.parametrize("status", [503, 500, 429])
def test_an_error_that_goes_away_is_waited_for(folder: Folder, server, action: Action, status: int) -> None:
    expected = action(folder)
    folder.write("x", b"1")
    folder.delete("new")
    server.fail_next(2, status)
    assert action(folder) == expected


@pytest.mark.parametrize("size", [1, 9_000_000])
def test_a_lost_answer_does_not_make_a_creator_take_its_own_object_for_anothers(folder, server, size) -> None:
    server.lose_responses(1, "PUT" if size > 8 << 20 else "POST")
    folder.create("new", bytes(size))
    assert len(folder.read("new")) == size
    with pytest.raises(AlreadyExistsError):
        folder.create("new", bytes(size))


def test_a_lost_answer_to_a_delete(folder, server) -> None:
    server.lose_responses(1, "DELETE")
    folder.delete("x")
    assert not folder.exists("x")


@every_action
@pytest.mark.usefixtures("server")
def test_a_bucket_that_does_not_exist(action: Action) -> None:
    message = "no such bucket – expected one that exists – received gs://other-bucket/folder.*: 404 .* – create the"
    with pytest.raises(StorageError, match=message) as caught:
        action(open_folder("gs://other-bucket/folder"))
    assert not isinstance(caught.value, NotFoundError)


@every_action
def test_a_forbidden_bucket(folder: Folder, server, action: Action) -> None:
    server.forbid("my-bucket")
    message = "denies access – expected permission – received gs://my-bucket/folder.*: 403 .* – give .*objectUser"
    with pytest.raises(StorageError, match=message) as caught:
        action(folder)
    assert "\n" not in str(caught.value)


@every_action
def test_other_refusals_keep_the_words_of_the_service(folder: Folder, server, action: Action) -> None:
    server.fail_next(1, HTTPStatus.BAD_REQUEST)
    with pytest.raises(
        StorageError, match="refused the request – expected .* – received gs://.*: 400 The service is out"
    ):
        action(folder)


@every_action
def test_no_network(monkeypatch, action: Action) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{unused.getsockname()[1]}")
        monkeypatch.setattr(bucket, "RETRY_SECONDS", 0.3)
        started = time.monotonic()
        with pytest.raises(StorageError, match="can't be reached .*: .*Connection refused.* – check the"):
            action(open_folder("gs://my-bucket/folder"))
        assert time.monotonic() - started < 5


def test_a_service_that_stays_away_is_given_up(folder: Folder, server, monkeypatch) -> None:
    monkeypatch.setattr(bucket, "RETRY_SECONDS", 0.3)
    server.fail_next(10_000, HTTPStatus.SERVICE_UNAVAILABLE)
    with pytest.raises(
        StorageError, match="keeps failing – expected .* – received gs://my-bucket/folder/x: 503 The service"
    ):
        folder.read("x")


def test_a_wait_never_exceeds_a_minute() -> None:
    assert 30 <= bucket.RETRY_SECONDS <= 60


def test_no_credentials(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    message = "no valid Google Cloud credentials – expected application default .*none.json.* – run `gcloud"
    with pytest.raises(StorageError, match=message):
        open_folder("gs://my-bucket/folder")


def test_a_download_that_fails_leaves_no_file(folder: Folder, server, tmp_path: Path) -> None:
    server.fail_next(1, HTTPStatus.BAD_REQUEST)
    with pytest.raises(StorageError):
        folder.download("x", tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_what_is_read_was_not_damaged_on_its_way(folder: Folder, server, tmp_path: Path) -> None:
    server.damaging = True
    message = "damaged on its way – expected the checksum .* – received gs://my-bucket/folder/x: .* – start the same"
    for action in (lambda: folder.read("x"), lambda: folder.download("x", tmp_path / "x")):
        with pytest.raises(StorageError, match=message):
            action()
    assert list(tmp_path.iterdir()) == []


def test_what_is_written_was_not_damaged_on_its_way(folder: Folder, server) -> None:
    server.damaging = True
    with pytest.raises(StorageError, match="refused the request – .*: 400 Provided crc32c does not match the data"):
        folder.write("x", b"2")
    assert server.objects("my-bucket") == {"folder/x": b"1"}
    with pytest.raises(StorageError, match="damaged on its way – .* – received gs://my-bucket/folder/big: "):
        folder.write("big", b"2" * 9_000_000)  # In chunks: the client compares in the end.


def test_a_publisher_that_is_overtaken_while_it_looks_around_puts_nothing(
    folder: Folder, tmp_path, monkeypatch
) -> None:
    for name in ("older", "newer"):
        (tmp_path / name).write_text(name)
    generations = folder.generations

    def overtaken() -> dict[str, int]:
        bucket.BucketPublication(open_folder(folder.uri), "marker", b"").put("x", tmp_path / "newer")
        return generations()

    monkeypatch.setattr(folder, "generations", overtaken)
    with pytest.raises(StorageError, match="another process has taken over publishing here"):
        bucket.BucketPublication(folder, "marker", b"").put("x", tmp_path / "older")
    assert folder.read("x") == b"newer"


def test_objects_carry_their_type_for_the_web_console(folder: Folder, server) -> None:
    folder.write("report.html", b"")
    folder.write("saved_model.pb", b"")
    stored = server.store.objects("my-bucket")
    assert stored["folder/report.html"].content_type == "text/html"
    assert stored["folder/saved_model.pb"].content_type == "application/octet-stream"


def test_names_leaves_out_what_the_console_draws_as_a_folder(folder: Folder) -> None:
    bucket.open_bucket("my-bucket", "")._bucket.blob("folder/empty/").upload_from_string(b"")
    assert folder.names() == ["x"]


def test_a_neighbour_whose_name_begins_alike_is_not_listed(folder: Folder) -> None:
    open_folder("gs://my-bucket/folder-2").write("y", b"")
    assert folder.names() == ["x"]
    assert open_folder("gs://my-bucket").names() == ["folder-2/y", "folder/x"]

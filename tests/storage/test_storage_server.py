"""The server the other tests rely on, driven by Google's own client: above all, its preconditions hold."""

import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest, Forbidden, NotFound, PreconditionFailed, ServiceUnavailable
from google.cloud import storage

from tests.support import object_store
from tests.support.racing import race
from tests.support.storage_server import StorageServer

QUARTER_MIB = 1 << 18


@pytest.fixture
def bucket(server: StorageServer) -> Any:  # noqa: ARG001 – it has to run
    return storage.Client(project=None).bucket("my-bucket")


def _create_at_once(bucket: Any, number: int) -> None:
    bucket.blob("only-once").upload_from_string(bytes([number]) * 100, if_generation_match=0)


def _create_in_chunks(bucket: Any, number: int) -> None:
    blob = bucket.blob("only-once")
    with blob.open("wb", chunk_size=QUARTER_MIB, if_generation_match=0) as file:
        file.write(bytes([number]) * (2 * QUARTER_MIB + 100))


def _status(error: Any) -> int:
    return error.response.status_code


@pytest.mark.parametrize("create", [_create_at_once, _create_in_chunks])
def test_exactly_one_of_sixteen_creations_wins(server, bucket, create) -> None:
    outcomes = race(lambda number: create(bucket, number), count=16)

    winners = [number for number, outcome in enumerate(outcomes) if outcome is None]
    assert len(winners) == 1
    assert [_status(outcome) for outcome in outcomes if outcome is not None] == [412] * 15
    assert set(server.objects("my-bucket")["only-once"]) == {winners[0]}


def test_each_write_raises_the_generation_and_only_the_latest_may_be_replaced(bucket) -> None:
    generations = []
    for content in (b"first", b"second"):
        blob = bucket.blob("x")
        blob.upload_from_string(content)
        generations.append(blob.generation)
    assert 0 < generations[0] < generations[1]

    with pytest.raises(PreconditionFailed):
        bucket.blob("x").upload_from_string(b"late", if_generation_match=generations[0])
    with pytest.raises(PreconditionFailed):
        bucket.blob("x").delete(if_generation_match=generations[0])
    bucket.blob("x").upload_from_string(b"third", if_generation_match=generations[1])
    assert bucket.blob("x").download_as_bytes() == b"third"


def test_a_copy_needs_the_generation_of_its_source_and_keeps_metadata(bucket) -> None:
    source = bucket.blob("source")
    source.metadata = {"who": "me"}
    source.upload_from_string(b"content")
    with pytest.raises(PreconditionFailed):
        bucket.copy_blob(source, bucket, "target", if_source_generation_match=source.generation - 1)
    assert not bucket.blob("target").exists()

    match = {"if_generation_match": 0, "if_source_generation_match": source.generation}
    bucket.copy_blob(source, bucket, "target", **match)
    target = bucket.get_blob("target")
    assert (target.download_as_bytes(), target.metadata) == (b"content", {"who": "me"})
    with pytest.raises(PreconditionFailed):
        bucket.copy_blob(source, bucket, "target", **match)


def test_nine_megabytes_go_through_a_resumable_upload(server, bucket) -> None:
    content = os.urandom(9_000_000)
    blob = bucket.blob("big")
    blob.upload_from_string(content, checksum="crc32c")
    assert any("uploadType=resumable" in request for request in server.requests)
    assert bucket.blob("big").download_as_bytes(checksum="crc32c") == content
    assert bucket.blob("big").download_as_bytes(start=10, end=19) == content[10:20]
    blob.reload()
    assert blob.crc32c == object_store.checksums(content)["crc32c"]
    assert blob.size == 9_000_000


def test_an_empty_object(bucket) -> None:
    bucket.blob("empty").upload_from_string(b"")
    assert bucket.blob("empty").download_as_bytes() == b""
    assert bucket.get_blob("empty").size == 0


def test_bytes_that_look_like_a_boundary_survive(bucket) -> None:
    content = b"\r\n--\r\n\r\n\n\x00--=\r"
    bucket.blob("odd name/ü?#%2F").upload_from_string(content)
    assert bucket.blob("odd name/ü?#%2F").download_as_bytes() == content


def test_damaged_data_is_refused(bucket) -> None:
    blob = bucket.blob("x")
    blob.md5_hash = object_store.checksums(b"other")["md5Hash"]
    with pytest.raises(BadRequest, match="md5Hash"):
        blob.upload_from_string(b"data", checksum=None)


def test_a_list_comes_in_pages(bucket, monkeypatch) -> None:
    monkeypatch.setattr(object_store, "MAX_RESULTS", 3)
    names = [f"a/{number}" for number in range(8)]
    for name in [*names, "b"]:
        bucket.blob(name).upload_from_string(b"")
    assert [blob.name for blob in bucket.list_blobs()] == [*names, "b"]
    assert [blob.name for blob in bucket.list_blobs(prefix="a/")] == names
    listing = bucket.list_blobs(delimiter="/")
    assert [blob.name for blob in listing] == ["b"]
    assert listing.prefixes == {"a/"}


def test_errors_are_those_of_the_service(server, bucket) -> None:
    with pytest.raises(NotFound, match="No such object: my-bucket/x"):
        bucket.blob("x").reload()
    with pytest.raises(NotFound, match="The specified bucket does not exist"):
        bucket.client.bucket("other").blob("x").reload()
    server.forbid("my-bucket")
    with pytest.raises(Forbidden):
        bucket.blob("x").upload_from_string(b"")


def test_faults_are_counted(server, bucket) -> None:
    server.fail_next(1, 503)
    with pytest.raises(ServiceUnavailable):
        bucket.blob("x").upload_from_string(b"", retry=None)
    bucket.blob("x").upload_from_string(b"", retry=None)

    server.lose_responses(1, "DELETE")
    with pytest.raises(ServiceUnavailable):
        bucket.blob("x").delete(retry=None)
    assert server.objects("my-bucket") == {}


def test_it_also_runs_as_a_process(tmp_path: Path) -> None:
    port_file = tmp_path / "port"
    command = [sys.executable, "-m", "tests.support.storage_server", "--port-file", port_file, "my-bucket"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root) as process:
        try:
            deadline = time.monotonic() + 20
            while not port_file.exists() and time.monotonic() < deadline:
                time.sleep(0.02)
            url = f"http://127.0.0.1:{port_file.read_text()}/storage/v1/b/my-bucket"
            with urllib.request.urlopen(url) as answer:
                assert b'"name": "my-bucket"' in answer.read()
        finally:
            process.kill()

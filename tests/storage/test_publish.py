"""A reader sees a complete folder or none, whoever else publishes, and whenever a publisher dies."""

import fcntl
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.support.publishers import MARKER
from trainer.errors import AlreadyExistsError, NotFoundError, StorageError
from trainer.storage import Folder, ensure_vacant, open_folder, publish
from trainer.storage.bucket import BucketFolder, BucketPublication, open_bucket

ROOT = Path(__file__).parents[2]


def make_payload(folder: Path, mark: str, *, files: int = 9) -> dict[str, bytes]:
    """A folder shaped like a model, each file filled with ``mark``: all content by name."""
    names = ["saved_model.pb", "fingerprint.pb", "variables/variables.data", "variables/variables.index"]
    names += [f"metadata/{number}.json" for number in range(files - len(names))]
    content = {name: (mark * 2000 + name).encode() for name in names}
    content[MARKER] = json.dumps({"of": mark, "files": names}).encode()
    for name, data in content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return content


def content_of(folder: Folder) -> dict[str, bytes]:
    return {name: folder.read(name) for name in folder.names()}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    make_payload(tmp_path / "source", "a")
    return tmp_path / "source"


def model_folder() -> BucketFolder:
    return open_bucket("my-bucket", "model")


@pytest.fixture
def claimed(server) -> BucketPublication:  # noqa: ARG001 – it has to run
    """A publisher of ``model_folder`` that has its claim and has not put anything yet."""
    return BucketPublication(model_folder(), MARKER, b"older")


def run_publishers(server, *arguments: object) -> str:
    """Real processes, see tests/support/publishers.py: what they print."""
    command = [sys.executable, "-m", "tests.support.publishers", *map(str, arguments)]
    environment = {**os.environ, **server.environment}
    run = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return run.stdout


def test_everything_arrives(folder: Folder, source: Path) -> None:
    publish(source, folder, marker=MARKER)
    assert content_of(folder) == content_of(open_folder(source))


def test_the_marker_comes_last(server, source: Path) -> None:
    publish(source, open_folder("gs://my-bucket/model"), marker=MARKER)
    written = [stored.generation for _, stored in sorted(server.store.objects("my-bucket").items())]
    names = sorted(server.objects("my-bucket"))
    assert names[written.index(max(written))] == f"model/{MARKER}"


def test_nothing_else_stays(server, folder: Folder, source: Path) -> None:
    publish(source, folder, marker=MARKER)
    expected = sorted(open_folder(source).names())
    if folder.uri.startswith("gs://"):
        assert sorted(server.objects("my-bucket")) == [f"some/where/{name}" for name in expected]
    else:
        files = [path for path in Path(folder.uri).rglob("*") if path.is_file()]
        assert sorted(path.relative_to(folder.uri).as_posix() for path in files) == expected


def test_a_committed_folder_is_never_touched(folder: Folder, source: Path, tmp_path: Path) -> None:
    publish(source, folder, marker=MARKER)
    before = content_of(folder)
    make_payload(tmp_path / "other", "b")
    with pytest.raises(AlreadyExistsError, match=f"never overwritten – expected a folder without {MARKER}"):
        publish(tmp_path / "other", folder, marker=MARKER)
    assert content_of(folder) == before


def test_what_was_committed_since_the_first_look_stays(
    folder: Folder, source: Path, tmp_path: Path, monkeypatch
) -> None:
    other = make_payload(tmp_path / "other", "b")
    publication = folder.publication

    def after_the_other(marker: str, content: bytes):
        publish(tmp_path / "other", open_folder(folder.uri), marker=MARKER)
        return publication(marker, content)

    monkeypatch.setattr(folder, "publication", after_the_other)
    with pytest.raises(AlreadyExistsError, match="never overwritten"):
        publish(source, folder, marker=MARKER)
    assert content_of(folder) == other


def test_what_a_killed_run_left_is_replaced(folder: Folder, source: Path) -> None:
    folder.write("saved_model.pb", b"half")
    folder.write("metadata/from an older run.json", b"stale")
    publish(source, folder, marker=MARKER)
    assert content_of(folder) == content_of(open_folder(source))


def test_unfinished_files_of_killed_publishers_are_removed(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "model"
    (target / "variables").mkdir(parents=True)
    (target / "variables" / ".trainer-0123.tmp").write_bytes(b"half")
    (target / ".trainer-publish.lock").write_bytes(b"")
    publish(source, open_folder(target), marker=MARKER)
    assert not list(target.rglob(".*"))


@pytest.mark.parametrize("foreign", [["thesis.txt"], ["photos/1.jpg", "photos/2.jpg", "a", "b"]])
def test_files_of_others_are_not_touched_nor_joined(folder: Folder, source: Path, foreign: list[str]) -> None:
    for name in foreign:
        folder.write(name, b"precious")
    with pytest.raises(StorageError, match="holds files that are not part of a model – expected an empty"):
        publish(source, folder, marker=MARKER)
    assert content_of(folder) == dict.fromkeys(foreign, b"precious")


def test_what_the_caller_owns_besides_is_removed_too(folder: Folder, source: Path) -> None:
    folder.write("release.json", b"the mark of a model that is gone")
    with pytest.raises(StorageError, match=r"received release\.json"):
        publish(source, folder, marker=MARKER)
    publish(source, folder, marker=MARKER, owned=("release.json",))
    assert content_of(folder) == content_of(open_folder(source))


def test_a_run_can_ask_before_it_starts(folder: Folder) -> None:
    ensure_vacant(folder, marker=MARKER, owned=("variables",))
    folder.write("variables/left", b"")
    ensure_vacant(folder, marker=MARKER, owned=("variables",))
    folder.write("x", b"")
    with pytest.raises(StorageError, match="received x – choose another output folder"):
        ensure_vacant(folder, marker=MARKER, owned=("variables",))
    folder.write(MARKER, b"")
    with pytest.raises(AlreadyExistsError):
        ensure_vacant(folder, marker=MARKER, owned=("variables", "x"))


def test_nothing_is_published_without_a_marker(folder: Folder, source: Path) -> None:
    (source / MARKER).unlink()
    with pytest.raises(NotFoundError, match=f"nothing to publish in .*source – expected a file {MARKER}"):
        publish(source, folder, marker=MARKER)
    assert folder.names() == []


@pytest.mark.parametrize("address", ["local", pytest.param("gs://my-bucket/model", marks=pytest.mark.slow)])
def test_of_many_publishers_exactly_one_commits(server, tmp_path: Path, address: str) -> None:
    folder = open_folder(tmp_path / "model" if address == "local" else address)
    count = 8
    contents = [make_payload(tmp_path / str(i), chr(97 + i), files=9 + i % 3) for i in range(count)]
    server.latency_seconds = 0.002

    outcomes = json.loads(run_publishers(server, "race", folder.uri, *(tmp_path / str(i) for i in range(count))))

    assert outcomes.count(None) == 1, outcomes
    assert set(outcomes) <= {None, "AlreadyExistsError", "StorageError"}
    assert content_of(folder) == contents[outcomes.index(None)]


@pytest.mark.parametrize("address", ["local", pytest.param("gs://my-bucket/models", marks=pytest.mark.slow)])
def test_killed_at_any_moment_a_reader_sees_all_or_nothing(server, source, tmp_path, address) -> None:
    parent = open_folder(tmp_path / "models" if address == "local" else address)
    expected = content_of(open_folder(source))
    server.latency_seconds = 0.005
    run_publishers(server, "kill", parent.uri, source, 10)
    server.latency_seconds = 0.0

    unfinished = 0
    for number in range(10):
        folder = parent.child(str(number))
        if folder.exists(MARKER):
            assert content_of(folder) == expected
        else:
            unfinished += 1
            publish(source, folder, marker=MARKER)
            assert content_of(folder) == expected
    assert unfinished > 0
    assert content_of(parent.child("whole")) == expected


def test_a_publisher_that_lost_its_claim_can_not_commit(claimed: BucketPublication, tmp_path: Path) -> None:
    newer = make_payload(tmp_path / "newer", "b")
    publish(tmp_path / "newer", model_folder(), marker=MARKER)
    with pytest.raises(StorageError, match="another process has taken over publishing here – expected one"):
        claimed.commit()
    assert content_of(model_folder()) == newer


def test_a_claim_is_lost_before_the_successor_commits(claimed: BucketPublication) -> None:
    BucketPublication(model_folder(), MARKER, b"newer")
    with pytest.raises(StorageError, match="taken over"):
        claimed.commit()
    assert not model_folder().exists(MARKER)


def test_a_marker_that_is_there_is_not_replaced(claimed: BucketPublication) -> None:
    model_folder().create(MARKER, b"by other means")
    with pytest.raises(StorageError, match="taken over"):
        claimed.commit()
    assert model_folder().read(MARKER) == b"by other means"


def test_a_late_request_of_a_former_holder_changes_nothing(claimed: BucketPublication, tmp_path: Path) -> None:
    newer = make_payload(tmp_path / "newer", "b")
    (tmp_path / "late").write_bytes(b"late")
    publish(tmp_path / "newer", model_folder(), marker=MARKER)
    with pytest.raises(StorageError, match="taken over"):
        claimed.put("saved_model.pb", tmp_path / "late")
    with pytest.raises(StorageError, match="taken over"):
        claimed.remove("saved_model.pb")
    assert content_of(model_folder()) == newer


def test_a_former_holder_that_is_faster_is_written_over(claimed: BucketPublication, source: Path) -> None:
    model_folder().write("saved_model.pb", b"a late request of a former holder")
    claimed.put("saved_model.pb", source / "saved_model.pb")
    claimed.commit()
    assert model_folder().read("saved_model.pb") == (source / "saved_model.pb").read_bytes()


def test_a_lost_answer_to_the_commit(server, claimed: BucketPublication) -> None:
    server.lose_responses(1, "POST")
    claimed.commit()
    assert model_folder().read(MARKER) == b"older"


@pytest.mark.parametrize("status", [503, 429])
def test_publishing_outlives_passing_errors(server, source: Path, status: int) -> None:
    folder = open_folder("gs://my-bucket/model")
    server.fail_next(1, status, "POST")
    server.fail_next(1, status, "GET")
    publish(source, folder, marker=MARKER)
    assert content_of(folder) == content_of(open_folder(source))


def test_a_second_local_publisher_is_refused_at_once(source: Path, tmp_path: Path) -> None:
    folder = open_folder(tmp_path / "model")
    with folder.publication(MARKER, b"first") as first:
        with pytest.raises(
            StorageError, match="another process is publishing here – expected .* – received .*/model – wait"
        ):
            publish(source, open_folder(tmp_path / "model"), marker=MARKER)
        first.commit()
    assert folder.read(MARKER) == b"first"


def test_a_lock_file_that_was_just_removed_guards_nothing(tmp_path: Path, monkeypatch) -> None:
    lock = tmp_path / "model" / ".trainer-publish.lock"
    flock = fcntl.flock

    def remove_then_lock(file, operation) -> None:
        lock.unlink()
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", remove_then_lock)
    with pytest.raises(StorageError, match="another process is publishing here"):
        open_folder(tmp_path / "model").publication(MARKER, b"").__enter__()


def test_a_file_system_without_locks(source: Path, tmp_path: Path, monkeypatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(StorageError, match="can't be locked – expected .* – received .*: Function not implemented"):
        publish(source, open_folder(tmp_path / "model"), marker=MARKER)


def test_a_reader_beside_a_publisher(folder: Folder, source: Path) -> None:
    expected = content_of(open_folder(source))
    incomplete: list[set[str]] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            if folder.exists(MARKER) and content_of(folder) != expected:
                incomplete.append(set(folder.names()))

    reader = threading.Thread(target=read)
    reader.start()
    publish(source, folder, marker=MARKER)
    stop.set()
    reader.join()
    assert incomplete == []

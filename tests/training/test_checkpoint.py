import io
import json
import zipfile
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from trainer.errors import StorageError
from trainer.storage import Folder, open_folder
from trainer.training.checkpoint import Checkpoints, TrainingState, decode, encode
from trainer.training.schedule import EarlyStop, Plateau

FINGERPRINT = {"settings": {"seed": 42, "filters": [32, 64]}, "data": "abc", "code": "def"}


def state_after(epoch: int) -> TrainingState:
    random = np.random.default_rng(epoch)
    return TrainingState(
        plateau=Plateau(0.2, 3, 1e-6, best=0.1 + 0.2, wait=2),
        early_stop=EarlyStop(10, best=1 / 3, best_epoch=epoch, wait=0),
        epoch=epoch,
        model=[random.normal(size=(3, 3)).astype(np.float32), np.array([7, 2**31], dtype=np.uint32)],
        optimizer=[np.array(17, dtype=np.int64), random.normal(size=5).astype(np.float32)],
        best=[random.normal(size=2).astype(np.float32) for _ in range(12)],
        history=({"epoch": 1, "val_loss": 0.1 + 0.2, "seconds": 1.25},),
        seconds=2.5,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return open_folder(tmp_path / "checkpoints")


def assert_same(first: TrainingState, second: TrainingState) -> None:
    for name, value in asdict(first).items():
        other = asdict(second)[name]
        if isinstance(value, list):
            assert [(a.dtype, a.shape, a.tobytes()) for a in value] == [(a.dtype, a.shape, a.tobytes()) for a in other]
        else:
            assert value == other


def test_a_state_without_a_plateau_comes_back_too(folder: Folder) -> None:
    Checkpoints(folder, FINGERPRINT).save(replace(state_after(3), plateau=None))
    latest = Checkpoints(folder, FINGERPRINT).latest()
    assert latest is not None
    assert latest.plateau is None


def test_comes_back_bit_for_bit(folder: Folder) -> None:
    Checkpoints(folder, FINGERPRINT).save(state_after(3))
    latest = Checkpoints(folder, FINGERPRINT).latest()
    assert latest is not None
    assert_same(latest, state_after(3))


def test_a_state_before_any_improvement_comes_back() -> None:
    start = TrainingState(Plateau(0.2, 3, 1e-6), EarlyStop(10))
    assert_same(decode(encode(start, {}), "here")[0], start)


def test_nothing_there_is_no_checkpoint(folder: Folder) -> None:
    assert Checkpoints(folder, FINGERPRINT).latest() is None


def test_keeps_the_newest_two_and_nothing_else_is_touched(folder: Folder) -> None:
    folder.write("notes.txt", b"mine")
    checkpoints = Checkpoints(folder, FINGERPRINT)
    for epoch in range(9, 13):
        checkpoints.save(state_after(epoch))
    assert list(folder.names()) == ["epoch-00011.npz", "epoch-00012.npz", "notes.txt"]
    checkpoints.clear()
    assert list(folder.names()) == ["notes.txt"]


def test_the_newest_is_told_by_its_number(folder: Folder) -> None:
    checkpoints = Checkpoints(folder, FINGERPRINT)
    for epoch in range(99_998, 100_001):
        checkpoints.save(state_after(epoch))
    latest = checkpoints.latest()
    assert (sorted(folder.names()), latest and latest.epoch) == (["epoch-100000.npz", "epoch-99999.npz"], 100_000)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"settings": {"seed": 43, "filters": [32, 64]}}, "settings seed 42 instead of 43"),
        ({"settings": {"seed": 42, "filters": (32, 64, 128)}}, r"settings filters \[32, 64\] instead of"),
        ({"data": "xyz"}, "data abc instead of xyz"),
        ({"code": "new"}, "code def instead of new"),
    ],
)
def test_refuses_the_checkpoint_of_another_run(folder: Folder, changed: dict[str, object], said: str) -> None:
    Checkpoints(folder, FINGERPRINT).save(state_after(1))
    with pytest.raises(StorageError, match=f"belongs to another run.*{said}.*--resume never"):
        Checkpoints(folder, FINGERPRINT | changed).latest()


def test_refuses_to_commit_beside_another_run_that_began_meanwhile(folder: Folder) -> None:
    first, second = Checkpoints(folder, FINGERPRINT), Checkpoints(folder, FINGERPRINT | {"code": "new"})
    assert (first.latest(), second.latest()) == (None, None)
    first.save(state_after(1))
    for epoch in (1, 2):
        with pytest.raises(StorageError, match="belongs to another run.*code def instead of new"):
            second.save(state_after(epoch))
    first.save(state_after(2))
    assert list(folder.names()) == ["epoch-00001.npz", "epoch-00002.npz"]


def test_the_same_run_started_twice_commits_twice(folder: Folder) -> None:
    runs = [Checkpoints(folder, FINGERPRINT) for _ in range(2)]
    for epoch in (1, 2, 3):
        for run in runs:
            run.save(state_after(epoch))
    assert list(folder.names()) == ["epoch-00002.npz", "epoch-00003.npz"]


def test_one_that_the_same_run_drops_before_it_is_read_is_in_nobodys_way(folder: Folder, monkeypatch) -> None:
    Checkpoints(folder, FINGERPRINT).save(state_after(1))
    read = folder.read

    def read_too_late(name: str) -> bytes:
        folder.delete(name)
        return read(name)

    monkeypatch.setattr(folder, "read", read_too_late)
    Checkpoints(folder, FINGERPRINT).save(state_after(2))
    assert list(folder.names()) == ["epoch-00002.npz"]


def test_an_older_one_that_was_damaged_is_in_nobodys_way(folder: Folder) -> None:
    Checkpoints(folder, FINGERPRINT).save(state_after(2))
    folder.write("epoch-00001.npz", b"damaged")
    again = Checkpoints(folder, FINGERPRINT)
    assert again.latest() is not None
    again.save(state_after(3))
    assert list(folder.names()) == ["epoch-00002.npz", "epoch-00003.npz"]


def test_the_same_fingerprint_with_tuples_for_lists_is_the_same_run(folder: Folder) -> None:
    Checkpoints(folder, FINGERPRINT).save(state_after(1))
    same = FINGERPRINT | {"settings": {"seed": 42, "filters": (32, 64)}}
    assert Checkpoints(folder, same).latest() is not None


def _flip_a_byte(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def _without_json(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            if name != "json.npy":
                new.writestr(name, old.read(name))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda data: b"\0" * len(data),
        lambda data: data[: len(data) // 2],
        lambda data: data[:-1],
        lambda data: _flip_a_byte(data, data.index(state_after(1).model[0].tobytes()) + 5),
        _without_json,
    ],
    ids=["empty", "zeros", "half", "last byte missing", "one bit of a weight", "no json"],
)
def test_says_that_a_checkpoint_is_damaged(folder: Folder, damage: object) -> None:
    Checkpoints(folder, FINGERPRINT).save(state_after(1))
    folder.write("epoch-00001.npz", damage(folder.read("epoch-00001.npz")))  # type: ignore[operator]
    with pytest.raises(StorageError, match=r"epoch-00001\.npz is damaged.*--resume never"):
        Checkpoints(folder, FINGERPRINT).latest()


@pytest.mark.slow
def test_no_bit_that_flipped_anywhere_goes_unnoticed_or_ends_in_another_error() -> None:
    """What counts is what comes out: a time of day in the archive may change."""
    state = replace(state_after(1), best=[], history=())
    data = encode(state, FINGERPRINT)
    outcomes = {"damaged": 0, "the same": 0}
    for position in range(len(data)):
        for bit in range(8):
            spoilt = data[:position] + bytes([data[position] ^ (1 << bit)]) + data[position + 1 :]
            try:
                found, fingerprint = decode(spoilt, "here")
            except StorageError:
                outcomes["damaged"] += 1
            else:
                assert_same(found, state)
                assert fingerprint == FINGERPRINT
                outcomes["the same"] += 1
    assert outcomes["damaged"] > outcomes["the same"] > 0


def test_one_of_an_older_package_which_listed_no_arrays_is_read() -> None:
    with np.load(io.BytesIO(encode(state_after(1), FINGERPRINT))) as archive:
        content = dict(archive)
    document = json.loads(content.pop("json").tobytes())
    del document["arrays"]
    buffer = io.BytesIO()
    np.savez(buffer, json=np.frombuffer(json.dumps(document).encode(), dtype=np.uint8), **content)
    assert_same(decode(buffer.getvalue(), "here")[0], state_after(1))


def test_refuses_a_pickle(folder: Folder) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, json=np.array([{"a": 1}], dtype=object))
    folder.write("epoch-00001.npz", buffer.getvalue())
    with pytest.raises(StorageError, match="damaged"):
        Checkpoints(folder, FINGERPRINT).latest()

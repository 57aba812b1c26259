"""The fixtures of the job tests are made once, whoever asks first, and anew after a failure."""

import time
from pathlib import Path

import pytest

from tests.support.once import made_once
from tests.support.racing import race


def test_all_get_what_the_first_one_made(tmp_path_factory: pytest.TempPathFactory) -> None:
    tmp_path_factory.getbasetemp()  # It is pytest's part that is not safe for threads.
    made: list[int] = []

    def ask(number: int) -> tuple[Path, int]:
        def make(folder: Path) -> int:
            time.sleep(0.1)
            (folder / "file").touch()
            made.append(number)
            return number

        return made_once(tmp_path_factory, "made by the first", make)

    answers = race(ask, 8)
    assert len(made) == 1
    assert {said for _, said in answers} == {made[0]}
    assert all((folder / "file").exists() for folder, _ in answers)


def test_what_failed_is_made_anew(tmp_path_factory: pytest.TempPathFactory) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise OSError("as it happens")

    with pytest.raises(OSError, match="as it happens"):
        made_once(tmp_path_factory, "made in the end", fail)
    folder, _ = made_once(tmp_path_factory, "made in the end", lambda _: None)
    assert list(folder.iterdir()) == []

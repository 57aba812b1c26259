from pathlib import Path

import pytest

from benchmarks import reproduce
from benchmarks.reproduce import model_folder

FAST = ["--preset", "fast", "--seed", "42"]


@pytest.mark.slow
def test_a_finished_model_is_not_trained_again_and_makes_the_row(job, tmp_path, capsys) -> None:
    flags = ["--data", str(job.data), *job.flags]
    folder = model_folder(tmp_path / "small", ["--seed", "42", *flags])
    folder.parent.mkdir(parents=True)
    folder.symlink_to(job.model)
    before = sorted(path.stat().st_mtime_ns for path in job.model.rglob("*"))
    reproduce.main(["small", "--seeds", "42", "--folder", str(tmp_path), "--", *flags])
    assert sorted(path.stat().st_mtime_ns for path in job.model.rglob("*")) == before
    row = capsys.readouterr().out.splitlines()[2]
    assert row.startswith("| `--epochs 1 ")
    assert " | 42 | " in row


def test_the_same_command_finds_its_folder_again(tmp_path: Path) -> None:
    assert model_folder(tmp_path, FAST) == model_folder(tmp_path, FAST)
    assert model_folder(tmp_path, FAST).parent.name.startswith("42-")


def test_other_settings_seeds_data_and_code_have_folders_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = [FAST, [*FAST, "--epochs", "18"], [*FAST[:2], "--seed", "43"], [*FAST, "--data", "synthetic"]]
    folders = [model_folder(tmp_path, command) for command in commands]
    monkeypatch.setattr(reproduce, "code_fingerprint", lambda: "another")
    folders.append(model_folder(tmp_path, FAST))
    assert len({folder.parent for folder in folders}) == len(folders)


def test_a_preset_that_is_unknown_is_refused(capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        reproduce.main(["quickest"])
    assert ended.value.code == 2
    assert "quickest" in capsys.readouterr().err


def test_a_setting_that_is_wrong_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        reproduce.main(["fast", "--folder", str(tmp_path), "--", "--epochs", "0"])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("scripts/reproduce: --epochs")
    assert not list(tmp_path.iterdir())

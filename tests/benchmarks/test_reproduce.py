import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import reproduce
from benchmarks.reproduce import model_folder
from tests.support.jobs import PROJECT
from tests.support.waiting import wait_until

FAST = ["--preset", "fast", "--seed", "42"]


@pytest.mark.slow
def test_a_finished_model_is_not_trained_again_and_makes_the_row(job, tmp_path, capsys) -> None:
    preset, flags = job.flags[:2], ["--data", str(job.data), *job.flags[2:]]
    folder = model_folder(tmp_path / "small", [*preset, "--seed", "42", *flags])
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


@pytest.mark.parametrize("flag", ["--seed", "--preset", "--seed=7"])
def test_a_row_is_of_its_own_preset_and_seeds(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        reproduce.main(["fast", "--", flag, "7"])
    assert ended.value.code == 2
    assert "the preset and the seeds are given before --" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--", "--validation-only"], "--validation-only: a row is made of the models in --folder"),
        (["--", "--output_dir=x"], "--output-dir: a row is made of the models in --folder"),
        (["--seeds", "7", "42", "7"], "--seeds: expected each seed once, received 7 42 7"),
    ],
)
def test_a_row_needs_models_and_each_of_its_own(
    words: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        reproduce.main(["fast", "--folder", str(tmp_path), *words])
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


def test_ended_it_ends_its_training(tmp_path: Path) -> None:
    """A program that stands in for the trainer waits to be told to end."""
    program = (
        "import pathlib, signal, sys, time\n"
        f"signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path({str(tmp_path / 'told')!r}).touch(), sys.exit(9)))\n"
        f"pathlib.Path({str(tmp_path / 'begun')!r}).touch()\n"
        "time.sleep(60)\n"
    )
    script = (
        "import sys\n"
        "from benchmarks import reproduce\n"
        f"reproduce.sys.executable = {str(tmp_path / 'python')!r}\n"
        f"reproduce.main(['small', '--folder', {str(tmp_path / 'models')!r}])\n"
    )
    (tmp_path / "stand_in.py").write_text(program)
    (tmp_path / "python").write_text(f"#!/bin/sh\nexec {sys.executable} {tmp_path / 'stand_in.py'}\n")
    (tmp_path / "python").chmod(0o755)
    with subprocess.Popen([sys.executable, "-c", script], cwd=PROJECT, stderr=subprocess.PIPE, text=True) as process:
        wait_until((tmp_path / "begun").exists)
        process.terminate()
        _, said = process.communicate(timeout=30)
    assert process.returncode == 9
    assert (tmp_path / "told").exists()
    assert said.startswith("scripts/reproduce: interrupted by SIGTERM")

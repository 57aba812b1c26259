import pytest

from benchmarks import reproduce


@pytest.mark.slow
def test_a_finished_model_is_not_trained_again_and_makes_the_row(job, tmp_path, capsys) -> None:
    folder = tmp_path / "small" / "42"
    folder.parent.mkdir()
    folder.symlink_to(job.model)
    before = sorted(path.stat().st_mtime_ns for path in job.model.rglob("*"))
    flags = [*("--epochs", "1", "--data", str(job.data)), *job.flags]
    reproduce.main(["small", "--seeds", "42", "--folder", str(tmp_path), "--", *flags])
    assert sorted(path.stat().st_mtime_ns for path in job.model.rglob("*")) == before
    row = capsys.readouterr().out.splitlines()[2]
    assert row.startswith("| `--epochs 1 ")
    assert " | 42 | " in row


def test_a_preset_that_is_unknown_is_refused(capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        reproduce.main(["quickest"])
    assert ended.value.code == 2
    assert "quickest" in capsys.readouterr().err

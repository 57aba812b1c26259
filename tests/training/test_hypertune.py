"""The file of a trial's reports, in the format of Google's cloudml-hypertune."""

import json
from pathlib import Path

import pytest

from trainer.errors import StorageError
from trainer.training.hypertune import KEPT_REPORTS, TrialReports, chosen_accuracies, read_reports

# The lowest validation loss is that of epoch 2; the highest accuracy that of epoch 3.
LOSSES = (0.9, 0.5, 0.6, 0.5)
ACCURACIES = (0.6, 0.8, 0.85, 0.7)


def history(epochs: int) -> list[dict[str, float]]:
    rows = [(LOSSES[index % 4] + index // 4, ACCURACIES[index % 4]) for index in range(epochs)]
    return [{"epoch": n, "val_loss": loss, "val_accuracy": accuracy} for n, (loss, accuracy) in enumerate(rows, 1)]


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_report_is_about_the_weights_chosen_so_far() -> None:
    assert chosen_accuracies(history(4)) == [(1, 0.6), (2, 0.8), (3, 0.8), (4, 0.8)]
    assert chosen_accuracies([]) == []


def test_each_line_is_a_report_with_its_values_as_texts(tmp_path: Path) -> None:
    path = tmp_path / "hypertune" / "output.metrics"
    reports = TrialReports(path, "7")
    reports.write(history(1))
    first = lines(path)
    reports.write(history(2))
    assert lines(path)[:1] == first  # With its own time.
    assert isinstance(first[0].pop("timestamp"), float)
    assert first == [{"global_step": "1", "trial": "7", "val_accuracy": "0.6"}]
    assert [line["global_step"] for line in lines(path)] == ["1", "2"]


def test_after_a_restart_the_epochs_before_it_are_there_too(tmp_path: Path) -> None:
    path = tmp_path / "output.metrics"
    TrialReports(path, "1").write(history(3))
    assert list(read_reports(path)) == [(1, 0.6), (2, 0.8), (3, 0.8)]


def test_a_trial_without_a_number_is_the_first(tmp_path: Path) -> None:
    TrialReports(tmp_path / "output.metrics", None).write(history(1))
    assert lines(tmp_path / "output.metrics")[0]["trial"] == "0"


def test_the_last_hundred_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "output.metrics"
    TrialReports(path, "1").write(history(KEPT_REPORTS + 5))
    steps = [step for step, _ in read_reports(path)]
    assert (KEPT_REPORTS, steps[0], steps[-1]) == (100, 6, 105)


def test_a_line_that_is_being_written_is_left_for_later(tmp_path: Path) -> None:
    path = tmp_path / "output.metrics"
    assert list(read_reports(path)) == []
    TrialReports(path, "1").write(history(2))
    whole = path.read_text()
    for length in range(len(whole.splitlines()[0]) + 2, len(whole)):
        path.write_text(whole[:length])
        assert list(read_reports(path)) == [(1, 0.6)]


def test_where_no_file_can_be_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(StorageError, match=r"a trial can't report – expected .* – received .*taken/file"):
        TrialReports(tmp_path / "taken" / "file", "1").write(history(1))

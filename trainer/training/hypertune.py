"""What a tuning trial is worth so far, in the file that Vertex AI's tuning service and ``scripts/tune`` read.

The format is that of Google's cloudml-hypertune: one JSON object a line, its values texts, the file written anew at
each report.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from trainer.contract import TUNING_METRIC
from trainer.errors import StorageError

KEPT_REPORTS = 100
#: Where Vertex AI looks when it sets no CLOUD_ML_HP_METRIC_FILE.
DEFAULT_FILE = Path("/tmp/hypertune/output.metrics")  # noqa: S108 – the place is Vertex AI's choice
_DO = "see to the disk, and to CLOUD_ML_HP_METRIC_FILE"


class TrialReports:
    """Writes the reports of one trial, by default of number 0, to ``path``, by default Vertex AI's own."""

    def __init__(self, path: Path | None, trial: str | None) -> None:
        self._path = path or DEFAULT_FILE
        self._trial = trial or "0"
        self._reports: list[dict[str, str | float]] = []

    def write(self, history: Sequence[Mapping[str, float]]) -> None:
        """Report every epoch that has not been yet: after a restart, those before it too. Raises StorageError."""
        for epoch, accuracy in chosen_accuracies(history)[len(self._reports) :]:
            self._reports.append(
                {
                    "global_step": str(epoch),
                    "timestamp": time.time(),
                    "trial": self._trial,
                    TUNING_METRIC: str(accuracy),
                }
            )
        lines = [json.dumps(report) + "\n" for report in self._reports[-KEPT_REPORTS:]]
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text("".join(lines), encoding="utf-8")
        except OSError as error:
            expected, received = "a file that can be written", f"{self._path}: {error.strerror}"
            raise StorageError("a trial can't report", expected=expected, received=received, do=_DO) from error


def chosen_accuracies(history: Sequence[Mapping[str, float]]) -> list[tuple[int, float]]:
    """Each epoch's number, and the validation accuracy of the weights that training would end with, did it end there.

    Those are the weights of the lowest validation loss. The highest accuracy of any epoch would flatter a trial that
    has many of them.
    """
    accuracies = []
    chosen = history[0] if history else {}
    for row in history:
        chosen = min(chosen, row, key=lambda item: item["val_loss"])
        accuracies.append((int(row["epoch"]), chosen["val_accuracy"]))
    return accuracies


def read_reports(path: Path) -> Iterator[tuple[int, float]]:
    """Epoch and validation accuracy of each report in ``path``; none if there is no file yet."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    for line in text.splitlines(keepends=True):
        if line.endswith("\n"):  # Else it is being written right now.
            report = json.loads(line)
            yield int(report["global_step"]), float(report[TUNING_METRIC])

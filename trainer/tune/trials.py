"""The trials of a search: each a process of ``trainer.task``, with a folder of its own."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trainer.errors import DataError, SettingsError, StorageError, TrainerError
from trainer.training.hypertune import read_reports

#: From SIGTERM to SIGKILL: a trial that ends by itself has written its checkpoint.
GRACE_SECONDS = 30.0
_PROJECT = Path(__file__).resolve().parents[2]


@dataclass
class TrialProcess:
    """One trial while it runs.

    Attributes:
        folder: log, reports and checkpoints of this trial.
        seen: epoch → validation accuracy, of the reports read so far.
        stopped: when it was asked to end, on the clock of ``time.monotonic``.
    """

    process: "subprocess.Popen[bytes]"
    folder: Path
    started: float = field(default_factory=time.monotonic)
    seen: dict[int, float] = field(default_factory=dict)
    stopped: float | None = None

    def new_reports(self) -> list[tuple[int, float]]:
        """Epoch and validation accuracy of each report since the last call."""
        new = [(epoch, value) for epoch, value in read_reports(reports_file(self.folder)) if epoch not in self.seen]
        self.seen.update(new)
        return new

    def stop(self) -> None:
        """Ask it to end. ``poll`` then says when it has."""
        if self.stopped is None:
            self.stopped = time.monotonic()
            self.process.send_signal(signal.SIGTERM)

    def poll(self) -> int | None:
        """The exit code, or None while it runs. One that does not end when asked is killed."""
        if self.stopped is not None and time.monotonic() > self.stopped + GRACE_SECONDS:
            self.process.kill()
        return self.process.poll()

    def wait(self) -> None:
        while self.poll() is None:
            time.sleep(0.05)

    def last_words(self) -> str:
        """Why it failed: the last line that it wrote."""
        lines = (self.folder / "log.txt").read_text(encoding="utf-8", errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "nothing").removeprefix("trainer.task: ")

    def remove_checkpoints(self) -> None:
        """Of a trial that is over: each is several times the size of the network."""
        shutil.rmtree(self.folder / "checkpoints", ignore_errors=True)


def start_trial(folder: Path, flags: Sequence[str], *, number: int, cores: int | None, held_open: int) -> TrialProcess:
    """Start a trial in ``folder``, or let the one that was cut off there go on.

    Args:
        flags: of ``trainer.task``.
        number: what the trial calls itself in its reports.
        cores: how many it may use; None = all.
        held_open: a file descriptor that the process inherits, so that what it locks stays locked while it lives.
    """
    folder.mkdir(parents=True, exist_ok=True)
    places = [f"--output-dir={folder / 'model'}", f"--checkpoint-dir={folder / 'checkpoints'}"]
    command = [sys.executable, "-P", "-m", "trainer.task", *flags, *places, "--validation-only", "--log-format=text"]
    with (folder / "log.txt").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 – the settings were parsed before
            command,
            env=_environment(folder, number, cores),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=(held_open,),
            # Ctrl-C is for the search alone, which then ends its trials one by one.
            start_new_session=True,
        )
    return TrialProcess(process, folder)


def reports_file(folder: Path) -> Path:
    return folder / "reports.jsonl"


def refusal(trial: TrialProcess, code: int) -> TrainerError | None:
    """For an exit code that no other values of the searched settings would mend; None for any other."""
    kinds = (SettingsError, DataError, StorageError)
    for kind in kinds:
        if code == kind.exit_code:
            return kind(
                "a trial can't run, so none can",
                expected="trials that train",
                received=trial.last_words(),
                do=f"mend that, and start the same command again, or with other settings one with another --study;"
                f" its log is {trial.folder / 'log.txt'}",
            )
    return None


def _environment(folder: Path, number: int, cores: int | None) -> Mapping[str, str]:
    """Ours, but for what would send a trial's model or its reports elsewhere."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIP_", "CLUSTER_SPEC"))}
    threads = {"TF_NUM_INTRAOP_THREADS": str(cores), "OMP_NUM_THREADS": str(cores)} if cores else {}
    paths = [str(_PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])]
    reports = {"CLOUD_ML_HP_METRIC_FILE": str(reports_file(folder)), "CLOUD_ML_TRIAL_ID": str(number)}
    return {**threads, **kept, **reports, "PYTHONPATH": os.pathsep.join(paths)}

"""Stands in for ``python -m trainer.task`` where the search is tested, not training: reports, ends, and goes on.

Called as the interpreter: ``stand_in_trainer.py -P -m trainer.task --learning_rate=0.003 …``. ``STAND_IN`` in the
environment may hold, as JSON, ``exit_codes`` (by trial number) and what a trial is to wait for, whatever the load:

- ``together``: for so many trials to have started, before its first epoch;
- ``held``: after each epoch for the file ``go-on-EPOCH`` in its folder, or for SIGTERM.
"""

import json
import math
import os
import signal
import sys
import time
from pathlib import Path

from tests.support.waiting import wait_until
from trainer.training.hypertune import TrialReports


def accuracy(learning_rate: float, epoch: int) -> float:
    """Best at 0.003, and a little better with each epoch."""
    return 0.9 - 0.2 * abs(math.log10(learning_rate / 0.003)) + 0.01 * epoch


def started(trials: Path) -> int:
    return sum(path.stat().st_size > 0 for path in trials.glob("*/starts.jsonl"))


def main() -> None:
    flags = dict(word.lstrip("-").partition("=")[::2] for word in sys.argv[4:] if "=" in word)
    asked = json.loads(os.environ.get("STAND_IN", "{}"))
    trial = os.environ["CLOUD_ML_TRIAL_ID"]
    folder = Path(flags["checkpoint-dir"]).parent
    with (folder / "starts.jsonl").open("a") as file:
        names = ("CLOUD_ML_TRIAL_ID", "TF_NUM_INTRAOP_THREADS", "AIP_MODEL_DIR")
        env = {name: os.environ.get(name) for name in names}
        file.write(json.dumps({"argv": sys.argv[1:], "env": env, "time": time.time()}) + "\n")
    signal.signal(signal.SIGTERM, lambda *_: (print("interrupted by SIGTERM"), sys.exit(9)))
    if code := asked.get("exit_codes", {}).get(trial):
        print(f"trainer.task: exit code {code}, as asked for")
        sys.exit(code)
    checkpoint = folder / "checkpoints" / "epoch"
    checkpoint.parent.mkdir(exist_ok=True)
    done = int(checkpoint.read_text()) if checkpoint.exists() else 0
    reports = TrialReports(Path(os.environ["CLOUD_ML_HP_METRIC_FILE"]), trial)
    rate = float(flags["learning_rate"])
    epochs = int(sys.argv[sys.argv.index("--epochs") + 1])
    rows = [{"epoch": n, "val_loss": 1 / n, "val_accuracy": accuracy(rate, n)} for n in range(1, epochs + 1)]
    wait_until(lambda: started(folder.parent) >= asked.get("together", 1))
    for epoch in range(done + 1, epochs + 1):
        print(f"epoch {epoch}", flush=True)
        checkpoint.write_text(str(epoch))
        reports.write(rows[:epoch])
        if asked.get("held"):
            wait_until((folder / f"go-on-{epoch}").exists)
    (folder / "ended").write_text(str(time.time()))


if __name__ == "__main__":
    main()

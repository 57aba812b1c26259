"""One row of docs/results.md from finished model folders that differ in their seed only.

python -m benchmarks.results FOLDER [FOLDER …]
"""

import json
import statistics
import sys
from pathlib import Path
from typing import Any

COLUMNS = ("seeds", "test accuracy, %", "validation, %", "gap, points", "log loss", "ECE", "epochs", "commit")


def documents(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """``params.json`` and ``metrics.json`` of a model folder."""
    texts = ((folder / "metadata" / name).read_text(encoding="utf-8") for name in ("params.json", "metrics.json"))
    params, metrics = map(json.loads, texts)
    return params, metrics


def spread(values: list[float], digits: int) -> str:
    """Mean ± sample standard deviation; of a single value, itself."""
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    return f"{statistics.mean(values):.{digits}f} ± {statistics.stdev(values):.{digits}f}"


def row(folders: list[Path]) -> str:
    found = [documents(folder) for folder in folders]
    settings = [{**params["settings"], "seed": None, "output_dir": None} for params, _ in found]
    if any(other != settings[0] for other in settings):
        raise SystemExit("these models differ in more than their seed")
    metrics = [of_model for _, of_model in found]
    cells = [
        ", ".join(str(params["seed"]) for params, _ in found),
        spread([100 * m["test"]["accuracy"]["value"] for m in metrics], 2),
        spread([100 * m["validation"]["accuracy"]["value"] for m in metrics], 2),
        spread([m["gap"]["points"] for m in metrics], 2),
        spread([m["test"]["log_loss"] for m in metrics], 3),
        spread([m["test"]["expected_calibration_error"] for m in metrics], 3),
        ", ".join(str(params["epochs_run"]) for params, _ in found),
        ", ".join(sorted({str(params["commit"])[:7] for params, _ in found})),
    ]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    print("| " + " | ".join(COLUMNS) + " |")
    print("|" + "---|" * len(COLUMNS))
    print(row([Path(name) for name in sys.argv[1:]]))

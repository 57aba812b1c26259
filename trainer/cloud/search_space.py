"""What tuning searches, on this machine and on Vertex AI.

Each name is a setting of ``trainer.settings``, each value one that its flag takes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trainer.contract import TUNING_METRIC


@dataclass(frozen=True)
class Range:
    """Any number from ``low`` to ``high``; ``log``: every factor is as likely, not every difference."""

    low: float
    high: float
    log: bool = False

    def holds(self, value: object) -> bool:
        return isinstance(value, (int, float)) and self.low <= value <= self.high


@dataclass(frozen=True)
class Choice:
    """One of these, the way a flag takes it."""

    values: tuple[str, ...]

    def holds(self, value: object) -> bool:
        return value in self.values


SearchSpace = Mapping[str, Range | Choice]

#: The reference recipe lies within it, so that a search begins with what is known.
SEARCH_SPACE: SearchSpace = {
    "learning_rate": Range(3e-4, 1e-2, log=True),
    "schedule": Choice(("plateau", "triangular")),
    "filters": Choice(("16,32,64", "32,64,128", "48,96,192")),
    "conv_dropout": Range(0.0, 0.5),
    "dense_dropout": Range(0.0, 0.7),
    # How strong each of the warps is.
    "rotation_degrees": Range(0.0, 20.0),
    "shift_fraction": Range(0.0, 0.2),
    "shear_fraction": Range(0.0, 0.2),
    "zoom_fraction": Range(0.0, 0.2),
}


def study_spec(space: SearchSpace = SEARCH_SPACE) -> dict[str, Any]:
    """``studySpec`` of a HyperparameterTuningJob, JSON-able. Without an ``algorithm`` Vertex's search is Bayesian."""
    return {
        "metrics": [{"metricId": TUNING_METRIC, "goal": "MAXIMIZE"}],
        "parameters": [_parameter(name, values) for name, values in space.items()],
        # Each report is about the weights chosen so far, so the last one is about the trial's model.
        "measurementSelectionType": "LAST_MEASUREMENT",
        "medianAutomatedStoppingSpec": {"useElapsedDuration": False},
    }


def as_json(space: SearchSpace) -> dict[str, Any]:
    """To compare with what a study was begun with."""
    return {item["parameterId"]: item for item in study_spec(space)["parameters"]}


def _parameter(name: str, values: Range | Choice) -> dict[str, Any]:
    if isinstance(values, Choice):
        return {"parameterId": name, "categoricalValueSpec": {"values": list(values.values)}}
    return {
        "parameterId": name,
        "doubleValueSpec": {"minValue": values.low, "maxValue": values.high},
        "scaleType": "UNIT_LOG_SCALE" if values.log else "UNIT_LINEAR_SCALE",
    }

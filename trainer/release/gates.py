"""The gates, in the order in which they are reported."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from trainer.release.evidence import Evidence
from trainer.release.gates_champion import champion
from trainer.release.gates_origin import data, integrity
from trainer.release.gates_quality import absolute, calibration, generalisation
from trainer.release.gates_serving import agreement, latency, sensitivity
from trainer.release.thresholds import Thresholds
from trainer.release.verdict import Verdict

__all__ = ["GATES", "Gate", "Verdict", "judge"]

Gate = Callable[[Evidence, Thresholds], Verdict]

GATES: Mapping[str, Gate] = {
    "integrity": integrity,
    "data": data,
    "absolute": absolute,
    "generalisation": generalisation,
    "agreement": agreement,
    "sensitivity": sensitivity,
    "calibration": calibration,
    "latency": latency,
    "champion": champion,
}


def judge(evidence: Evidence, thresholds: Thresholds) -> tuple[Verdict, ...]:
    """Every gate's verdict, with what it asks for: none is left out because another one refused."""
    asked = thresholds.model_dump()
    verdicts = (gate(evidence, thresholds) for gate in GATES.values())
    return tuple(replace(item, figures={**item.figures, "asked": asked.get(item.gate, {})}) for item in verdicts)

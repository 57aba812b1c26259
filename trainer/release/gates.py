"""The gates, in the order in which they are reported."""

from trainer.release.evidence import Evidence
from trainer.release.thresholds import Thresholds
from trainer.release.verdict import Verdict

__all__ = ["Verdict", "judge"]


def judge(evidence: Evidence, thresholds: Thresholds) -> tuple[Verdict, ...]:
    """Every gate's verdict: none is left out because another one refused."""
    raise NotImplementedError

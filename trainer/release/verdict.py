"""What a gate says of a model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Verdict:
    """One gate's answer.

    Attributes:
        gate: its name, a key of ``gates.yaml``.
        passed: False if the gate refuses the model, also where what it judges could not be measured.
        sentence: why, for people, in one line.
        figures: what was measured and what is asked for, JSON-able, for programs.
    """

    gate: str
    passed: bool
    sentence: str
    figures: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        return {"gate": self.gate, "passed": self.passed, "sentence": self.sentence, "figures": dict(self.figures)}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        return cls(fields["gate"], fields["passed"], fields["sentence"], fields["figures"])

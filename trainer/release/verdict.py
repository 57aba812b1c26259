"""What a gate says of a model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Verdict:
    """One gate's answer.

    Attributes:
        gate: its name, as in docs/gates.md.
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


def verdict(gate: str, faults: Sequence[str], praise: str, figures: Mapping[str, Any]) -> Verdict:
    """Refused for each of the ``faults``; passed, with a sentence of praise, if there are none."""
    text = "; ".join(faults) or praise
    one_line = " ".join(text.split()).rstrip(".")
    return Verdict(gate, not faults, f"{one_line[0].upper()}{one_line[1:]}.", figures)


def not_measured(gate: str, why: str, **figures: Any) -> Verdict:
    """What can't be looked at is not passed."""
    return verdict(gate, [f"not measured: {why}"], "", figures)


def percent(fraction: float) -> str:
    return f"{100 * fraction:.2f} %"

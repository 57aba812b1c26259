"""What the checks found, gathered so that it can be said all at once."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Findings:
    """``refused``: reasons not to use the data; ``suspicious``: what somebody should look at. One sentence each."""

    refused: list[str] = field(default_factory=list)
    suspicious: list[str] = field(default_factory=list)

    def refuse(self, sentence: str) -> None:
        self.refused.append(sentence)

    def suspect(self, sentence: str) -> None:
        self.suspicious.append(sentence)

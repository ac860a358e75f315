"""What the checks of a problem write down: facts, findings, candidates for the verdict and for the key numbers."""

from __future__ import annotations

from dataclasses import dataclass, field

from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.facts import Facts


@dataclass(slots=True)
class Notes:
    """Collected by the checks in turn; the heaviest verdict and key numbers are shown."""

    facts: Facts = field(default_factory=Facts)
    drafts: list[Draft] = field(default_factory=list[Draft])
    verdicts: list[tuple[float, str, str]] = field(default_factory=list[tuple[float, str, str]])
    keys: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    shared: str = ""
    """Id of the fact that says how much a random split shares, once it is known."""

    def key(self, weight: float, fact: str) -> str:
        """Put a fact among the candidates for the key numbers; its id is returned."""
        self.keys.append((weight, fact))
        return fact

    def verdict(self, weight: float, sentence: str, fact: str) -> None:
        """Put a sentence among the candidates for the verdict; the finding that cites the fact goes first with it."""
        self.verdicts.append((weight, sentence, fact))

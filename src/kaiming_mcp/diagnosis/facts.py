"""Collects established facts and hands out their ids: A1, A2, … for what is assumed, F1, F2, … for the rest."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from kaiming_mcp.scaffold import Basis, Fact

DIGITS = 6
"""More than theory or measurement have."""


@dataclass(slots=True)
class Facts:
    """Facts in the order in which they were established."""

    items: list[Fact] = field(default_factory=list[Fact])

    def add(
        self,
        statement: str,
        basis: Basis,
        value: float | None = None,
        unit: str = "",
        source: str = "",
        letter: str = "",
    ) -> str:
        """Record a fact and return its id; the value to six digits, and none where it is not finite.

        `letter` is given where a fact that is assumed here is stated in the short form of the same call.
        """
        finite = _rounded(value) if value is not None and math.isfinite(value) else None
        known = next((f.id for f in self.items if f.statement == statement), None)
        if known:
            return known
        letter = letter or ("A" if basis == "assumed" else "F")
        fact = Fact(
            id=f"{letter}{sum(f.id[0] == letter for f in self.items) + 1}",
            statement=statement,
            basis=basis,
            value=finite,
            unit=unit,
            source=source,
        )
        self.items.append(fact)
        return fact.id


def _rounded(value: float) -> float:
    """To DIGITS; counts keep all of theirs."""
    return value if float(value).is_integer() else float(f"{value:.{DIGITS}g}")

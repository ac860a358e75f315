"""Collects established facts and hands out their ids."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from kaiming_mcp.scaffold import Basis, Fact


@dataclass(slots=True)
class Facts:
    """Facts in the order in which they were established."""

    items: list[Fact] = field(default_factory=list[Fact])

    def add(self, statement: str, basis: Basis, value: float | None = None, unit: str = "", source: str = "") -> str:
        """Record a fact and return its id; a value that is not finite is left to the statement."""
        finite = value if value is not None and math.isfinite(value) else None
        known = next((f.id for f in self.items if f.statement == statement), None)
        if known:
            return known
        fact = Fact(
            id=f"F{len(self.items) + 1}",
            statement=statement,
            basis=basis,
            value=finite,
            unit=unit,
            source=source,
        )
        self.items.append(fact)
        return fact.id

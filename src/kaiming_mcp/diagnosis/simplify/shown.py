"""How this room prints: numbers, names of parts."""

from __future__ import annotations

from collections.abc import Sequence

from kaiming_mcp.architecture.listing import listed
from kaiming_mcp.diagnosis.simplify.noise import MOST_SEEDS
from kaiming_mcp.diagnosis.simplify.plan import Judged
from kaiming_mcp.scaffold import number as compact

MOST_NAMES = 5


def number(x: float) -> str:
    """A number as people print it: thousands in full, otherwise three digits, small ones without an exponent."""
    if 1e-6 < abs(x) < 1e-3:
        return f"{x:.7f}".rstrip("0") if abs(x) < 1e-4 else f"{x:.3g}"
    return f"{x:,.0f}" if 1000 <= abs(x) < 1e6 else compact(x)


def signed(x: float) -> str:
    """A difference with its sign."""
    x = x or 0.0  # without the sign of a negative zero
    return f"{x:+,.0f}" if 1000 <= abs(x) < 1e6 else f"{x:+.3g}"


def score_text(x: float) -> str:
    """A score with the digits that people print."""
    return f"{x:.5g}"


def many(n: int) -> str:
    """A number of seeds, bounded."""
    return f"more than {MOST_SEEDS:,}" if n >= MOST_SEEDS else f"{n:,}"


def name(each: Judged) -> str:
    """A part as people call it."""
    if each.part.kind == "stage" and each.part.alias.startswith(("stage", "step", "phase")):
        return each.part.alias
    return each.part.name if len(each.part.name) <= 40 else each.part.name[:38].rstrip() + "…"


def names(parts: Sequence[Judged], most: int = MOST_NAMES) -> str:
    """Names of parts in a sentence."""
    return listed([name(j) for j in parts], most)

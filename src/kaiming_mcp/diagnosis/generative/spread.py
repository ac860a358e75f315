"""The document of the probe `posterior_spread` as typed values.

R = E Var[X|Y] / Var[X] is the share of the variance of x that stays open once y is known.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any, cast

from kaiming_mcp.probes.posterior_spread_probe import FAR
from kaiming_mcp.scaffold import number

PROBE = "posterior_spread"
MOST_PAIRS_ASKED = 100_000
BIAS_ALLOWED = 0.02
"""Share of Var[X] by which neighbours may be too far apart."""
EXAMPLE = '{"probe": "posterior_spread", "pairs": 400, "method": "neighbours", "k": 10, "r": 0.31, "error": 0.03, "low": 0.24, "high": 0.4}'


class SpreadError(ValueError):
    """The text claims to be the probe's document and breaks its form; the message says where."""


@dataclass(frozen=True, slots=True)
class Spread:
    """R with its standard error and 95 % interval, as the probe documents them; None where it does not say."""

    ratio: float
    error: float
    low: float
    high: float
    pairs: int
    repeated: bool
    neighbours: int | None = None
    groups: int | None = None
    raw: tuple[float, float] | None = None
    distance: float | None = None
    dimension_y: float | None = None
    dim_y: int | None = None
    dim_x: int | None = None
    columns: tuple[tuple[str, float], ...] = ()
    extremes: tuple[float, float] | None = None
    gap: tuple[float, float] | None = None
    several: bool = False
    discrete: bool = False
    components: int | None = None
    dimension_x: float | None = None
    copies: int = 0
    held_out: tuple[int, int, float] | None = None
    document: str = ""

    @property
    def far(self) -> bool:
        """Neighbours are too far apart for a lower end."""
        return not self.repeated and self.distance is not None and self.distance > FAR

    @property
    def enough(self) -> int | None:
        """Pairs at which neighbours cost BIAS_ALLOWED and the standard error is as small: bias ~ n^(-2/d), error ~ n^(-1/2)."""
        log_times = 2 * math.log(max(self.error / BIAS_ALLOWED, 1.0))
        if self.raw is not None and self.dimension_y is not None:
            bias = max((self.raw[0] - self.ratio) / BIAS_ALLOWED, 1.0)
            log_times = max(log_times, self.dimension_y / 2 * math.log(bias))
        wanted = self.pairs * math.exp(min(log_times, 100.0))
        return round(wanted) if self.pairs < wanted < MOST_PAIRS_ASKED else None

    @property
    def shown(self) -> str:
        """R with its interval, as a person reads it."""
        if self.ratio == 0:
            return f"R is at most {number(self.high)} (95 %)"
        return f"R = {number(self.ratio)} (95 %: {number(self.low)} to {number(self.high)})"


def read_spread(text: str) -> tuple[Spread, str] | None:
    """The probe's document inside a text, and the text around it; None where there is none.

    Raises:
        SpreadError: it names the probe and lacks a number, or has one out of range.
    """
    at = re.search(r'"probe"\s{0,9}:\s{0,9}"' + PROBE, text[:200_000])
    start = text.rfind("{", 0, at.start()) if at else -1
    if start < 0:
        return None
    try:
        raw, end = json.JSONDecoder().raw_decode(text[start : start + 50_000])
    except (ValueError, RecursionError) as error:
        raise SpreadError(f"the document of the probe {PROBE} is not valid JSON. Example: {EXAMPLE}") from error
    return spread_of(cast(dict[str, Any], raw)), text[:start] + text[start + end :]


def spread_of(document: dict[str, Any]) -> Spread:
    """The typed values of the probe's document.

    Raises:
        SpreadError: a number is missing or out of range.
    """
    ratio, error, low, high = (_share(document, name) for name in ("r", "error", "low", "high"))
    if not low <= high:
        raise SpreadError(f"`low` ({low}) lies above `high` ({high}). Example: {EXAMPLE}")
    raw = _both(document, "r_k", "r_2k")
    held = cast(dict[str, Any], document["held_out"]) if isinstance(document.get("held_out"), dict) else {}
    columns = cast(dict[str, Any], document["columns"]) if isinstance(document.get("columns"), dict) else {}
    kept = {k: v for k, v in document.items() if k in _KEPT}
    return Spread(
        ratio=ratio,
        error=error,
        low=low,
        high=high,
        pairs=round(_number(document, "pairs") or 0),
        repeated=document.get("method") == "repeats",
        neighbours=_whole(document, "k"),
        groups=_whole(document, "groups"),
        raw=raw,
        distance=_number(document, "distance_k"),
        dimension_y=_number(document, "dimension_y"),
        dim_y=_whole(document, "dim_y") or None,
        dim_x=_whole(document, "dim_x") or None,
        columns=tuple((str(n)[:30], v) for n in list(columns)[:12] if (v := _number(columns, n)) is not None),
        extremes=_both(document, "column_low", "column_high"),
        gap=_both(document, "gap", "gap_uniform"),
        several=document.get("several_modes") is True,
        discrete=document.get("discrete") is True,
        components=None if document.get("rows_limit") else _whole(document, "components"),
        dimension_x=_number(document, "dimension_x"),
        copies=_whole(document, "repeated_rows") or 0,
        held_out=_held_out(held),
        document=json.dumps(kept, ensure_ascii=False),
    )


_KEPT = frozenset(
    "probe pairs dim_y dim_x method k groups r error low high r_k r_2k distance_k dimension_y columns column_low column_high gap "
    "gap_uniform several_modes discrete components rows_limit dimension_x repeated_rows held_out".split()
)


def _held_out(held: dict[str, Any]) -> tuple[int, int, float] | None:
    rows, near = _whole(held, "rows"), _number(held, "near")
    if not rows:
        return None
    return rows, _whole(held, "identical") or 0, near if near is not None else 0.0


def _share(document: dict[str, Any], name: str) -> float:
    value = _number(document, name)
    if value is None or not 0 <= value <= 1:
        shown = str(document.get(name, "missing"))[:40]
        raise SpreadError(f"`{name}` must lie between 0 and 1, got {shown}. Example: {EXAMPLE}")
    return value


def _number(document: dict[str, Any], name: str) -> float | None:
    value = document.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e15 else None


def _whole(document: dict[str, Any], name: str) -> int | None:
    value = _number(document, name)
    return None if value is None else round(value)


def _both(document: dict[str, Any], one: str, other: str) -> tuple[float, float] | None:
    first, second = _number(document, one), _number(document, other)
    return None if first is None or second is None else (first, second)

"""What was measured over depth, and what theory gives for the network, each as a sparkline."""

from __future__ import annotations

import math

from kaiming_mcp.diagnosis.gradients.evidence import Evidence
from kaiming_mcp.diagnosis.signal.picture import sparkline
from kaiming_mcp.measurements.trend import Trend
from kaiming_mcp.scaffold import number, power
from kaiming_mcp.signal.station import Station

FEWEST = 3
"""Layers below which a line shows nothing that the numbers do not."""


def spark_lines(e: Evidence) -> str:
    """A line for each quantity that was measured in three layers or more, and for theory where it followed the network."""
    stations = e.subject.stations if e.subject is not None and e.subject.trace is not None else ()
    rows = [_measured(shown) for shown in (e.gradient, e.activation)] + _theory(stations)
    found = [row for row in rows if row is not None]
    width = max((len(name) for name, _ in found), default=0)
    return "\n".join(f"{name:{width}} {line}" for name, line in found)


def _measured(shown: Trend | None) -> tuple[str, str] | None:
    if shown is None or len(shown.rows) < FEWEST:
        return None
    values = [abs(row.values[shown.quantity].x) for row in shown.rows]
    logs = [math.log(x) if math.isfinite(x) and x > 0 else math.nan for x in values]
    known = [x for x in values if math.isfinite(x) and x > 0]
    if not known:
        return None
    statistic = "" if shown.quantity.statistic == "unknown" else f"{shown.quantity.statistic}, "
    span = f"{number(min(known))} to {number(max(known))} ({statistic}log scale, input left)"
    return f"{shown.quantity.kind}, measured", f"{sparkline(logs)} {span}"


def _theory(stations: tuple[Station, ...]) -> list[tuple[str, str] | None]:
    if len(stations) < FEWEST:
        return []
    gradient = [s.log_g - stations[-1].log_g for s in stations]
    columns = [("E[x²], theory", [s.state.log_q for s in stations]), ("gradient², theory", gradient)]
    return [
        (name, f"{sparkline(logs)} {power(min(logs))} to {power(max(logs))}")
        for name, logs in columns
        if any(map(math.isfinite, logs))
    ]

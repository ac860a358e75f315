"""The course of the signal in text: a sparkline over depth, and a table of the places that matter."""

from __future__ import annotations

import math

from kaiming_mcp.scaffold import number, power
from kaiming_mcp.signal.station import Station

BARS = "▁▂▃▄▅▆▇█"
WIDEST = 48
MOST_ROWS = 12


def sparkline(values: list[float]) -> str:
    """One bar for each value, or for each of at most 48 equal parts; flat where nothing changes by a tenth."""
    finite = [v for v in values if math.isfinite(v)]
    if not finite:
        return ""
    if len(values) > WIDEST:
        values = [values[round(i * (len(values) - 1) / (WIDEST - 1))] for i in range(WIDEST)]
    low, high = min(finite), max(finite)
    span = high - low
    if span < math.log(1.1):
        return BARS[3] * len(values)
    return "".join(BARS[min(7, int((v - low) / span * 8))] if math.isfinite(v) else "·" for v in values)


def spark_lines(stations: tuple[Station, ...]) -> str:
    """Second moment and gradient over depth, each with its range."""
    q = [s.state.log_q for s in stations]
    g = [s.log_g - stations[-1].log_g for s in stations]
    lines = [("E[x²]   ", q), ("gradient", g)]
    return "\n".join(
        f"{name} {sparkline(v)} {power(min(v))} to {power(max(v))} (log scale, input left)" for name, v in lines
    )


def places(stations: tuple[Station, ...]) -> list[int]:
    """Indices worth a row: the ends, where the rate changes most, and evenly spaced ones between."""
    n = len(stations)
    if n <= MOST_ROWS:
        return list(range(n))
    logs = [(s.state.log_q, s.log_g) for s in stations]
    bend = [
        (
            abs(logs[i + 1][0] - 2 * logs[i][0] + logs[i - 1][0])
            + abs(logs[i + 1][1] - 2 * logs[i][1] + logs[i - 1][1]),
            i,
        )
        for i in range(1, n - 1)
        if all(math.isfinite(x) for j in (i - 1, i, i + 1) for x in logs[j])
    ]
    sharp = [i for size, i in sorted(bend, reverse=True)[:4] if size > 0.5]
    even = [round(k * (n - 1) / (MOST_ROWS - 1 - len(sharp))) for k in range(MOST_ROWS - len(sharp))]
    return sorted({*even, *sharp})


def table(stations: tuple[Station, ...]) -> str:
    """A Markdown table: one row for each place; a column that would hold nothing but zeros is left out."""
    shown, last = places(stations), stations[-1]
    rows = [stations[i] for i in shown]
    columns: list[tuple[str, list[str]]] = [
        ("place", [str(i + 1) for i in shown]),
        ("layer", [_label(s) for s in rows]),
        ("E[x²]", [power(s.state.log_q) for s in rows]),
    ]
    if any(s.state.mean for s in rows):
        columns.append(("mean² share", [number(s.state.mean**2) for s in rows]))
    columns += [
        ("differs between inputs", [number(s.state.across) for s in rows]),
        ("gradient Σ (rel. to last)", [power(s.log_g - last.log_g) for s in rows]),
    ]
    weights = [s.log_w for s in stations if s.log_w is not None]
    if weights:
        norms = ["" if s.log_w is None else power((s.log_w - weights[-1]) / 2) for s in rows]
        columns.append(("‖dL/dW‖ (rel. to last)", norms))
    lines = [[name for name, _ in columns], ["---"] * len(columns), *zip(*(cells for _, cells in columns), strict=True)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _label(station: Station) -> str:
    text = f"{station.path} {station.label}".strip() if station.path else station.label
    return (text if len(text) <= 44 else text[:43] + "…").replace("|", "/") or station.kind

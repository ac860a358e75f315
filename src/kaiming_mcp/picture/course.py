"""The course of the signal through one network, as the lists that are drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass

from kaiming_mcp.picture.axis import Axis, axis_of
from kaiming_mcp.picture.model import Log, Variant
from kaiming_mcp.scaffold import number, power
from kaiming_mcp.signal.station import Station
from kaiming_mcp.signal.trace import Trace

LN10 = math.log(10)
DIGITS = 4
"""Of a logarithm: 1e-4 is a fiftieth of a percent, where theory is right to a percent."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A traced network and the path that its text tells of."""

    trace: Trace
    axis: Axis
    main: frozenset[int]
    """Indices of the stations of the main path."""

    @property
    def stations(self) -> tuple[Station, ...]:
        """All stations in order of execution."""
        return self.trace.stations

    @property
    def last(self) -> int:
        """The last place of the main path: gradients are relative to it."""
        return max(self.main)

    def elements(self) -> list[int | None]:
        """Numbers that each station puts out for one input; None where that is not known."""
        shapes = [s.state.shape for s in self.stations]
        return [s.features * s.count if s.features and s.count else None for s in shapes]

    def weights(self) -> float | None:
        """ln of the squared norm of the last weight gradient."""
        return next((s.log_w for s in reversed(self.stations) if s.log_w is not None), None)


def drawn(trace: Trace) -> Drawn:
    """A trace with what stands along its axis."""
    path = {id(s) for s in trace.main_path()}
    main = frozenset(i for i, s in enumerate(trace.stations) if id(s) in path)
    return Drawn(trace, axis_of(trace.followed.root), main)


def variant(found: Drawn, name: str, about: str) -> Variant:
    """The lists of one network, an entry for each of its own stations."""
    last, weights = found.stations[found.last], found.weights()
    spread = _spreads(found.trace)
    rows = found.stations
    return Variant(
        name=name,
        about=about,
        second_moment=[decades(s.state.log_q) for s in rows],
        correlation=[_shared(s) for s in rows],
        gradient=[decades(s.log_g - last.log_g) for s in rows],
        weight_gradient=[None if s.log_w is None or weights is None else decades(s.log_w - weights) for s in rows],
        spread=[None if v is None else decades(v) for v in spread],
        notes=[_notes(s, last, weights, v) for s, v in zip(rows, spread, strict=True)],
    )


def decades(log: float) -> Log:
    """log10 of a number given by its natural logarithm; None where it is not finite."""
    return round(log / LN10, DIGITS) + 0.0 if math.isfinite(log) else None


def _spreads(trace: Trace) -> list[float | None]:
    """One standard deviation of ln E[x²] between seeds; left out inside a branch, where it is known of that alone."""
    return [
        math.sqrt(v) if math.isfinite(v) and v > 0 and not s.inside else None
        for s, v in zip(trace.stations, trace.log_q_variances(), strict=True)
    ]


def _shared(station: Station) -> Log:
    share = 1 - station.state.across
    return round(min(max(share, 0.0), 1.0), 6) if math.isfinite(share) else None


def _notes(station: Station, last: Station, weights: float | None, spread: float | None) -> list[str]:
    """The numbers of a place in words, as the table of the text has them."""
    between = f" (x/÷ {power(spread)} between seeds)" if spread else ""
    notes = [
        f"E[x²] {power(station.state.log_q)}{between}",
        f"gradient Σ {power(station.log_g - last.log_g)} of the last",
        f"{number(station.state.across)} of it differs between inputs",
    ]
    if station.log_w is not None and weights is not None:
        notes.append(f"‖dL/dW‖ {power((station.log_w - weights) / 2)} of the last")
    if station.state.mean:
        notes.append(f"mean² share {number(station.state.mean**2)}")
    return notes

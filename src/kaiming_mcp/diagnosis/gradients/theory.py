"""Theory for the network that was sent: what it predicts, and how well measurements agree."""

from __future__ import annotations

import math
from typing import NamedTuple

from kaiming_mcp.diagnosis.gradients.evidence import Evidence
from kaiming_mcp.diagnosis.gradients.trends import layer_rate, layers_of, rate_error
from kaiming_mcp.diagnosis.network.subject import Course, Subject
from kaiming_mcp.measurements.trend import Trend
from kaiming_mcp.scaffold import bounded
from kaiming_mcp.signal.station import Station


class Change(NamedTuple):
    """ln of the amplitude: gradient first/last, activation last/first."""

    backward: float
    forward: float


def change_of(course: Course) -> Change:
    """Amplitudes of a course; of a normed plain stack relative to its signal, whose scale a norm makes irrelevant."""
    backward = course.log_backward if course.log_free is None else course.log_free
    forward = course.log_forward if course.log_free is None else 0.0
    return Change(backward / 2, forward / 2)


def predicted_change(subject: Subject) -> Change:
    """Of the network as it was sent."""
    return Change(0.0, 0.0) if subject.course is None else change_of(subject.course)


class Comparison(NamedTuple):
    """A fact that sets a measured rate beside that of theory, and whether the two agree."""

    fact: str
    agrees: bool


def compare(e: Evidence) -> list[Comparison]:
    """Measured rates beside those of theory, for every quantity that theory has."""
    if e.subject is None or e.subject.trace is None:
        return []
    found = list[Comparison]()
    at = next((one.at for one in e.measured.per_layer if one.at is not None), None)
    late = f"measured at {at.unit} {at.x:g}, where theory is of the start" if at is not None and at.x > 0 else ""
    for shown in (e.gradient, e.activation):
        predicted = _rate(e.subject.stations, shown)
        if shown is None or predicted is None or shown.used < 3:
            continue
        measured = layer_rate(shown)
        gap, error = measured - predicted, rate_error(shown)
        sigmas = f", {abs(gap) / error:.1f} sigma" if math.isfinite(error) and error > 1e-3 else ""
        agrees = abs(gap) < max(3 * error if math.isfinite(error) else 0.0, 0.1)
        verdict = "agrees with" if agrees else "differs from"
        means = "" if agrees else f"; {late or 'another start than stated (weights, widths), or a later step'}"
        fact = e.facts.add(
            f"{shown.quantity.kind}: x{bounded(measured):.3g} per layer measured {verdict} x{bounded(predicted):.3g} of theory "
            f"({e.subject.init.describe()}; a factor {bounded(abs(gap)):.3g}{sigmas}){means}",
            "computed",
            bounded(predicted),
            "per layer in theory",
            "signal propagation at infinite width",
        )
        found.append(Comparison(fact, agrees))
    return found


def squares(stations: tuple[Station, ...], shown: Trend) -> list[float]:
    """ln of the square, at each place of theory, of the quantity that was measured."""
    if shown.quantity.kind == "weight gradient":
        return [s.log_w for s in stations if s.log_w is not None]
    return [s.log_g if shown.backward else s.state.log_q for s in stations]


def _rate(stations: tuple[Station, ...], shown: Trend | None) -> float | None:
    """ln of the amplitude's factor per layer in the direction of travel."""
    if shown is None or len(stations) < 3:
        return None
    logs = squares(stations, shown)
    if len(logs) < 3 or not all(math.isfinite(x) for x in logs):
        return None
    if abs(len(logs) - layers_of(shown)) > max(2, len(logs) // 4):
        return None
    slope = (logs[-1] - logs[0]) / (len(logs) - 1) / 2
    return -slope if shown.backward else slope

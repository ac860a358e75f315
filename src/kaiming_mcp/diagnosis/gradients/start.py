"""What the weights are at the start: measured by the probe, read in the code, stated, or assumed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from kaiming_mcp.diagnosis.gradients.evidence import Evidence
from kaiming_mcp.diagnosis.network.subject import examine
from kaiming_mcp.measurements.quantity import Quantity
from kaiming_mcp.scaffold import Basis, number
from kaiming_mcp.signal.initialization import PYTORCH_DEFAULT, Initialization
from kaiming_mcp.signal.initialization_words import parse_initialization

STD = Quantity("weight", "std")
AGREES = math.log(1.15)
"""ln of the factor within which the layers follow one scheme; 64 x 64 weights scatter by 1 %."""
TORCH_GAIN = math.sqrt(1 / 6)
"""Std of PyTorch's default 1/sqrt(3 fan_in) over He's sqrt(2/fan_in)."""


def settled(e: Evidence) -> Evidence:
    """The same evidence with the theory of the weights that were measured, and the fact that says how they are known."""
    if e.subject is None or e.subject.course is None:
        return e
    subject, measured = e.subject, measured_scheme(e)
    if measured is not None and measured != subject.init:
        e = replace(e, subject=examine(subject.network, measured, subject.batch, subject.wishes))
    basis, how = _basis(e, subject.init, measured)
    e.facts.add(f"initial weights: {(measured or subject.init).describe()} ({how})", basis)
    return e


def _basis(e: Evidence, sent: Initialization, measured: Initialization | None) -> tuple[Basis, str]:
    words = e.subject.network.initialization if e.subject is not None else ""
    if measured is not None:
        stds = [std for _, std in _stds(e)]
        ends = number(stds[0]) if stds[0] == stds[-1] else f"{number(stds[0])} to {number(stds[-1])}"
        other = "" if sent in (measured, PYTORCH_DEFAULT) else f", not {sent.describe()} as stated"
        return "measured", f"std {ends} in {len(stds)} layers by the probe{other}"
    if words and parse_initialization(words) == sent:
        return "read", "read in the code"
    if sent in (PYTORCH_DEFAULT, Initialization("keras")):
        return "assumed", "nothing else was said; the std of one weight settles it"
    return "stated", "as stated"


def measured_scheme(e: Evidence) -> Initialization | None:
    """The scheme that the measured standard deviations follow, or None where one scheme does not cover them."""
    found = list(_stds(e))
    if not found:
        return None
    gains = [math.log(std * math.sqrt(fan / 2)) for fan, std in found]
    stds = [math.log(std) for _, std in found]
    gain, std = (math.exp(sum(logs) / len(logs)) for logs in (gains, stds))
    if _spread(gains) <= max(_spread(stds), AGREES) and _spread(gains) < 2 * AGREES:
        if abs(math.log(gain / TORCH_GAIN)) < AGREES:
            return PYTORCH_DEFAULT
        return Initialization("he", gain=1.0 if abs(math.log(gain)) < AGREES / 2 else float(f"{gain:.3g}"))
    return Initialization("normal", std=float(f"{std:.3g}")) if _spread(stds) < 2 * AGREES else None


def _spread(logs: list[float]) -> float:
    return max(logs) - min(logs)


def _stds(e: Evidence) -> Iterator[tuple[int, float]]:
    """fan_in and std of each hidden weight at the first time; a head of its own scale (zero, small) is left out."""
    layers = next((one for one in e.measured.per_layer if STD in one.quantities), None)
    if layers is None:
        return
    rows = [(row.fan_in, row.values[STD].x) for row in layers.rows if row.weighted and row.fan_in and STD in row.values]
    sound = [(fan, std) for fan, std in rows if fan and math.isfinite(std) and std > 0]
    yield from sound[:-1] if len(sound) > 2 else sound

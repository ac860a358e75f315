"""One step of an LSTM, GRU or plain recurrent cell in moments, and its Jacobian.

Gates are functions of Gaussian pre-activations of variance V_x q + V_h E[h^2] + Var[b]. Three pairs are
carried with each value: two samples, two steps far apart, and both.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from kaiming_mcp.signal.activations import Array
from kaiming_mcp.signal.moments import moments, pair_distance

SETTLED = 1e-10
"""Relative change of E[h^2] in a step, below which the cell has come to rest."""
CONTRACTING = 0.999
"""Largest factor per step for which what the later steps add is summed; beyond it the sum does not end."""

Pairs = tuple[float, ...]


class Jacobian(NamedTuple):
    """One step's: the identity's share a, the shared matrix's share r, the second moment of the rest.

    `held` is the standard deviation of a between units that stays from step to step: the gate's bias.
    """

    a: float
    r: float
    rest: float
    held: float = 0.0


class Cell(NamedTuple):
    """At rest or at the last step: E[h^2], its pairs, the Jacobian, and the factor of G to an input with V_x = 1."""

    second: float
    pairs: Pairs
    jacobian: Jacobian
    back: float


class Drive(NamedTuple):
    """What drives the gates: V_x q of the input and its pairs' shares, V_h, Var[b], the forget gate's bias."""

    input: float
    shares: Pairs
    recurrent: float
    bias: float
    forget: float

    def variance(self, h: float) -> float:
        """Of a gate's pre-activation."""
        return max(self.input + self.recurrent * h + self.bias, 1e-12)

    def distances(self, h: float, pairs: Pairs) -> Pairs:
        """Of pairs of pre-activations."""
        v = self.variance(h)
        return tuple(
            1 - (self.input * s + self.recurrent * p + self.bias) / v for s, p in zip(self.shares, pairs, strict=True)
        )


class _Gate(NamedTuple):
    """E[f], E[f^2], E[f'], E[f'^2] of a gate, and E[f f~] of each pair."""

    mean: float
    second: float
    slope: float
    slope_second: float
    pairs: Pairs


_SIGMOID, _TANH = "sigmoid", "tanh"
_NODES, _MASSES = np.polynomial.hermite_e.hermegauss(61)
_SHARES: Array = _MASSES / _MASSES.sum()


def lstm(drive: Drive, steps: int) -> Cell:
    """c' = f c + i g, h = o tanh(c)."""
    h, c, pairs, memory = 0.0, 0.0, _zeros(drive), _zeros(drive)
    while True:
        v, apart, before = drive.variance(h), drive.distances(h, pairs), h
        gate = _gate(_SIGMOID, 0.0, v, apart)
        forget = _gate(_SIGMOID, drive.forget, v, apart) if drive.forget else gate
        fresh = _gate(_TANH, 0.0, v, apart)
        memory = tuple(f * p + i * g for f, p, i, g in zip(forget.pairs, memory, gate.pairs, fresh.pairs, strict=True))
        c = forget.second * c + gate.second * fresh.second
        shown = _gate(_TANH, 0.0, c, tuple(1 - p / max(c, 1e-300) for p in memory))
        h, pairs = gate.second * shown.second, _product(gate.pairs, shown.pairs)
        steps -= 1
        if steps <= 0 or abs(h - before) <= SETTLED * h:
            break
    a = forget.mean
    r = math.sqrt(drive.recurrent) * gate.mean * shown.slope * gate.mean * fresh.slope
    out = gate.second * shown.slope_second
    into = gate.second * fresh.slope_second + c * forget.slope_second + fresh.second * gate.slope_second
    whole = forget.second + drive.recurrent * out * into
    # From h_t to x_t: through c, with what the later steps add to it, and through the output gate.
    back = out * into / (1 - min(whole, CONTRACTING)) + shown.second * gate.slope_second
    return Cell(h, pairs, _split(a, r, whole, math.sqrt(drive.bias) * forget.slope), back)


def gru(drive: Drive, steps: int) -> Cell:
    """h' = (1 - z) n + z h, n = tanh(W x + b + r (V h + b)); 1 - z is distributed as z."""
    h, pairs, half = 0.0, _zeros(drive), drive.bias / 2
    while True:
        gate, before = _gate(_SIGMOID, 0.0, drive.variance(h), drive.distances(h, pairs)), h
        hidden = drive.recurrent * h + half
        u = drive.input + half + gate.second * hidden
        apart = tuple(
            1 - (drive.input * s + half + g * (drive.recurrent * p + half)) / max(u, 1e-12)
            for s, p, g in zip(drive.shares, pairs, gate.pairs, strict=True)
        )
        fresh = _gate(_TANH, 0.0, u, apart)
        h = gate.second * (fresh.second + h)
        pairs = tuple(g * (n + p) for g, n, p in zip(gate.pairs, fresh.pairs, pairs, strict=True))
        steps -= 1
        if steps <= 0 or abs(h - before) <= SETTLED * h:
            break
    r = math.sqrt(drive.recurrent) * gate.mean * fresh.slope * gate.mean
    slope = gate.second * fresh.slope_second
    reset = slope * hidden * gate.slope_second
    update = (h + fresh.second) * gate.slope_second
    whole = gate.second + drive.recurrent * (slope * gate.second + reset + update)
    back = (slope + reset + update) / (1 - min(whole, CONTRACTING))
    return Cell(h, pairs, _split(gate.mean, r, whole, math.sqrt(drive.bias) * gate.slope), back)


def rnn(drive: Drive, steps: int) -> Cell:
    """h' = tanh(W x + V h + b)."""
    h, pairs = 0.0, _zeros(drive)
    while True:
        act, before = _gate(_TANH, 0.0, drive.variance(h), drive.distances(h, pairs)), h
        h, pairs = act.second, act.pairs
        steps -= 1
        if steps <= 0 or abs(h - before) <= SETTLED * h:
            break
    whole = drive.recurrent * act.slope_second
    back = act.slope_second / (1 - min(whole, CONTRACTING))
    return Cell(h, pairs, _split(0.0, math.sqrt(drive.recurrent) * act.slope, whole), back)


def _split(a: float, r: float, whole: float, held: float = 0.0) -> Jacobian:
    return Jacobian(a, r, max(whole - a * a - r * r, 0.0), held)


def _zeros(drive: Drive) -> Pairs:
    return (0.0,) * len(drive.shares)


def _product(a: Pairs, b: Pairs) -> Pairs:
    return tuple(x * y for x, y in zip(a, b, strict=True))


def _gate(name: str, shift: float, variance: float, distances: Pairs) -> _Gate:
    # Nine digits let a cell that has come to rest hit the cache.
    rounded = tuple(round(min(max(d, 0.0), 2.0), 9) for d in distances)
    return _gate_moments(name, shift, float(f"{max(variance, 1e-12):.9g}"), rounded)


@lru_cache(maxsize=4096)
def _gate_moments(name: str, shift: float, variance: float, distances: Pairs) -> _Gate:
    center, log_v = shift / math.sqrt(variance), math.log(variance)
    m = moments(name, None, center, log_v)
    second = math.exp(m.log_second)
    pairs = tuple(second - math.exp(pair_distance(name, None, center, log_v, d)) for d in distances)
    u = shift + math.sqrt(variance) * _NODES
    bounded = np.clip(u, -300, 300)
    slope = 0.25 / np.cosh(bounded / 2) ** 2 if name == _SIGMOID else 1 / np.cosh(bounded) ** 2
    return _Gate(m.mean, second, float(_SHARES @ slope), math.exp(m.log_slope), pairs)

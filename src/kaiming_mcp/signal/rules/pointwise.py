"""Nonlinearities (Poole et al. 2016; Schoenholz et al. 2017), gates, softmax, dropout."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from kaiming_mcp.architecture.ir import Activation, Dropout, Shape
from kaiming_mcp.signal import trunk
from kaiming_mcp.signal.moments import Moments, moments, pair_distance, pair_slope
from kaiming_mcp.signal.rules.attention import participation
from kaiming_mcp.signal.state import Backward, Cotangent, State, flat_profile, log_of, log_sum, scaled_by, unchanged

Slope = Callable[[float], float]

GATED = {"glu": "sigmoid"}
"""Activations that multiply one half of the features by a function of the other."""
SOFTMAX = ("softmax", "log_softmax", "softmin")


def activation(op: Activation, state: State) -> tuple[State, Backward]:
    """E[phi], E[phi^2] and pairs under the Gaussian of that mean and variance; backward E[phi'^2]."""
    if op.name == "relu" and state.density is not None and state.density.start >= 0:
        return state, unchanged  # nothing is negative
    spread = max(1 - state.mean * state.mean, 1e-12)
    log_v = state.log_q + math.log(spread)
    center = state.mean / math.sqrt(spread)
    name, parameter = op.name, op.parameter
    out = moments(name, parameter, center, log_v)

    def distance(d: float) -> float:
        log_d = pair_distance(name, parameter, center, log_v, min(d / spread, 2.0))
        return math.exp(min(log_d - out.log_second, 0.7)) if out.log_second > -math.inf else 1.0

    across = distance(state.across)
    single = state.shape.positions == ()
    within = state.within if single else distance(state.within)
    apart = across if single or state.apart == state.across else distance(state.apart)

    def slope(together: float) -> float:
        """What two positions still share of the gradient behind two slopes."""
        return together and together * pair_slope(name, parameter, center, log_v, min(state.within / spread, 2.0))

    if name == "relu" and (state.density is not None or center == 0):
        return _relu(state, out, (across, within, apart), slope)
    mean = out.mean / math.exp(0.5 * out.log_second) if -600 < out.log_second < 600 else 0.0
    after = State(out.log_second, max(-1.0, min(1.0, mean)), across, within, apart, state.shape, state.profile)
    return after, lambda c: Cotangent(c.log_g + out.log_slope, slope(c.together), c.profile)


def _relu(
    state: State, gaussian: Moments, distances: tuple[float, float, float], slope: Slope
) -> tuple[State, Backward]:
    """ReLU with the law of its input kept: exact for a Gaussian, on a grid for a trunk that passed ReLUs."""
    before = trunk.STANDARD if state.density is None else state.density
    log_unit = state.log_q if state.density is None else state.log_unit
    density = trunk.STANDARD_RECTIFIED if state.density is None else trunk.rectified(before)
    log_q = gaussian.log_second if state.density is None else log_unit + log_of(density.second)
    mean = min(1.0, density.mean / math.sqrt(density.second)) if density.second > 0 else 0.0
    # What a pair shares is mapped as by a Gaussian of the same moments, relative to the spread.
    spread = 1 - (gaussian.mean * math.exp(-0.5 * gaussian.log_second)) ** 2 if gaussian.log_second > -600 else 1.0
    scale = (1 - mean**2) / max(spread, 1e-12)
    across, within, apart = (min(2.0, d * scale) for d in distances)
    after = State(log_q, mean, across, within, apart, state.shape, state.profile, density, log_unit)

    def backward(c: Cotangent) -> Cotangent:
        together = slope(c.together)
        if state.density is None and c.by_value is None:
            return Cotangent(c.log_g + gaussian.log_slope, together, c.profile)
        arrived = np.ones(len(density.mass)) if c.by_value is None else c.by_value
        sent = trunk.before_rectified(arrived, before)
        kept = before.expectation(sent)
        if state.density is None or kept <= 0:
            return Cotangent(c.log_g + log_of(kept), together, c.profile)
        return Cotangent(c.log_g + log_of(kept), together, c.profile, sent / kept)

    return after, backward


def gated(op: Activation, state: State, shape: Shape) -> tuple[State, Backward]:
    """u * gate(v) with u, v independent halves: q' = q E[gate^2], p' = p E[gate gate]."""
    name = GATED[op.name]
    spread = max(1 - state.mean**2, 1e-12)
    log_v, center = state.log_q + math.log(spread), state.mean / math.sqrt(spread)
    gate = moments(name, None, center, log_v)

    def distance(d: float) -> float:
        common = 1 - math.exp(pair_distance(name, None, center, log_v, min(d / spread, 2.0)) - gate.log_second)
        return min(2.0, 1 - (1 - d) * common)

    mean = state.mean * gate.mean * math.exp(-0.5 * gate.log_second)
    across, within, apart = distance(state.across), distance(state.within), distance(state.apart)
    after = State(state.log_q + gate.log_second, mean, across, within, apart, shape, flat_profile(shape))
    return after, scaled_by(log_sum(gate.log_second, state.log_q + gate.log_slope))


def softmax(op: Activation, state: State) -> tuple[State, Backward]:
    """Over n features with logits of variance v: y = e^x / (n e^{v/2}), never above one-hot."""
    n = state.shape.features or 1000
    spread = max(1 - state.mean**2, 0.0)
    v = math.exp(min(state.log_q, 30)) * spread
    log_second = math.log(participation(v, n) / n)
    if op.name == "log_softmax":
        level = math.log(n) + min(v / 2, math.log(n))
        q = v + level**2
        across, within, apart = (
            min(v * d / max(spread, 1e-12) / q, 2.0) for d in (state.across, state.within, state.apart)
        )
        after = State(math.log(q), -level / math.sqrt(q), across, within, apart, state.shape, flat_profile(state.shape))
        return after, scaled_by(math.log1p(n * math.exp(log_second)))

    def distance(d: float) -> float:
        return -math.expm1(-v * min(d / max(spread, 1e-12), 2.0))

    mean = math.exp(-math.log(n) - 0.5 * log_second)
    across, within, apart = distance(state.across), distance(state.within), distance(state.apart)
    after = State(log_second, mean, across, within, apart, state.shape, flat_profile(state.shape))
    return after, scaled_by(log_second)


def dropout(op: Dropout, state: State) -> tuple[State, Backward]:
    """Training mode: q' = q / (1-p); what two samples share is left as it is."""
    keep = 1 - min(max(op.p, 0.0), 0.999)
    after = state._replace(
        density=None,
        log_q=state.log_q - math.log(keep),
        mean=state.mean * math.sqrt(keep),
        across=1 - keep * (1 - state.across),
        within=1 - keep * (1 - state.within),
        apart=1 - keep * (1 - state.apart),
    )
    back = scaled_by(-math.log(keep))
    # Two positions draw their masks apart.
    return after, lambda c: back(c._replace(together=c.together * keep))

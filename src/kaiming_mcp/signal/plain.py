"""A long run of linear layers, nonlinearities and norms at one position: the same rules in one tight loop.

The recursion is that of `rules` (Poole et al. 2016, eq. 3; Schoenholz et al. 2017, eq. 6); only the objects
are left out. It is what makes a thousand layers take milliseconds; a test holds it to the general path.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

from kaiming_mcp.architecture.ir import Activation, Layer, Linear, Norm, Shape
from kaiming_mcp.signal import trunk
from kaiming_mcp.signal.activations import find
from kaiming_mcp.signal.initialization import Initialization, variances
from kaiming_mcp.signal.initialization_words import of_layer
from kaiming_mcp.signal.moments import moments, pair_distance, relu_distance
from kaiming_mcp.signal.state import Backward, Cotangent, State, log_of, log_sum
from kaiming_mcp.signal.station import Station

SHORTEST = 4
"""Layers below which the general path is as fast."""
_LINEAR, _RELU, _ACTIVATION, _NORM = range(4)
_HALF = math.log(0.5)
_RELU_MEAN = trunk.STANDARD_RECTIFIED.mean / math.sqrt(trunk.STANDARD_RECTIFIED.second)
_RELU_SCALE = (1 - _RELU_MEAN**2) / (1 - 1 / math.pi)


class Step(NamedTuple):
    """One operation with its numbers: (ln V, Var[b], ln fan_in, width), (name, parameter), or (subtracts mean, eps)."""

    kind: int
    layer: Layer
    first: float = 0.0
    second: float = 0.0
    log_fan: float = 0.0
    width: int = 0
    name: str = ""
    parameter: float | None = None


def steps(nodes: tuple[object, ...], init: Initialization) -> list[Step] | None:
    """The operations of a run, or None where one of them needs the general path."""
    found = list[Step]()
    for node in nodes:
        if not isinstance(node, Layer):
            return None
        op = node.op
        match op:
            case Linear():
                gain, bias = variances(of_layer(init, node), op)
                found.append(Step(_LINEAR, node, log_of(gain), bias, math.log(op.in_features), op.out_features))
            case Activation(name="relu"):
                found.append(Step(_RELU, node, name="relu"))
            case Activation() if find(op.name, op.parameter) is not None:
                found.append(Step(_ACTIVATION, node, name=op.name, parameter=op.parameter))
            case Norm(kind="layer" | "rms"):
                found.append(Step(_NORM, node, float(op.kind == "layer"), op.eps))
            case _:
                return None
    return found


def connects(found: list[Step], features: int | None, times: int) -> bool:
    """Whether every linear layer takes the width that reaches it."""
    for step in found * min(times, 2):
        if isinstance(step.layer.op, Linear):
            if features is not None and features != step.layer.op.in_features:
                return False
            features = step.layer.op.out_features
    return True


def follow(
    found: list[Step], copies: list[str], state: State, stations: list[Station], depth: int
) -> tuple[State, Backward]:
    """A copy of the run for each of the names in `copies`; the linear layers' outputs join `stations`."""
    log_q, mean, across, shape = state.log_q, state.mean, state.across, state.shape
    way = list[tuple[float, float, Station | None]]()
    rectified = False
    for copy in copies:
        for kind, layer, first, second, log_fan, width, name, parameter in found:
            if kind == _LINEAR:
                entered, log_q = log_q, log_q + first
                if second > 0:
                    signal = log_q
                    log_q = log_sum(signal, math.log(second))
                    across *= math.exp(signal - log_q)
                mean, rectified = 0.0, False
                if width != shape.features:
                    shape = Shape(width)
                there = State(log_q, 0.0, across, across, across, shape, ())
                station = Station(layer.path + copy, layer.origin.text, "layer", depth, there)
                stations.append(station)
                way.append((first, log_fan + entered, station))
            elif kind == _RELU and rectified:
                continue
            elif kind == _RELU and mean == 0.0:
                across = min(2.0, relu_distance(across) * _RELU_SCALE)
                log_q, mean, rectified = log_q + _HALF, _RELU_MEAN, True
                way.append((_HALF, 0.0, None))
            elif kind == _NORM:
                seen = max(1 - mean * mean, 1e-300) if first else 1.0
                log_seen = log_q + math.log(seen)
                log_denominator = log_sum(log_seen, log_of(second))
                if log_seen > -math.inf:
                    across, log_q = min(across / seen, 2.0), log_seen - log_denominator
                mean, rectified = (0.0 if first else mean), False
                way.append((-log_denominator, 0.0, None))
            else:
                log_q, mean, across, log_slope = _activated(name, parameter, log_q, mean, across)
                rectified = False
                way.append((log_slope, 0.0, None))
    density = trunk.STANDARD_RECTIFIED if rectified else None
    after = State(log_q, mean, across, across, across, shape, (), density, log_q - _HALF if rectified else 0.0)

    def backward(c: Cotangent) -> Cotangent:
        log_g = c.log_g
        for factor, log_entered, station in reversed(way):
            if station is not None:
                station.log_g, station.log_w = log_g, log_g + log_entered
            log_g += factor
        return Cotangent(log_g, c.together, ())

    return after, backward


@lru_cache(maxsize=8192)
def _activated(
    name: str, parameter: float | None, log_q: float, mean: float, across: float
) -> tuple[float, float, float, float]:
    """(ln q, mean, share that differs, ln of the gradient's factor) of one nonlinearity."""
    log_v, center = log_q, mean
    if mean:
        spread = max(1 - mean * mean, 1e-12)
        log_v, center, across = log_q + math.log(spread), mean / math.sqrt(spread), min(across / spread, 2.0)
    out = moments(name, parameter, center, log_v)
    log_second = out.log_second
    log_d = pair_distance(name, parameter, center, log_v, across)
    across = math.exp(min(log_d - log_second, 0.7)) if log_second > -math.inf else 1.0
    after = out.mean / math.exp(0.5 * log_second) if out.mean and -600 < log_second < 600 else 0.0
    return log_second, max(-1.0, min(1.0, after)), across, out.log_slope

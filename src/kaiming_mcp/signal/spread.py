"""How far E[x²] lies apart between two draws of the weights, because widths are finite.

Carried is the variance of ln E[x²], the mean taken over units, positions and many inputs. Given the layer before, the n
units of a layer are independent, and their mean of phi(u)² adds Cov(phi(u)², phi(v)²) / (n E[phi²]²), u and v one unit
at two inputs: only what inputs have in common does not average out. For a ReLU on inputs that are alike that is 5/n
(Hanin & Rolnick 2018). The cosine of two inputs fluctuates too, by about (1 - c²)²/n a layer. A layer hands a deviation
on by its slope d ln q'/d ln q, a residual sum by the shares psi of branch and 1 - psi of trunk, and adds their product,
4 psi (1 - psi) c_x c_F / n. A norm resets it. Against Monte Carlo the standard deviation is right within a fifth.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from kaiming_mcp.architecture.ir import (
    Activation,
    Attention,
    Concat,
    Conv,
    Dropout,
    Embedding,
    Layer,
    Linear,
    Node,
    Norm,
    Product,
    Recurrent,
    Repeat,
    Reshape,
    Residual,
    Scale,
    Sequence,
    Shape,
)
from kaiming_mcp.signal.activations import find
from kaiming_mcp.signal.initialization import Initialization, variances
from kaiming_mcp.signal.initialization_words import of_layer
from kaiming_mcp.signal.moments import moments, pair_distance, pair_slope
from kaiming_mcp.signal.squares import first_term, of_logarithm, scale_slope, square_covariance
from kaiming_mcp.signal.state import State
from kaiming_mcp.signal.station import Station

NARROW = 0.3
"""Relative variance of one layer's mean beyond which the sum of first-order terms is not trusted."""
MEAN = 0.03
"""Mean over root mean square of a trunk beyond which its branches do not add like independent signals."""
_UNIFORM = 1.2
"""Three less the fourth moment of a uniform variable of unit variance."""


class _Deviation(NamedTuple):
    """A quantity that follows its value at the entry by a factor, and the variance added since."""

    follows: float
    variance: float

    def then(self, factor: float, added: float) -> _Deviation:
        """Multiplied, with an independent part."""
        return _Deviation(factor * self.follows, factor**2 * self.variance + added)

    def at(self, entry: _Deviation) -> _Deviation:
        """Seen from where the entry is seen."""
        return _Deviation(self.follows * entry.follows, self.follows**2 * entry.variance + self.variance)


class _Spread(NamedTuple):
    """Deviations of ln E[x²] and of the cosine of two inputs; `units` is the part of the first from these units.

    `log_q` and `common` describe one unit that is a centred Gaussian; None where it is not. Units of a trunk or of the
    data are `summed`: no layer drew them just now. Their mean over the units has variance `mean` and covariance `tie`
    with ln E[x²]; inside a branch it is the trunk's, and `lean` is how ln E[x²] follows it. `centred` units have none.
    """

    scale: _Deviation
    pairs: _Deviation
    units: float = 0.0
    width: int = 0
    log_q: float | None = None
    common: float = 0.0
    summed: bool = False
    outer: bool = False
    centred: bool = False
    mean: float = 0.0
    tie: float = 0.0
    lean: float = 0.0

    def entered(self) -> _Spread:
        """The same as the entry of a branch."""
        return _Spread(_SAME, _SAME, 0.0, self.width, self.log_q, self.common, summed=True, outer=True)


ORTHOGONAL = ("orthogonal", "delta_orthogonal")
_SAME, _NONE, _OPEN = _Deviation(1.0, 0.0), _Deviation(0.0, 0.0), _Deviation(math.nan, math.nan)
_UNKNOWN = _Spread(_OPEN, _OPEN)


def spreads(
    root: Node, start: Shape, stations: tuple[Station, ...], init: Initialization, factors: Mapping[int, float]
) -> list[float]:
    """The variance of ln E[x²] at each station; nan where it is not derived, relative to the entry inside a branch."""
    walk = _Walk(init, factors, iter(stations))
    # White inputs of d numbers have cosines of variance 1/d.
    pairs = _Deviation(0.0, 1 / start.features if start.features else 0.0)
    walk.follow(root, _Spread(_NONE, pairs, width=start.features or 0, log_q=0.0, summed=True))
    return walk.found


class _Walk:
    """The stations that are left, and what was found at those that were passed."""

    def __init__(self, init: Initialization, factors: Mapping[int, float], stations: Iterator[Station]) -> None:
        self.init, self.factors, self.stations = init, factors, stations
        self.found = list[float]()
        # Orthogonal weights are not independent draws, and neither are those of copies.
        self.dependent = init.scheme in ORTHOGONAL

    def follow(self, node: Node, entry: _Spread) -> _Spread:
        """The spread behind a node."""
        match node:
            case Layer():
                return self._layer(node, entry)
            case Sequence():
                for child in node.children:
                    entry = self.follow(child, entry)
                return entry
            case Repeat():
                before, self.dependent = self.dependent, self.dependent or (node.identical and node.count > 1)
                for _ in range(node.count):
                    entry = self.follow(node.body, entry)
                self.dependent = before
                return entry
            case Residual():
                branch = self.follow(node.branch, entry.entered())
                skip = entry.entered() if node.shortcut is None else self.follow(node.shortcut, entry.entered())
                station = next(self.stations)
                after = _UNKNOWN if self.dependent else _added(station, entry, skip, branch)
                self.found.append(after.scale.variance)
                return after
            case Concat() | Product():
                for branch in node.branches:
                    self.follow(branch, entry.entered())
                return _UNKNOWN

    def _layer(self, node: Layer, entry: _Spread) -> _Spread:
        op = node.op
        match op:
            case Linear() | Conv():
                init, factor = of_layer(self.init, node), self.factors.get(id(node), 1.0)
                after = self._affine(op, init, factor, entry, next(self.stations).state)
                self.found.append(after.scale.variance)
                return after
            case Attention() | Recurrent():
                next(self.stations)
                self.found.append(math.nan)
                return _UNKNOWN
            case Activation():
                return _activated(op, entry)
            case Norm():
                return _normed(op, entry)
            case Scale(factor=factor) if factor and entry.log_q is not None:
                return entry._replace(log_q=entry.log_q + 2 * math.log(abs(factor)))
            case Scale() | Reshape():
                return entry
            case Dropout():
                return entry._replace(log_q=None) if op.p > 0 else entry
            case Embedding():
                return _Spread(_NONE, _Deviation(0.0, 1 / op.features), width=op.features)
            case _:
                return _UNKNOWN

    def _affine(self, op: Linear | Conv, init: Initialization, factor: float, entry: _Spread, state: State) -> _Spread:
        if self.dependent or init.scheme in ORTHOGONAL or (isinstance(op, Conv) and op.groups > 1):
            return _UNKNOWN
        if state.log_q < -600:
            return _Spread(_NONE, _NONE, width=_width(op))
        share = 1 - min(1.0, variances(init, op)[1] * factor * math.exp(-state.log_q))
        taps = math.prod(op.kernel) if isinstance(op, Conv) else 1
        # Pairs of positions are averaged over the taps of a kernel.
        pairs = _seen(entry).pairs.then(share, 0.0)
        pairs = pairs._replace(variance=pairs.variance / taps)
        after = _Spread(
            entry.scale.then(share, 0.0),
            pairs,
            width=_width(op),
            log_q=state.log_q,
            common=common_share(state),
            outer=entry.outer,
            lean=share * entry.lean,
        )
        square = 2 * _even(after) - (_UNIFORM * (1 - share) ** 2 if init.scheme == "pytorch" else 0.0)
        units = of_logarithm(_even(after) ** 0.5, max(square, 0.0) / _width(op))
        return after._replace(units=units, scale=after.scale.then(1.0, units))


def _width(op: Linear | Conv) -> int:
    return op.out_features if isinstance(op, Linear) else op.out_channels


def _even(spread: _Spread) -> float:
    """E[c²] over pairs of inputs."""
    return min(spread.common**2 + max(spread.pairs.variance, 0.0), 1.0)


def _seen(entry: _Spread) -> _Spread:
    """What a layer averages over: Gaussian units that stand without a nonlinearity add theirs to the pairs."""
    if entry.log_q is None or not entry.width or entry.summed:
        return entry
    return entry._replace(pairs=entry.pairs.then(1.0, _unlike(entry.common) / entry.width))


def _unlike(c: float) -> float:
    """Variance of the cosine of two vectors, times their length: (1 - c²)² for Gaussian ones, taken for all."""
    return (1 - c * c) ** 2


def _added(station: Station, entry: _Spread, skip: _Spread, branch: _Spread) -> _Spread:
    """Trunk and branch, the second with the share psi of the power."""
    width = max(branch.width, skip.width)
    if (
        station.parts is None
        or abs(station.state.mean) > MEAN
        or not width
        or skip.lean
        or (branch.lean and entry.outer)
    ):
        return _UNKNOWN
    trunk, more = station.parts
    psi = math.exp(min(more.log_q - station.state.log_q, 0.0)) if station.state.log_q > -math.inf else 0.0
    if psi == 0:
        branch = _Spread(_NONE, _NONE)
    both = common_share(trunk) * common_share(more)
    scale = _mixed(skip.scale, branch.scale, psi, 4 * both / width)
    pairs = _mixed(skip.pairs, _seen(branch).pairs, psi, 2 * _unlike(both**0.5) / width)
    # What the branch takes from the mean of the trunk's units comes again in every block.
    again = 2 * scale.follows * psi * branch.lean * entry.tie + (psi * branch.lean) ** 2 * entry.mean
    return _Spread(
        scale.at(entry.scale).then(1.0, again),
        pairs.at(entry.pairs),
        width=width,
        log_q=station.state.log_q,
        common=common_share(station.state),
        summed=True,
        outer=entry.outer,
        mean=(1 - psi) * entry.mean + psi * common_share(more) / width,
        tie=math.sqrt(1 - psi) * (scale.follows * entry.tie + psi * branch.lean * entry.mean),
    )


def _mixed(skip: _Deviation, branch: _Deviation, psi: float, product: float) -> _Deviation:
    return _Deviation(
        (1 - psi) * skip.follows + psi * branch.follows,
        (1 - psi) ** 2 * skip.variance + psi**2 * branch.variance + psi * (1 - psi) * product,
    )


def common_share(state: State) -> float:
    """What two inputs have in common at two of their positions, as a share of E[x²]."""
    alone = 1 / state.positions
    return min(max(1 - (alone * state.across + (1 - alone) * state.apart), 0.0), 1.0)


def _normed(op: Norm, entry: _Spread) -> _Spread:
    """Every input, or every unit over the inputs, is brought to the same scale."""
    kept = entry._replace(common=0.0) if op.kind == "batch" else entry
    return kept._replace(
        scale=_NONE,
        units=0.0 if entry.summed else 2 * _even(kept) / max(entry.width, 1),
        log_q=None if entry.log_q is None else 0.0,
        centred=op.kind != "rms",
        lean=0.0,
        tie=0.0,
    )


def _activated(op: Activation, entry: _Spread) -> _Spread:
    if entry.log_q is None or entry.log_q == -math.inf or find(op.name, op.parameter) is None or not entry.width:
        return _UNKNOWN
    # Rounded, so that a long stack asks for few moments.
    log_q, c = round(min(max(entry.log_q, -50.0), 50.0), 3), round(entry.common, 4)
    square = square_covariance(op.name, op.parameter, log_q, c, _even(entry))
    slope, first = scale_slope(op.name, op.parameter, log_q), first_term(op.name, op.parameter, log_q)
    if not square / entry.width <= NARROW:
        return _UNKNOWN
    m = moments(op.name, op.parameter, 0.0, log_q)
    steep = math.exp(log_q + m.log_slope - m.log_second) * pair_slope(op.name, op.parameter, 0.0, log_q, 1 - c)
    alike = 1 - math.exp(pair_distance(op.name, op.parameter, 0.0, log_q, 1 - c) - m.log_second)
    # phi² follows the mean of the units by `first`, their mean square by the slope, and what is left is new.
    of_mean = 0.0 if entry.centred else first
    if entry.summed:
        left = max(square - first**2 * c - 2 * slope**2 * _even(entry), 0.0) / entry.width
        own = 0.0 if entry.outer else 2 * slope * of_mean * entry.tie + of_mean**2 * entry.mean
        scale, lean = entry.scale.then(slope, left + own), slope * entry.lean + (of_mean if entry.outer else 0.0)
        return _Spread(scale, entry.pairs.then(steep, 0.0), width=entry.width, lean=lean, outer=entry.outer)
    left = (square - (first**2 - of_mean**2) * c) / entry.width
    scale = entry.scale._replace(variance=entry.scale.variance - entry.units).then(slope, left)
    pairs = entry.pairs.then(steep, _unlike(alike) / entry.width)
    lean = slope * entry.lean
    return _Spread(scale, pairs, left, entry.width, lean=lean, outer=entry.outer)

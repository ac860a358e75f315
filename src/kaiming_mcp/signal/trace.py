"""The signal through a whole network at initialization: forward, then backward, station by station."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from kaiming_mcp.architecture.ir import (
    Activation,
    Concat,
    Conv,
    Embedding,
    Layer,
    Linear,
    Network,
    Node,
    Norm,
    Pool,
    Product,
    Repeat,
    Residual,
    Sequence,
    Shape,
    layers,
)
from kaiming_mcp.architecture.shapes import Mismatch
from kaiming_mcp.signal import trunk
from kaiming_mcp.signal.initialization import Initialization
from kaiming_mcp.signal.rules import Backward, Setting, apply, is_modelled
from kaiming_mcp.signal.state import Cotangent, State, log_of, log_sum, mixed, white_noise

MOST_LAYERS = 20_000
"""Layers, copies counted, that are traced; beyond it the answer would take more than seconds."""


MOST_NAMED = 5
"""Kinds of layer that a refusal lists by name."""

RECTIFIED = 0.2
"""Mean over root mean square, above which the input of a nonlinearity is no centred Gaussian."""


class NotTracedError(ValueError):
    """The signal cannot be followed through this network; the message says where and why."""


@dataclass(slots=True)
class Station:
    """A place where the signal is read: the output of a weighted layer, or a residual sum.

    `log_q` is ln E[x^2]; `across` the share of it that differs between two inputs; `log_g` ln of the
    summed squared gradient. `inside` is true within a residual branch or shortcut.
    """

    path: str
    label: str
    kind: str
    inside: bool
    state: State
    log_g: float = -math.inf


@dataclass(frozen=True, slots=True)
class Trace:
    """Stations in order of execution, and what the numbers rest on."""

    stations: tuple[Station, ...]
    setting: Setting
    left_out: tuple[str, ...]
    log_q_spread: float
    """Standard deviation of ln q between seeds from finite width; 0 where a norm resets the scale."""
    head: int
    """Stations before everything is pooled to one position: there a gradient is spread over all of them."""

    def main_path(self) -> tuple[Station, ...]:
        """The stations that tell the story: residual sums if there are three, else weighted layers.

        A head behind a global pool is left out where two layers stand before it.
        """
        outside = [s for s in self.stations[: self.head] if not s.inside]
        if len(outside) < 2:
            outside = [s for s in self.stations if not s.inside]
        sums = [s for s in outside if s.kind == "sum"]
        return tuple(sums if len(sums) >= 3 else [s for s in outside if s.kind == "layer"])


@dataclass(slots=True)
class _Run:
    setting: Setting
    stations: list[Station] = field(default_factory=list[Station])
    notes: dict[str, None] = field(default_factory=dict[str, None])
    depth: int = 0
    pooled: int | None = None


def trace(network: Network, init: Initialization, batch: int) -> Trace:
    """Follow second moments forward and gradients backward through a network at initialization.

    The input is standardised noise with independent numbers; the cotangent is random and of unit
    variance. `batch` counts for batch normalization in training mode.

    Raises:
        NotTracedError: a layer is not modelled, shapes do not connect, or the network is too large.
    """
    root = _without_readout(network.root)
    _check(root)
    run = _Run(Setting(init, batch))
    start = white_noise(network.input or _first_shape(root))
    try:
        end, back = _forward(root, start, run, "")
    except Mismatch as wrong:
        raise NotTracedError(f"the layers do not connect: {wrong}") from wrong
    back(Cotangent(0.0, end.profile and tuple(u * 0 + 1 for u in end.profile)))
    if start.profile is None and _has_padding(root):
        run.notes["zero padding: its loss at the border needs the input's size"] = None
    head = len(run.stations) if run.pooled is None else run.pooled
    return Trace(tuple(run.stations), run.setting, tuple(run.notes), _spread(root, run.stations), head)


def unmodelled(root: Node) -> dict[str, int]:
    """Kinds of layer without a rule, with their number, copies counted."""
    found: dict[str, int] = {}
    for layer, times in layers(_without_readout(root)):
        if not is_modelled(layer.op):
            name = _kind(layer)
            found[name] = found.get(name, 0) + times
    return found


def _kind(layer: Layer) -> str:
    name = getattr(layer.op, "name", None) or getattr(layer.op, "kind", None)
    return str(name or type(layer.op).__name__).lower()


def _check(root: Node) -> None:
    missing = unmodelled(root)
    if missing:
        listed = ", ".join(f"{name} ({times:,})" for name, times in [*missing.items()][:MOST_NAMED])
        more = f" and {len(missing) - MOST_NAMED:,} more" if len(missing) > MOST_NAMED else ""
        raise NotTracedError(f"not modelled yet: {listed}{more}")
    total = sum(times for _, times in layers(root))
    if total > MOST_LAYERS:
        raise NotTracedError(f"{total:,} layers; at most {MOST_LAYERS:,} are traced")
    if not total:
        raise NotTracedError("no layer was read")


def _forward(node: Node, state: State, run: _Run, index: str) -> tuple[State, Backward]:
    match node:
        case Layer():
            return _layer(node, state, run, index)
        case Sequence():
            return _chain([(child, index) for child in node.children], state, run)
        case Repeat():
            return _chain([(node.body, f"{index}[{i + 1}]") for i in range(node.count)], state, run)
        case Residual():
            return _residual(node, state, run, index)
        case Concat():
            return _concat(node, state, run, index)
        case Product():
            return _product(node, state, run, index)


def _chain(steps: list[tuple[Node, str]], state: State, run: _Run) -> tuple[State, Backward]:
    backs = list[Backward]()
    for child, index in steps:
        state, back = _forward(child, state, run, index)
        backs.append(back)

    def backward(c: Cotangent) -> Cotangent:
        for back in reversed(backs):
            c = back(c)
        return c

    return state, backward


def _layer(node: Layer, state: State, run: _Run, index: str) -> tuple[State, Backward]:
    if isinstance(node.op, Pool) and node.op.kind == "max":
        run.notes["max-pooling: forward taken as unchanged (independent windows: up to x3 for 2x2)"] = None
    if isinstance(node.op, Activation) and state.mean > RECTIFIED and state.density is None:
        run.notes["a nonlinearity on a trunk of positive mean is taken as Gaussian (gradient up to x1.5 too large)"] = (
            None
        )
    try:
        after, back = apply(node.op, state, run.setting)
    except Mismatch as wrong:
        raise NotTracedError(_unconnected(node, wrong)) from wrong
    if isinstance(node.op, Pool) and after.shape.count == 1 and not run.depth and run.pooled is None:
        run.pooled = len(run.stations)
    if not isinstance(node.op, Linear | Conv):
        return after, back
    return after, _recorded(Station(node.path + index, node.origin.text, "layer", run.depth > 0, after), back, run)


def _unconnected(node: Layer, wrong: Mismatch) -> str:
    """Where the layers do not fit, and what may stand hidden before that place."""
    place = node.path or node.origin.text
    times = wrong.expected / wrong.arrived if wrong.arrived else 0
    hidden = f"a concatenation of {times:.0f} such parts" if times in (2, 3, 4) else "a reshape or a concatenation"
    return f"`{place}` {wrong}: something hidden stands before it, such as {hidden}"


def _recorded(station: Station, back: Backward, run: _Run) -> Backward:
    run.stations.append(station)

    def backward(c: Cotangent) -> Cotangent:
        station.log_g = c.log_g
        return back(c)

    return backward


def _residual(node: Residual, state: State, run: _Run, index: str) -> tuple[State, Backward]:
    run.depth += 1
    branch, back = _forward(node.branch, state, run, index)
    skip, skip_back = (state, None) if node.shortcut is None else _forward(node.shortcut, state, run, index)
    run.depth -= 1
    _expect_same(skip.shape, branch.shape)
    log_scale = log_of(node.scale**2)
    after = _sum(skip, branch.scaled(log_scale), math.copysign(1.0, node.scale))
    step = _gaussian_step(skip, branch, log_scale)
    moved = None if skip.density is None else trunk.added(skip.density, step)
    if moved is not None:
        after = replace(after, density=moved, log_unit=skip.log_unit)

    def backward(c: Cotangent) -> Cotangent:
        by_value = None
        if c.by_value is not None and skip.density is not None and moved is not None:
            by_value = trunk.before_added(c.by_value, step, skip.density)
        along = Cotangent(c.log_g, c.profile, by_value)
        along = along if skip_back is None else skip_back(along)
        through = back(Cotangent(c.log_g + log_scale, c.profile))
        log_g = log_sum(along.log_g, through.log_g)
        share = math.exp(along.log_g - log_g) if log_g > -math.inf else 1.0
        if along.by_value is not None:
            by_value = share * along.by_value + (1 - share)
        return Cotangent(log_g, mixed(along.profile, through.profile, share), by_value)

    return after, _recorded(Station(node.path + index, "residual sum", "sum", run.depth > 0, after), backward, run)


def _gaussian_step(skip: State, branch: State, log_scale: float) -> float:
    """Standard deviation, in units of the trunk's density, of what a centred branch adds; 0 for others."""
    if skip.density is None or abs(branch.mean) > 1e-6 or branch.density is not None:
        return 0.0
    return math.exp(max(-300.0, min(300.0, 0.5 * (branch.log_q + log_scale - skip.log_unit))))


def _sum(a: State, b: State, sign: float) -> State:
    """q = q_a + q_b + 2 m_a m_b, D = D_a + D_b: the means of two branches do not cancel."""
    top = max(a.log_q, b.log_q)
    if top == -math.inf:
        return a
    qa, qb = math.exp(a.log_q - top), math.exp(b.log_q - top)
    ma, mb = a.mean * math.sqrt(qa), sign * b.mean * math.sqrt(qb)
    q = max(qa + qb + 2 * ma * mb, 1e-300)
    return State(
        top + math.log(q),
        max(-1.0, min(1.0, (ma + mb) / math.sqrt(q))),
        (qa * a.across + qb * b.across) / q,
        (qa * a.within + qb * b.within) / q,
        (qa * a.apart + qb * b.apart) / q,
        Shape(a.shape.features or b.shape.features, b.shape.positions),
        mixed(a.profile, b.profile, qa / (qa + qb)),
    )


def _concat(node: Concat, state: State, run: _Run, index: str) -> tuple[State, Backward]:
    parts = [_forward(branch, state, run, index) for branch in node.branches]
    widths = [s.shape.features for s, _ in parts]
    known = [w for w in widths if w]
    if len(known) < len(widths):
        raise NotTracedError("a concatenation joins branches whose widths are not known")
    total = sum(known)
    top = max(s.log_q for s, _ in parts)
    weights = [w / total * math.exp(s.log_q - top) for w, (s, _) in zip(known, parts, strict=True)]
    q = max(sum(weights), 1e-300)
    mean = sum(w / total * s.mean * math.exp(0.5 * (s.log_q - top)) for w, (s, _) in zip(known, parts, strict=True))
    first = parts[0][0]
    after = State(
        top + math.log(q),
        mean / math.sqrt(q),
        sum(w * s.across for w, (s, _) in zip(weights, parts, strict=True)) / q,
        sum(w * s.within for w, (s, _) in zip(weights, parts, strict=True)) / q,
        sum(w * s.apart for w, (s, _) in zip(weights, parts, strict=True)) / q,
        replace(first.shape, features=total),
        first.profile,
    )

    def backward(c: Cotangent) -> Cotangent:
        ends = [
            back(Cotangent(c.log_g + math.log(w / total), c.profile)) for w, (_, back) in zip(known, parts, strict=True)
        ]
        return Cotangent(log_sum(*(e.log_g for e in ends)), ends[0].profile)

    return after, backward


def _product(node: Product, state: State, run: _Run, index: str) -> tuple[State, Backward]:
    """Independent factors: q = q_a q_b, p = p_a p_b; each factor's gradient is scaled by the other's q."""
    run.depth += 1
    parts = [_forward(branch, state, run, index) for branch in node.branches]
    run.depth -= 1
    after = parts[0][0]
    for factor, _ in parts[1:]:
        _expect_same(after.shape, factor.shape)
        after = replace(
            after,
            log_q=after.log_q + factor.log_q,
            mean=after.mean * factor.mean,
            across=1 - (1 - after.across) * (1 - factor.across),
            within=1 - (1 - after.within) * (1 - factor.within),
            apart=1 - (1 - after.apart) * (1 - factor.apart),
        )

    def backward(c: Cotangent) -> Cotangent:
        ends = [back(Cotangent(c.log_g + after.log_q - s.log_q, c.profile)) for s, back in parts]
        return Cotangent(log_sum(*(e.log_g for e in ends)), ends[0].profile)

    return after, backward


def _expect_same(skip: Shape, branch: Shape) -> None:
    if skip.features and branch.features and skip.features != branch.features:
        raise Mismatch(skip.features, branch.features)


def _without_readout(root: Node) -> Node:
    """The network up to its logits: a last softmax changes nothing that is measured here."""
    if isinstance(root, Sequence) and root.children:
        last = root.children[-1]
        if isinstance(last, Layer) and isinstance(last.op, Activation) and "softmax" in last.op.name:
            return replace(root, children=root.children[:-1])
        inner = _without_readout(last) if isinstance(last, Sequence) else last
        return root if inner is last else replace(root, children=(*root.children[:-1], inner))
    return root


def _first_shape(root: Node) -> Shape:
    for layer, _ in layers(root):
        match layer.op:
            case Linear():
                return Shape(layer.op.in_features)
            case Conv():
                return Shape(layer.op.in_channels, None)
            case Embedding():
                return Shape(None, None)
            case _:
                continue
    return Shape(None, None)


def _has_padding(root: Node) -> bool:
    return any(isinstance(layer.op, Conv) and any(layer.op.padding) for layer, _ in layers(root))


def _spread(root: Node, stations: list[Station]) -> float:
    """ln q of a ReLU stack with He weights has variance about 5 * sum(1/width) between seeds."""
    if any(isinstance(layer.op, Norm) for layer, _ in layers(root)):
        return 0.0
    widths = [s.state.shape.features for s in stations[:-1] if s.kind == "layer"]
    return math.sqrt(5 * sum(1 / w for w in widths if w))

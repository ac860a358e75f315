"""The signal through a whole network at initialization: forward, then backward, station by station."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from kaiming_mcp.architecture.ir import (
    Activation,
    Attention,
    Concat,
    Conv,
    Layer,
    Linear,
    Network,
    Node,
    Opaque,
    Pool,
    Product,
    Recurrent,
    Repeat,
    Residual,
    Sequence,
    Shape,
)
from kaiming_mcp.architecture.shapes import Mismatch, fan_in
from kaiming_mcp.signal import copies, joins, plain
from kaiming_mcp.signal.branches import branch_factors
from kaiming_mcp.signal.initialization import Initialization
from kaiming_mcp.signal.initialization_words import of_layer
from kaiming_mcp.signal.rules import Setting, apply, is_modelled
from kaiming_mcp.signal.rules.recurrent import ASSUMED_STEPS
from kaiming_mcp.signal.spread import spreads
from kaiming_mcp.signal.state import (
    UNKNOWN_POSITIONS,
    Backward,
    Cotangent,
    State,
    flat_profile,
    log_of,
    unchanged,
    white_noise,
)
from kaiming_mcp.signal.station import Station
from kaiming_mcp.signal.survey import MOST_NAMED, NotTracedError, first_shape, kind_of, survey, without_readout

LONG = 5
"""Weighted layers in one branch from which it is no block of many but the body of the network."""
RECTIFIED = 0.2
"""Mean over root mean square, above which the input of a nonlinearity is no centred Gaussian."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Stations in order of execution, and what the numbers rest on."""

    stations: tuple[Station, ...]
    setting: Setting
    left_out: tuple[str, ...]
    head: int
    """Stations before everything is pooled to one position: there a gradient is spread over all of them."""
    followed: Network
    """What was traced: the network up to its logits, with the shape of its input."""

    def main_path(self) -> tuple[Station, ...]:
        """The stations that tell the story: residual sums if there are three, else weighted layers.

        A head behind a global pool is left out where two layers stand before it. A sum round most of the network, such
        as that of an image restorer, hides the path: there it is looked for inside the branch.
        """
        path = _path(self.stations[: self.head], 0)
        return tuple(path if len(path) > 1 else _path(self.stations, 0))

    def log_q_variances(self) -> list[float]:
        """Variance between seeds of ln E[x²] at each station; 0 or nan where it is not derived."""
        init, root = self.setting.init, self.followed.root
        return spreads(root, self.followed.input or first_shape(root), self.stations, init, branch_factors(root, init))

    @property
    def log_q_spread(self) -> float:
        """Standard deviation between seeds of ln E[x²] at the end of the main path; 0 where it is not derived."""
        path = self.main_path()
        if not path:
            return 0.0
        last = next(v for s, v in zip(self.stations, self.log_q_variances(), strict=True) if s is path[-1])
        return math.sqrt(last) if last > 0 else 0.0


def _path(stations: tuple[Station, ...], depth: int) -> list[Station]:
    """The main path among the stations of one level and of what lies deeper."""
    level = [i for i, s in enumerate(stations) if s.depth == depth]
    sums = [stations[i] for i in level if stations[i].kind == "sum"]
    if len(sums) >= 3:
        return sums
    bare = [stations[i] for i in level if stations[i].kind == "layer"]
    path, begun = list[Station](), 0
    for i in level:
        station = stations[i]
        branch = stations[begun : i - station.beside] if station.kind == "sum" else ()
        begun = i + 1
        inner = _path(branch, depth + 1) if branch else []
        if inner and inner[-1].state.log_q == -math.inf:
            # A branch that starts at zero has no course yet.
            inner = []
        if len(inner) >= 3 and inner[0].kind == "sum":
            return inner
        path += (
            [station] if station.kind == "layer" else inner if len(inner) >= LONG or len(bare) + len(sums) < 2 else []
        )
    return path if len(path) > 1 else sums if len(sums) > 1 else bare


@dataclass(slots=True)
class _Run:
    setting: Setting
    factors: dict[int, float]
    stations: list[Station] = field(default_factory=list[Station])
    notes: dict[str, None] = field(default_factory=dict[str, None])
    unknown: dict[str, int] = field(default_factory=dict[str, int])
    depth: int = 0
    pairs: int = 0
    pooled: int | None = None

    def note(self, text: str) -> None:
        self.notes[text] = None


def trace(network: Network, init: Initialization, batch: int) -> Trace:
    """Follow second moments forward and gradients backward through a network at initialization.

    The input is standardised noise with independent numbers; the cotangent is random and of unit
    variance. `batch` counts for batch normalization in training mode. A layer without a rule passes
    the signal unchanged, and is named in `left_out`.

    Raises:
        NotTracedError: shapes do not connect, or the network is too large.
    """
    root = without_readout(network.root)
    seen = survey(root)
    run = _Run(Setting(init, batch, seen.recurrent), branch_factors(root, init))
    start = white_noise(network.input or first_shape(root))
    try:
        with _uncollected():
            end, back = _forward(root, start, run, "")
            back(Cotangent(0.0, 0.0, flat_profile(end.shape)))
    except Mismatch as wrong:
        raise NotTracedError(f"the layers do not connect: {wrong}") from wrong
    if start.profile is None and seen.pads:
        run.note("zero padding: its loss at the border needs the input's size")
    if run.unknown:
        listed = ", ".join(f"{name} ({times:,})" for name, times in [*run.unknown.items()][:MOST_NAMED])
        more = f" and {len(run.unknown) - MOST_NAMED:,} more kinds" if len(run.unknown) > MOST_NAMED else ""
        run.note(f"not modelled, passed unchanged: {listed}{more}")
    head = len(run.stations) if run.pooled is None else run.pooled
    return Trace(
        tuple(run.stations), run.setting, tuple(run.notes), head, replace(network, root=root, input=start.shape)
    )


@contextmanager
def _uncollected() -> Generator[None]:
    """Without the collector of cycles: a trace only allocates, and scanning what it holds would cost more than it."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _forward(node: Node, state: State, run: _Run, index: str) -> tuple[State, Backward]:
    match node:
        case Layer():
            return _layer(node, state, run, index)
        case Sequence():
            return _sequence(node.children, state, run, index)
        case Repeat():
            together = _copies if node.identical and node.count > 1 else _repeat
            return together(node, state, run, index)
        case Residual():
            return _residual(node, state, run, index)
        case Concat():
            parts = [_forward(branch, state, run, index) for branch in node.branches]
            if any(s.shape.features is None for s, _ in parts):
                run.note("a concatenation of branches of unknown width: taken as equally wide")
            return joins.concatenated(parts)
        case Product():
            return _product(node, state, run, index)


def _repeat(node: Repeat, state: State, run: _Run, index: str) -> tuple[State, Backward]:
    body = node.body.children if isinstance(node.body, Sequence) else (node.body,)
    names = [f"{index}[{i + 1}]" for i in range(node.count)]
    # The last copy takes the general path: what follows it may look at the law of its output.
    steps = _plain(body, state, run, node.count) if len(body) * node.count >= plain.SHORTEST else None
    if steps is None or node.count < 2:
        return _chain([(node.body, name) for name in names], state, run)
    state, back = plain.follow(steps, names[:-1], state, run.stations, run.depth)
    state, last = _forward(node.body, state, run, names[-1])
    return state, lambda c: back(last(c))


def _copies(node: Repeat, state: State, run: _Run, index: str) -> tuple[State, Backward]:
    found = copies.units(node.body)
    steps = len(found or ()) * node.count
    if steps <= copies.MOST_STEPS:
        run.pairs += steps * steps
    beyond = steps > copies.MOST_STEPS or run.pairs > copies.MOST_PAIRS
    if found is None or beyond or state.density is not None or abs(state.mean) > 1e-6:
        run.note("layers that start as copies of one are traced as independent; a trunk of copies grows faster")
        return _repeat(node, state, run, index)
    aside = replace(run, stations=[], notes={}, unknown={})

    def enter(residual: Residual, entered: State, copy: int) -> tuple[State, Backward]:
        run.depth += 1
        after, back = _forward(residual.branch, entered, run, f"{index}[{copy + 1}]")
        run.depth -= 1
        _expect_same(entered.shape, after.shape)
        return after, back

    def look(branch: Node, entered: State) -> tuple[State, Backward]:
        return _forward(branch, entered, aside, "")

    def keep(residual: Residual, summed: State, parts: tuple[State, State], copy: int) -> Callable[[float], None]:
        name = f"{residual.path}{index}[{copy + 1}]"
        station = Station(name, "residual sum", "sum", run.depth, summed, parts=parts)
        run.stations.append(station)

        def told(log_g: float) -> None:
            station.log_g = log_g

        return told

    return copies.follow(found, node.count, state, enter, look, keep)


def _sequence(children: tuple[Node, ...], state: State, run: _Run, index: str) -> tuple[State, Backward]:
    steps = _plain(children[:-1], state, run, 1) if len(children) > plain.SHORTEST else None
    if steps is None:
        return _chain([(child, index) for child in children], state, run)
    state, back = plain.follow(steps, [index], state, run.stations, run.depth)
    state, last = _forward(children[-1], state, run, index)
    return state, lambda c: back(last(c))


def _plain(nodes: tuple[Node, ...], state: State, run: _Run, times: int) -> list[plain.Step] | None:
    """The steps of a run that the tight loop can follow from this state, or None."""
    if state.shape.positions != () or state.density is not None or state.mean or run.factors:
        return None
    found = plain.steps(nodes, run.setting.init)
    return found if found is not None and plain.connects(found, state.shape.features, times) else None


def _chain(steps: list[tuple[Node, str]], state: State, run: _Run) -> tuple[State, Backward]:
    backs = list[Backward]()
    for child, index in steps:
        state, back = _forward(child, state, run, index)
        if back is not unchanged:
            backs.append(back)

    def backward(c: Cotangent) -> Cotangent:
        for back in reversed(backs):
            c = back(c)
        return c

    return state, backward


def _layer(node: Layer, state: State, run: _Run, index: str) -> tuple[State, Backward]:
    op = node.op
    _remark(op, state, run)
    if isinstance(op, Opaque | Activation) and not is_modelled(op):
        run.unknown[kind_of(node)] = run.unknown.get(kind_of(node), 0) + 1
    setting = run.setting if not node.start else run.setting._replace(init=of_layer(run.setting.init, node))
    try:
        after, back, passage = apply(op, state, setting, run.factors.get(id(node), 1.0))
    except Mismatch as wrong:
        raise NotTracedError(_unconnected(node, wrong)) from wrong
    if isinstance(op, Pool) and after.shape.count == 1 and not run.depth and run.pooled is None:
        run.pooled = len(run.stations)
    if not isinstance(op, Linear | Conv | Attention | Recurrent):
        return after, back
    station = Station(node.path + index, node.origin.text, "layer", run.depth, after, passage=passage)
    return after, _recorded(station, back, run, op if isinstance(op, Linear | Conv) else None, state)


def _remark(op: object, state: State, run: _Run) -> None:
    """What a rule takes for granted here."""
    if isinstance(op, Activation) and state.mean > RECTIFIED and state.density is None:
        run.note("a nonlinearity on a trunk of positive mean is taken as Gaussian (gradient up to x1.5 too large)")
    if isinstance(op, Attention):
        if state.shape.positions is None:
            run.note(f"attention over {UNKNOWN_POSITIONS:,} tokens: the input's size is not given")
        if op.extra:
            run.note("a norm on queries and keys, or a bias on some projections only: left out of attention")
    if isinstance(op, Recurrent) and not state.shape.positions:
        run.note(f"a recurrent layer over {ASSUMED_STEPS} steps: the input's length is not given")


def _unconnected(node: Layer, wrong: Mismatch) -> str:
    """Where the layers do not fit, and what may stand hidden before that place."""
    place = node.path or node.origin.text
    times = wrong.expected / wrong.arrived if wrong.arrived else 0
    hidden = f"a concatenation of {times:.0f} such parts" if times in (2, 3, 4) else "a reshape or a concatenation"
    return f"`{place}` {wrong}: something hidden stands before it, such as {hidden}"


def _recorded(
    station: Station, back: Backward, run: _Run, op: Linear | Conv | None = None, entered: State | None = None
) -> Backward:
    run.stations.append(station)

    def backward(c: Cotangent) -> Cotangent:
        station.log_g = c.log_g
        if op is not None and entered is not None:
            # Products of two positions add up where both the input and the gradient have them in common.
            together = (station.state.positions - 1) * c.together * (1 - entered.within)
            station.log_w = c.log_g + math.log(fan_in(op)) + entered.log_q + math.log1p(max(together, 0.0))
        return back(c)

    return backward


def _residual(node: Residual, state: State, run: _Run, index: str) -> tuple[State, Backward]:
    run.depth += 1
    branch, back = _forward(node.branch, state, run, index)
    before = len(run.stations)
    skip, skip_back = (state, unchanged) if node.shortcut is None else _forward(node.shortcut, state, run, index)
    beside = len(run.stations) - before
    run.depth -= 1
    _expect_same(skip.shape, branch.shape)
    scale = node.scale * math.sqrt(run.factors.get(id(node), 1.0))
    after, backward = joins.residual(skip, branch, scale, skip_back, back)
    parts = skip, branch.scaled(log_of(scale * scale))
    station = Station(node.path + index, "residual sum", "sum", run.depth, after, parts=parts, beside=beside)
    return after, _recorded(station, backward, run)


def _product(node: Product, state: State, run: _Run, index: str) -> tuple[State, Backward]:
    run.depth += 1
    parts = [_forward(branch, state, run, index) for branch in node.branches]
    run.depth -= 1
    for factor, _ in parts[1:]:
        _expect_same(parts[0][0].shape, factor.shape)
    return joins.multiplied(parts)


def _expect_same(skip: Shape, branch: Shape) -> None:
    if skip.features and branch.features and skip.features != branch.features:
        raise Mismatch(skip.features, branch.features)

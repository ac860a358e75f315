"""The second moment of a branch, and of the trunk over many blocks: in closed form, and by the signal trace.

One block: q' = c² (s² q + a² q^k), s the factor on the skip, c a factor after the add, a² = E[F²] at q = 1. A branch
without norm has k = 1 (ReLU) and grows as a power; a normalised one has k = 0 and adds the same to every block.
Sources: De & Smith 2020 (SkipInit), section 2; Zhang et al. 2019 (Fixup), section 3; Hayou et al. 2021; evidence N5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from kaiming_mcp.architecture.ir import (
    Activation,
    Layer,
    Linear,
    Network,
    Node,
    Norm,
    Repeat,
    Residual,
    Scale,
    Sequence,
    layers,
    walk,
)
from kaiming_mcp.diagnosis.network import structure
from kaiming_mcp.diagnosis.network.subject import ASSUMED_BATCH
from kaiming_mcp.diagnosis.network.variants import with_own_weights
from kaiming_mcp.signal.initialization import Initialization
from kaiming_mcp.signal.station import Station
from kaiming_mcp.signal.survey import NotTracedError
from kaiming_mcp.signal.trace import trace

MOST_BLOCKS = 100_000
MOST_LAYERS = 15_000
"""Layers of a repeated block that are traced; beyond it the closed form speaks alone."""
_KEEPS = Initialization("lecun", bias=False)
"""Var[w] = 1/fan_in: a linear layer keeps the second moment."""
_WIDTH = 4_096
"""Width of a described block, wide enough that it plays no part."""


@dataclass(frozen=True, slots=True)
class Map:
    """One block as a map of the second moment."""

    skip: float = 1.0
    branch: float = 1.0
    degree: float = 1.0
    after: float = 1.0


def log_growth(step: Map, blocks: int) -> float:
    """ln q after so many blocks, from q = 1."""
    log_q = 0.0
    log_skip, log_branch, log_after = (_log(v) for v in (step.skip**2, step.branch, step.after**2))
    for _ in range(min(blocks, MOST_BLOCKS)):
        added, kept = log_branch + step.degree * log_q, log_skip + log_q
        top = max(added, kept)
        if top == -math.inf:
            return -math.inf
        log_q = top + math.log(math.exp(added - top) + math.exp(kept - top)) + log_after
    return log_q


def even_scale(blocks: int) -> float:
    """1/sqrt(L): (1 + 1/L)^L stays below e."""
    return 1 / math.sqrt(max(blocks, 1))


def fixup_scale(blocks: int, layers: int) -> float:
    """L^(-1/(2m-2)) on the inner layers of branches of m >= 2 layers, the last one zero."""
    return max(blocks, 1) ** (-1 / (2 * max(layers, 2) - 2))


def _log(x: float) -> float:
    return math.log(x) if x else -math.inf


@dataclass(frozen=True, slots=True)
class Course:
    """The trunk over all blocks as traced: sums passed, ln of the last q and of the first over the last gradient."""

    sums: int
    log_q: float
    log_gradient: float
    mean_share: float
    log_first: float = 0.0
    """ln q at the first sum; 0 where the trunk starts at the block's own input."""
    copies_log_q: float | None = None
    """ln q if copies that start alike drew weights of their own; None where none do."""


def described(moment: float, degree: float, skip: float, after: tuple[str, ...]) -> tuple[Network, Initialization]:
    """A block known by its numbers alone as a network: a² = `moment`, normalised for a `degree` of 0.

    `after` holds `activation-after NAME`, `norm-after NAME` and `scale-after FACTOR` in order.
    """
    inner: list[Node] = [Layer(Linear(_WIDTH, _WIDTH, bias=False)), Layer(Scale(math.sqrt(moment)))]
    if degree < 0.5:
        inner.insert(0, Layer(Norm("layer", _WIDTH)))
    steps: list[Node] = [Residual(Sequence(tuple(inner)), None if skip == 1 else Layer(Scale(skip)))]
    for each in after:
        kind, _, name = each.partition(" ")
        if kind == "activation-after":
            steps.append(Layer(Activation(name)))
        elif kind == "norm-after":
            steps.append(Layer(Norm("layer", _WIDTH)))
        elif kind == "scale-after":
            steps.append(Layer(Scale(float(name))))
    return Network("", Sequence(tuple(steps))), _KEEPS


def course(network: Network, init: Initialization, depth: int) -> Course | None:
    """The traced trunk: over `depth` copies of a text that is one block, or over the sums of the network as it stands."""
    sums = sum(n for _, n in structure.residuals(network.root))
    root = network.root
    repeated = depth > 0 and sums <= 2
    if repeated:
        if depth * max(1, sum(n for _, n in layers(root))) > MOST_LAYERS:
            return None
        # A sum that adds nothing shows the trunk before the first and after the last block.
        nothing = Residual(Layer(Scale(0.0)))
        root = Sequence((nothing, Repeat(depth, root), nothing))
    elif sums < 2:
        return None
    try:
        found = _sums(replace(network, root=root), init)
        copies = None
        if any(isinstance(n, Repeat) and n.identical and n.count > 1 for n, _ in walk(root)):
            copies = _sums(with_own_weights(replace(network, root=root)), init)[-1].state.log_q
    except NotTracedError:
        return None
    if len(found) < 2:
        return None
    first, last = found[0], found[-1]
    count = len(found) - 2 if repeated else len(found)
    return Course(count, last.state.log_q, first.log_g - last.log_g, last.state.mean**2, first.state.log_q, copies)


def _sums(network: Network, init: Initialization) -> list[Station]:
    return [s for s in trace(network, init, ASSUMED_BATCH).stations if s.kind == "sum" and not s.inside]


def moments_of(
    branch: Node, network: Network, init: Initialization, times: int = 1
) -> tuple[float | None, float | None, float]:
    """(E[F²] at q = 1, d ln E[F²] / d ln q, mean over root mean square of F); None where it cannot be traced."""
    if init.branch in ("zero_last", "fixup", "rezero", "skipinit"):
        return 0.0, None, 0.0
    if init.branch not in ("", "gpt2"):
        return None, None, 0.0
    sums = max(1, times * sum(n for _, n in structure.residuals(network.root))) if init.branch == "gpt2" else 1
    init = replace(init, branch="")
    # The second moment of a random input enters the branch; a skip of zero leaves the branch alone in the sum.
    alone = Residual(branch, Layer(Scale(0.0)))
    own = network.input if branch is network.root else None
    try:
        one, two = (
            trace(Network("", Sequence((Layer(Scale(scale)), alone)), own), init, ASSUMED_BATCH).stations[-1].state
            for scale in (1.0, 2.0)
        )
    except NotTracedError:
        return None, None, 0.0
    if one.log_q == -math.inf:
        return 0.0, None, 0.0
    moment = math.exp(min(one.log_q, 600)) / sums
    return moment, (two.log_q - one.log_q) / math.log(4), one.mean

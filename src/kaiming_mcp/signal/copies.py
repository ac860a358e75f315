"""Layers that start as copies of one (nn.TransformerEncoder deep-copies its layer): their branches agree.

x_(t+1) = g_t (x_t + a F_t), the same F at every L-th step. So <x_t, F_u> is not zero, and the trunk of L copies
grows like L^2 where independent layers give L. Carried are the products K(t, u) of the trunk at two steps, and
likewise of the gradients: with D_t the gradient at x_t and c(t, u) the factor that the two Jacobians of one
branch have in common, G(l, k) = <D_l, D_k> and B(l, k) = <D_l, a J_k' D_(k+1)> obey

    B(l, k) = g_l (B(l+1, k) + c(l, k) G(l+1, k+1)),
    G(l, k) = g_l g_k ((1 + c(l, k)) G(l+1, k+1) + B(l+1, k) + B(k+1, l)).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from kaiming_mcp.architecture.ir import Attention, Layer, Node, Norm, Residual, Sequence, layers
from kaiming_mcp.signal.activations import Array
from kaiming_mcp.signal.state import Backward, Cotangent, State, flat_profile

MOST_STEPS = 64
"""Residual sums of one run of copies that are followed pair by pair: the cost grows with their square."""
MOST_PAIRS = 8192
"""Of all runs of copies in one network together."""

Enter = Callable[[Residual, State, int], tuple[State, Backward]]
"""Follow a branch of a copy, with its stations."""
Look = Callable[[Node, State], tuple[State, Backward]]
"""Follow a branch without a trace of it."""
Keep = Callable[[Residual, State, tuple[State, State], int], Callable[[float], None]]
"""Make the station of a residual sum with its two sides; what it returns takes ln G on the way back."""


class Unit(NamedTuple):
    """A residual branch with what normalizes the sum after it, if anything does."""

    residual: Residual
    norm: Norm | None


def units(body: Node) -> list[Unit] | None:
    """The body as residual branches with their norms; None where it is anything else."""
    found = list[Unit]()
    for node in body.children if isinstance(body, Sequence) else (body,):
        match node:
            case Residual(shortcut=None):
                found.append(Unit(node, None))
            case Layer(op=Norm(kind="layer" | "rms") as norm) if found and found[-1].norm is None:
                found[-1] = found[-1]._replace(norm=norm)
            case _:
                return None
    return found or None


_SENSES = 4
"""Products are kept in four senses: one token of one sample, two tokens, two samples, two of both."""


def follow(
    found: list[Unit], copies: int, state: State, enter: Enter, look: Look, keep: Keep
) -> tuple[State, Backward]:
    """`copies` of the units, all with the weights of the first at the start."""
    kinds, steps = len(found), len(found) * copies
    trunk = [np.zeros((steps + 1, steps + 1)) for _ in range(_SENSES)]
    meet = [np.zeros((steps + 1, steps)) for _ in range(_SENSES)]  # <x_u, F_t>
    for products, share in zip(trunk, (0.0, state.within, state.across, state.apart), strict=True):
        products[0, 0] = 1 - share
    log_unit = state.log_q
    ways = list[tuple[Backward, Callable[[float], None], float]]()
    scales, taken = list[float](), list[list[float]]()
    for t in range(steps):
        residual, norm = found[t % kinds]
        own = _at(state, log_unit, trunk, t, t)
        _, back = enter(residual, own, t // kinds)
        earlier = range(t % kinds, t + 1, kinds)
        parts = {s: _pair(look, residual.branch, state, log_unit, trunk, s, t) for s in earlier}
        taken.append([parts[s][1] for s in earlier])
        a = residual.scale
        for i in range(_SENSES):
            for u in range(1, t + 1):
                same_kind = (u - 1) % kinds == t % kinds
                grown = meet[i][u - 1, t] + (a * parts[u - 1][0][i] if same_kind else 0.0)
                meet[i][u, t] = scales[u - 1] * grown
        q = trunk[0][t, t] + 2 * a * meet[0][t, t] + a * a * parts[t][0][0]
        summed = own._replace(log_q=math.log(max(q, 1e-300)) + log_unit, density=None, mean=0.0)
        scale = 1.0
        if norm is not None:
            scale = 1 / math.sqrt(q + norm.eps * math.exp(-log_unit)) * math.exp(-0.5 * log_unit)
        scales.append(scale)
        for i in range(_SENSES):
            row = scale * (trunk[i][t, : t + 1] + a * meet[i][: t + 1, t])
            trunk[i][t + 1, : t + 1], trunk[i][: t + 1, t + 1] = row, row
            whole = trunk[i][t, t] + 2 * a * meet[i][t, t] + a * a * parts[t][0][i]
            trunk[i][t + 1, t + 1] = scale * scale * whole
        shares = [1 - (trunk[i][t + 1, t + 1] / trunk[0][t + 1, t + 1]) for i in (2, 1, 3)]
        summed = summed._replace(across=_share(shares[0]), within=_share(shares[1]), apart=_share(shares[2]))
        branch = own._replace(log_q=math.log(max(a * a * parts[t][0][0], 1e-300)) + log_unit)
        ways.append((back, keep(residual, summed, (own, branch), t // kinds), scale))
    end = _at(state, log_unit, trunk, steps, steps)
    end = end._replace(shape=state.shape, profile=flat_profile(state.shape))
    return end, lambda c: _backward(c, found, ways, taken)


def _share(distance: float) -> float:
    return min(max(distance, 0.0), 2.0)


def _at(state: State, log_unit: float, trunk: list[Array], s: int, t: int) -> State:
    """The trunk at two steps as a pair of samples: `across` is what differs between the steps."""
    q = math.sqrt(max(trunk[0][s, s] * trunk[0][t, t], 1e-300))
    if s == t:
        across, apart = 1 - trunk[2][t, t] / q, 1 - trunk[3][t, t] / q
    else:
        across, apart = 1 - trunk[0][s, t] / q, 1 - trunk[1][s, t] / q
    within = 1 - trunk[1][t, t] / max(trunk[0][t, t], 1e-300)
    return State(
        math.log(q) + log_unit,
        0.0,
        _share(across),
        _share(within),
        _share(apart),
        state.shape,
        flat_profile(state.shape),
    )


def _pair(
    look: Look, branch: Node, state: State, log_unit: float, trunk: list[Array], s: int, t: int
) -> tuple[tuple[float, float, float, float], float]:
    """<F_s, F_t> in the four senses, in units of the first trunk, and what the two Jacobians share."""
    between = _at(state, log_unit, trunk, s, t)
    own = _at(state, log_unit, trunk, t, t)
    if s == t:
        out, _ = look(branch, own)
        q = math.exp(min(out.log_q - log_unit, 600))
        return (q, q * (1 - out.within), q * (1 - out.across), q * (1 - out.apart)), 1.0
    steps, back = look(branch, between)
    q = math.exp(min(steps.log_q - log_unit, 600))
    root = math.sqrt(max(trunk[0][s, s] * trunk[0][t, t], 1e-300))
    samples = between._replace(across=_share(1 - trunk[2][s, t] / root), apart=_share(1 - trunk[3][s, t] / root))
    other, _ = look(branch, samples)
    shared = 1.0
    if not any(isinstance(layer.op, Attention) for layer, _ in layers(branch)):
        # Two steps in the place of two positions: what their gradients still share behind the branch.
        apart = between._replace(within=between.across)
        _, back = look(branch, apart)
        shared = back(Cotangent(0.0, 1.0)).together
    return (q * (1 - steps.across), q * (1 - steps.apart), q * (1 - other.across), q * (1 - other.apart)), shared


def _backward(
    c: Cotangent,
    found: list[Unit],
    ways: list[tuple[Backward, Callable[[float], None], float]],
    taken: list[list[float]],
) -> Cotangent:
    kinds, steps = len(found), len(ways)
    gradients, meet = np.zeros((steps + 1, steps + 1)), np.zeros((steps + 1, steps))
    gradients[steps, steps] = 1.0
    factors = np.zeros(steps)
    together = c.together
    for low in range(steps - 1, -1, -1):
        back, told, scale = ways[low]
        arrived = gradients[low + 1, low + 1] * scale * scale
        told(c.log_g + math.log(max(arrived, 1e-300)))
        a = found[low % kinds].residual.scale
        log_in = c.log_g + math.log(max(arrived, 1e-300)) + (2 * math.log(abs(a)) if a else -math.inf)
        through = back(Cotangent(log_in, together))
        factors[low] = math.exp(min(through.log_g - c.log_g, 600)) / max(arrived, 1e-300)
        gradients[low, steps] = gradients[steps, low] = scale * gradients[low + 1, steps]

        def shared(k: int, low: int = low) -> float:
            """c(low, k), symmetric."""
            alike = k % kinds == low % kinds
            return math.sqrt(factors[low] * factors[k]) * taken[k][low // kinds] if alike else 0.0

        common = [shared(k) for k in range(low, steps)]
        for k in range(steps - 1, low, -1):
            meet[k, low] = ways[k][2] * (meet[k + 1, low] + common[k - low] * gradients[k + 1, low + 1])
        for k in range(steps - 1, low - 1, -1):
            c_lk, later = common[k - low], gradients[low + 1, k + 1]
            value = (1 + c_lk) * later + meet[low + 1, k] + meet[k + 1, low]
            gradients[low, k] = gradients[k, low] = scale * ways[k][2] * value
            meet[low, k] = scale * (meet[low + 1, k] + c_lk * later)
        share = arrived / max(gradients[low, low], 1e-300)
        together = min(1.0, share * together + max(1 - share, 0.0) * through.together)
    return Cotangent(c.log_g + math.log(max(gradients[0, 0], 1e-300)), together)

"""Where branches meet: residual sums, concatenations, products.

Residual sums: De & Smith 2020, section 2, with the cross term of the means.
"""

from __future__ import annotations

import math

from kaiming_mcp.architecture.ir import Shape
from kaiming_mcp.signal import trunk
from kaiming_mcp.signal.state import Backward, Cotangent, State, flat_profile, log_of, log_sum, mixed


def residual(
    skip: State, branch: State, scale: float, skip_back: Backward, branch_back: Backward
) -> tuple[State, Backward]:
    """skip + scale * branch."""
    log_scale = log_of(scale * scale)
    if branch.log_q + log_scale == -math.inf and skip.log_q > -math.inf:
        return _with_nothing(skip, log_scale, skip_back, branch_back)
    after = _sum(skip, branch.scaled(log_scale), math.copysign(1.0, scale))
    step = _gaussian_step(skip, branch, log_scale)
    moved = None if skip.density is None else trunk.added(skip.density, step)
    if moved is not None:
        after = after._replace(density=moved, log_unit=skip.log_unit)

    def backward(c: Cotangent) -> Cotangent:
        by_value = None
        if c.by_value is not None and skip.density is not None and moved is not None:
            by_value = trunk.before_added(c.by_value, step, skip.density)
        along = skip_back(Cotangent(c.log_g, c.together, c.profile, by_value))
        through = branch_back(Cotangent(c.log_g + log_scale, c.together, c.profile))
        return gathered(along, through)

    return after, backward


def _with_nothing(skip: State, log_scale: float, skip_back: Backward, branch_back: Backward) -> tuple[State, Backward]:
    """A branch that starts at zero leaves the trunk as it is, its density too."""

    def backward(c: Cotangent) -> Cotangent:
        through = branch_back(Cotangent(c.log_g + log_scale, c.together, c.profile))
        return gathered(skip_back(c), through)

    return skip, backward


def gathered(*ends: Cotangent) -> Cotangent:
    """The sum of gradients that come from several uses of one value."""
    total, *rest = ends
    for end in rest:
        log_g = log_sum(total.log_g, end.log_g)
        share = math.exp(total.log_g - log_g) if log_g > -math.inf else 1.0
        by_value = None
        if total.by_value is not None and end.by_value is not None and len(total.by_value) == len(end.by_value):
            by_value = share * total.by_value + (1 - share) * end.by_value
        elif total.by_value is not None:
            by_value = share * total.by_value + (1 - share)
        elif end.by_value is not None:
            by_value = share + (1 - share) * end.by_value
        together = share * total.together + (1 - share) * end.together
        total = Cotangent(log_g, together, mixed(total.profile, end.profile, share), by_value)
    return total


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
        min((qa * a.across + qb * b.across) / q, 2.0),
        min((qa * a.within + qb * b.within) / q, 2.0),
        min((qa * a.apart + qb * b.apart) / q, 2.0),
        Shape(a.shape.features or b.shape.features, b.shape.positions),
        mixed(a.profile, b.profile, qa / (qa + qb)),
    )


def concatenated(parts: list[tuple[State, Backward]]) -> tuple[State, Backward]:
    """Side by side: moments weighted by width. Branches of unknown width are taken as equally wide."""
    widths = [s.shape.features for s, _ in parts]
    known = [w for w in widths if w]
    total = sum(known) if len(known) == len(widths) else None
    share = [w / total if w and total else 1 / len(parts) for w in widths]
    states = [s for s, _ in parts]
    top = max(s.log_q for s in states)
    height = [math.exp(s.log_q - top) if top > -math.inf else 1.0 for s in states]
    weights = [w * h for w, h in zip(share, height, strict=True)]
    q = max(sum(weights), 1e-300)
    mean = sum(w * s.mean * math.sqrt(h) for w, s, h in zip(share, states, height, strict=True))
    shape, profile = Shape(total, states[0].shape.positions), states[0].profile
    for s in states[1:]:
        profile = mixed(profile, s.profile, 0.5)

    def shared(values: list[float]) -> float:
        return sum(w * d for w, d in zip(weights, values, strict=True)) / q

    after = State(
        top + math.log(q),
        mean / math.sqrt(q),
        shared([s.across for s in states]),
        shared([s.within for s in states]),
        shared([s.apart for s in states]),
        shape,
        profile if profile is not None else flat_profile(shape),
    )

    def backward(c: Cotangent) -> Cotangent:
        return gathered(
            *(
                back(Cotangent(c.log_g + math.log(w), c.together, c.profile))
                for w, (_, back) in zip(share, parts, strict=True)
            )
        )

    return after, backward


def multiplied(parts: list[tuple[State, Backward]]) -> tuple[State, Backward]:
    """Independent factors: q = q_a q_b, p = p_a p_b; each factor's gradient is scaled by the other's q."""
    after = parts[0][0]
    for factor, _ in parts[1:]:
        after = after._replace(
            log_q=after.log_q + factor.log_q,
            mean=after.mean * factor.mean,
            across=1 - (1 - after.across) * (1 - factor.across),
            within=1 - (1 - after.within) * (1 - factor.within),
            apart=1 - (1 - after.apart) * (1 - factor.apart),
            density=None,
        )

    def backward(c: Cotangent) -> Cotangent:
        ends = list[Cotangent]()
        for state, back in parts:
            others = after.log_q - state.log_q if state.log_q > -math.inf else 0.0
            shared = c.together * (1 - after.within) / max(1 - state.within, 1e-12) if c.together else 0.0
            ends.append(back(Cotangent(c.log_g + others, min(max(shared, 0.0), 1.0), c.profile)))
        return gathered(*ends)

    return after, backward

"""The state that is carried through a network, forward and backward, in logs.

Forward: the mean m, the second moment q = E[x^2], and two distances D = q - p where p is the product
moment of two values of one unit: D_s at two positions of one sample, D_x in two samples. Distances
are kept instead of products because they keep their digits when two inputs become alike.
Backward: G, the summed square of the gradient over a layer's elements per sample, and the share of it
that two positions have in common. G crosses a linear layer or a convolution by the same factor
V = fan_in Var[w] as q does, whatever the widths are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from kaiming_mcp.architecture.ir import Shape
from kaiming_mcp.signal.activations import Array
from kaiming_mcp.signal.padding import LONGEST_PROFILE, Profile
from kaiming_mcp.signal.trunk import Density

UNKNOWN_POSITIONS = 1024
"""Taken for the number of positions where the input size is not given: 1/S is then negligible."""


class State(NamedTuple):
    """Forward state. `mean` is m / sqrt(q); the distances are shares of q, in [0, 2]: `across` between two
    samples at one position, `within` between two positions of one sample, `apart` between two positions
    of two samples. The last two differ from the first only where positions are unlike or look at each other.

    `profile` is the relative second moment along each axis (mean 1), None where no size is known.
    `density` is the law of one value where it is known not to be Gaussian: after a ReLU, and on a trunk
    that passes ReLUs; scaled so that exp(log_unit) is one unit of it squared.
    """

    log_q: float
    mean: float
    across: float
    within: float
    apart: float
    shape: Shape
    profile: Profile | None = None
    density: Density | None = None
    log_unit: float = 0.0

    @property
    def positions(self) -> int:
        """Number of positions; an assumed one where it is not known."""
        count = self.shape.count
        return UNKNOWN_POSITIONS if count is None else count

    def scaled(self, log_factor: float) -> State:
        """The state after multiplication of every value, ln factor of the square given."""
        return self._replace(log_q=self.log_q + log_factor, log_unit=self.log_unit + log_factor)


def white_noise(shape: Shape) -> State:
    """A standardised input whose numbers are independent: q = 1, nothing in common."""
    return State(0.0, 0.0, 1.0, 1.0, 1.0, shape, flat_profile(shape))


def flat_profile(shape: Shape) -> Profile | None:
    """Ones along each known axis; None when an axis is unknown or too long to matter."""
    if not shape.positions:
        return None if shape.positions is None else ()
    if any(n > LONGEST_PROFILE for n in shape.positions):
        return None
    return tuple(np.ones(n) for n in shape.positions)


class Cotangent(NamedTuple):
    """Backward state: ln G, what two positions share of the gradient, where it sits, how it follows the value.

    `together` is p_g / g: 1 before a global pool, 0 for independent positions. `profile` has mean 1
    along each axis; `by_value` has expectation 1 over the density of the value, and is None where the
    gradient does not depend on it.
    """

    log_g: float
    together: float = 0.0
    profile: Profile | None = None
    by_value: Array | None = None


Backward = Callable[[Cotangent], Cotangent]
"""The gradient at the input of an operation from that at its output."""


def unchanged(c: Cotangent) -> Cotangent:
    """Back through nothing."""
    return c


def scaled_by(log_factor: float, then: Backward = unchanged) -> Backward:
    """Back through a factor: ln of its square."""
    return lambda c: then(Cotangent(c.log_g + log_factor, c.together, c.profile))


def spread_over(state: State, together: float | None = None) -> Backward:
    """Back to the positions of `state`, evenly; what they share is `together`, or stays."""
    profile = state.profile and tuple(np.ones_like(u) for u in state.profile)
    return lambda c: Cotangent(c.log_g, c.together if together is None else together, profile)


def log_sum(*terms: float) -> float:
    """ln of the sum of exponentials; -inf entries are zeros."""
    top = max(terms)
    if math.isinf(top):
        return top
    return top + math.log(sum(math.exp(t - top) for t in terms))


def log_of(x: float) -> float:
    """ln x with ln 0 = -inf."""
    return math.log(x) if x > 0 else -math.inf


def mixed(a: Profile | None, b: Profile | None, share: float) -> Profile | None:
    """Profile of a sum: `share` of a, the rest of b."""
    if a is None or b is None or [x.shape for x in a] != [x.shape for x in b]:
        return None
    return tuple(share * x + (1 - share) * y for x, y in zip(a, b, strict=True))

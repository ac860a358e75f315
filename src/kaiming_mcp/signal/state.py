"""The state that is carried through a network, forward and backward, in logs.

Forward: the mean m, the second moment q = E[x^2], and two distances D = q - p where p is the product
moment of two values of one unit: D_s at two positions of one sample, D_x in two samples. Distances
are kept instead of products because they keep their digits when two inputs become alike.
Backward: G, the summed square of the gradient over a layer's elements per sample. G crosses a linear
layer or a convolution by the same factor V = fan_in Var[w] as q does, whatever the widths are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from kaiming_mcp.architecture.ir import Shape
from kaiming_mcp.signal.activations import Array
from kaiming_mcp.signal.trunk import Density

# A longer axis loses less to its border than the 5 % that the trace is held to.
LONGEST_PROFILE = 2048


@dataclass(frozen=True, slots=True)
class State:
    """Forward state. `mean` is m / sqrt(q); the distances are shares of q, in [0, 2]: `across` between two
    samples at one position, `within` between two positions of one sample, `apart` between two positions
    of two samples. The last two differ from the first only where a border makes positions unlike.

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
    profile: tuple[Array, ...] | None = None
    density: Density | None = None
    log_unit: float = 0.0

    @property
    def log_variance(self) -> float:
        """ln(q - m^2), the spread over the units of one sample."""
        return self.log_q + math.log(max(1 - self.mean**2, 1e-300))

    def scaled(self, log_factor: float) -> State:
        """The state after multiplication of every value, ln factor of the square given."""
        return replace(self, log_q=self.log_q + log_factor, density=None)


def white_noise(shape: Shape) -> State:
    """A standardised input whose numbers are independent: q = 1, nothing in common."""
    return State(0.0, 0.0, 1.0, 1.0, 1.0, shape, flat_profile(shape))


def flat_profile(shape: Shape) -> tuple[Array, ...] | None:
    """Ones along each known axis; None when an axis is unknown or too long to matter."""
    if shape.positions is None or any(n > LONGEST_PROFILE for n in shape.positions):
        return None
    return tuple(np.ones(n) for n in shape.positions)


@dataclass(frozen=True, slots=True)
class Cotangent:
    """Backward state: ln G, where the gradient sits along each axis, and how it follows the value.

    `profile` has mean 1 along each axis; `by_value` has expectation 1 over the density of the value, and
    is None where the gradient does not depend on it.
    """

    log_g: float
    profile: tuple[Array, ...] | None = None
    by_value: Array | None = None


def log_sum(*terms: float) -> float:
    """ln of the sum of exponentials; -inf entries are zeros."""
    top = max(terms)
    if math.isinf(top):
        return top
    return top + math.log(sum(math.exp(t - top) for t in terms))


def log_of(x: float) -> float:
    """ln x with ln 0 = -inf."""
    return math.log(x) if x > 0 else -math.inf


def mixed(a: tuple[Array, ...] | None, b: tuple[Array, ...] | None, share: float) -> tuple[Array, ...] | None:
    """Profile of a sum: `share` of a, the rest of b."""
    if a is None or b is None or [x.shape for x in a] != [x.shape for x in b]:
        return None
    return tuple(share * x + (1 - share) * y for x, y in zip(a, b, strict=True))

"""Pointwise nonlinearities: value, derivative, and the points where either jumps.

SELU constants: Klambauer et al. 2017, eq. 14. GELU tanh form: Hendrycks & Gimpel 2016, section 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Function = Callable[[Array], Array]

SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805
LEAKY_DEFAULT = 0.01
RRELU_SLOPE = math.sqrt(((1 / 8) ** 2 + 1 / 8 * 1 / 3 + (1 / 3) ** 2) / 3)
"""Root mean square of a slope drawn from U(1/8, 1/3), PyTorch's bounds: what second moments see in training."""


@dataclass(frozen=True, slots=True)
class Nonlinearity:
    """phi and its derivative; `kinks` are where phi' (or phi) jumps.

    `slopes` is (left, right) when phi is degree-1 positively homogeneous: then every moment has a
    closed form and the scale of the signal does not matter.
    """

    name: str
    phi: Function
    dphi: Function
    kinks: tuple[float, ...] = ()
    slopes: tuple[float, float] | None = None

    @property
    def smooth(self) -> bool:
        """Whether the derivative is continuous, so that second derivatives carry a gradient."""
        return not self.kinks


def _logistic(x: Array) -> Array:
    half = 0.5 * np.tanh(0.5 * x)
    return half + 0.5


def _density(x: Array) -> Array:
    return np.exp(-0.5 * np.square(np.clip(x, -40, 40))) / math.sqrt(2 * math.pi)


_STEPS, _REACH = 256, 9
_GRID = np.arange(-_REACH * _STEPS, _REACH * _STEPS + 1) / _STEPS
_PHI = np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in _GRID])
_SLOPE = _density(_GRID) / _STEPS


def distribution(x: Array) -> Array:
    """The normal distribution function, by cubic interpolation in a table: within 1e-12.

    numpy has no erf, and one call of math.erf a node would be most of a trace's time.
    """
    place = (np.clip(x, -_REACH, _REACH) + _REACH) * _STEPS
    left = np.minimum(place.astype(np.int_), len(_GRID) - 2)
    t = place - left
    u = 1 - t
    value, after = _PHI[left], _PHI[left + 1]
    return u * u * ((1 + 2 * t) * value + t * _SLOPE[left]) + t * t * ((3 - 2 * t) * after - u * _SLOPE[left + 1])


def _softplus(x: Array) -> Array:
    return np.logaddexp(0.0, x)


def piecewise_linear(name: str, left: float, right: float = 1.0) -> Nonlinearity:
    """left*x below zero, right*x above: ReLU, leaky ReLU, PReLU, identity."""
    return Nonlinearity(
        name,
        lambda x: np.where(x < 0, left * x, right * x),
        lambda x: np.where(x < 0, left, right),
        () if left == right else (0.0,),
        (left, right),
    )


def _elu(name: str, alpha: float, scale: float = 1.0, width: float = 1.0) -> Nonlinearity:
    return Nonlinearity(
        name,
        lambda x: scale * np.where(x < 0, alpha * np.expm1(np.minimum(x, 0) / width), x),
        lambda x: scale * np.where(x < 0, alpha / width * np.exp(np.minimum(x, 0) / width), 1.0),
        () if scale * alpha / width == scale else (0.0,),
    )


def _gated(name: str, gate: Function, dgate: Function) -> Nonlinearity:
    """x * gate(x): GELU, SiLU and kin."""
    return Nonlinearity(name, lambda x: x * gate(x), lambda x: gate(x) + x * dgate(x))


def _clip(name: str, low: float, high: float) -> Nonlinearity:
    return Nonlinearity(
        name,
        lambda x: np.clip(x, low, high),
        lambda x: ((x > low) & (x < high)).astype(float),
        (low, high),
    )


def _gelu_tanh() -> Nonlinearity:
    scale, cubic = math.sqrt(2 / math.pi), 0.044715

    def gate(x: Array) -> Array:
        bounded = np.clip(x, -30, 30)
        return 0.5 * (1 + np.tanh(scale * (bounded + cubic * bounded**3)))

    def dgate(x: Array) -> Array:
        bounded = np.clip(x, -30, 30)
        t = np.tanh(scale * (bounded + cubic * bounded**3))
        return 0.5 * (1 - t**2) * scale * (1 + 3 * cubic * bounded**2)

    return _gated("gelu_tanh", gate, dgate)


def _mish() -> Nonlinearity:
    def gate(x: Array) -> Array:
        return np.tanh(_softplus(x))

    def dgate(x: Array) -> Array:
        return (1 - np.tanh(_softplus(x)) ** 2) * _logistic(x)

    return _gated("mish", gate, dgate)


def _hardsigmoid(x: Array) -> Array:
    return np.clip(x / 6 + 0.5, 0, 1)


def _hardsigmoid_slope(x: Array) -> Array:
    return ((x > -3) & (x < 3)) / 6.0


def _fixed(*items: Nonlinearity) -> dict[str, Nonlinearity]:
    return {item.name: item for item in items}


_PARAMETRIC: dict[str, tuple[float, Callable[[float], Nonlinearity]]] = {
    "leaky_relu": (LEAKY_DEFAULT, lambda a: piecewise_linear("leaky_relu", a)),
    "prelu": (0.25, lambda a: piecewise_linear("prelu", a)),
    "rrelu": (RRELU_SLOPE, lambda a: piecewise_linear("rrelu", a)),
    "elu": (1.0, lambda a: _elu("elu", a)),
    "celu": (1.0, lambda a: _elu("celu", a, width=a)),
}

_FIXED = _fixed(
    piecewise_linear("identity", 1.0),
    piecewise_linear("relu", 0.0),
    _elu("selu", SELU_ALPHA, SELU_SCALE),
    _gated("gelu", distribution, _density),
    _gelu_tanh(),
    _gated("silu", _logistic, lambda x: _logistic(x) * (1 - _logistic(x))),
    _gated(
        "quick_gelu",
        lambda x: _logistic(1.702 * x),
        lambda x: 1.702 * _logistic(1.702 * x) * _logistic(-1.702 * x),
    ),
    _mish(),
    Nonlinearity(
        "hardswish",
        lambda x: x * _hardsigmoid(x),
        lambda x: _hardsigmoid(x) + x * _hardsigmoid_slope(x),
        (-3.0, 3.0),
    ),
    Nonlinearity("hardsigmoid", _hardsigmoid, _hardsigmoid_slope, (-3.0, 3.0)),
    _clip("hardtanh", -1.0, 1.0),
    _clip("relu6", 0.0, 6.0),
    Nonlinearity("tanh", np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    Nonlinearity("sigmoid", _logistic, lambda x: _logistic(x) * _logistic(-x)),
    Nonlinearity("softplus", _softplus, _logistic),
    Nonlinearity("logsigmoid", lambda x: -_softplus(-x), lambda x: _logistic(-x)),
    Nonlinearity("softsign", lambda x: x / (1 + np.abs(x)), lambda x: 1 / (1 + np.abs(x)) ** 2),
    Nonlinearity("sin", np.sin, np.cos),
    Nonlinearity("relu2", lambda x: np.maximum(x, 0) ** 2, lambda x: 2 * np.maximum(x, 0)),
)

SATURATING = frozenset({"tanh", "sigmoid", "softsign", "hardtanh", "hardsigmoid"})


@lru_cache(maxsize=512)
def find(name: str, parameter: float | None = None) -> Nonlinearity | None:
    """The nonlinearity of that name, or None when it is not modelled (softmax, glu, a custom one)."""
    if name == "celu" and parameter == 0:
        return None
    if name in _PARAMETRIC:
        default, make = _PARAMETRIC[name]
        return make(default if parameter is None or not math.isfinite(parameter) else parameter)
    return _FIXED.get(name)


def names() -> tuple[str, ...]:
    """Every modelled nonlinearity."""
    return (*_FIXED, *_PARAMETRIC)

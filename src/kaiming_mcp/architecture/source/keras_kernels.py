"""Layers of Keras with a window: convolutions and pooling, with Keras's padding."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

from kaiming_mcp.architecture.ir import (
    Conv,
    Op,
    Pool,
)
from kaiming_mcp.architecture.source.values import (
    Items,
    Unknown,
    Value,
    number,
    whole,
    written,
)

Dims = tuple[int | None, ...] | None
"""Sizes without the batch; None as a whole where even their number is not known."""


class Step(NamedTuple):
    """What a layer does: its operations in order, and the sizes that leave it."""

    ops: list[Op]
    dims: Dims


def shown(arguments: dict[str, Value]) -> str:
    """Arguments as text."""
    return ", ".join(f"{k}={written(v)}" for k, v in arguments.items() if not k.startswith("#"))[:300]


class Arguments:
    """Arguments of a layer; getters raise ValueError where a value is not known."""

    def __init__(self, cls: str, values: dict[str, Value]) -> None:
        self.cls, self.values = cls, values

    def whole(self, name: str, default: int | None = None) -> int:
        """A whole number of at least one."""
        value = whole(self.values.get(name, default))
        if value is None or not 0 < value < 10**9:
            raise ValueError(name)
        return value

    def real(self, default: float, *names: str) -> float:
        """A number, under the first of these names that is given."""
        value = next((number(self.values[n]) for n in names if n in self.values), default)
        if value is None:
            raise ValueError(names)
        return float(value)

    def sizes(self, name: str, axes: int, default: int) -> tuple[int, ...]:
        """One number for each axis."""
        value = self.values.get(name, default)
        given = [whole(v) for v in value.values] if isinstance(value, Items) else [whole(value)] * axes
        known = tuple(g for g in given if g is not None and 0 < g < 10**6)
        if len(known) != axes:
            raise ValueError(name)
        return known

    def flag(self, name: str, default: bool = True) -> bool:
        """True or False."""
        value = self.values.get(name, default)
        if isinstance(value, Unknown):
            raise ValueError(name)
        return bool(value)


def width(dims: Dims) -> int:
    """The size of the last axis."""
    if not dims or dims[-1] is None:
        raise ValueError("the size that arrives is not known")
    return dims[-1]


def conv(
    axes: int, kind: Literal["", "depthwise", "separable", "transposed"] = ""
) -> Callable[[Arguments, Dims], Step]:
    """Convolutions over so many axes."""

    def make(a: Arguments, dims: Dims) -> Step:
        into = width(dims)
        kernel, stride = a.sizes("kernel_size", axes, 3 if kind == "depthwise" else 1), a.sizes("strides", axes, 1)
        dilation, same = a.sizes("dilation_rate", axes, 1), a.values.get("padding", "valid") == "same"
        before = tuple(dims or ())[:-1]
        bias, ones = a.flag("use_bias"), (1,) * axes
        if kind == "transposed":
            gaps = [max(0, k - s) if same else 0 for k, s in zip(kernel, stride, strict=True)]
            padding = tuple((g + 1) // 2 for g in gaps)
            extra = tuple(
                2 * p - g if same else max(0, s - k) for p, g, s, k in zip(padding, gaps, stride, kernel, strict=True)
            )
            out = a.whole("filters")
            sizes = tuple(
                None if n is None else n * s if same else (n - 1) * s + max(k, s)
                for n, s, k in zip(before, stride, kernel, strict=False)
            )
            op = Conv(into, out, kernel, stride, padding, dilation, 1, bias, True, extra if any(extra) else ())
            return Step([op], (*sizes, out))
        if a.values.get("padding") == "causal":
            padding = tuple(d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True))
            same = True
        elif same:
            padding = tuple(
                _same(n, k, s, d)
                for n, k, s, d in zip((*before, *(None,) * axes)[:axes], kernel, stride, dilation, strict=True)
            )
        else:
            padding = (0,) * axes
        sizes = tuple(
            None if n is None else math.ceil(n / s) if same else max(1, (n - d * (k - 1) - 1) // s + 1)
            for n, k, s, d in zip(before, kernel, stride, dilation, strict=False)
        )
        if kind == "":
            groups, out = a.whole("groups", 1), a.whole("filters")
            if into % groups or out % groups:
                raise ValueError("groups")
            return Step([Conv(into, out, kernel, stride, padding, dilation, groups, bias)], (*sizes, out))
        wide = into * a.whole("depth_multiplier", 1)
        last = wide if kind == "depthwise" else a.whole("filters")
        ops: list[Op] = [Conv(into, wide, kernel, stride, padding, dilation, into, bias and kind == "depthwise")]
        if kind == "separable":
            ops.append(Conv(wide, last, ones, ones, (0,) * axes, ones, 1, bias))
        return Step(ops, (*sizes, last))

    return make


def _same(size: int | None, kernel: int, stride: int, dilation: int) -> int:
    """Zeros on each side; Keras puts an odd one at the end, which the IR rounds up."""
    reach = dilation * (kernel - 1) + 1
    if size is None:
        return (reach - 1) // 2
    return (max(0, (math.ceil(size / stride) - 1) * stride + reach - size) + 1) // 2 if stride > 1 else (reach - 1) // 2


def pool(kind: Literal["max", "avg"], axes: int) -> Callable[[Arguments, Dims], Step]:
    """Pooling over so many axes."""

    def make(a: Arguments, dims: Dims) -> Step:
        kernel = a.sizes("pool_size", axes, 2)
        stride = kernel if a.values.get("strides") is None else a.sizes("strides", axes, 2)
        same = a.values.get("padding", "valid") == "same"
        before = tuple(dims or ())[:-1]
        known = (*before, *(None,) * axes)[:axes]
        padding = tuple(_same(n, k, s, 1) if same else 0 for n, k, s in zip(known, kernel, stride, strict=True))
        sizes = tuple(
            None if n is None else math.ceil(n / s) if same else max(1, (n - k) // s + 1)
            for n, k, s in zip(before, kernel, stride, strict=False)
        )
        return Step([Pool(kind, kernel, stride, padding)], None if dims is None else (*sizes, dims[-1]))

    return make

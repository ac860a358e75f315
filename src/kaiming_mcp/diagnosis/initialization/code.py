"""The call that sets a standard deviation, in PyTorch, Flax or Keras: code that runs as it stands."""

from __future__ import annotations

from typing import Literal, NamedTuple

from kaiming_mcp.architecture.ir import Conv, Linear

Framework = Literal["pytorch", "flax", "keras"]


class Drawn(NamedTuple):
    """A layer of the code: its variable, what it is, and its std; None keeps the framework's default."""

    name: str
    remark: str
    std: float | None


def code(framework: Framework, op: Linear | Conv, drawn: list[Drawn], remark: str = "") -> str:
    """Layers of that shape with N(0, std^2) weights and zero biases."""
    imported, write = _WRITERS[framework]
    lines = [write(op, each) for each in drawn]
    return "\n".join([imported, "", *lines, *([f"# {remark}"] if remark else [])])


def _noted(line: str, each: Drawn) -> str:
    return f"{line}  # {each.remark}" if each.remark else line


def _pytorch(op: Linear | Conv, each: Drawn) -> str:
    if isinstance(op, Linear):
        layer = f"nn.Linear({op.in_features}, {op.out_features}, bias={op.bias})"
    else:
        kind = "ConvTranspose" if op.transposed else "Conv"
        layer = (
            f"nn.{kind}{len(op.kernel)}d({op.in_channels}, {op.out_channels}, {op.kernel}, stride={op.stride}, "
            f"padding={op.padding}, dilation={op.dilation}, groups={op.groups}, bias={op.bias})"
        )
    lines = [_noted(f"{each.name} = {layer}", each)]
    if each.std is not None:
        lines.append(f"nn.init.normal_({each.name}.weight, 0.0, {each.std:.6g})")
        lines += [f"nn.init.zeros_({each.name}.bias)"] if op.bias else []
    return "\n".join(lines)


def _flax(op: Linear | Conv, each: Drawn) -> str:
    init = "" if each.std is None else f", kernel_init=nn.initializers.normal({each.std:.6g})"
    if isinstance(op, Linear):
        layer = f"nn.Dense({op.out_features}, use_bias={op.bias}{init})"
    elif op.transposed:
        layer = f"nn.ConvTranspose({op.out_channels}, {op.kernel}, strides={op.stride}, use_bias={op.bias}{init})"
    else:
        layer = (
            f"nn.Conv({op.out_channels}, {op.kernel}, strides={op.stride}, padding={[(p, p) for p in op.padding]}, "
            f"kernel_dilation={op.dilation}, feature_group_count={op.groups}, use_bias={op.bias}{init})"
        )
    return _noted(f"{each.name} = {layer}", each)


def _keras(op: Linear | Conv, each: Drawn) -> str:
    init = "" if each.std is None else f", kernel_initializer=keras.initializers.RandomNormal(0.0, {each.std:.6g})"
    if isinstance(op, Linear):
        layer = f"keras.layers.Dense({op.out_features}, use_bias={op.bias}{init})"
    else:
        kind = f"Conv{len(op.kernel)}D" + ("Transpose" if op.transposed else "")
        groups = "" if op.transposed else f"groups={op.groups}, "
        padding = '"same"' if any(op.padding) else '"valid"'
        layer = (
            f"keras.layers.{kind}({op.out_channels}, {op.kernel}, strides={op.stride}, padding={padding}, "
            f"{groups}use_bias={op.bias}{init})"
        )
    return _noted(f"{each.name} = {layer}", each)


_WRITERS = {
    "pytorch": ("from torch import nn", _pytorch),
    "flax": ("from flax import linen as nn", _flax),
    "keras": ("import keras", _keras),
}

"""The call that sets a standard deviation, in PyTorch, Flax or Keras: code that runs as it stands."""

from __future__ import annotations

from typing import Literal

from kaiming_mcp.architecture.ir import Conv, Linear

Framework = Literal["pytorch", "flax", "keras"]


def code(framework: Framework, op: Linear | Conv, std: float) -> str:
    """A layer of that shape with N(0, std^2) weights and zero biases."""
    return {"pytorch": _pytorch, "flax": _flax, "keras": _keras}[framework](op, f"{std:.6g}")


def _pytorch(op: Linear | Conv, std: str) -> str:
    if isinstance(op, Linear):
        layer = f"nn.Linear({op.in_features}, {op.out_features}, bias={op.bias})"
    else:
        kind = "ConvTranspose" if op.transposed else "Conv"
        layer = (
            f"nn.{kind}{len(op.kernel)}d({op.in_channels}, {op.out_channels}, {op.kernel}, stride={op.stride}, "
            f"padding={op.padding}, dilation={op.dilation}, groups={op.groups}, bias={op.bias})"
        )
    zero = "\nnn.init.zeros_(layer.bias)" if op.bias else ""
    return f"from torch import nn\n\nlayer = {layer}\nnn.init.normal_(layer.weight, 0.0, {std}){zero}"


def _flax(op: Linear | Conv, std: str) -> str:
    init = f"kernel_init=nn.initializers.normal({std})"
    if isinstance(op, Linear):
        layer = f"nn.Dense({op.out_features}, use_bias={op.bias}, {init})"
    elif op.transposed:
        layer = f"nn.ConvTranspose({op.out_channels}, {op.kernel}, strides={op.stride}, use_bias={op.bias}, {init})"
    else:
        layer = (
            f"nn.Conv({op.out_channels}, {op.kernel}, strides={op.stride}, padding={[(p, p) for p in op.padding]}, "
            f"kernel_dilation={op.dilation}, feature_group_count={op.groups}, use_bias={op.bias}, {init})"
        )
    return f"from flax import linen as nn\n\nlayer = {layer}"


def _keras(op: Linear | Conv, std: str) -> str:
    init = f"kernel_initializer=keras.initializers.RandomNormal(0.0, {std})"
    if isinstance(op, Linear):
        layer = f"keras.layers.Dense({op.out_features}, use_bias={op.bias}, {init})"
    else:
        kind = f"Conv{len(op.kernel)}D" + ("Transpose" if op.transposed else "")
        groups = "" if op.transposed else f"groups={op.groups}, "
        padding = '"same"' if any(op.padding) else '"valid"'
        layer = (
            f"keras.layers.{kind}({op.out_channels}, {op.kernel}, strides={op.stride}, padding={padding}, "
            f"{groups}use_bias={op.bias}, {init})"
        )
    return f"import keras\n\nlayer = {layer}"

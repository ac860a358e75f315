"""Functions and methods of tensors: torch.*, torch.nn.functional.*, and x.method(), which is torch.method(x).

What only moves numbers about (view, permute, expand) leaves the tensor as it is; what is not known is Opaque.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from kaiming_mcp.architecture.ir import Activation, Reshape
from kaiming_mcp.architecture.source.arithmetic import as_tensor, combine
from kaiming_mcp.architecture.source.joining import (
    averaged,
    chunked,
    concatenated,
    largest,
    split,
    stacked,
    summed,
    unbound,
)
from kaiming_mcp.architecture.source.machine import Machine
from kaiming_mcp.architecture.source.reshapes import MOVES, flatten, moved, moved_parameter
from kaiming_mcp.architecture.source.torch_calls import bind
from kaiming_mcp.architecture.source.values import (
    Call,
    Items,
    Parameter,
    Scores,
    Tensor,
    Unknown,
    Value,
    Weight,
    number,
    whole,
    written,
)
from kaiming_mcp.architecture.source.weighted import attention, convolved, einsum, layer_norm, linear, matmul
from kaiming_mcp.architecture.torch_modules import to_layer
from kaiming_mcp.architecture.torch_repr import Module

_CLASS_OF = {
    **{name.lower(): name for name in "ReLU ReLU6 SELU SiLU Mish Tanh Sigmoid GLU ELU CELU GELU RReLU".split()},
    **{name.lower(): name for name in "Hardswish Hardsigmoid Hardtanh Softsign Softplus Softshrink Hardshrink".split()},
    **{"leaky_relu": "LeakyReLU", "logsigmoid": "LogSigmoid", "softmax": "Softmax", "log_softmax": "LogSoftmax"},
    **{
        "swish": "SiLU",
        "tanhshrink": "Tanhshrink",
        "softmin": "Softmin",
        "threshold": "Threshold",
        "hard_sigmoid": "Hardsigmoid",
    },
    **{"dropout": "Dropout", "feature_dropout": "Dropout2d", "alpha_dropout": "AlphaDropout"},
    **{f"dropout{n}d": f"Dropout{n}d" for n in (1, 2, 3)},
    **{f"{kind}_pool{n}d": f"{kind.capitalize()}Pool{n}d" for kind in ("max", "avg") for n in (1, 2, 3)},
    **{
        f"adaptive_{kind}_pool{n}d": f"Adaptive{kind.capitalize()}Pool{n}d"
        for kind in ("max", "avg")
        for n in (1, 2, 3)
    },
    **{
        "interpolate": "Upsample",
        "upsample": "Upsample",
        "pixel_shuffle": "PixelShuffle",
        "fold": "Fold",
        "unfold": "Unfold",
    },
}
_SIGNS = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "multiply": "*",
    "div": "/",
    "true_divide": "/",
    "subtract": "-",
    "pow": "**",
}
_CAUSAL = re.compile(r"tril|triu|causal|subsequent|autoregress", re.IGNORECASE)


def apply(machine: Machine, name: str, call: Call) -> Value:
    """A function of tensors by its bare name; its first tensor is the one that it works on."""
    name = name.rstrip("_") if not name.startswith("_") else name
    special = _SPECIAL.get(name)
    if special:
        result = special(machine, call)
        if result is not None:
            return result
    first = call.get(0, "input", next(iter(call.every()), None))
    if isinstance(first, Items) and first.kind != "stack":
        first = next((v for v in first.values if isinstance(v, Tensor)), first)
    if name in _SIGNS:
        return _signed(machine, _SIGNS[name], call)
    if isinstance(first, Scores):
        return _of_scores(name, first, call)
    if isinstance(first, Parameter) and name in MOVES | {"abs", "flatten"}:
        return moved_parameter(name, first, call)
    if isinstance(first, Weight):
        return replace(first, changed=first.changed or name not in MOVES)
    tensor = as_tensor(machine, first, call)
    if tensor is None:
        tensors = [v for v in call.every() if isinstance(v, Tensor | Scores)]
        tensor = as_tensor(machine, tensors[0], call) if tensors else None
    if tensor is None:
        return Unknown(call.text)
    if name in _CLASS_OF:
        return _as_class(machine, _CLASS_OF[name], tensor, call)
    if name in MOVES:
        return moved(machine, name, tensor, call)
    if name == "sin":
        return machine.layer(Activation("sin"), call, tensor)
    rest = [t for v in call.every() if isinstance(v, Tensor) and v is not first and (t := v)]
    return machine.opaque(name, call.text, call, tensor, *rest)


def is_activation(name: str) -> bool:
    """Whether a bare name is a function that torch has under the same name."""
    return name in _CLASS_OF


def _as_class(machine: Machine, cls: str, tensor: Tensor, call: Call) -> Tensor:
    """A function that is a module without its state."""
    arguments = bind(cls, Call(call.values[1:], {k: v for k, v in call.named.items() if k != "input"}))
    arguments = {k: v for k, v in arguments.items() if k not in {"inplace", "training", "ceil_mode"} and v is not None}
    if cls.startswith("Dropout") and number(arguments.get("p", 0.5)) is None:
        machine.assume(
            f"line {call.line}: the dropout rate is not known; taken as 0", f"the value of p in {call.text[:60]}"
        )
        return machine.layer(Reshape("identity"), call, tensor)
    shown = ", ".join(f"{k}={written(v)}" for k, v in arguments.items())
    op = to_layer(Module("", cls, shown), "").op
    out = machine.layer(op, call, tensor)
    if isinstance(op, Activation) and call.named.get("inplace") is True:
        machine.overwrite(tensor, out, call.line)
    return out


def _signed(machine: Machine, sign: str, call: Call) -> Value:
    left, right = call.get(0, "input"), call.get(1, "other")
    factor = call.named.get("alpha")
    if factor is not None:
        right = combine(machine, "*", right, factor, call)
    return combine(machine, sign, left, right, call)


def _of_scores(name: str, scores: Scores, call: Call) -> Value:
    if "softmax" in name:
        return replace(scores, soft=True)
    if name in {"masked_fill", "where"}:
        masks = [v for v in call.every() if isinstance(v, Parameter)]
        causal = any(m.causal for m in masks) or bool(_CAUSAL.search(call.text))
        return replace(scores, causal=scores.causal or causal)
    return scores


def _selected(machine: Machine, call: Call) -> Value:
    """Constants of the shape of a tensor, and what is cut off from the gradient."""
    tensor = as_tensor(machine, call.get(0, "input"), call)
    if tensor is None:
        return None
    machine.assume(
        f"line {call.line}: {call.text[:60]} stops the gradient there", "nothing: the way forward is as shown"
    )
    return tensor


def _constant(fill: float | None) -> Callable[[Machine, Call], Value]:
    return lambda _machine, _call: Parameter(None, fill, None, False)


def _noise(machine: Machine, call: Call) -> Value:
    tensor = next((t for v in call.every() if isinstance(v, Tensor) and (t := v)), None)
    return None if tensor is None else machine.opaque("noise", call.text, call, tensor)


def _sized(_: Machine, call: Call) -> Value:
    return Unknown(call.text)


def _padded(machine: Machine, call: Call) -> Value:
    """Padding by amounts that only the sizes at run time tell brings two tensors to one size."""
    tensor, amounts = as_tensor(machine, call.get(0, "input"), call), call.get(1, "pad")
    if tensor is None or not isinstance(amounts, Items) or all(whole(v) is not None for v in amounts.values):
        return None
    return machine.layer(Reshape("identity"), call, tensor)


_SPECIAL: dict[str, Callable[[Machine, Call], Value]] = {
    "flatten": flatten,
    "ravel": flatten,
    **dict.fromkeys(("cat", "concat", "concatenate", "hstack"), concatenated),
    "stack": stacked,
    "sum": summed,
    **dict.fromkeys(("mean", "average", "reduce_mean"), averaged),
    **dict.fromkeys(("max", "amax", "reduce_max"), largest),
    "chunk": chunked,
    "tensor_split": chunked,
    "split": split,
    "unbind": unbound,
    "scaled_dot_product_attention": attention,
    **dict.fromkeys(("matmul", "mm", "bmm", "spmm", "dot"), matmul),
    "einsum": einsum,
    "linear": linear,
    **dict.fromkeys((f"conv{n}d" for n in (1, 2, 3)), convolved),
    "layer_norm": layer_norm,
    "pad": _padded,
    "detach": _selected,
    **dict.fromkeys(("zeros_like", "new_zeros"), _constant(0.0)),
    **dict.fromkeys(("ones_like", "new_ones"), _constant(1.0)),
    **dict.fromkeys(("randn_like", "rand_like", "normal"), _noise),
    **dict.fromkeys(("size", "dim", "ndimension", "numel", "item", "tolist", "argmax", "get_device"), _sized),
}

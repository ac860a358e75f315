"""What the text does to the weights at the start, in the words of the tools' `initialization` argument.

Source: torch/nn/init.py (PyTorch 2): calculate_gain, and the defaults of each function.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from kaiming_mcp.architecture.ir import Assumption, Conv, Linear, Norm, Recurrent
from kaiming_mcp.architecture.source.machine import Machine
from kaiming_mcp.architecture.source.torch_calls import leaf
from kaiming_mcp.architecture.source.transformers import TRANSFORMERS
from kaiming_mcp.architecture.source.values import Call, Items, Object, Parameter, Value, Weight, number

_GAINS = {"tanh": 5 / 3, "relu": math.sqrt(2), "leaky_relu": math.sqrt(2 / (1 + 0.01**2)), "selu": 0.75}
_UNCLEAR = "?"
_PROJECTION = re.compile(r"std ([\d.e-]+)")


def initialize(machine: Machine, name: str, call: Call) -> Value:
    """nn.init.<name>(target, ...), and target.<name>(...) of a weight."""
    target = call.get(0, "tensor")
    name = name.rstrip("_")
    arguments = Call(call.values[1:], call.named, call.line, call.text)
    targets: list[Value] = target.values if isinstance(target, Items) else [target]
    for each in targets:
        if isinstance(each, Weight):
            machine.started[each.owner, _kind(each.name)] = _words(name, arguments)
        elif isinstance(each, Parameter):
            _fill(each.source or each, name, arguments)
    return target


def gain(call: Call) -> Value:
    """nn.init.calculate_gain."""
    name, slope = call.get(0, "nonlinearity"), number(call.get(1, "param"))
    if name == "leaky_relu" and slope is not None:
        return math.sqrt(2 / (1 + slope**2))
    return _GAINS.get(name, 1.0) if isinstance(name, str) else 1.0


def _kind(name: str) -> str:
    return "bias" if name.startswith("bias") else "weight"


def _words(name: str, call: Call) -> str:
    match name:
        case "normal":
            return _number("std", call.get(1, "std", 1.0))
        case "uniform":
            low, high = number(call.get(0, "a", 0.0)), number(call.get(1, "b", 1.0))
            known = low is not None and high is not None and abs(low + high) < 1e-9 * max(1.0, high)
            return f"uniform {high:g}" if known and high else _UNCLEAR
        case "trunc_normal":
            std, edge = number(call.get(1, "std", 1.0)), number(call.get(3, "b", 2.0))
            return f"truncated normal std {std:g} cut {edge / std:g}" if std and edge else _UNCLEAR
        case "kaiming_normal" | "kaiming_uniform" | "he_normal":
            return _kaiming(call)
        case "xavier_normal" | "xavier_uniform":
            factor = number(call.get(0, "gain", 1.0))
            return _UNCLEAR if factor is None else "xavier" if factor == 1 else f"xavier gain {factor:.6g}"
        case "orthogonal":
            factor = number(call.get(0, "gain", 1.0))
            return _UNCLEAR if factor is None else "orthogonal" if factor == 1 else f"orthogonal gain {factor:.6g}"
        case "zeros" | "zero":
            return "zero"
        case "constant" | "fill":
            return "zero" if call.get(0, "val", call.named.get("value")) == 0 else _UNCLEAR
        case "ones":
            return "one"
        case _:
            return _UNCLEAR


def _number(word: str, value: Value) -> str:
    n = number(value)
    return _UNCLEAR if n is None or n < 0 else "zero" if n == 0 else f"{word} {n:.6g}"


def _kaiming(call: Call) -> str:
    slope, mode = number(call.get(0, "a", 0.0)), call.get(1, "mode", "fan_in")
    kind = call.get(2, "nonlinearity", "leaky_relu")
    out = " fan_out" if mode == "fan_out" else ""
    if kind == "leaky_relu" and slope is not None:
        return f"he{f' a {slope:.6g}' if slope else ''}{out}"
    if kind == "relu":
        return f"he{out}"
    if isinstance(kind, str) and kind in {"linear", "sigmoid", "tanh", "selu", "conv1d", "conv2d", "conv3d"}:
        factor = _GAINS.get(kind, 1.0)
        return f"lecun{'' if factor == 1 else f' gain {factor:.6g}'}{out}"
    return _UNCLEAR


def _fill(parameter: Parameter, name: str, call: Call) -> None:
    """What a function of nn.init leaves in a parameter."""
    parameter.fill = parameter.std = None
    match name:
        case "zeros" | "zero":
            parameter.fill = 0.0
        case "ones":
            parameter.fill = 1.0
        case "constant" | "fill":
            value = number(call.get(0, "val", call.named.get("value")))
            parameter.fill = None if value is None else float(value)
        case "normal" | "trunc_normal":
            value = number(call.get(1, "std", 1.0))
            parameter.std = None if value is None else float(value)
        case "uniform":
            low, high = number(call.get(0, "a", 0.0)), number(call.get(1, "b", 1.0))
            if low is not None and high is not None and abs(low + high) < 1e-9 * max(1.0, high):
                parameter.std = high / math.sqrt(3)
        case _:
            pass


def summary(machine: Machine, modules: Iterable[Object]) -> tuple[str, Assumption | None]:
    """One scheme where it covers the weights of every layer; else nothing, and what was found."""
    found = dict[str, list[Object]]()
    zeroed = False
    for module in modules:
        layer = leaf(module)
        if module.base.rpartition(".")[2] in TRANSFORMERS:
            found.setdefault("", []).append(module)
        words = machine.started.get((module, "weight"), "")
        if layer is not None and isinstance(layer.op, Linear | Conv | Recurrent):
            found.setdefault(words, []).append(module)
        elif layer is not None and isinstance(layer.op, Norm):
            zeroed = zeroed or words == "zero"
    if not found or set(found) == {""}:
        return ("pytorch zero-init last", None) if zeroed and found else ("", None)
    if len(found) == 1:
        words = next(iter(found))
        if words != _UNCLEAR:
            return words + (" zero-init last" if zeroed else ""), None
    if _is_gpt2(list(found)):
        return "gpt2", None
    listed = "; ".join(
        f"{ {'': 'torch default', _UNCLEAR: 'something that is not understood'}.get(words, words) } "
        f"for {modules[0].path or modules[0].title}{f' and {len(modules) - 1} more' if len(modules) > 1 else ''}"
        for words, modules in list(found.items())[:4]
    )
    return "", Assumption(
        f"the code starts its layers in different ways ({listed}); none covers all weights",
        "the argument initialization, e.g. he or std 0.02",
    )


def _is_gpt2(words: list[str]) -> bool:
    """0.02, and less by sqrt(2 L) in the layers that close a branch."""
    found = [_PROJECTION.fullmatch(w) for w in words]
    values = sorted(float(m[1]) for m in found if m)
    if len(values) != 2 or len(values) < len(words) or values[1] != 0.02:
        return False
    depth = (values[1] / values[0]) ** 2
    return abs(depth - round(depth)) < 1e-3 * depth and round(depth) % 2 == 0

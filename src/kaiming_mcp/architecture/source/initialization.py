"""What the text does to the weights at the start, in the words of the tools' `initialization` argument.

Source: torch/nn/init.py (PyTorch 2): calculate_gain, and the defaults of each function.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from kaiming_mcp.architecture.ir import Assumption, Conv, Embedding, Layer, Linear, Node, Norm, Op, Recurrent
from kaiming_mcp.architecture.rewrite import transform
from kaiming_mcp.architecture.source.machine import Machine
from kaiming_mcp.architecture.source.remarks import FORGET_BIAS
from kaiming_mcp.architecture.source.torch_calls import leaf
from kaiming_mcp.architecture.source.transformers import TRANSFORMERS
from kaiming_mcp.architecture.source.values import Call, Items, Object, Parameter, Value, Weight, number

_GAINS = {"tanh": 5 / 3, "relu": math.sqrt(2), "leaky_relu": math.sqrt(2 / (1 + 0.01**2)), "selu": 0.75}
_UNCLEAR = "?"
DEFAULT_BIAS = " default bias"
"""Of weights that are drawn anew while their biases stay as the layer made them."""
NOT_FOLLOWED = "was not understood; the framework's default is taken for them"
_SPREAD = re.compile(r"(std|uniform) ([\d.e+-]+)")
_GAINED = re.compile(r"(he|xavier|lecun|orthogonal)(?: gain ([\d.e+-]+))?( fan_out)?")
_PROJECTION = re.compile(r"std ([\d.e-]+)")


def initialize(machine: Machine, name: str, call: Call) -> Value:
    """nn.init.<name>(target, ...), and target.<name>(...) of a weight."""
    target = call.get(0, "tensor")
    name = name.rstrip("_")
    arguments = Call(call.values[1:], call.named, call.line, call.text)
    targets: list[Value] = target.values if isinstance(target, Items) else [target]
    for each in targets:
        if isinstance(each, Weight) and each.part and _kind(each.name) == "bias":
            set_part(machine, each, 1.0 if name == "ones" else arguments.get(0, "val", call.named.get("value")), call)
        elif isinstance(each, Weight):
            machine.started[each.owner, _kind(each.name)] = _words(name, arguments)
        elif isinstance(each, Parameter):
            _fill(each.source or each, name, arguments)
    return target


def set_part(machine: Machine, part: Weight, value: Value, call: Call) -> None:
    """A slice of a bias set to a number: of an LSTM, as a rule the forget gate's."""
    layer, start = leaf(part.owner), number(value)
    if layer is None or not isinstance(layer.op, Recurrent) or layer.op.kind != "lstm" or not start:
        return
    gate = 1 / (1 + math.exp(-max(-30.0, min(30.0, start))))
    hidden = layer.op.hidden
    machine.assume(
        f"line {call.line}: {call.text[:60]} {FORGET_BIAS} to {start:g}: if it is the forget gate's (numbers "
        f"{hidden} to {2 * hidden}), the gate starts at sigmoid({start:g}) = {gate:.4g} instead of 0.5, and "
        f"{gate**100:.3g} of the memory is left after 100 steps instead of {0.5**100:.3g}; what is computed over time "
        "takes 0",
        f"the numbers of that slice: [{hidden}:{2 * hidden}], once in bias_ih or bias_hh, since both are added",
    )


def gain(call: Call) -> Value:
    """nn.init.calculate_gain."""
    name, slope = call.get(0, "nonlinearity"), number(call.get(1, "param"))
    if name == "leaky_relu" and slope is not None:
        return math.sqrt(2 / (1 + slope**2))
    return _GAINS.get(name, 1.0) if isinstance(name, str) else 1.0


def times(words: str, factor: float | None) -> str:
    """A start whose weights are then multiplied; PyTorch's default has the variance 1/(3 fan_in)."""
    if factor is None or factor < 0 or words == _UNCLEAR:
        return _UNCLEAR
    if factor == 0 or words == "zero":
        return "zero"
    words = words or f"lecun gain {math.sqrt(1 / 3):.6g}"
    spread = _SPREAD.fullmatch(words)
    if spread:
        return f"{spread[1]} {float(spread[2]) * factor:.6g}"
    scheme = _GAINED.fullmatch(words)
    if scheme is None:
        return _UNCLEAR
    return f"{scheme[1]} gain {float(scheme[2] or 1) * factor:.6g}{scheme[3] or ''}"


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


@dataclass(frozen=True, slots=True)
class Start:
    """How a network starts: one scheme for all or "own", each layer's own words by its path, and what is not clear."""

    words: str = ""
    own: dict[str, str] = field(default_factory=dict[str, str])
    unclear: Assumption | None = None

    def given_to(self, root: Node) -> Node:
        """The network with the layers' own words."""

        def change(node: Node) -> Node:
            words = self.own.get(node.path, "") if isinstance(node, Layer) and _draws(node.op) else ""
            return replace(node, start=words) if isinstance(node, Layer) and words else node

        return transform(root, change) if self.own else root


def _draws(op: Op) -> bool:
    return isinstance(op, Linear | Conv | Recurrent | Embedding)


def summary(machine: Machine, modules: Iterable[Object]) -> Start:
    """One scheme where it covers the weights of every layer; else each layer's own."""
    found = dict[str, list[Object]]()
    unbiased = dict[str, list[Object]]()
    tables = dict[str, str]()
    zeroed = False
    for module in modules:
        layer = leaf(module)
        if module.base.rpartition(".")[2] in TRANSFORMERS:
            found.setdefault("", []).append(module)
        words = machine.started.get((module, "weight"), "")
        if layer is not None and isinstance(layer.op, Linear | Conv | Recurrent):
            words = _UNCLEAR if words == "one" else words
            drawn = words not in {"", _UNCLEAR} and not isinstance(layer.op, Recurrent)
            if drawn and not layer.op.bias:
                unbiased.setdefault(words, []).append(module)
            else:
                left = drawn and (module, "bias") not in machine.started
                found.setdefault(words + DEFAULT_BIAS if left else words, []).append(module)
        elif layer is not None and isinstance(layer.op, Embedding) and words not in {"", "one", _UNCLEAR}:
            tables[module.path] = words
        elif layer is not None and isinstance(layer.op, Norm):
            zeroed = zeroed or words == "zero"
    for words, layers in unbiased.items():
        # What has no bias goes with what has one and starts alike.
        found.setdefault(words + DEFAULT_BIAS if words + DEFAULT_BIAS in found else words, []).extend(layers)
    last = " zero-init last" if zeroed else ""
    if not found or set(found) == {""}:
        return Start("own pytorch" + last, tables) if tables else Start("pytorch" + last if last and found else "")
    if len(found) == 1 and _UNCLEAR not in found:
        return Start(next(iter(found)) + last)
    if _is_gpt2(list(found)):
        return Start("gpt2")
    own = {m.path: words for words, layers in found.items() if words not in {"", _UNCLEAR} for m in layers} | tables
    return Start("own pytorch" + last if own else "", own, _not_understood(found.get(_UNCLEAR, [])))


def _not_understood(modules: list[Object]) -> Assumption | None:
    if not modules:
        return None
    more = f" and {len(modules) - 1} more" if len(modules) > 1 else ""
    return Assumption(
        f"the code sets the weights of {modules[0].path or modules[0].title}{more} in a way that {NOT_FOLLOWED}",
        "the argument initialization, e.g. he or std 0.02",
    )


def _is_gpt2(words: list[str]) -> bool:
    """0.02, and less by sqrt(2 L) in the layers that close a branch."""
    words = [w.removesuffix(DEFAULT_BIAS) for w in words]
    found = [_PROJECTION.fullmatch(w) for w in words]
    values = sorted(float(m[1]) for m in found if m)
    if len(values) != 2 or len(values) < len(words) or values[1] != 0.02:
        return False
    depth = (values[1] / values[0]) ** 2
    return abs(depth - round(depth)) < 1e-3 * depth and round(depth) % 2 == 0

"""What a module does when it is called: a layer becomes a vertex, a class of the text is followed."""

from __future__ import annotations

import re
from dataclasses import replace

from kaiming_mcp.architecture.graph import Join
from kaiming_mcp.architecture.ir import (
    Activation,
    Attention,
    Dropout,
    Embedding,
    Layer,
    Linear,
    Node,
    Norm,
    Opaque,
    Recurrent,
    Reshape,
    Sequence,
    Shape,
)
from kaiming_mcp.architecture.source.arithmetic import as_tensor
from kaiming_mcp.architecture.source.keras_calls import call_layer
from kaiming_mcp.architecture.source.machine import Follower, Machine
from kaiming_mcp.architecture.source.objects import method_of, parts
from kaiming_mcp.architecture.source.torch_calls import CONTAINERS, leaf
from kaiming_mcp.architecture.source.transformers import TRANSFORMERS, build
from kaiming_mcp.architecture.source.values import (
    Call,
    Function,
    Items,
    Object,
    Parameter,
    Scores,
    Tensor,
    Unknown,
    Value,
    number,
    tuple_of,
    whole,
    written,
)
from kaiming_mcp.architecture.torch_modules import to_layer
from kaiming_mcp.architecture.torch_reader import to_network
from kaiming_mcp.architecture.torch_repr import Module

# Classes whose forward is arithmetic on statistics or masks, which their name says better.
_NAMED = re.compile(
    r"(New|Fast|Quick)?GELU\w*|Mish|Swish|SiLU|DropPath|StochasticDepth|drop_path|stochastic_depth|gelu|swish|mish|"
    r"\w*RMSNorm\w*|\w*LayerNorm\w*"
)
_CAUSAL = re.compile(r"causal|tril|triu|subsequent|square_mask", re.IGNORECASE)


def call_module(follower: Follower, module: Object, call: Call) -> Value:
    """module(...)."""
    machine = follower.machine
    if machine.vertices is None:
        _example(machine, module, call)
        return Unknown(call.text)
    base = module.base.rpartition(".")[2]
    if module.base.startswith("keras.") and module.cls is None:
        return call_layer(machine, module, call)
    if base.endswith("Loss"):
        return Unknown(call.text)
    machine.used.add(module)
    if module.cls is not None:
        for name in ("forward", "call", "__call__"):
            if (function := method_of(module.cls, name)) is not None:
                return _followed(follower, function, module, call)
    return call_base(follower, module, call)


def _followed(follower: Follower, function: Function, module: Object, call: Call) -> Value:
    """forward() of a class of the text; where its arithmetic is not understood, its name may say what it is."""
    machine = follower.machine
    assert machine.vertices is not None
    before, used = len(machine.vertices), set(machine.used)
    value = follower.run(function, call, module)
    if module.cls is None or not _NAMED.fullmatch(module.cls.name):
        return value
    clear = not any(
        isinstance(v.content, Layer) and isinstance(v.content.op, Opaque) for v in machine.vertices[before:]
    )
    if clear and len(machine.vertices) > before:
        return value
    after, now = machine.vertices[before:], machine.used
    del machine.vertices[before:]
    machine.used = used
    named = _by_name(machine, module, call)
    if named is None:
        machine.vertices[before:], machine.used = after, now
        return value
    return named


def call_base(follower: Follower, module: Object, call: Call) -> Value:
    """The forward() that a class of the library has."""
    machine = follower.machine
    machine.used.add(module)
    base = module.base.rpartition(".")[2]
    if base in {"Sequential", "ModuleList"}:
        value: Value = call.values[0] if call.values else None
        for child in list(module.attributes.values()):
            if isinstance(child, Object):
                value = follower.call(child, Call([value], {}, call.line, call.text))
        return value
    if base in CONTAINERS:
        return Unknown(call.text)
    layer = leaf(module)
    first = call.values[0] if call.values else None
    if isinstance(first, Scores) and layer is not None and isinstance(layer.op, Dropout | Activation | Reshape):
        return replace(first, soft=first.soft or layer.op == Activation("softmax"))
    tensor = _input(machine, layer, call)
    if module.printed is not None and module.printed.children:
        return _printed(machine, module, base, tensor)
    if base in TRANSFORMERS:
        return _transformer(machine, module, base, tensor, call)
    if layer is None:
        return tensor if module.cls is None else machine.opaque(module.title, call.text, call, tensor)
    out = machine.add(layer, (machine.settled(tensor).vertex,), module.path)
    if isinstance(layer.op, Activation) and module.arguments.get("inplace") is True:
        machine.overwrite(tensor, out, module.line or call.line)
    if isinstance(layer.op, Recurrent):
        return _recurrent(layer.op, base, out)
    return out


def _input(machine: Machine, layer: Layer | None, call: Call) -> Tensor:
    """The tensor that a layer is given; positions and other values made in forward hang from the input."""
    value = call.values[0] if call.values else next(iter(call.named.values()), None)
    if isinstance(value, Items):
        value = next((v for v in value.values if isinstance(v, Tensor)), value)
    tensor = as_tensor(machine, value, call)
    if tensor is not None:
        return tensor
    rest = next((v for v in call.every() if isinstance(v, Tensor)), None)
    if rest is not None:
        return rest
    if (layer is not None and isinstance(layer.op, Embedding)) or value is None:
        return Tensor(0)
    return machine.opaque("value", written(value), call, Tensor(0))


def _recurrent(op: Recurrent, base: str, out: Tensor) -> Value:
    if base.endswith("Cell"):
        return tuple_of([out, out]) if op.kind == "lstm" else out
    state: Value = out
    if op.bidirectional:
        state = Items(
            [replace(out, index=i, sizes=(1, 1)) for _ in range(min(op.layers, 100)) for i in (0, 1)], "tuple"
        )
    return tuple_of([out, tuple_of([state, state]) if op.kind == "lstm" else state])


def _printed(machine: Machine, module: Object, base: str, tensor: Tensor) -> Value:
    """A printed module whose class the text does not define."""
    assert module.printed is not None
    network = to_network(module.printed)
    for assumption in network.assumptions:
        machine.assume(assumption.statement, assumption.settle)
    machine.differences += network.differences
    out = machine.add(network.root, (machine.settled(tensor).vertex,), module.path)
    return tuple_of([out, Unknown("attention weights")]) if base == "MultiheadAttention" else out


def _transformer(machine: Machine, module: Object, base: str, tensor: Tensor, call: Call) -> Value:
    given = [v for v in call.values if isinstance(v, Tensor)]
    masks = [v for v in call.every() if isinstance(v, Parameter | Unknown)]
    causal = bool(_CAUSAL.search(call.text)) or any(
        v.causal if isinstance(v, Parameter) else _CAUSAL.search(v.text) for v in masks
    )
    node = build(machine, module, causal=causal)
    if base != "MultiheadAttention":
        rest = [t for t in given[1:2] if base in {"TransformerDecoder", "TransformerDecoderLayer", "Transformer"}]
        if rest and rest[0].vertex != tensor.vertex:
            machine.assume(
                f"line {call.line}: {module.title} also reads a second input; only the first is followed",
                "the layer notation for either part",
            )
        return machine.add(_whole(node), (machine.settled(tensor).vertex,), module.path)
    others = [call.get(i, name) for i, name in ((0, "query"), (1, "key"), (2, "value"))]
    same = all(not isinstance(t, Tensor) or t == others[0] for t in others)
    if same or not isinstance(node, Layer) or not isinstance(node.op, Attention):
        out = machine.add(node, (machine.settled(tensor).vertex,), module.path)
        return tuple_of([out, Unknown("attention weights")])
    return tuple_of([_cross(machine, node, node.op, others, module), Unknown("attention weights")])


def _whole(node: Node) -> Node:
    return node if isinstance(node, Layer | Sequence) else Sequence((node,))


def _cross(machine: Machine, layer: Layer, op: Attention, given: list[Value], module: Object) -> Tensor:
    """Attention of one signal to another, with its four projections laid open."""
    width, path = op.features, module.path
    widths = [width, *(whole(module.arguments.get(k)) or width for k in ("kdim", "vdim"))]
    projected = list[Tensor]()
    for i, value in enumerate(given):
        tensor = value if isinstance(value, Tensor) else Tensor(0)
        at = (machine.settled(tensor).vertex,)
        op_in = Linear(widths[i], width, op.bias)
        projected.append(machine.add(replace(layer, op=op_in), at, f"{path}.in_proj[{i}]"))
    join = machine.join(Join("attend", (), op.heads, op.causal, op.scale), *projected)
    return machine.add(replace(layer, op=Linear(width, width, op.bias)), (join.vertex,), f"{path}.out_proj")


def _by_name(machine: Machine, module: Object, call: Call) -> Tensor | None:
    """Norms and activations written out by hand, which their class name says."""
    assert module.cls is not None
    inner = list(parts(module))
    if not _NAMED.fullmatch(module.cls.name) or any(isinstance(p, Object) for _, p in inner) or module.printed:
        return None
    held = [p for _, p in inner if isinstance(p, Parameter)]
    tensor = as_tensor(machine, call.values[0] if call.values else None, call)
    if tensor is None or any(p.shape is None or len(p.shape) != 1 for p in held):
        return None
    layer = _implied(machine, module, module.cls.name, held)
    if layer is None:
        return None
    for parameter in held:
        machine.used.add(parameter)
    return machine.add(layer, (machine.settled(tensor).vertex,), module.path)


def _implied(machine: Machine, module: Object, name: str, held: list[Parameter]) -> Layer | None:
    origin = machine.origin(module.line)
    if "Norm" in name:
        if not held:
            return None
        eps = number(module.attributes.get("eps", module.attributes.get("variance_epsilon", 1e-6)))
        kind = "rms" if "RMS" in name else "layer"
        op = Norm(kind, held[0].count, float(eps or 1e-6), True, len(held) > 1)
    elif name in {"DropPath", "StochasticDepth"}:
        rate = number(module.attributes.get("drop_prob", module.attributes.get("p", 0.0)))
        op = to_layer(Module("", "DropPath", f"p={rate or 0.0}"), "").op
    else:
        op = to_layer(Module("", {"Swish": "SiLU"}.get(name, name)), "").op
    if isinstance(op, Opaque):
        return None
    machine.assume(
        f"{name} (line {module.cls.line if module.cls else 0}) is taken for what its name says", f"forward() of {name}"
    )
    return Layer(op, module.path, origin, "assumed")


def _example(machine: Machine, module: Object, call: Call) -> None:
    """model(torch.randn(1, 3, 32, 32)) tells the shape of the input."""
    first = next(iter(call.every()), None)
    if isinstance(first, Parameter) and first.shape and module not in machine.examples:
        shape = input_shape(first.shape, tokens=first.tokens)
        if shape is not None:
            machine.examples[module] = shape


def input_shape(sizes: tuple[int, ...], *, tokens: bool = False) -> Shape | None:
    """The shape of one example; the first size is that of the batch."""
    if len(sizes) < 2 or not all(0 < s < 10**9 for s in sizes):
        return None
    if tokens:
        return Shape(None, sizes[1:2])
    return Shape(sizes[1], sizes[2:]) if len(sizes) > 3 or len(sizes) == 2 else Shape(sizes[2], sizes[1:2])

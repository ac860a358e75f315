"""Models of Keras in source: Sequential, the functional form, and layers called inside call()."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import replace

from kaiming_mcp.architecture.graph import Join, JoinKind, Vertex
from kaiming_mcp.architecture.ir import (
    Activation,
    Conv,
    Difference,
    Dropout,
    Layer,
    Linear,
    Norm,
    Op,
    Opaque,
    Recurrent,
    Scale,
    Shape,
)
from kaiming_mcp.architecture.source.keras_channels import in_order, note_cell
from kaiming_mcp.architecture.source.keras_layers import Dims, activation_of, names_of
from kaiming_mcp.architecture.source.keras_one import modern, orders
from kaiming_mcp.architecture.source.machine import Machine
from kaiming_mcp.architecture.source.torch_calls import order_of
from kaiming_mcp.architecture.source.values import (
    Call,
    Items,
    Known,
    Object,
    Table,
    Tensor,
    Unknown,
    Value,
    number,
    whole,
    written,
)

MODELS = frozenset({"Sequential", "Model", "Functional"})
_JOINS: dict[str, JoinKind] = {
    "add": "add",
    "average": "add",
    "subtract": "add",
    "multiply": "multiply",
    "concatenate": "concat",
}
_INITIALIZERS = (
    (r"he_?(normal|uniform)", "he"),
    (r"(glorot|xavier)_?(normal|uniform)", "xavier"),
    (r"lecun_?(normal|uniform)", "lecun"),
    (r"orthogonal", "orthogonal"),
    (r"random_?normal", "std 0.05"),
    (r"random_?uniform", "uniform 0.05"),
    (r"truncated_?normal", "truncated normal std 0.05"),
    (r"zeros?", "zero"),
)


def call_keras(machine: Machine, name: str, call: Call) -> Value:
    """keras.layers.Dense(...), keras.Model(...), keras.layers.add([...]) and the like."""
    last = name.rpartition(".")[2]
    names = orders(last, call.values).split() or names_of(last)
    arguments = dict(zip(names, call.values, strict=False)) | call.named
    arguments |= {f"#{i}": v for i, v in enumerate(call.values) if i >= len(names)}
    arguments = modern(last, arguments)
    if last == "Input":
        return _input(machine, _dims(arguments))
    if last in _JOINS and name.startswith("keras.layers."):
        return _joined(machine, last, call.get(0, "inputs"), call)
    if ".activations." in name or ".ops." in name:
        tensor = next((v for v in call.every() if isinstance(v, Tensor)), None)
        op = activation_of(Known(name))
        return machine.layer(op, call, tensor) if tensor is not None and op is not None else tensor
    if last[:1].islower():
        return Unknown(call.text)
    if ".losses." in name:
        machine.criteria[last] = None
        return Unknown(call.text)
    made = Object(None, name, {}, None, arguments, line=call.line)
    if last in MODELS:
        machine.instances.append(made)
        _fill(machine, made, last, call)
    return made


def _dims(arguments: dict[str, Value]) -> Dims:
    shape = arguments.get("shape", arguments.get("input_shape"))
    if "batch_input_shape" in arguments or "batch_shape" in arguments:
        whole_shape = arguments.get("batch_shape", arguments.get("batch_input_shape"))
        shape = Items(whole_shape.values[1:]) if isinstance(whole_shape, Items) else None
    if "input_dim" in arguments and "output_dim" not in arguments:
        dim = whole(arguments["input_dim"])
        return (whole(arguments["input_length"]), dim) if "input_length" in arguments else (dim,)
    if isinstance(shape, Items):
        return tuple(whole(v) for v in shape.values)
    return (whole(shape),) if whole(shape) is not None else None


def _input(machine: Machine, dims: Dims) -> Tensor:
    """keras.Input: the graph begins with the first one."""
    if machine.vertices is None:
        machine.vertices, machine.symbolic = [], True
    tensor = machine.add(None)
    machine.shapes[tensor.vertex] = dims
    return tensor


def _fill(machine: Machine, model: Object, kind: str, call: Call) -> None:
    if kind == "Sequential":
        layers = call.get(0, "layers")
        for layer in layers.values if isinstance(layers, Items) else []:
            add(model, layer, machine)
        return
    inputs, outputs = call.get(0, "inputs"), call.get(1, "outputs")
    model.attributes = {"inputs": inputs, "outputs": outputs}


def add(model: Object, layer: Value, machine: Machine) -> None:
    """model.add(layer); a tensor of keras.Input tells the shape."""
    if isinstance(layer, Tensor):
        dims = machine.shapes.get(layer.vertex)
        layer = Object(None, "keras.layers.InputLayer", {}, None, {"shape": Items([*(dims or ())])})
    if isinstance(layer, Unknown):
        # What is not known stays in its place.
        title = re.match(r"(?:\w+\.)*(\w+)", layer.text)
        layer = Object(None, f"keras.layers.{title[1] if title else 'unknown'}", line=0)
    if isinstance(layer, Object) and layer.cls is None and layer.base.startswith("torch.nn."):
        layer = _as_keras(layer)
    model.attributes[str(len(model.attributes))] = layer


def _as_keras(layer: Object) -> Object:
    """A layer that the text does not import, under a name that torch has as well."""
    order, own = order_of(layer.title), names_of(layer.title)
    renamed = {
        k: own[order.index(k)] for k in layer.arguments if k in order and order.index(k) < len(own) and k not in own
    }
    arguments = modern(layer.title, {renamed.get(k, k): v for k, v in layer.arguments.items()})
    return Object(None, f"keras.layers.{layer.title}", {}, None, arguments, line=layer.line)


def method(machine: Machine, model: Object, name: str, call: Call) -> Value:
    """model.add, model.compile, model.build; the rest trains or reports."""
    if model.base == "torch.nn.Sequential":
        model.base = "keras.Sequential"
    if name == "add" and call.values:
        add(model, call.values[0], machine)
    elif name == "compile":
        loss = call.get(1, "loss")
        if isinstance(loss, str | Known):
            title = loss.name.rpartition(".")[2] if isinstance(loss, Known) else loss
            machine.criteria[_LOSSES.get(title, title.title().replace("_", "") if "_" in title else title)] = None
    elif name == "build":
        shape = call.get(0, "input_shape")
        if isinstance(shape, Items):
            model.arguments["shape"] = Items(shape.values[1:])
    return None


_LOSSES = {"mse": "MeanSquaredError", "mae": "MeanAbsoluteError", "kld": "KLDivergence"}


def call_layer(machine: Machine, layer: Object, call: Call) -> Value:
    """layer(x), or model(x) with the model's own graph laid in."""
    last = layer.base.rpartition(".")[2]
    first = call.values[0] if call.values else next(iter(call.named.values()), None)
    if machine.vertices is None:
        return Unknown(call.text)
    if last.lower() in _JOINS:
        return _joined(machine, last.lower(), first, call)
    tensor = first if isinstance(first, Tensor) else None
    if isinstance(first, Items):
        tensor = next((v for v in first.values if isinstance(v, Tensor)), None)
    if tensor is None:
        return Unknown(call.text)
    machine.used.add(layer)
    if last == "Sequential":
        for each in layer.attributes.values():
            if isinstance(each, Object):
                result = call_layer(machine, each, Call([tensor], {}, call.line, call.text))
                tensor = result if isinstance(result, Tensor) else tensor
        machine.inner.add(layer)
        return tensor
    if last in MODELS:
        return _inlined(machine, layer, tensor)
    return _emitted(machine, layer, tensor)


def _emitted(machine: Machine, layer: Object, tensor: Tensor) -> Tensor:
    """One layer as vertices; its shape is kept for the layers that follow."""
    last = layer.base.rpartition(".")[2]
    if last == "InputLayer":
        machine.shapes[tensor.vertex] = _dims(layer.arguments)
        return tensor
    dims = _dims_at(machine, tensor.vertex) or _dims(layer.arguments)
    made = in_order(machine, layer, last, dims)
    if dims is None and any(isinstance(op, Opaque) and op.parameters is None for op in made.ops):
        machine.assume(
            f"line {layer.line}: no shape of the input in the text, so {last} has no size",
            "keras.Input((28, 28, 1)) as the first layer, or model.build((None, 28, 28, 1)) with your numbers",
        )
    name = written(layer.arguments["name"]) if "name" in layer.arguments else layer.path
    key = name or f"layer {len(machine.keys) + 1}"
    key = machine.keys.setdefault(layer, key)
    at = tensor
    words = _words(_initializer(layer))
    for i, op in enumerate(made.ops):
        weighted = isinstance(op, Linear | Conv | Recurrent)
        if weighted:
            machine.started[layer, "weight"] = words
        own = words if weighted and words not in {"keras", "?"} else ""
        at = machine.add(Layer(op, name, machine.origin(layer.line), start=own), (at.vertex,), f"{key}[{i}]")
        _one_bias(machine, layer, op, last)
    note_cell(machine, layer, made)
    machine.shapes[at.vertex] = made.dims
    return at


def _dims_at(machine: Machine, at: int) -> Dims:
    """The sizes that leave a vertex, looked for behind functions that keep them."""
    assert machine.vertices is not None
    while machine.shapes.get(at) is None:
        vertex = machine.vertices[at]
        keeps = isinstance(vertex.content, Layer) and isinstance(vertex.content.op, Activation | Dropout | Scale | Norm)
        joins = isinstance(vertex.content, Join) and vertex.content.kind != "concat"
        if not vertex.inputs or not (keeps or joins):
            return None
        at = vertex.inputs[0]
    return machine.shapes[at]


def start(machine: Machine, root: Object) -> None:
    """The shape that model.build or a call of the model tells a class of the text."""
    dims = _dims(root.arguments)
    machine.shapes = {} if dims is None else {0: dims}
    shape = _shape(machine, dims)
    if shape is not None:
        machine.examples.setdefault(root, shape)


def _one_bias(machine: Machine, layer: Object, op: Op, cls: str) -> None:
    inner = layer.arguments.get("layer")
    title = inner.title if isinstance(inner, Object) else cls
    if isinstance(op, Recurrent) and op.bias and title != "GRU" and layer not in machine.inner:
        machine.inner.add(layer)
        count = -op.gates * op.hidden * (2 if op.bidirectional else 1)
        reason = f"{title} has one bias vector in Keras; the layer is counted with two, as in PyTorch"
        machine.differences.append(Difference(count, reason))


def _joined(machine: Machine, name: str, given: Value, call: Call) -> Value:
    """Add, Concatenate, Multiply, Average, Subtract of a list."""
    tensors = [v for v in given.values if isinstance(v, Tensor)] if isinstance(given, Items) else []
    if len(tensors) < 2 or machine.vertices is None:
        return tensors[0] if tensors else Unknown(call.text)
    shapes = [machine.shapes.get(t.vertex) for t in tensors]
    dims = shapes[0]
    scales = (1.0, -1.0) if name == "subtract" else (1 / len(tensors),) * len(tensors) if name == "average" else ()
    if name == "concatenate" and dims is not None:
        widths = [s[-1] for s in shapes if s and s[-1] is not None]
        total = sum(widths) if len(widths) == len(shapes) else None
        dims = (*dims[:-1], total)
    out = machine.join(Join(_JOINS[name], scales), *tensors)
    machine.shapes[out.vertex] = dims
    return out


def _inlined(machine: Machine, model: Object, tensor: Tensor) -> Value:
    """A functional model called on another tensor: its vertices once more, with the same weights."""
    assert machine.vertices is not None
    machine.inner.add(model)
    start, end = _first(model.attributes.get("inputs")), _first(model.attributes.get("outputs"))
    if start is None or end is None:
        return machine.opaque("model", model.title, Call([], {}, model.line), tensor)
    twin = {start.vertex: tensor.vertex}
    for at in range(start.vertex + 1, end.vertex + 1):
        vertex = machine.vertices[at]
        if any(i in twin for i in vertex.inputs):
            inputs = tuple(twin.get(i, i) for i in vertex.inputs)
            twin[at] = machine.add(vertex.content, inputs, vertex.key).vertex
            machine.shapes[twin[at]] = machine.shapes.get(at)
    return Tensor(twin.get(end.vertex, end.vertex))


def _first(value: Value) -> Tensor | None:
    if isinstance(value, Items | Table):
        inner: Iterable[Value] = value.values if isinstance(value, Items) else value.values.values()
        return next((v for v in inner if isinstance(v, Tensor)), None)
    return value if isinstance(value, Tensor) else None


def output(machine: Machine, model: Object) -> tuple[Tensor | None, Shape | None]:
    """The output of a model in the graph, and the shape of its input."""
    if model.base.endswith("Sequential"):
        machine.vertices = []
        start = _input(machine, _dims(model.arguments))
        for i, layer in enumerate(model.attributes.values()):
            if isinstance(layer, Object) and not layer.path:
                layer.path = written(layer.arguments.get("name", f"{layer.title.lower()}_{i}"))
        result = call_layer(machine, model, Call([start], {}, model.line))
        first = next((v for v in model.attributes.values() if isinstance(v, Object)), None)
        dims = machine.shapes.get(start.vertex) or (None if first is None else _dims(first.arguments))
        return (result if isinstance(result, Tensor) else None), _shape(machine, dims)
    start, end = _first(model.attributes.get("inputs")), _first(model.attributes.get("outputs"))
    return end, None if start is None else _shape(machine, machine.shapes.get(start.vertex))


def _shape(machine: Machine, dims: Dims) -> Shape | None:
    if not dims or any(d is not None and d < 1 for d in dims):
        return None
    # The channels stand at one end, the positions are the rest.
    order = [*dims]
    features = order.pop(0 if machine.channels_first else -1)
    rest = tuple(order)
    sizes = [d for d in rest if d is not None]
    return Shape(features, tuple(sizes) if len(sizes) == len(rest) else None)


def pruned(vertices: list[Vertex], end: int) -> tuple[list[Vertex], int]:
    """Only what leads to one output: other models of the text share the graph."""
    kept, stack = set[int](), [end]
    while stack:
        at = stack.pop()
        if at not in kept:
            kept.add(at)
            stack.extend(vertices[at].inputs)
    order = sorted(kept)
    place = {at: i for i, at in enumerate(order)}
    return [replace(vertices[at], inputs=tuple(place[i] for i in vertices[at].inputs)) for at in order], place[end]


def _initializer(layer: Object) -> Value:
    """What starts the kernel: of a wrapper, that of the layer inside; of a depthwise kernel, its own argument."""
    inner = layer.arguments.get("layer")
    arguments = inner.arguments if isinstance(inner, Object) else layer.arguments
    depthwise = layer.title.startswith("Depthwise")
    return arguments.get("depthwise_initializer" if depthwise else "kernel_initializer")


def _words(value: Value) -> str:
    """A kernel_initializer in the words of the tools; Keras's own where none is given."""
    if value is None:
        return "keras"
    name = value if isinstance(value, str) else value.title if isinstance(value, Object) else written(value)
    arguments = value.arguments if isinstance(value, Object) else {}
    std = number(arguments.get("stddev", arguments.get("#1")))
    lowered = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    if lowered == "variance_scaling":
        return _variance_scaling(arguments)
    for pattern, words in _INITIALIZERS:
        if re.fullmatch(pattern, lowered):
            return re.sub(r"0\.05", f"{std:g}", words) if std else words
    return "?"


def _variance_scaling(arguments: dict[str, Value]) -> str:
    scale, mode = number(arguments.get("scale", 1.0)), arguments.get("mode", "fan_in")
    if not scale or scale < 0 or not isinstance(mode, str):
        return "?"
    return f"lecun gain {math.sqrt(scale):.6g}{'' if mode == 'fan_in' else f' {mode}'}"

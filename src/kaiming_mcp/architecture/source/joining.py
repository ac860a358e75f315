"""Tensors side by side, and cut apart again: cat, stack, chunk, and means over what was stacked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from kaiming_mcp.architecture.graph import Join
from kaiming_mcp.architecture.ir import Conv, Layer, Linear, Pool, Scale
from kaiming_mcp.architecture.source.arithmetic import as_tensor
from kaiming_mcp.architecture.source.machine import Machine
from kaiming_mcp.architecture.source.reshapes import index
from kaiming_mcp.architecture.source.values import (
    Call,
    Items,
    Parameter,
    Tensor,
    Unknown,
    Value,
    tuple_of,
    whole,
)


def concatenated(machine: Machine, call: Call) -> Value:
    """Side by side. Parameters and constants among the parts (a class token) only lengthen the sequence."""
    parts = call.get(0, "tensors")
    if not isinstance(parts, Items):
        return parts if isinstance(parts, Tensor) else None
    tensors = list[Tensor]()
    tokens = 0
    for part in parts.values:
        if isinstance(part, Parameter):
            tokens += machine.use(part)
        elif (tensor := as_tensor(machine, part, call)) is not None:
            tensors.append(tensor)
    if not tensors:
        return None
    parts_of = {(t.vertex, t.sizes) for t in tensors}
    if len(parts_of) == 1 and tensors[0].sizes and [t.index for t in tensors] == [*range(len(tensors[0].sizes))]:
        joined = Tensor(tensors[0].vertex)
    else:
        joined = tensors[0] if len(tensors) == 1 else machine.join(Join("concat"), *tensors)
    if tokens:
        machine.assume(
            f"line {call.line}: {call.text[:60]} puts {tokens:,} learned numbers beside the signal; "
            "they are counted, their values are not followed",
            "nothing: a token more hardly changes the signal",
        )
        return machine.layer(Scale(1.0, tokens), call, joined)
    return joined


def stacked(machine: Machine, call: Call) -> Value:
    """torch.stack: joined when it is used as one tensor."""
    parts = call.get(0, "tensors")
    if not isinstance(parts, Items):
        return None
    tensors = [as_tensor(machine, v, call) for v in parts.values]
    return Items([t for t in tensors if t is not None], "stack")


def summed(machine: Machine, call: Call) -> Value:
    """The sum of stacked tensors; of one tensor along an axis it is not known."""
    return _over_stack(machine, call, lambda _: 1.0)


def averaged(machine: Machine, call: Call) -> Value:
    """A mean over positions is global pooling."""
    stacked = _over_stack(machine, call, lambda n: 1.0 / n)
    if stacked is not None:
        return stacked
    tensor = as_tensor(machine, call.get(0, "input"), call)
    axes = _axes(call)
    if tensor is None or axes in ([-1], [1, 2, 3]) or (not axes and len(call.values) < 2 and not call.named):
        return None
    return machine.layer(Pool("avg"), call, tensor)


def largest(machine: Machine, call: Call) -> Value:
    """The largest value over positions, with its index where torch gives that too."""
    tensor = as_tensor(machine, call.get(0, "input"), call)
    second = call.get(1, "dim", call.named.get("axis"))
    if tensor is None or isinstance(second, Tensor):
        return None
    if second is None or _axes(call) == [-1]:
        return None
    pooled = machine.layer(Pool("max"), call, tensor)
    return pooled if "amax" in call.text or "reduce_" in call.text else tuple_of([pooled, Unknown("indices")])


def _axes(call: Call) -> list[int | None]:
    value = call.get(1, "dim", call.named.get("axis"))
    if isinstance(value, Items):
        return [whole(v) for v in value.values]
    return [] if value is None else [whole(value)]


def _over_stack(machine: Machine, call: Call, scale: Callable[[int], float]) -> Value:
    parts = call.get(0, "input")
    if not isinstance(parts, Items) or parts.kind != "stack" or _axes(call) not in ([0], [1], [-1], []):
        return None
    tensors = [t for v in parts.values if (t := as_tensor(machine, v, call)) is not None]
    if len(tensors) < 2:
        return tensors[0] if tensors else None
    factor = scale(len(tensors))
    return machine.join(Join("add", () if factor == 1 else (factor,) * len(tensors)), *tensors)


def chunked(machine: Machine, call: Call) -> Value:
    """torch.chunk: equal parts."""
    tensor, size = call.get(0, "input"), call.get(1, "chunks")
    count = whole(size)
    if not isinstance(tensor, Tensor):
        return None
    if count is None or not 1 < count <= 64:
        return Unknown(call.text)
    settled = machine.settled(tensor)
    return tuple_of([replace(settled, index=i, sizes=(1,) * count) for i in range(count)])


def split(machine: Machine, call: Call) -> Value:
    """torch.split: sizes of the parts, or one size for all."""
    tensor, size = call.get(0, "tensor"), call.get(1, "split_size_or_sections", call.named.get("split_size"))
    if not isinstance(tensor, Tensor):
        return None
    tensor = machine.settled(tensor)
    if isinstance(size, Items):
        sizes = [n for v in size.values if (n := whole(v)) is not None and n > 0]
        if len(sizes) == len(size.values) and 1 < len(sizes) <= 64:
            return tuple_of([replace(tensor, index=i, sizes=tuple(sizes)) for i in range(len(sizes))])
    one, width = whole(size), _width(machine, tensor)
    if one and width and width % one == 0 and 1 < width // one <= 64:
        count = width // one
        return tuple_of([replace(tensor, index=i, sizes=(1,) * count) for i in range(count)])
    return Unknown(call.text)


def _width(machine: Machine, tensor: Tensor) -> int | None:
    assert machine.vertices is not None
    content = machine.vertices[tensor.vertex].content
    if isinstance(content, Layer):
        if isinstance(content.op, Linear):
            return content.op.out_features
        if isinstance(content.op, Conv):
            return content.op.out_channels
    return None


def unbound(machine: Machine, call: Call) -> Value:
    """The parts that a reshape has laid apart."""
    tensor = call.get(0, "input")
    if isinstance(tensor, Tensor) and tensor.split:
        return tuple_of([index(machine, tensor, i, call) for i in range(tensor.split)])
    return Unknown(call.text) if isinstance(tensor, Tensor) else None

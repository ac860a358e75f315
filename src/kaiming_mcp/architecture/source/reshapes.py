"""Views, permutations and choices of positions: what moves numbers about and changes none."""

from __future__ import annotations

import re
from dataclasses import replace

from kaiming_mcp.architecture.ir import Conv, Layer, Linear, Opaque, Pool, Reshape
from kaiming_mcp.architecture.source.arithmetic import as_tensor
from kaiming_mcp.architecture.source.machine import Machine
from kaiming_mcp.architecture.source.values import (
    Call,
    Items,
    Parameter,
    Tensor,
    Value,
    whole,
)

MOVES = frozenset(
    """view reshape permute transpose contiguous squeeze unsqueeze expand expand_as repeat repeat_interleave to float
    half double long int type type_as cuda cpu clone swapaxes movedim moveaxis t requires_grad_ rearrange view_as
    reshape_as type_as bfloat16 broadcast_to tile identity roll flip rot90 narrow index_select gather numpy from_numpy
    as_tensor tensor mT adjoint unflatten checkpoint atleast_1d requires_grad retain_grad astype data select
    pack_padded_sequence pad_packed_sequence""".split()
)


def moved_parameter(name: str, held: Parameter, call: Call) -> Value:
    """A parameter whose numbers are moved about."""
    shape = held.shape
    if name in {"t", "transpose", "mT"} and shape is not None and len(shape) == 2:
        shape = (shape[1], shape[0])
    elif name in {"view", "reshape"}:
        sizes = _sizes(call)
        known = all(s is not None and s > 0 for s in sizes)
        shape = tuple(s for s in sizes if s is not None) if known and sizes else shape
    return replace(held, shape=shape, source=held.source or held)


def _sizes(call: Call) -> list[int | None]:
    """Sizes after the tensor, given one by one or as one tuple."""
    values = call.values[1:]
    if len(values) == 1 and isinstance(values[0], Items):
        values = values[0].values
    return [whole(v) for v in values]


def moved(machine: Machine, name: str, tensor: Tensor, call: Call) -> Value:
    """A tensor whose numbers are moved about."""
    sizes = _sizes(call)
    if name == "clone":
        machine.copied.add(tensor.vertex)
    match name:
        case "view" | "reshape" | "unflatten":
            return _viewed(machine, tensor, sizes, call)
        case "transpose" | "swapaxes":
            a, b = [*sizes, None, None][:2]
            last = {a, b} in ({-1, -2}, {2, 3}) or ({a, b} == {1, 2} and not tensor.heads)
            return replace(tensor, flipped=tensor.flipped != last)
        case "t" | "mT" | "adjoint":
            return replace(tensor, flipped=not tensor.flipped)
        case "permute":
            known = [s for s in sizes if s is not None]
            flips = len(known) > 2 and len(known) == len(sizes) and known[-2] > known[-1]
            return replace(tensor, flipped=tensor.flipped != flips)
        case "rearrange":
            return _rearranged(tensor, call)
        case _:
            return tensor


def _viewed(machine: Machine, tensor: Tensor, sizes: list[int | None], call: Call) -> Value:
    """A reshape: a flatten, heads laid apart, queries, keys and values laid apart, or another one."""
    if tensor.sizes and len(sizes) < 3:
        tensor = machine.settled(tensor)
    plain = replace(tensor, flipped=False)
    match sizes:
        case [None | 1, -1]:
            # The first size is that of the batch: every position is laid side by side.
            return machine.layer(Reshape("flatten"), call, tensor)
        case [-1, int(), int(), int()] | [None, int(), int(), int()] if min(s or 1 for s in sizes[1:]) > 0:
            if sizes[2] == sizes[3] and _made_by_linear(machine, tensor):
                # A vector laid out as an image.
                return machine.opaque("view", ", ".join(str(s) for s in sizes if s), call, tensor)
            return plain if sizes[2] == sizes[3] else replace(plain, heads=sizes[2] or 0)
        case [_, _, 3, heads, _] | [_, _, heads, 3, _]:
            return replace(plain, heads=heads or 0, split=3)
        case [_, _, int(heads), _] if heads > 1:
            return replace(plain, heads=heads)
        case [_, int(heads), _, _] if heads > 1 and sizes[2] is None:
            return replace(plain, heads=heads)
        case [-1, int(width)] if width > 0 and _has_axes(machine, tensor):
            return machine.layer(Reshape("flatten"), call, tensor)
        case _:
            return plain


def _made_by_linear(machine: Machine, tensor: Tensor) -> bool:
    """Whether the last layer with weights before the tensor is a Linear."""
    assert machine.vertices is not None
    at = tensor.vertex
    while True:
        vertex = machine.vertices[at]
        op = vertex.content.op if isinstance(vertex.content, Layer) else None
        if isinstance(op, Linear):
            return True
        if op is None or isinstance(op, Conv | Pool) or not vertex.inputs:
            return False
        at = vertex.inputs[0]


def _has_axes(machine: Machine, tensor: Tensor) -> bool:
    """Whether the tensor comes from a convolution or pooling, through layers that keep its axes."""
    assert machine.vertices is not None
    at = tensor.vertex
    while True:
        vertex = machine.vertices[at]
        op = vertex.content.op if isinstance(vertex.content, Layer) else None
        if isinstance(op, Conv | Pool):
            return True
        if isinstance(op, Linear | Reshape | Opaque) or not vertex.inputs:
            return at == 0 and vertex.content is None
        at = vertex.inputs[0]


def _rearranged(tensor: Tensor, call: Call) -> Value:
    """einops.rearrange: the named sizes tell heads, and how many parts lie in front."""
    pattern = call.get(1, "pattern")
    sizes = {k: n for k, v in call.named.items() if (n := whole(v))}
    if not isinstance(pattern, str) or "->" not in pattern:
        return tensor
    left, right = pattern.split("->", 1)
    heads = next((sizes[k] for k in ("h", "heads", "head", "nh", "n_head") if k in sizes), tensor.heads)
    front = right.split()[:1]
    split = sizes.get(front[0], 0) if front and front[0] in left else 0
    return replace(tensor, heads=heads, split=split if split in (2, 3) else 0)


def index(machine: Machine, tensor: Tensor, at: Value, call: Call) -> Value:
    """tensor[...]: one part of several, or a choice of positions."""
    if tensor.split and (i := whole(at)) is not None and -tensor.split <= i < tensor.split:
        return replace(tensor, split=0, index=i % tensor.split, sizes=(1,) * tensor.split)
    if re.search(r"\[[^\]]*\b(None|np\.newaxis)\b", call.text) and not re.search(r"\d", call.text):
        return tensor
    return machine.layer(Reshape("identity"), call, tensor)


def flatten(machine: Machine, call: Call) -> Value:
    """torch.flatten: of all positions, or of some axes only."""
    tensor = as_tensor(machine, call.get(0, "input"), call)
    if tensor is None:
        return None
    start = call.get(1, "start_dim", 0)
    if start in (0, 1) and call.get(2, "end_dim", -1) in (-1, 3):
        return machine.layer(Reshape("flatten"), call, tensor)
    return replace(tensor, flipped=False)

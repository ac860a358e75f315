"""Functions that are given their weights: F.linear, F.conv2d, F.layer_norm, einsum, attention."""

from __future__ import annotations

from kaiming_mcp.architecture.ir import Conv, Norm
from kaiming_mcp.architecture.source.arithmetic import as_tensor, attend, combine, multiply_matrices, product, project
from kaiming_mcp.architecture.source.machine import Machine
from kaiming_mcp.architecture.source.torch_calls import leaf
from kaiming_mcp.architecture.source.values import (
    Call,
    Items,
    Parameter,
    Scores,
    Tensor,
    Value,
    Weight,
    number,
    whole,
)


def attention(machine: Machine, call: Call) -> Value:
    """F.scaled_dot_product_attention."""
    query, key, value = (call.get(i, name) for i, name in enumerate(("query", "key", "value")))
    if not isinstance(query, Tensor) or not isinstance(key, Tensor):
        return None
    mask, causal = call.get(3, "attn_mask"), call.get(5, "is_causal", False)
    known = causal is True or (isinstance(mask, Parameter) and mask.causal)
    scale = number(call.named.get("scale"))
    return attend(machine, Scores(query, key, scale, known, soft=True), value, call)


def matmul(machine: Machine, call: Call) -> Value:
    """torch.matmul and its kin."""
    return multiply_matrices(machine, call.get(0, "input"), call.get(1, "other", call.get(1, "mat2")), call)


def einsum(machine: Machine, call: Call) -> Value:
    """Two operands: attention scores share the last letter, which the result lacks."""
    equation, operands = call.get(0, "equation"), call.values[1:]
    if not isinstance(equation, str) or len(operands) != 2:
        return None
    left, right = operands
    if isinstance(left, Scores) or isinstance(right, Scores):
        return multiply_matrices(machine, left, right, call)
    terms, _, out = equation.replace(" ", "").partition("->")
    a, _, b = terms.partition(",")
    if isinstance(left, Tensor) and isinstance(right, Tensor):
        if len(a) > 2 and a[-1:] == b[-1:] and a[-1:] not in out:
            return Scores(left, right)
        return product(machine, left, right, call)
    return multiply_matrices(machine, left, right, call)


def linear(machine: Machine, call: Call) -> Value:
    """F.linear."""
    tensor, weight = as_tensor(machine, call.get(0, "input"), call), call.get(1, "weight")
    if tensor is None:
        return None
    return _by_weight(machine, tensor, weight, call.get(2, "bias"), call)


def _by_weight(machine: Machine, tensor: Tensor, weight: Value, bias: Value, call: Call) -> Value:
    if isinstance(weight, Weight):
        owner = weight.owner
        layer = leaf(owner)
        if layer is None:
            return None
        machine.used.add(owner)
        if weight.changed:
            machine.assume(
                f"line {call.line}: {call.text[:60]} changes its weight before it is used; the change is not followed",
                "nothing, or what the change does to the weight's standard deviation",
            )
        return machine.add(layer, (machine.settled(tensor).vertex,), owner.path)
    if not isinstance(weight, Parameter):
        return None
    out = project(machine, tensor, weight, call, flipped=True)
    return combine(machine, "+", out, bias, call) if isinstance(bias, Parameter) else out


def convolved(machine: Machine, call: Call) -> Value:
    """F.conv1d to F.conv3d."""
    tensor, weight = as_tensor(machine, call.get(0, "input"), call), call.get(1, "weight")
    if tensor is None:
        return None
    if isinstance(weight, Parameter) and weight.trained and weight.shape and len(weight.shape) > 2:
        machine.use(weight)
        out, into, *kernel = weight.shape
        bias = call.get(2, "bias")
        groups = whole(call.get(6, "groups", 1)) or 1
        axes = len(kernel)

        def sizes(at: int, name: str, default: int) -> tuple[int, ...]:
            value = call.get(at, name, default)
            given = [whole(v) for v in value.values] if isinstance(value, Items) else [whole(value)] * axes
            return tuple(default if g is None else g for g in given)

        if isinstance(bias, Parameter):
            machine.use(bias)
        op = Conv(
            into * groups,
            out,
            tuple(kernel),
            sizes(3, "stride", 1),
            sizes(4, "padding", 0),
            sizes(5, "dilation", 1),
            groups,
            isinstance(bias, Parameter),
        )
        return machine.layer(op, call, tensor, path=weight.path, key=weight.path)
    return _by_weight(machine, tensor, weight, None, call)


def layer_norm(machine: Machine, call: Call) -> Value:
    """F.layer_norm."""
    tensor = as_tensor(machine, call.get(0, "input"), call)
    if tensor is None:
        return None
    weight, bias = call.get(2, "weight"), call.get(3, "bias")
    if isinstance(weight, Weight):
        return _by_weight(machine, tensor, weight, None, call)
    eps = number(call.get(4, "eps", 1e-5)) or 1e-5
    held = [p for p in (weight, bias) if isinstance(p, Parameter)]
    for parameter in held:
        machine.used.add(parameter.source or parameter)
    shape = call.get(1, "normalized_shape")
    given = [whole(v) for v in shape.values] if isinstance(shape, Items) else [whole(shape)]
    features = held[0].count if held else 1
    if not held and all(given):
        for size in given:
            features *= size or 1
    if not features or (features == 1 and not held):
        return None
    op = Norm("layer", features, float(eps), bool(held), len(held) == 2 or not held)
    return machine.layer(op, call, tensor, path=held[0].path.rpartition(".")[0] if held else "")

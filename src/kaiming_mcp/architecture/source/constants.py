"""Tensors that are made of sizes and numbers: torch.zeros, torch.randn, nn.Parameter."""

from __future__ import annotations

from kaiming_mcp.architecture.source.values import (
    Call,
    Items,
    Parameter,
    Unknown,
    Value,
    Weight,
    number,
    whole,
)


def constant(name: str, call: Call) -> Value:
    """A function of a parameter or constant outside of forward: its values are not known, its shape perhaps."""
    held = next((v for v in flat(call) if isinstance(v, Parameter)), None)
    if held is None:
        return next((v for v in flat(call) if isinstance(v, Weight)), Unknown(call.text))
    causal = held.causal or name in {"tril", "triu"}
    if name in {"view", "reshape", "unsqueeze", "squeeze", "t", "transpose", "repeat", "expand", "permute"}:
        sizes = [whole(v) for v in call.values[1:]]
        shape = held.shape
        if shape is not None and name == "unsqueeze":
            shape = (*shape, 1) if sizes[:1] == [-1] else (1, *shape)
        elif shape is not None and name in {"view", "reshape"} and all(s and s > 0 for s in sizes):
            shape = tuple(s for s in sizes if s)
        return Parameter(shape, held.fill, held.std, held.trained, causal, source=held.source)
    return Parameter(held.shape, None, None, held.trained, causal, source=held.source)


_FILLS: dict[str, tuple[float | None, float | None]] = {
    "zeros": (0.0, None),
    "ones": (1.0, None),
    "randn": (None, 1.0),
    "rand": (None, None),
    "empty": (None, None),
    "Tensor": (None, None),
    "FloatTensor": (None, None),
    "randint": (None, None),
    "full": (None, None),
    "eye": (None, None),
}


def made(name: str, call: Call) -> Value:
    """torch.zeros and its like."""
    if name in {"tensor", "as_tensor", "FloatTensor", "Tensor"} and call.values:
        value = call.values[0]
        inner = value.values if isinstance(value, Items) else [value]
        first = number(inner[0]) if inner else None
        if isinstance(value, Items) or name in {"tensor", "as_tensor"}:
            alike = first is not None and all(v == first for v in inner)
            shape = (len(inner),) if isinstance(value, Items) else ()
            return Parameter(shape if first is not None else None, float(first or 0) if alike else None, None, False)
    if name not in _FILLS:
        return None
    values = call.values
    tokens = name == "randint"
    if tokens:
        values = [v for v in [*values, *call.named.values()] if isinstance(v, Items)][:1]
    fill, std = _FILLS[name]
    if name == "full" and len(values) > 1:
        n = number(values[1])
        fill, values = None if n is None else float(n), values[:1]
    if not values and isinstance(given := call.named.get("size"), Items):
        values = [given]
    if len(values) == 1 and isinstance(values[0], Items):
        values = values[0].values
    sizes = [whole(v) for v in values]
    known = [s for s in sizes if s is not None]
    shape = tuple(known) if len(known) == len(sizes) and all(0 <= s < 10**9 for s in known) else None
    return Parameter(shape, fill, std, False, tokens=tokens, line=call.line)


def parameter(call: Call) -> Value:
    """nn.Parameter(...)."""
    value = call.get(0, "data")
    trained = call.get(1, "requires_grad", True) is not False
    if isinstance(value, Parameter):
        return Parameter(value.shape, value.fill, value.std, trained, value.causal, line=call.line)
    return Parameter(None, None, None, trained, line=call.line)


def flat(call: Call) -> list[Value]:
    """All arguments, and what lies in lists among them."""
    found = list[Value]()
    for value in call.every():
        found += value.values[:200] if isinstance(value, Items) else [value]
    return found

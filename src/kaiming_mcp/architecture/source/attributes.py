"""value.name, and value.name = other."""

from __future__ import annotations

from kaiming_mcp.architecture.source.machine import Follower
from kaiming_mcp.architecture.source.names import full
from kaiming_mcp.architecture.source.objects import is_module, member, weights
from kaiming_mcp.architecture.source.python_calls import constant
from kaiming_mcp.architecture.source.torch_calls import leaf
from kaiming_mcp.architecture.source.values import (
    Bound,
    Call,
    Class,
    Function,
    Items,
    Known,
    Method,
    Object,
    Parameter,
    Scores,
    Super,
    Table,
    Tensor,
    Unknown,
    Value,
    Weight,
    tuple_of,
)

_METHODS = frozenset(
    """apply modules named_modules children named_children parameters named_parameters add_module register_module
    register_parameter register_buffer append extend insert items keys values add_argument parse_args parse_known_args
    to cuda cpu train eval double half float bfloat16 requires_grad_ reset_parameters forward __call__ share_memory
    compile add build summary fit
    save_hyperparameters post_init init_weights state_dict load_state_dict get_submodule""".split()
)


def attribute(follower: Follower, value: Value, name: str, line: int, text: str) -> Value:
    """value.name."""
    match value:
        case Known():
            if name in {"__version__", "__name__"}:
                return value.name.rpartition(".")[2] if name == "__name__" else Unknown(text)
            known = constant(f"{value.name}.{name}")
            return known if known is not None else Known(full(f"{value.name}.{name}"))
        case Object():
            return _of_object(follower, value, name, line, text)
        case Class():
            if name == "__name__":
                return value.name
            try:
                return member(value, name)
            except KeyError:
                return Method(value, name)
        case Tensor():
            if name in {"data", "real", "grad"}:
                return value
            if name in {"T", "mT", "H"}:
                return Tensor(value.vertex, value.heads, 0, value.index, value.sizes, not value.flipped)
            return Unknown(text) if name in {"shape", "device", "dtype", "ndim", "is_cuda"} else Method(value, name)
        case Parameter():
            if name == "data":
                return value
            if name == "shape":
                return Unknown(text) if value.shape is None else tuple_of([*value.shape])
            if name == "T" and value.shape is not None:
                return Parameter(value.shape[::-1], value.fill, value.std, value.trained, source=value.source or value)
            return Unknown(text) if name in {"device", "dtype", "ndim", "requires_grad"} else Method(value, name)
        case Weight():
            if name == "data":
                return value
            known = name in {"device", "dtype", "requires_grad", "ndim", "shape", "grad"}
            return Unknown(text) if known else Method(value, name)
        case Unknown():
            return Unknown(text)
        case Table() if name in value.values:
            return value.values[name]
        case Super() | Items() | Table() | str() | Scores() | Function():
            return Method(value, name)
        case _:
            return Unknown(text)


def _of_object(follower: Follower, value: Object, name: str, line: int, text: str) -> Value:
    if name in value.attributes:
        return value.attributes[name]
    if name == "__class__":
        return value.cls or Known(value.base)
    if name == "training" and is_module(value):
        return True
    if value.cls is not None:
        try:
            found = member(value.cls, name)
        except KeyError:
            found = Unknown(text)
        if isinstance(found, Function):
            if found.kind == "static":
                return found
            if found.kind == "property":
                return follower.run(found, Call([], {}, line, text), value)
            return Bound(found, (value.cls if found.kind == "class" else value,))
        if not isinstance(found, Unknown):
            return found
    if is_module(value) and name in weights(value):
        return Weight(value, name)
    if name == "bias" and value.printed is not None and leaf(value):
        return None
    if name in _METHODS and (is_module(value) or value.base == "argparse.ArgumentParser"):
        return Method(value, name)
    return Unknown(text)


def assign(follower: Follower, target: Value, name: str, value: Value) -> None:
    """target.name = value; a weight given to another layer ties the two."""
    if isinstance(target, Object):
        if isinstance(value, Weight) and name == "weight" and target.printed is not None:
            follower.machine.tied.append((target, value.owner))
            return
        target.attributes[name] = value
    elif isinstance(target, Class):
        target.members[name] = value

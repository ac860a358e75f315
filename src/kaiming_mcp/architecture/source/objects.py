"""Classes and instances: how one is made, what its attributes are, and which of its parts are modules."""

from __future__ import annotations

from collections.abc import Iterator

from kaiming_mcp.architecture.ir import Conv, Linear
from kaiming_mcp.architecture.source.machine import Machine
from kaiming_mcp.architecture.source.torch_calls import CONTAINERS, construct, leaf
from kaiming_mcp.architecture.source.values import (
    Call,
    Class,
    Function,
    Items,
    Known,
    Object,
    Parameter,
    Super,
    Table,
    Value,
    Weight,
)

MOST_MODULES = 20_000


def lineage(cls: Class, deep: int = 0) -> list[Class | Known]:
    """A class and those that it extends, nearest first."""
    found: list[Class | Known] = [cls]
    for base in cls.bases:
        if isinstance(base, Class) and deep < 20:
            found += [c for c in lineage(base, deep + 1) if c not in found]
        elif isinstance(base, Known):
            found.append(base)
    return found[:100]


def member(cls: Class, name: str, after: Class | None = None) -> Value:
    """A member of a class or of one that it extends.

    Raises:
        KeyError: none has it.
    """
    classes = lineage(cls)
    if after is not None and after in classes:
        classes = classes[classes.index(after) + 1 :]
    for each in classes:
        if isinstance(each, Class) and name in each.members:
            return each.members[name]
    raise KeyError(name)


def library_base(cls: Class) -> str:
    """The full name of the class of a library that it extends, "" for none."""
    return next((c.name for c in lineage(cls) if isinstance(c, Known)), "")


def is_module_class(cls: Class) -> bool:
    """Whether instances are modules: by what it extends, or because it has a forward."""
    base = library_base(cls)
    if base.startswith(("torch.nn.", "keras.")) and "Config" not in cls.name:
        return True
    if base.rpartition(".")[2].endswith(("Module", "Model", "Layer")):
        return True
    return bool(cls.bases) and any(m in cls.members for m in ("forward", "call"))


def is_module(value: Value) -> bool:
    """Whether a value is a module, of the text or of a library."""
    if not isinstance(value, Object):
        return False
    return is_module_class(value.cls) if value.cls else bool(value.printed or value.base)


def is_of(value: Object, name: str) -> bool:
    """Whether an instance is one of a class of torch.nn, by its bare name."""
    own = value.base.rpartition(".")[2]
    if name in {"Module", own, value.title}:
        return is_module(value) or name != "Module"
    if name in {"_BatchNorm", "_NormBase", "_ConvNd", "_InstanceNorm", "RNNBase"}:
        stem = name.strip("_").removesuffix("Nd").removesuffix("Base")
        return own.startswith(stem) or (stem == "Norm" and "Norm" in own) or (stem == "RNN" and own in {"LSTM", "GRU"})
    return False


def parts(module: Object) -> Iterator[tuple[str, Object | Parameter]]:
    """Direct children and parameters, in order of registration."""
    for name, value in module.attributes.items():
        if isinstance(value, Parameter) or (
            isinstance(value, Object) and is_module(value) and name not in module.arguments
        ):
            yield name, value


def tree(root: Object) -> list[Object]:
    """A module and every module below it, once each; their paths and those of parameters are set."""
    root.path = ""
    found = dict[Object, None]()
    stack = [root]
    while stack and len(found) < MOST_MODULES:
        module = stack.pop()
        if module in found:
            continue
        found[module] = None
        below = list[Object]()
        for name, part in parts(module):
            if part not in found and not (isinstance(part, Object) and part is root):
                part.path = f"{module.path}.{name}".strip(".")
                if isinstance(part, Object):
                    below.append(part)
        stack.extend(reversed(below))
    return list(found)


def parameters(root: Object) -> list[tuple[str, Weight | Parameter]]:
    """named_parameters(), as far as the layers are known."""
    found = list[tuple[str, Weight | Parameter]]()
    for module in tree(root):
        for name, part in parts(module):
            if isinstance(part, Parameter):
                found.append((f"{module.path}.{name}".strip("."), part))
        if module.printed is not None:
            found += [(f"{module.path}.{name}".strip("."), Weight(module, name)) for name in weights(module)]
    return found


def weights(module: Object) -> list[str]:
    """Names of the parameters of a layer of torch."""
    kind = module.base.rpartition(".")[2]
    if kind in {"LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell"}:
        return ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"]
    if kind == "Embedding":
        return ["weight"]
    layer = leaf(module)
    biased = module.arguments.get("bias", True) is not False and module.arguments.get("affine", True) is not False
    if layer is not None and isinstance(layer.op, Linear | Conv):
        return ["weight", "bias"] if layer.op.bias else ["weight"]
    if "Norm" in kind or kind in {"Linear", "Bilinear"} or kind.startswith("Conv"):
        return ["weight", "bias"] if biased else ["weight"]
    return []


def axes_of(weight: Weight) -> int:
    """weight.dim()."""
    if weight.name.startswith("bias"):
        return 1
    layer = leaf(weight.owner)
    op = layer.op if layer else None
    return 2 + len(op.kernel) if isinstance(op, Conv) else 1 if "Norm" in weight.owner.base else 2


def start(machine: Machine, module: Object, values: dict[str, Value]) -> None:
    """Attributes of a class without __init__ (a dataclass, a named tuple)."""
    if module.cls is None:
        return
    fields = [f for c in reversed(lineage(module.cls)) if isinstance(c, Class) for f in c.fields]
    for position, name in enumerate(dict.fromkeys(fields)):
        if f"#{position}" in values:
            module.attributes[name] = values[f"#{position}"]
    module.attributes |= {k: v for k, v in values.items() if not k.startswith("#")}
    machine.made.add(module.cls)


def copy(value: Value, machine: Machine, deep: int = 0) -> Value:
    """copy.deepcopy: modules of their own with the same contents."""
    machine.step(0)
    if deep > 40:
        return value
    if isinstance(value, Items):
        return Items([copy(v, machine, deep + 1) for v in value.values], value.kind)
    if isinstance(value, Table):
        return Table({k: copy(v, machine, deep + 1) for k, v in value.values.items()})
    if isinstance(value, Parameter):
        return Parameter(value.shape, value.fill, value.std, value.trained, value.causal, line=value.line)
    if not isinstance(value, Object):
        return value
    twin = Object(value.cls, value.base, {}, value.printed, value.arguments, "", value.line)
    twin.attributes = {k: copy(v, machine, deep + 1) for k, v in value.attributes.items()}
    for kind in ("weight", "bias"):
        if (value, kind) in machine.started:
            machine.started[twin, kind] = machine.started[value, kind]
    return twin


def extend(machine: Machine, instance: Super, name: str, call: Call) -> bool:
    """super().__init__(...) of a class of a library; whether it was one that takes arguments."""
    base = library_base(instance.after)
    cls = base.rpartition(".")[2]
    if name == "__init__" and (cls in CONTAINERS or (base.startswith("torch.nn.") and cls != "Module")):
        construct(machine, base, call, instance.instance)
        return True
    return False


def method_of(cls: Class, name: str) -> Function | None:
    """A function of a class, if it has one of that name."""
    try:
        found = member(cls, name)
    except KeyError:
        return None
    return found if isinstance(found, Function) else None

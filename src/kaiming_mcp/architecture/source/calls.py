"""Calls: classes are instantiated, functions followed, library functions looked up by their full name."""

from __future__ import annotations

import re

from kaiming_mcp.architecture.source import functional
from kaiming_mcp.architecture.source.arithmetic import combine
from kaiming_mcp.architecture.source.constants import constant, flat, made, parameter
from kaiming_mcp.architecture.source.initialization import gain, initialize, times
from kaiming_mcp.architecture.source.keras_calls import call_keras, method
from kaiming_mcp.architecture.source.machine import Follower
from kaiming_mcp.architecture.source.modules import call_base, call_module, input_shape
from kaiming_mcp.architecture.source.objects import (
    axes_of,
    copy,
    extend,
    is_module,
    is_module_class,
    library_base,
    member,
    method_of,
    parameters,
    start,
    tree,
)
from kaiming_mcp.architecture.source.python_calls import call_method, call_python, listed
from kaiming_mcp.architecture.source.reflection import reflect
from kaiming_mcp.architecture.source.torch_calls import CONTAINERS, append, construct
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
    number,
    tuple_of,
    whole,
)

_UNCHANGED = frozenset(
    "compile script DataParallel DistributedDataParallel convert_sync_batchnorm to cuda cpu train eval double half "
    "float bfloat16 prepare requires_grad_ share_memory cast wrap".split()
)
# module.Class(...) of a library that the text does not import.
_CLASS = re.compile(r"[a-z_]\w*(?:\.[a-z_]\w*)*\.[A-Z]\w*")
_NAMESPACES = frozenset("SimpleNamespace Namespace EasyDict edict ConfigDict DotMap AttrDict".split())


def call_value(follower: Follower, value: Value, call: Call) -> Value:
    """Call any value."""
    machine = follower.machine
    machine.step(call.line)
    match value:
        case Function():
            return follower.run(value, call)
        case Bound():
            joined = Call([*value.arguments, *call.values], dict(value.named) | call.named, call.line, call.text)
            return call_value(follower, value.target, joined)
        case Class():
            return instantiate(follower, value, call)
        case Object() if is_module(value):
            return call_module(follower, value, call)
        case Object():
            function = method_of(value.cls, "__call__") if value.cls else None
            return follower.run(function, call, value) if function else _unknown(follower, call)
        case Method():
            return _call_method(follower, value.receiver, value.name, call)
        case Known():
            return _call_known(follower, value.name, call)
        case _:
            return _unknown(follower, call)


def instantiate(follower: Follower, cls: Class, call: Call) -> Object:
    """An instance of a class of the text."""
    machine = follower.machine
    instance = Object(cls, library_base(cls), line=call.line)
    machine.made.add(cls)
    machine.instances.append(instance)
    init = method_of(cls, "__init__")
    if init is not None:
        machine.building += is_module_class(cls)
        follower.run(init, call, instance)
        machine.building -= is_module_class(cls)
    elif library_base(cls).startswith("torch.nn.") and not library_base(cls).endswith(".Module"):
        construct(machine, library_base(cls), call, instance)
    else:
        start(machine, instance, {f"#{i}": v for i, v in enumerate(call.values)} | call.named)
    return instance


def _unknown(follower: Follower, call: Call) -> Value:
    """A call of something that the text does not define: of a tensor it is a layer that is not known."""
    machine = follower.machine
    tensors = [v for v in call.every() if isinstance(v, Tensor)]
    name = call.text.split("(")[0][:60]
    if not tensors and _CLASS.fullmatch(name):
        return construct(machine, name, call)
    if machine.vertices is None or not tensors:
        return Unknown(call.text)
    if functional.is_activation(name):
        return functional.apply(machine, name, call)
    return machine.opaque(name, call.text, call, *tensors)


def _call_known(follower: Follower, name: str, call: Call) -> Value:
    machine = follower.machine
    head, _, last = name.rpartition(".")
    if name == "torch.nn.Sequential" and len(call.values) == 1 and isinstance(call.values[0], Items):
        # torch takes its children one by one, Keras as a list.
        name = "keras.Sequential"
    if name.startswith("keras."):
        return call_keras(machine, name, call)
    if name.startswith("builtins."):
        reflected = reflect(follower, last, call)
        if reflected is not None:
            return reflected[0]
    if name == "torch.nn.Parameter" or last == "Buffer":
        return parameter(call)
    if head.endswith("nn.init") or last == "trunc_normal_":
        return gain(call) if last == "calculate_gain" else initialize(machine, last, call)
    if last in {"checkpoint", "checkpoint_sequential"} and call.values:
        values = call.values[1:] if last == "checkpoint" else call.values[2:]
        return call_value(follower, call.values[0], Call(values, {}, call.line, call.text))
    if last == "partial" and call.values:
        return Bound(call.values[0], tuple(call.values[1:]), tuple(call.named.items()))
    if last in {"deepcopy", "copy"} and call.values:
        return copy(call.values[0], machine)
    if last in {"spectral_norm", "weight_norm"} and call.values:
        machine.assume(
            f"line {call.line}: {last} divides the weight by its norm; the weight is followed as if it did not",
            "nothing, or the layer notation with the standard deviation of the normalised weight",
        )
        module = call.values[0]
        if last == "weight_norm" and isinstance(module, Object):
            width = whole(module.arguments.get("out_features", module.arguments.get("out_channels")))
            module.attributes["weight_g"] = Parameter(None if width is None else (width,))
        return module
    if last in _UNCHANGED and call.values:
        return call.values[0]
    if (last == "summary" and len(call.values) > 1) or (last == "summary" and "input_size" in call.named):
        return _summarised(follower, call)
    if last in _NAMESPACES:
        return Object(None, "", dict(call.named))
    if name == "argparse.ArgumentParser":
        return Object(None, name)
    if last in {"reduce"} and len(call.values) > 1 and (items := listed(call.values[1])):
        total = items[0]
        for item in items[1:]:
            total = call_value(follower, call.values[0], Call([total, item], {}, call.line, call.text))
        return total
    if head == "operator" and last in {"add", "mul", "sub"} and len(call.values) == 2:
        left, right = call.values
        return combine(machine, {"add": "+", "mul": "*", "sub": "-"}[last], left, right, call)
    return _library(follower, name, call)


def _library(follower: Follower, name: str, call: Call) -> Value:
    machine = follower.machine
    head, _, last = name.rpartition(".")
    if (
        last == "sum"
        and call.values
        and (items := listed(call.values[0]))
        and any(isinstance(v, Tensor) for v in items)
    ):
        total = items[0]
        for item in items[1:]:
            total = combine(machine, "+", total, item, call)
        return total
    if head == "builtins" and last not in {"abs", "max", "min", "pow", "round"}:
        return call_python(last, call)
    held = any(isinstance(v, Tensor | Scores | Parameter | Weight) for v in flat(call))
    if (
        last[:1].isupper()
        and not (held and head in {"torch"})
        and name.split(".", maxsplit=1)[0] not in {"builtins", "collections"}
    ):
        if head in {"torch", "numpy"} or head.startswith("torch.cuda"):
            return made(last, call)
        if head.startswith("torch.optim") or head.startswith("torch.utils.data") or "Dataset" in last:
            return Unknown(call.text)
        if last.endswith("Loss") and head.startswith("torch.nn"):
            machine.criteria[last] = None
        return construct(machine, name, call)
    if held and (machine.vertices is not None or not any(isinstance(v, Tensor) for v in flat(call))):
        if machine.vertices is None:
            return constant(last, call)
        return functional.apply(machine, last, call)
    root = name.split(".", maxsplit=1)[0]
    if root == "torch":
        if last == "arange" and machine.vertices is not None:
            return Tensor(0)
        value = made(last, call)
        if value is not None:
            return value
    if root in {"builtins", "math", "numpy", "collections", "torch", "operator", "itertools"}:
        return call_python(last, call)
    return Unknown(call.text)


def _summarised(follower: Follower, call: Call) -> Value:
    """summary(model, (3, 224, 224)) tells the shape of the input; with input_size= the batch comes first."""
    module, size = call.values[0] if call.values else None, call.get(1, "input_size")
    if isinstance(module, Object) and isinstance(size, Items):
        sizes = tuple(n for v in size.values if (n := whole(v)) is not None)
        shape = input_shape(sizes if len(sizes) == 4 or "input_size" in call.named else (1, *sizes))
        if shape is not None:
            follower.machine.examples.setdefault(module, shape)
    return None


def _call_method(follower: Follower, receiver: Value, name: str, call: Call) -> Value:
    machine = follower.machine
    match receiver:
        case Tensor() | Scores():
            return functional.apply(machine, name, Call([receiver, *call.values], call.named, call.line, call.text))
        case Items(kind="stack"):
            return functional.apply(machine, name, Call([receiver, *call.values], call.named, call.line, call.text))
        case Parameter() | Weight():
            return _of_weight(follower, receiver, name, call)
        case Super():
            return _of_super(follower, receiver, name, call)
        case Object():
            return _of_object(follower, receiver, name, call)
        case Class() if name == "__init__" and call.values and isinstance(call.values[0], Object):
            init = method_of(receiver, "__init__")
            rest = Call(call.values[1:], call.named, call.line, call.text)
            return follower.run(init, rest, call.values[0]) if init else None
        case Known():
            return _call_known(follower, f"{receiver.name}.{name}", call)
        case Unknown() if machine.vertices is not None:
            return _unknown(follower, call)
        case _:
            return call_method(receiver, name, call)


def _of_weight(follower: Follower, held: Parameter | Weight, name: str, call: Call) -> Value:
    machine = follower.machine
    joined = Call([held, *call.values], call.named, call.line, call.text)
    if name in {"dim", "ndimension"}:
        if isinstance(held, Weight):
            return axes_of(held)
        return len(held.shape) if held.shape is not None else Unknown(call.text)
    if name.endswith("_") and name not in {"requires_grad_", "t_", "unsqueeze_", "squeeze_"}:
        if name in {"mul_", "div_"} and isinstance(held, Weight):
            factor = number(call.values[0]) if len(call.values) == 1 else None
            before = machine.started.get((held.owner, "weight"), "")
            by = None if factor is None else factor if name == "mul_" else 1 / factor if factor else None
            machine.started[held.owner, "weight"] = times(before, by)
            return held
        return initialize(machine, name, joined)
    if name in {"size", "numel", "nelement", "item", "tolist"}:
        sizes = held.shape if isinstance(held, Parameter) else None
        at = whole(call.values[0]) if call.values else None
        if name == "size" and sizes is not None:
            if at is None:
                return tuple_of([*sizes])
            return sizes[at] if -len(sizes) <= at < len(sizes) else Unknown(call.text)
        return Unknown(call.text)
    if machine.vertices is None:
        return constant(name, joined)
    return functional.apply(machine, name, joined)


def _of_super(follower: Follower, receiver: Super, name: str, call: Call) -> Value:
    instance = receiver.instance
    try:
        found = member(instance.cls, name, receiver.after) if instance.cls else None
    except KeyError:
        found = None
    if isinstance(found, Function):
        return follower.run(found, call, instance)
    if extend(follower.machine, receiver, name, call):
        return None
    if name in {"forward", "call", "__call__"} and follower.machine.vertices is not None:
        return call_base(follower, instance, call)
    return None


def _of_object(follower: Follower, module: Object, name: str, call: Call) -> Value:
    """Methods that nn.Module and its containers have."""
    first = call.values[0] if call.values else None
    match name:
        case "forward" | "__call__":
            return call_value(follower, module, call)
        case "apply":
            for each in reversed(tree(module)):
                call_value(follower, first, Call([each], {}, call.line, call.text))
            return module
        case "modules":
            return Items([*tree(module)])
        case "named_modules":
            return Items([tuple_of([m.path, m]) for m in tree(module)])
        case "children":
            return Items([v for v in module.attributes.values() if is_module(v)])
        case "named_children":
            return Items([tuple_of([k, v]) for k, v in module.attributes.items() if is_module(v)])
        case "parameters":
            return Items([p for _, p in parameters(module)])
        case "named_parameters":
            return Items([tuple_of([n, p]) for n, p in parameters(module)])
        case "add_module" | "register_module" | "register_parameter" | "register_buffer" if isinstance(first, str):
            value = call.get(1, "module", call.named.get("tensor", call.named.get("param")))
            module.attributes[first] = value
            return None
        case "append" if module.base.rpartition(".")[2] in CONTAINERS:
            append(module, first)
            return module
        case "extend" | "insert" if module.base.rpartition(".")[2] in CONTAINERS:
            for value in listed(first if name == "extend" else Items(call.values[1:])) or []:
                append(module, value)
            return module
        case "items" | "keys" | "values" if module.base.rpartition(".")[2] in CONTAINERS:
            return call_method(Table({**module.attributes}), name, call)
        case "add_argument":
            return _argument(module, call)
        case "parse_args" | "parse_known_args":
            return module if name == "parse_args" else tuple_of([module, Items([])])
        case "add" | "compile" | "build" | "summary" | "fit" if module.base.startswith("keras.") or name == "add":
            return method(follower.machine, module, name, call)
        case _ if name in _UNCHANGED:
            return module
        case "reset_parameters":
            return None
        case _:
            return _unknown(follower, call)


def _argument(parser: Object, call: Call) -> Value:
    """parser.add_argument("--hidden", type=int, default=128)."""
    names = [v for v in call.values if isinstance(v, str)]
    if names:
        name = call.named.get("dest") or max(names, key=len).lstrip("-").replace("-", "_")
        default = False if call.named.get("action") == "store_true" else Unknown(f"args.{name}")
        parser.attributes[str(name)] = call.named.get("default", default)
    return None

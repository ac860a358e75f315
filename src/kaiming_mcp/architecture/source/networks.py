"""An instance to a network: its forward is followed, and every parameter is accounted for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from kaiming_mcp.architecture.errors import ReadError
from kaiming_mcp.architecture.graph import to_tree
from kaiming_mcp.architecture.ir import Assumption, Difference, Embedding, Layer, Linear, Network, Node, Sequence
from kaiming_mcp.architecture.listing import listed
from kaiming_mcp.architecture.rewrite import without_starts
from kaiming_mcp.architecture.source.evaluator import Evaluator, first_tensor
from kaiming_mcp.architecture.source.initialization import summary
from kaiming_mcp.architecture.source.keras_calls import output, pruned, start
from kaiming_mcp.architecture.source.machine import EXAMPLE, Machine
from kaiming_mcp.architecture.source.modules import call_module
from kaiming_mcp.architecture.source.objects import method_of, tree
from kaiming_mcp.architecture.source.sums import sumless
from kaiming_mcp.architecture.source.torch_calls import CONTAINERS, held, leaf
from kaiming_mcp.architecture.source.transformers import TRANSFORMERS, modules_in
from kaiming_mcp.architecture.source.values import Call, Function, Object, Parameter, Tensor, Value

MOST_NAMED = 4
KERAS_EXAMPLE = 'keras.Sequential([keras.Input((784,)), layers.Dense(256, activation="relu"), layers.Dense(10)])'


def to_network(evaluator: Evaluator, root: Object, name: str) -> Network:
    """The network that one instance is.

    Raises:
        ReadError: nothing of it could be followed.
    """
    machine = evaluator.machine
    if root.cls is None and root.base.startswith("keras."):
        return _keras(machine, root, name)
    modules = tree(root)
    machine.vertices, machine.used, machine.cuts, machine.differences = [], set(), {}, []
    machine.replaced, machine.copied = {}, set()
    machine.add(None)
    start(machine, root)
    value = _called(evaluator, root)
    output = first_tensor(value)
    if output is None or output.vertex == 0:
        output = _in_order(evaluator, root, modules)
    if output is None:
        raise ReadError(
            f"{name} (line {root.line}) has no layers that could be followed. Expected {EXAMPLE}. "
            "Send the class with its __init__ and forward, and the classes that it uses."
        )
    found = to_tree(machine.vertices, machine.settled(output).vertex)
    start_of = summary(machine, modules)
    words, unclear, root_node = start_of.words, start_of.unclear, start_of.given_to(_sequence(found.root))
    if root.base.startswith("keras."):
        words, unclear = _one_of([w for (m, _), w in machine.started.items() if m in modules])
    if not words.startswith("own"):
        root_node = without_starts(root_node)
    network = Network(
        name,
        root_node,
        machine.examples.get(root),
        tuple(
            dict.fromkeys(
                [*machine.assumptions, *found.assumptions, *sumless(modules), *([unclear] if unclear else [])]
            )
        ),
        _merged([*found.differences, *machine.differences, *_differences(machine, modules)]),
        sum(modules_in(m) for m in modules),
        words,
        next(iter(machine.criteria)) if len(machine.criteria) == 1 else "",
    )
    machine.vertices = None
    return network


def _keras(machine: Machine, root: Object, name: str) -> Network:
    """A Sequential or functional model of Keras."""
    graph, machine.differences, used = machine.vertices, [], set(machine.started)
    end, shape = output(machine, root)
    if end is None or machine.vertices is None or end.vertex >= len(machine.vertices):
        machine.vertices = graph
        raise ReadError(f"{name} (line {root.line}) has no layers that could be followed. Expected {KERAS_EXAMPLE}.")
    vertices, last = pruned(machine.vertices, machine.settled(end).vertex)
    found = to_tree(vertices, last)
    machine.vertices = graph
    words, unclear = _one_of([w for key, w in machine.started.items() if key not in used or graph])
    root_node = _sequence(found.root)
    return Network(
        name,
        root_node if words.startswith("own") else without_starts(root_node),
        shape,
        tuple(dict.fromkeys([*machine.assumptions, *found.assumptions, *([unclear] if unclear else [])])),
        _merged([*found.differences, *machine.differences]),
        len({v.key.partition("[")[0] for v in vertices if v.key}) + 1,
        words,
        next(iter(machine.criteria)) if len(machine.criteria) == 1 else "",
    )


def _one_of(found: list[str]) -> tuple[str, Assumption | None]:
    """The kernel initializer of a model of Keras where one covers all weights, else each layer's own."""
    words = list(dict.fromkeys(found))
    unclear = Assumption(
        f"{found.count('?')} kernel initializer(s) in the code were not understood; Keras's default is taken for them",
        "the argument initialization, e.g. he or std 0.02",
    )
    if len(words) == 1 and words[0] != "?":
        return words[0], None
    own = any(w not in {"?", "keras"} for w in words)
    return ("own keras" if own else ""), (unclear if "?" in words else None)


def _sequence(node: Node) -> Node:
    return Sequence((node,)) if isinstance(node, Layer) else node


def _called(evaluator: Evaluator, root: Object) -> Value:
    """forward(), with tensors for the arguments that have no default."""
    machine = evaluator.machine
    function = _forward(root)
    if function is None:
        return call_module(evaluator, root, Call([Tensor(0)], {}, root.line, ""))
    spec = function.node.args
    ordered = [a.arg for a in (*spec.posonlyargs, *spec.args)][1:]
    named = dict[str, Value]()
    for i, argument in enumerate(ordered):
        if argument not in function.defaults:
            named[argument] = Tensor(0) if i == 0 else machine.add(None)
    if ordered and not named:
        named[ordered[0]] = Tensor(0)
    values: list[Value] = [] if ordered else [Tensor(0)]
    machine.used.add(root)
    return evaluator.run(function, Call(values, named, root.line, ""), root)


def _forward(root: Object) -> Function | None:
    for name in ("forward", "call", "__call__"):
        if root.cls is not None and (function := method_of(root.cls, name)) is not None:
            return function
    return None


def _in_order(evaluator: Evaluator, root: Object, modules: list[Object]) -> Tensor | None:
    """Layers in order of registration, where no forward tells another one."""
    machine = evaluator.machine
    machine.vertices, machine.used, machine.cuts = [], set(), {}
    machine.replaced, machine.copied = {}, set()
    at = machine.add(None)
    for module in modules:
        composite = module.base.rpartition(".")[2]
        if (module.printed is not None and not composite.endswith("Loss")) or composite in TRANSFORMERS:
            value = first_tensor(call_module(evaluator, replace_class(module), Call([at], {}, module.line, "")))
            machine.used.add(module)
            at = value or at
    if at.vertex == 0:
        return None
    reason = "its forward() gives no tensor that could be followed" if _forward(root) else "no forward() is given"
    machine.assume(
        f"{root.title}: {reason}; its layers are taken one after another, in the order of __init__",
        f"the whole forward() of {root.title}",
    )
    return at


def replace_class(module: Object) -> Object:
    """The layer of the library that a module extends."""
    return replace(module, cls=None) if module.cls is not None else module


def _differences(machine: Machine, modules: list[Object]) -> list[Difference]:
    """Parameters of layers that forward never calls, and weights that two layers share."""
    found = list[Difference]()
    unused = list[str]()
    count = 0
    for module in modules:
        if module not in machine.used and module.base.rpartition(".")[2] not in CONTAINERS:
            size = held(machine, module)
            count += size
            if size:
                unused.append(module.path or module.title)
    for parameter in _parameters(modules):
        if parameter not in machine.used and parameter.count:
            count += parameter.count
            unused.append(parameter.path)
    if count:
        found.append(Difference(count, f"never used in forward(): {listed(unused, MOST_NAMED)}"))
    below = set(modules)
    for first, second in machine.tied:
        layer = leaf(first)
        if first in below and second in below and first is not second and layer is not None:
            op = layer.op
            size = op.in_features * op.out_features if isinstance(op, Linear) else 0
            size = op.count * op.features if isinstance(op, Embedding) else size
            if size:
                found.append(Difference(-size, f"{first.path}.weight is {second.path}.weight, tied in the text"))
    return found


def _merged(found: list[Difference]) -> tuple[Difference, ...]:
    """One difference for each reason."""
    merged = dict[str, Difference]()
    for each in found:
        before = merged.get(each.reason)
        merged[each.reason] = each if before is None else replace(before, count=before.count + each.count)
    return tuple(merged.values())


def _parameters(modules: Iterable[Object]) -> list[Parameter]:
    values = (v for m in modules for v in m.attributes.values())
    return list(dict.fromkeys(v for v in values if isinstance(v, Parameter) and v.trained and v.source is None))


def missing(names: list[str], title: str) -> Assumption:
    """Arguments that the text gives no value."""
    return Assumption(
        f"{title}: no value in the text for {', '.join(names[:8])}; what depends on it has no size",
        f"a line below the class, e.g. model = {title}({', '.join(f'{n}=...' for n in names[:8])}) with numbers",
    )

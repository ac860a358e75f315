"""Which networks a text holds: what it builds itself, then classes that nothing else uses."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from kaiming_mcp.architecture.errors import ReadError
from kaiming_mcp.architecture.ir import Assumption, Network
from kaiming_mcp.architecture.source.evaluator import Evaluator
from kaiming_mcp.architecture.source.keras_calls import MODELS
from kaiming_mcp.architecture.source.networks import missing, to_network
from kaiming_mcp.architecture.source.objects import is_module, is_module_class, lineage, method_of, tree
from kaiming_mcp.architecture.source.torch_calls import CONTAINERS
from kaiming_mcp.architecture.source.transformers import TRANSFORMERS
from kaiming_mcp.architecture.source.values import Call, Class, Function, Object, Unknown, Value

_CONFIGS = ("config", "cfg", "conf", "args", "opt", "opts", "hparams", "params", "hp", "configs", "options")
MOST_NETWORKS = 20


def networks(evaluator: Evaluator, module: ast.Module, wanted: str) -> tuple[Network, ...]:
    """Every network of a text that was followed, in the order of the text."""
    names = evaluator.globals.names
    classes = {k: v for k, v in names.items() if isinstance(v, Class) and is_module_class(v) and _runs(v)}
    if wanted:
        return (_chosen(evaluator, wanted, classes),)
    built = _tops(evaluator)
    found = [(root, _name(evaluator, root)) for root in built]
    mentions = _mentions(module)
    own = dict[Object, dict[Assumption, None]]()
    for name, cls in reversed(classes.items()):
        if cls in evaluator.machine.made or _is_part(name, cls, classes, mentions):
            continue
        before, evaluator.machine.assumptions = evaluator.machine.assumptions, {}
        root = _instance(evaluator, name, cls, mentions)
        if root is not None:
            found.append((root, name))
            own[root] = evaluator.machine.assumptions
        evaluator.machine.assumptions = before
    if not found and not classes:
        found = _returned(evaluator) or _alone(evaluator)
    if not found and classes:
        name, cls = list(classes.items())[-1]
        found = [(default_instance(evaluator, cls), name)]
    inner = {m for root, _ in found for m in tree(root) if m is not root}
    kept = [(root, name) for root, name in found if root not in inner]
    losses = [(root, name) for root, name in kept if not name.endswith(("Loss", "Criterion"))]
    ordered = sorted(losses or kept, key=lambda pair: pair[0].cls.line if pair[0].cls else pair[0].line)
    return tuple(_all(evaluator, ordered[:MOST_NETWORKS], own))


def _all(
    evaluator: Evaluator, found: Iterable[tuple[Object, str]], own: dict[Object, dict[Assumption, None]]
) -> Iterable[Network]:
    """Each network; one that cannot be followed is left out when another can."""
    machine = evaluator.machine
    failed: ReadError | None = None
    count = 0
    shared = dict(machine.assumptions)
    for root, name in found:
        machine.assumptions = shared | own.get(root, {})
        try:
            network = to_network(evaluator, root, name)
        except ReadError as error:
            failed = error
            if not machine.symbolic:
                machine.vertices = None
            continue
        count += 1
        yield network
    if not count and failed is not None:
        raise failed


def _runs(cls: Class) -> bool:
    """Whether a class says what it computes, itself or through the layer that it extends."""
    extended = [c for c in lineage(cls) if not isinstance(c, Class)]
    own = any(method_of(cls, n) for n in ("forward", "call", "__init__"))
    return own or any(c.name.startswith("torch.nn.") and not c.name.endswith(".Module") for c in extended)


def _chosen(evaluator: Evaluator, wanted: str, classes: dict[str, Class]) -> Network:
    """The network that the user names: a class, a function without required arguments, or a variable."""
    value = evaluator.globals.names.get(wanted)
    root: Value = None
    if isinstance(value, Object) and is_module(value):
        root = value
    elif isinstance(value, Class) and wanted in classes:
        made = [o for o in evaluator.machine.instances if o.cls is value]
        root = made[0] if made else default_instance(evaluator, value)
    elif isinstance(value, Function):
        root = evaluator.run(value, Call([], {}, value.node.lineno, wanted))
    if not isinstance(root, Object):
        known = ", ".join([*classes][:MOST_NETWORKS]) or "none"
        raise ReadError(f"No class or model {wanted[:60]!r} in the text. Classes of modules there: {known}.")
    return next(iter(_all(evaluator, [(root, wanted)], {})))


def _tops(evaluator: Evaluator) -> list[Object]:
    """What the text builds and does not put into something else; one for each class."""
    made = [o for o in evaluator.machine.instances if is_module(o)]
    kinds = CONTAINERS | TRANSFORMERS | MODELS
    wide = [o for o in made if o.cls is not None or o.base.rpartition(".")[2] in kinds]
    inner = set[Object](evaluator.machine.inner)
    for module in wide:
        if module not in inner:
            inner.update(m for m in tree(module) if m is not module)
    bound = {v for v in evaluator.globals.names.values() if isinstance(v, Object)}
    tops = [o for o in wide if o not in inner and (o.cls is not None or o in bound or o.base.startswith("keras."))]
    if any(o.cls is not None for o in tops):
        tops = [o for o in tops if o.cls is not None or o.base.endswith(("Sequential", ".Model"))]
    seen = set[Class]()
    kept = list[Object]()
    for module in tops:
        if module.cls is None or module.cls not in seen:
            kept.append(module)
        if module.cls is not None:
            seen.add(module.cls)
    return [m for m in kept if m.base.rpartition(".")[2] != "ModuleList" or m.cls is not None]


def _name(evaluator: Evaluator, root: Object) -> str:
    if root.cls is not None:
        return root.cls.name
    bound = next((k for k, v in evaluator.globals.names.items() if v is root), "")
    return bound or root.title


def _mentions(module: ast.Module) -> dict[str, set[str]]:
    """The names that each function and class of the text mentions."""
    found = dict[str, set[str]]()
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    return found


def _is_part(name: str, cls: Class, classes: dict[str, Class], mentions: dict[str, set[str]]) -> bool:
    return any(name in mentions.get(other, set()) for other, value in classes.items() if value is not cls)


def _instance(evaluator: Evaluator, name: str, cls: Class, mentions: dict[str, set[str]]) -> Object | None:
    """By a function of the text that builds it, else with the defaults of its constructor."""
    makers = [
        value
        for key, value in evaluator.globals.names.items()
        if isinstance(value, Function) and name in mentions.get(key, set()) and _is_ready(value)
    ]
    for maker in makers[:3]:
        made = evaluator.run(maker, Call([], {}, maker.node.lineno, maker.name))
        if isinstance(made, Object) and made.cls is cls:
            if len(makers) > 1:
                others = ", ".join(m.name for m in makers if m is not maker)
                evaluator.machine.assume(
                    f"{cls.name}: built as {maker.name}() does; {others[:200]} build others",
                    "the name of the one to read",
                )
            return made
        if isinstance(made, Object) and is_module(made):
            return None
    return default_instance(evaluator, cls)


def _returned(evaluator: Evaluator) -> list[tuple[Object, str]]:
    """What functions build that the text never calls, the last one first."""
    names = evaluator.globals.names
    for name, value in reversed(list(names.items())):
        if isinstance(value, Function):
            evaluator.machine.building += 1
            made = evaluator.run(value, Call([], {}, value.node.lineno, name))
            evaluator.machine.building -= 1
            if isinstance(made, Object) and is_module(made):
                return [(made, name)]
    return []


def _alone(evaluator: Evaluator) -> list[tuple[Object, str]]:
    """The one layer that the text makes and names."""
    bound = {v for v in evaluator.globals.names.values() if isinstance(v, Object)}
    made = [o for o in evaluator.machine.instances if o in bound and o.printed is not None]
    return [(made[0], _name(evaluator, made[0]))] if len(made) == 1 else []


def _is_ready(function: Function) -> bool:
    spec = function.node.args
    return all(a.arg in function.defaults for a in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs))


def default_instance(evaluator: Evaluator, cls: Class) -> Object:
    """An instance made with defaults; what has none is looked for in the text under the same name."""
    machine = evaluator.machine
    init = method_of(cls, "__init__")
    named = dict[str, Value]()
    absent = list[str]()
    if init is not None:
        spec = init.node.args
        for argument in [*spec.posonlyargs, *spec.args, *spec.kwonlyargs][1:]:
            if argument.arg in init.defaults:
                continue
            value = _by_name(evaluator, argument, cls)
            if value is None:
                absent.append(argument.arg)
            else:
                named[argument.arg] = value
    if absent:
        wanted = missing(absent, cls.name)
        machine.assume(wanted.statement, wanted.settle)
    made = evaluator.call(cls, Call([], named, cls.line, cls.name))
    assert isinstance(made, Object)
    return made


def _by_name(evaluator: Evaluator, argument: ast.arg, cls: Class) -> Value:
    """A value of the text for an argument: a constant or module of that name, or its configuration."""
    names = evaluator.globals.names
    value = names.get(argument.arg, names.get(argument.arg.upper()))
    if value is not None and not isinstance(value, Unknown | Function | Class):
        note = Assumption(
            f"{cls.name}: {argument.arg} is taken from the value of that name in the text", "the call itself"
        )
        evaluator.machine.assume(note.statement, note.settle)
        return value
    classes = [v for v in names.values() if isinstance(v, Class)]
    annotated = argument.annotation.id if isinstance(argument.annotation, ast.Name) else ""
    plain = [c for c in classes if not is_module_class(c)]
    chosen = next((c for c in plain if c.name == annotated), None)
    if chosen is None and argument.arg in _CONFIGS:
        chosen = next((c for c in plain if any(w in c.name.lower() for w in ("conf", "arg", "param", "opt"))), None)
    if chosen is None:
        wanted = argument.arg.replace("_", "").lower()
        chosen = next((c for c in classes if is_module_class(c) and c is not cls and c.name.lower() == wanted), None)
    if chosen is None:
        return None
    evaluator.machine.assume(
        f"{cls.name}: {argument.arg} is taken as {chosen.name} with its defaults", "the call itself"
    )
    if is_module_class(chosen):
        return default_instance(evaluator, chosen)
    return evaluator.call(chosen, Call([], {}, chosen.line, chosen.name))

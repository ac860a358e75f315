"""Source and print(model) together: the sizes of the printout, the order of the source."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from kaiming_mcp.architecture.ir import Network, Node, Reading
from kaiming_mcp.architecture.source.discovery import default_instance
from kaiming_mcp.architecture.source.evaluator import Evaluator
from kaiming_mcp.architecture.source.networks import to_network
from kaiming_mcp.architecture.source.objects import is_module, is_module_class, library_base
from kaiming_mcp.architecture.source.reader import follow
from kaiming_mcp.architecture.source.torch_calls import CONTAINERS
from kaiming_mcp.architecture.source.values import Class, Object
from kaiming_mcp.architecture.torch_reader import to_network as without_source
from kaiming_mcp.architecture.torch_repr import Module

_RUN = re.compile(r"(\d{1,6})-(\d{1,6})")
MOST_COPIES = 2_000


def read_with_printout(text: str, models: Sequence[Module]) -> Reading:
    """Printed models, each run as the source says where it defines their class.

    Raises:
        ReadError: the text is not complete Python, or a model could not be followed.
    """
    evaluator, _ = follow(text)
    found = tuple(_network(evaluator, model) or without_source(model) for model in models)
    return Reading("python-source", found)


def read_printed_with_source(model: Module, text: str) -> Node | None:
    """One printed module, run as the source says; None where the source does not define its class.

    Raises:
        ReadError: the text is not complete Python, or the model could not be followed.
    """
    network = _network(follow(text)[0], model)
    return None if network is None else network.root


def _network(evaluator: Evaluator, model: Module) -> Network | None:
    if _class_of(evaluator, model) is None:
        return None
    evaluator.machine.assumptions.clear()
    return to_network(evaluator, _object(evaluator, model), model.cls)


def _class_of(evaluator: Evaluator, model: Module) -> Class | None:
    value = evaluator.globals.names.get(model.cls)
    return value if isinstance(value, Class) and is_module_class(value) else None


def _object(evaluator: Evaluator, model: Module) -> Object:
    """A printed module as an instance; a class of the text keeps the numbers that its __init__ sets."""
    cls = _class_of(evaluator, model)
    if cls is None:
        made = Object(None, f"torch.nn.{model.cls}", line=model.line)
        if model.cls not in CONTAINERS:
            made.printed = model
            return made
    else:
        known = dict(evaluator.machine.assumptions)
        made = default_instance(evaluator, cls)
        evaluator.machine.assumptions = known
        made.line = model.line
        for name in [k for k, v in made.attributes.items() if is_module(v)]:
            del made.attributes[name]
        base = library_base(cls).rpartition(".")[2]
        if not model.children and base not in CONTAINERS | {"Module", ""}:
            made.printed = replace(model, cls=base)
    for child in model.children:
        for name in _names(child):
            made.attributes[name] = _object(evaluator, child)
    return made


def _names(child: Module) -> list[str]:
    """`(0-11): 12 x Block(...)` stands for twelve children."""
    run = _RUN.fullmatch(child.name)
    if run is None or child.copies == 1:
        return [child.name]
    first = int(run[1])
    return [str(first + i) for i in range(min(child.copies, MOST_COPIES))]

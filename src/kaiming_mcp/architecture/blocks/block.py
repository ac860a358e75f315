"""A known block: which modules it is, and the tools that its builder works with."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

from kaiming_mcp.architecture.ir import (
    Conv,
    Difference,
    Dropout,
    Layer,
    Linear,
    Node,
    Op,
    Opaque,
    Origin,
    Reshape,
    Residual,
    Scale,
    Sequence,
    layers,
)
from kaiming_mcp.architecture.parameters import total_parameters
from kaiming_mcp.architecture.torch_repr import Module

ADAPTED = ".lora"
"""Ends the path of the sum of a layer and its adapter."""

MOST_COPIES, MOST_SIBLINGS = 32, 256
"""Equal children, side by side, that are told apart; children in which a norm behind a block is looked for."""

_SILENT = re.compile(r"Dropout|Identity|\w*RotaryEmbedding")


class Context(Protocol):
    """What a block needs from the converter that meets it.

    `width` is the number of features that leave the layer converted last, `model` the whole that is converted.
    """

    copies: int
    final_norm: bool
    width: int
    model: Module

    def node(self, module: Module, path: str) -> Node:
        """Convert a child."""
        ...

    def assume(self, statement: str, settle: str) -> None:
        """Record what the text hides."""
        ...

    def differ(self, difference: Difference) -> None:
        """Record parameters that the printed modules miss or count twice."""
        ...

    def choose(self, likelier: bool, otherwise: str) -> bool:
        """The likelier of two readings, and what holds in the other one, which becomes an alternative."""
        ...


@dataclass(slots=True)
class Block:
    """One module of a known kind. Children that no step asked for are accounted for in the end."""

    module: Module
    path: str
    context: Context
    children: dict[str, Module] = field(default_factory=dict[str, Module])
    used: set[str] = field(default_factory=set[str])
    width: int = 0

    def __post_init__(self) -> None:
        self.children = {c.name: c for c in self.module.children}
        self.width = self.context.width

    def __contains__(self, name: str) -> bool:
        return name in self.children

    def node(self, name: str) -> Node:
        """A child, converted. One with children of its own is placed once, so that a tree cannot grow without end."""
        if name in self.used and self.children[name].children:
            return self.layer(Reshape("identity"), name)
        self.used.add(name)
        outer, at = self.context.final_norm, [*self.children].index(name)
        self.context.final_norm = norm_follows(self.module, at, outer)
        node = self.context.node(self.children[name], f"{self.path}.{name}")
        self.context.final_norm = outer
        return node

    def steps(self, *names: str) -> list[Node]:
        """The children of these names that exist, in this order."""
        return [self.node(name) for name in names if name in self.children]

    def sequence(self, *names: str) -> Sequence:
        """Likewise, one after another."""
        return Sequence(tuple(self.steps(*names)), self.path)

    def inside(self, name: str) -> Block:
        """A child whose own children this block places."""
        self.used.add(name)
        return Block(self.children[name], f"{self.path}.{name}".lstrip("."), self.context)

    def rest(self) -> list[Node]:
        """The children that no step has asked for yet, in the order printed."""
        return self.steps(*[name for name in self.children if name not in self.used])

    def each(self) -> list[Node]:
        """Every child on its own; one that stands for several equal ones as often as it says."""
        nodes = list[Node]()
        for name, child in self.children.items():
            if self.context.copies * child.copies > MOST_COPIES:
                nodes.append(self.node(name))
                continue
            self.used.add(name)
            before, self.context.copies = self.context.copies, self.context.copies * child.copies
            nodes += [self.context.node(replace(child, copies=1), f"{self.path}.{name}")] * child.copies
            self.context.copies = before
        return nodes

    def first(self, *names: str) -> str:
        """The first of these names that a child has, or ""."""
        return next((name for name in names if name in self.children), "")

    def layer(self, op: Op, name: str = "") -> Layer:
        """An operation that the class implies."""
        path = f"{self.path}.{name}".strip(".") if name else self.path
        text = f"implied by {self.module.cls}" if name else self.module.text
        return Layer(op, path, Origin(self.module.line, text), "assumed")

    def residual(self, branch: Iterable[Node], shortcut: Node | None = None, name: str = "") -> Residual:
        """shortcut(x) + branch(x)."""
        path = f"{self.path}.{name}".strip(".") if name else self.path
        return Residual(Sequence(tuple(branch)), shortcut, 1.0, path, "assumed")

    def known(self, forward: str) -> None:
        """Say what was taken from the class's forward()."""
        cls = self.module.cls
        self.context.assume(f"{cls}: {forward}, from its known forward()", f"forward() of {cls}")

    def hide(self, count: int, what: str, layered: bool = False) -> None:
        """Parameters that a printout does not show; `layered` where a layer of the tree holds them."""
        reason = f"{what} of {self.module.cls}, not printed"
        self.context.differ(Difference(count * self.context.copies, reason, layered))

    def guess(self, count: int, what: str, condition: str, settle: str) -> None:
        """Parameters whose number the text does not tell: the usual number, and the condition named."""
        self.hide(count, what)
        cls = self.module.cls
        self.context.assume(f"{cls}: {what} is not printed; its {count:,} parameters hold {condition}", settle)

    def beside(self, name: str, count: int) -> None:
        """Parameters of a printed child that the tree does not hold."""
        reason = f"{name} of {self.module.cls}, beside the traced path"
        self.context.differ(Difference(count * self.context.copies, reason))

    def aside(self, name: str, reason: str) -> None:
        """A child beside the traced path: its parameters count, its output is not followed."""
        self.used.add(name)
        width = self.context.width
        node = self.context.node(self.children[name], f"{self.path}.{name}")
        self.context.width = width
        if unknown(node):
            self.context.assume(
                f"{name} of {self.module.cls} holds modules that are not known, which may have more parameters",
                f"sum(p.numel() for p in model.{name}.parameters())",
            )
        if count := total_parameters(node) * self.context.copies:
            self.context.differ(Difference(count, f"{reason} ({name} of {self.module.cls})"))


Builder = Callable[[Block], Node]


class Entry(NamedTuple):
    """A kind of block: the children it has, those it may have at most, and what its class is called."""

    has: frozenset[str]
    build: Builder
    among: frozenset[str] | None
    cls: re.Pattern[str] | None

    def fits(self, cls: str, names: frozenset[str]) -> bool:
        """Whether a module of this class with children of these names is of the kind."""
        return (
            self.has <= names
            and (self.among is None or names <= self.among)
            and (self.cls is None or self.cls.fullmatch(cls) is not None)
        )


def entry(has: str, build: Builder, among: str = "", cls: str = "") -> Entry:
    """An entry of the registry: `has` and `among` are names in one string."""
    inner = frozenset(has.split())
    return Entry(inner, build, inner | set(among.split()) if among else None, re.compile(cls) if cls else None)


def stack(*parts: str) -> Builder:
    """A builder of parts in this order: names of children, and where "+" comes first an add round them."""

    def build(block: Block) -> Node:
        steps, told = list[Node](), list[str]()
        for part in parts:
            names = [n for n in part.removeprefix("+").split() if n in block]
            block.context.width = block.width or block.context.width
            found = block.steps(*names)
            shown = [n for n, s in zip(names, found, strict=True) if not _silent(s)]
            if part.startswith("+") and found:
                steps.append(block.residual(found, name=shown[-1] if shown else names[0]))
                told.append(f"x + {applied(shown)}")
            else:
                steps += found
                told += shown
        if any("+" in word for word in told):
            block.known(", then ".join(told))
        return Sequence(tuple(steps), block.path)

    return build


def parallel(first: str, second: str, before: str = "") -> Builder:
    """x + first(n(x)) + second(n(x)): attention and MLP side by side behind one norm, or each with its own."""

    def build(block: Block) -> Node:
        shared = block.steps(*before.split())
        one, two = block.sequence(*first.split()), block.sequence(*second.split())
        block.known("x + attention(norm(x)) + mlp(norm(x)), side by side")
        inner = Residual(one, two, 1.0, block.path, "assumed")
        return block.residual([*shared, inner])

    return build


def norm_follows(module: Module, at: int, outer: bool) -> bool:
    """Whether a norm stands behind a child: in its container, or behind the container that it ends."""
    child = module.children[at]
    if (
        child.cls in {"ModuleList", "Sequential"}
        and len(module.children) <= MOST_SIBLINGS
        and any(c.name == "norm" for c in module.children)
    ):
        return True
    rest = module.children[at + 1 : at + 1 + MOST_SIBLINGS]
    after = next((c for c in rest if c.cls != child.cls and not _SILENT.fullmatch(c.cls)), None)
    while after is not None and after.cls == "Sequential" and after.children:
        after = after.children[0]
    return outer if after is None else not after.children and after.cls.endswith(("Norm", "Norm1d"))


def applied(names: list[str]) -> str:
    """b(a(x)) of [a, b]."""
    text = "x"
    for name in names:
        text = f"{name}({text})"
    return text


def _silent(node: Node) -> bool:
    return all(isinstance(la.op, Dropout | Reshape | Scale) for la, _ in layers(node))


def computes(node: Node) -> bool:
    """Whether anything below a node is more than an identity."""
    return any(not isinstance(la.op, Reshape) for la, _ in layers(node))


def in_order(block: Block) -> Node:
    """Every child once, in the order printed."""
    return Sequence(tuple(block.rest()), block.path)


def linear_op(node: Node | None) -> Linear | None:
    """The Linear that a node is, or the one that an adapter (LoRA) stands beside."""
    if isinstance(node, Residual) and node.path.endswith(ADAPTED):
        node = node.shortcut
    return node.op if isinstance(node, Layer) and isinstance(node.op, Linear) else None


def convolutions(node: Node) -> list[Conv]:
    """The convolutions below a node, in order of execution."""
    return [layer.op for layer, _ in layers(node) if isinstance(layer.op, Conv)]


def keeps_shape(node: Node) -> bool:
    """Whether a chain of convolutions returns the width and the positions that enter it."""
    convs = convolutions(node)
    return (
        bool(convs)
        and convs[0].in_channels == convs[-1].out_channels
        and all(set(c.stride) == {1} and not c.transposed for c in convs)
    )


def unknown(node: Node) -> bool:
    """Whether some module below may hold parameters that nobody knows of."""
    return any(isinstance(la.op, Opaque) and la.op.parameters is None for la, _ in layers(node))

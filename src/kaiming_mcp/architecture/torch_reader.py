"""PyTorch's print(model), read: the printed tree becomes the IR, with what it hides named."""

from __future__ import annotations

import math
import re
from dataclasses import replace

from kaiming_mcp.architecture.blocks import find_block
from kaiming_mcp.architecture.blocks.block import norm_follows
from kaiming_mcp.architecture.blocks.skips import with_concatenations
from kaiming_mcp.architecture.errors import ReadError
from kaiming_mcp.architecture.ir import (
    Alternative,
    Assumption,
    Attention,
    Conv,
    Difference,
    Embedding,
    Layer,
    Linear,
    Network,
    Node,
    Norm,
    Op,
    Origin,
    Reading,
    Recurrent,
    Repeat,
    Reshape,
    Residual,
    Scale,
    Sequence,
    layers,
)
from kaiming_mcp.architecture.lists import printed_once, together
from kaiming_mcp.architecture.registration import families, in_order
from kaiming_mcp.architecture.sharing import Arranged, Child, arranged, side_by_side
from kaiming_mcp.architecture.shorthand import jotted
from kaiming_mcp.architecture.ties import ties
from kaiming_mcp.architecture.torch_modules import NO_PARAMETERS, is_known, sizeless, to_layer
from kaiming_mcp.architecture.torch_repr import EXAMPLE, Module, parse

_POSITIONS = re.compile(r"pos|wpe|segment|type", re.IGNORECASE)
"""Names of tables whose vectors are added to those of the tokens."""

CHILDREN_ONCE = "children run once"
"""What is assumed of a class whose forward() nobody knows."""

_TASK, _HEADS = re.compile(r"\w+(?:For[A-Z]\w+|LMHeadModel)"), {"lm_head", "classifier", "score", "qa_outputs", "cls"}


def read_torch_repr(text: str) -> Reading:
    """Read one or several printed models.

    Raises:
        ReadError: no model is printed here, or it is too large or too deeply nested.
    """
    printout = parse(text)
    models = printout.models or printout.leaves[:1]
    if not models:
        raise ReadError(f"No printed model was found. Expected the output of print(model). Example: {EXAMPLE}")
    networks = [to_network(model) for model in models]
    if printout.cut:
        last = networks[-1]
        cut = Assumption(
            f"the printout of {last.name} is cut off ({printout.cut}), so what follows is unknown",
            "the whole output of print(model)",
        )
        networks[-1] = replace(last, assumptions=(cut, *last.assumptions))
    return Reading("torch-repr", tuple(networks))


def to_network(model: Module, executed: bool = False) -> Network:
    """A tree of modules as a network, whichever text it was read from; `executed`: its order is that of execution.

    Where an order of operations is as likely as not, the other one is given as an alternative.
    """
    first = _Converter(model, executed=executed)
    network = first.network()
    if not first.otherwise:
        return network
    other = _Converter(model, other=True, executed=executed).network()
    return replace(network, alternatives=(Alternative("; ".join(first.otherwise), other.root),))


class _Converter:
    """Converts one model; collects what the text hides on the way."""

    def __init__(self, model: Module, other: bool = False, executed: bool = False) -> None:
        self.model = model
        self.other = other
        self.executed = executed
        self.families = families(model)
        self.copies = 1
        self.width = 0
        self.final_norm = False
        self.guessed = False
        self.otherwise: dict[str, None] = {}
        self.assumptions: dict[Assumption, None] = {}
        self.differences: dict[tuple[str, bool], int] = {}

    def network(self) -> Network:
        root = self.node(self.model, "")
        joined = with_concatenations(root) if self.guessed else None
        if joined is not None:
            root = joined.root
            shown = ", ".join(f"`{at}` reads `{feature}`" for at, feature in joined.places[:6])
            self.assume(
                f"{self.model.cls or 'the model'}: where channel counts add up, an earlier feature is put beside what "
                f"arrives: {shown}",
                f"the forward() of {self.model.cls or 'the model'}",
            )
        for found in ties(self.model, root):
            if isinstance(found, Difference):
                self.differ(found)
            else:
                self.assumptions[found] = None
        self._positions(root)
        differences = tuple(Difference(count, *about) for about, count in self.differences.items() if count)
        return Network(
            self.model.cls or "fragment",
            root if not isinstance(root, Layer) else Sequence((root,)),
            None,
            tuple(self.assumptions),
            differences,
            _count(self.model),
            "own pytorch" if any(la.start for la, _ in layers(root)) else "",
        )

    def _positions(self, root: Node) -> None:
        """What a vision transformer of one's own usually has, and no printout shows."""
        ops = [la.op for la, _ in layers(root)]
        first = next((op for op in ops if isinstance(op, Conv)), None)
        patches = first is not None and len(first.kernel) == 2 and first.kernel == first.stride and first.kernel[0] > 3
        known = any("embed" in reason or "token" in reason for reason, _ in self.differences)
        if not (self.guessed and patches and first is not None) or known:
            return
        if not any(isinstance(op, Attention) for op in ops) or any(isinstance(op, Embedding) for op in ops):
            return
        count = (math.prod(224 // size for size in first.kernel) + 2) * first.out_channels
        self.assume(
            f"{self.model.cls}: a class token and position embedding, where it has them, are parameters that are not "
            f"printed: {count:,} more for images of 224 x 224",
            "the shapes of model.named_parameters()",
        )

    def assume(self, statement: str, settle: str) -> None:
        self.assumptions[Assumption(statement, settle)] = None

    def differ(self, difference: Difference) -> None:
        about = (difference.reason, difference.layered)
        self.differences[about] = self.differences.get(about, 0) + difference.count

    def choose(self, likelier: bool, otherwise: str) -> bool:
        self.otherwise[otherwise] = None
        return likelier ^ self.other

    def node(self, module: Module, path: str) -> Node:
        """A module and its run length; a path is the dotted name below the model."""
        path = path.lstrip(".")
        if module.copies <= 1:
            return self._one(module, path)
        before, self.copies = self.copies, self.copies * module.copies
        body = self._one(module, path)
        self.copies = before
        return Repeat(module.copies, body, path, identical=self._deep_copied(module))

    def _one(self, module: Module, path: str) -> Node:
        block = find_block(module)
        if block is not None:
            return block(module, path, self)
        if NO_PARAMETERS.search(module.cls):
            return Layer(Reshape("identity"), path, Origin(module.line, module.text), "assumed")
        if not module.children and module.cls == "Sequential" and (steps := jotted(module.arguments)):
            return Sequence(tuple(steps), path)
        if not module.children:
            return self._embedding(module, path)
        if module.arguments and is_known(module.cls.removeprefix("Parametrized")):
            return self._leaf_with_children(module, path)
        return self._container(module, path)

    def _embedding(self, module: Module, path: str) -> Node:
        """A printed leaf; tables of Gemma, mBART and others are scaled by the root of their width."""
        layer = self._leaf(module, path)
        if not (module.cls.endswith("ScaledWordEmbedding") and isinstance(layer.op, Embedding)):
            return layer
        cls = module.cls
        self.assume(f"{cls}: vectors times sqrt(width), the usual scale", f"print of {cls}.embed_scale")
        return Sequence((layer, replace(layer, op=Scale(math.sqrt(layer.op.features)), basis="assumed")), path)

    def _leaf(self, module: Module, path: str) -> Layer:
        hidden = sizeless(module, path, self.width)
        if hidden is not None:
            reason = f"{hidden.what} of {module.cls}, not printed"
            self.differ(Difference(hidden.count * self.copies, reason, hidden.layered))
            if hidden.assumed:
                self.assume(f"{module.cls}: {hidden.what} {hidden.assumed}", f"{module.cls}'s first value")
        layer = to_layer(module, path) if hidden is None else hidden.layer
        self.width = _width(layer.op) or self.width
        return layer

    def _leaf_with_children(self, module: Module, path: str) -> Node:
        """BatchNormAct2d of timm, a norm and its activation; or a layer whose weight is computed from others."""
        own = self._leaf(replace(module, children=(), cls=module.cls.removeprefix("Parametrized")), path)
        if module.cls.startswith("Parametrized"):
            self._parametrized(module, own)
            return own
        return Sequence((own, *(self.node(child, f"{path}.{child.name}") for child in module.children)), path)

    def _parametrized(self, module: Module, own: Layer) -> None:
        """A weight norm keeps a direction and a length for each slice; its axis is not printed."""
        names = {leaf.cls for child in module.children for inner in child.children for leaf in inner.children}
        if "_WeightNorm" not in names:
            return
        last = isinstance(own.op, Conv) and module.cls == "ParametrizedConv1d" and own.op.groups > 1
        slices = math.prod(own.op.kernel) if last and isinstance(own.op, Conv) else _width(own.op)
        self.differ(Difference(slices * self.copies, f"lengths of the weight norm of {module.cls}, not printed"))
        self.assume(
            f"{module.cls}: the axis of its weight norm is not printed; its {slices:,} parameters hold for "
            f"{'the last axis, as in wav2vec 2.0' if last else 'the first axis, the default'}",
            "the shape of original0",
        )

    def _container(self, module: Module, path: str) -> Node:
        guessed = not in_order(module, self.families) and not is_known(module.cls)
        if guessed:
            self.guessed = True
            hidden = "skips, functional calls" if len(module.children) > 1 else "functional calls"
            self.assume(
                f"{module.cls}: {CHILDREN_ONCE}, in the order printed; {hidden}, reshapes and parameters of its own "
                "are not shown",
                f"the forward() of {module.cls}, or the layer notation",
            )
            module, again = printed_once(module)
            if again:
                self.assume(f"{module.cls}: {again}", f"the forward() of {module.cls}")
        if _TASK.fullmatch(module.cls):  # some print the head before the network that it reads
            module = replace(module, children=tuple(sorted(module.children, key=lambda c: c.name in _HEADS)))
        outer, steps = self.final_norm, list[Child]()
        for i, child in enumerate(module.children):
            self.final_norm = outer if module.cls == "ModuleList" else norm_follows(module, i, outer)
            inner = self.node(child, f"{path}.{child.name}")
            steps.append(Child(child.name, inner, child.cls == "ModuleList"))
        self.final_norm = outer
        shown = tuple(self._added(module, self._ordered(module, steps, guessed), path))
        return Sequence(shown, path, "assumed" if guessed else "read")

    def _ordered(self, module: Module, steps: list[Child], guessed: bool) -> list[Child]:
        """The children in the order that their sizes allow, where no class says it."""
        if not guessed and module.cls not in {"ModuleList", "ModuleDict"}:
            return steps
        name = module.cls if guessed else module.text.partition(":")[0].strip("()") or module.cls
        found = Arranged(steps, [], [])
        if guessed and not self.executed:
            found = arranged(together(found), name, module is self.model)
        else:
            found = side_by_side(found, name)
        for told in found.told:
            self.assume(f"{name}: {told}", f"the forward() of {module.cls}" if guessed else f"where {name} is used")
        for difference in found.differences:
            self.differ(replace(difference, count=difference.count * self.copies))
        return found.children

    def _added(self, module: Module, steps: list[Child], path: str) -> list[Node]:
        """Vectors of tokens and of positions are added, not chained."""
        nodes = [step.node for step in steps]
        at = [i for i, s in enumerate(nodes) if isinstance(s, Layer) and isinstance(s.op, Embedding)]
        names = [steps[i].name for i in at]
        if len(at) < 2 or len({_width(la.op) for la, _ in layers(Sequence(tuple(nodes[i] for i in at)))}) > 1:
            return nodes
        if not any(_POSITIONS.search(name) for name in names):
            return nodes
        self.assume(f"{module.cls}: {' and '.join(names)} are added", f"the forward() of {module.cls}")
        total = nodes[at[0]]
        for i in at[1:]:
            total = Residual(nodes[i], total, 1.0, f"{path}.{steps[i].name}".lstrip("."), "assumed")
        return [total if i == at[0] else node for i, node in enumerate(nodes) if i == at[0] or i not in at]

    def _deep_copied(self, module: Module) -> bool:
        """nn.TransformerEncoder copies one initialised layer, so that all start alike."""
        return self.model.cls == "TransformerEncoder" or bool(re.fullmatch(r"Transformer(En|De)coderLayer", module.cls))


def _width(op: Op) -> int:
    """Features that leave an operation which prints them; 0 for any other."""
    match op:
        case Linear():
            return op.out_features
        case Conv():
            return op.out_channels
        case Norm() | Embedding() | Attention():
            return op.features
        case Recurrent():
            return op.hidden * (2 if op.bidirectional else 1)
        case _:
            return 0


def _count(module: Module) -> int:
    total, stack = 0, [(module, 1)]
    while stack:
        current, times = stack.pop()
        times *= current.copies
        total += times
        stack.extend((child, times) for child in current.children)
    return total

"""PyTorch's print(model), read: the printed tree becomes the IR, with what it hides named."""

from __future__ import annotations

import re

from kaiming_mcp.architecture.blocks import find_block
from kaiming_mcp.architecture.errors import ReadError
from kaiming_mcp.architecture.ir import (
    Assumption,
    Difference,
    Embedding,
    Layer,
    Linear,
    Network,
    Node,
    Origin,
    Reading,
    Repeat,
    Reshape,
    Residual,
    Sequence,
    layers,
)
from kaiming_mcp.architecture.torch_modules import NO_PARAMETERS, is_known, to_layer
from kaiming_mcp.architecture.torch_repr import EXAMPLE, Module, parse

# Containers whose forward() is known to run the children in the order of registration.
_IN_ORDER = frozenset(
    "Sequential ModuleList Conv2dNormActivation ConvNormActivation ResNet VGG AlexNet TransformerEncoder "
    "LlamaForCausalLM LlamaModel GPT2LMHeadModel GPT2Model".split()
)
_TIED_HEADS = frozenset({"GPT2LMHeadModel"})  # tie_word_embeddings is true by default there


def read_torch_repr(text: str) -> Reading:
    """Read one or several printed models.

    Raises:
        ReadError: no model is printed here, or it is too large or too deeply nested.
    """
    printout = parse(text)
    models = printout.models or printout.leaves[:1]
    if not models:
        raise ReadError(f"No printed model was found. Expected the output of print(model). Example: {EXAMPLE}")
    networks = [_Converter(model).network() for model in models]
    if printout.cut:
        last = networks[-1]
        cut = Assumption(
            f"the printout of {last.name} is cut off ({printout.cut}), so what follows is unknown",
            "the whole output of print(model)",
        )
        networks[-1] = Network(
            last.name, last.root, last.input, (cut, *last.assumptions), last.differences, last.modules
        )
    return Reading("torch-repr", tuple(networks))


class _Converter:
    """Converts one model; collects what the text hides on the way."""

    def __init__(self, model: Module) -> None:
        self.model = model
        self.copies = 1
        self.final_norm = False
        self.assumptions: dict[Assumption, None] = {}
        self.differences: dict[str, int] = {}

    def network(self) -> Network:
        root = self.node(self.model, "")
        if self.model.cls in _TIED_HEADS:
            self._tie(root)
        differences = tuple(Difference(count, reason) for reason, count in self.differences.items())
        return Network(
            self.model.cls or "fragment",
            root if not isinstance(root, Layer) else Sequence((root,)),
            None,
            tuple(self.assumptions),
            differences,
            _count(self.model),
        )

    def assume(self, statement: str, settle: str) -> None:
        self.assumptions[Assumption(statement, settle)] = None

    def differ(self, difference: Difference) -> None:
        self.differences[difference.reason] = self.differences.get(difference.reason, 0) + difference.count

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
        if not module.children:
            return to_layer(module, path)
        return self._container(module, path)

    def _container(self, module: Module, path: str) -> Node:
        outer = self.final_norm
        if module.cls != "ModuleList":
            self.final_norm = any(c.name == "norm" for c in module.children)
        if module.cls not in _IN_ORDER and not is_known(module.cls):
            hidden = "skips, functional calls" if len(module.children) > 1 else "functional calls"
            self.assume(
                f"{module.cls}: children run once, in the order printed; {hidden} and reshapes are not shown",
                f"the forward() of {module.cls}, or the layer notation",
            )
        steps = [self.node(child, f"{path}.{child.name}") for child in module.children]
        self.final_norm = outer
        names = [c.name for c in module.children]
        if {"wte", "wpe"} <= set(names):
            # Token and position vectors are added, not chained.
            token, position = steps[names.index("wte")], steps[names.index("wpe")]
            rest = [s for n, s in zip(names, steps, strict=True) if n not in {"wte", "wpe"}]
            steps = [Residual(position, token, 1.0, f"{path}.wpe".lstrip("."), "assumed"), *rest]
        return Sequence(tuple(steps), path)

    def _deep_copied(self, module: Module) -> bool:
        """nn.TransformerEncoder copies one initialised layer, so that all start alike."""
        return self.model.cls == "TransformerEncoder" or bool(re.fullmatch(r"Transformer(En|De)coderLayer", module.cls))

    def _tie(self, root: Node) -> None:
        head = [la.op for la, _ in layers(root) if isinstance(la.op, Linear)][-1:]
        tables = [la.op for la, _ in layers(root) if isinstance(la.op, Embedding)]
        if head and Embedding(head[0].out_features, head[0].in_features) in tables:
            size = head[0].out_features * head[0].in_features
            self.differ(Difference(-size, "the head's weight is the token embedding, tied by default"))


def _count(module: Module) -> int:
    total, stack = 0, [(module, 1)]
    while stack:
        current, times = stack.pop()
        times *= current.copies
        total += times
        stack.extend((child, times) for child in current.children)
    return total

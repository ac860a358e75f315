"""Questions about a network's structure: chains of layers, blocks, what stands next to what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kaiming_mcp.architecture.ir import (
    Activation,
    Attention,
    Concat,
    Conv,
    Dropout,
    Layer,
    Linear,
    Node,
    Norm,
    Pool,
    Recurrent,
    Repeat,
    Reshape,
    Residual,
    Sequence,
    children,
    layers,
    walk,
)


@dataclass(frozen=True, slots=True)
class Item:
    """A layer or a joining block in a chain, with the number of copies it stands for."""

    node: Node
    copies: int


Chain = list[Item]


def main_chain(root: Node) -> Chain:
    """The path from input to output: layers and blocks, a repeated body twice to show its seam."""
    chain: Chain = []
    stack: list[tuple[Node, int]] = [(root, 1)]
    while stack:
        node, copies = stack.pop()
        match node:
            case Sequence():
                stack.extend((child, copies) for child in reversed(node.children))
            case Repeat():
                seam = [(node.body, 0)] if node.count > 1 else []
                stack.extend([*seam, (node.body, copies * node.count)])
            case _:
                chain.append(Item(node, copies))
    return chain


def chains(root: Node) -> Iterator[Chain]:
    """The main chain, and the chain inside every branch, shortcut and concatenated part."""
    pending = [root]
    while pending:
        chain = main_chain(pending.pop())
        yield chain
        for item in chain:
            if item.copies and not isinstance(item.node, Layer):
                pending.extend(children(item.node))


def residuals(root: Node) -> list[tuple[Residual, int]]:
    """Every residual block with its number of copies."""
    return [(n, times) for n, times in walk(root) if isinstance(n, Residual)]


def count(root: Node, *kinds: type) -> int:
    """Layers of the given operation types, copies counted."""
    return sum(times for layer, times in layers(root) if isinstance(layer.op, kinds))


def weighted(root: Node) -> int:
    """Linear, convolution, attention and recurrent layers, copies counted; depth of a plain stack."""
    return count(root, Linear, Conv, Attention, Recurrent)


def has_norm(root: Node) -> bool:
    """Whether any normalization was read."""
    return count(root, Norm) > 0


def has_skip(root: Node) -> bool:
    """Whether a residual sum or a concatenation was read."""
    return any(isinstance(n, Residual | Concat) for n, _ in walk(root))


def activations(root: Node) -> dict[str, int]:
    """Names of pointwise nonlinearities with their number."""
    found: dict[str, int] = {}
    for layer, times in layers(root):
        if isinstance(layer.op, Activation) and "softmax" not in layer.op.name:
            found[layer.op.name] = found.get(layer.op.name, 0) + times
    return found


def hidden_activation(root: Node) -> Activation | None:
    """The nonlinearity that most hidden layers use; a last one at the output does not count."""
    chain = main_chain(root)
    # A nonlinearity that closes a repeated body is a hidden one, although it also comes last.
    last = chain[-1].node if chain and chain[-1].copies == 1 else None
    tally: dict[Activation, int] = {}
    for layer, times in layers(root):
        if isinstance(layer.op, Activation) and layer is not last and "softmax" not in layer.op.name:
            tally[layer.op] = tally.get(layer.op, 0) + times
    return max(tally, key=lambda op: tally[op]) if tally else None


def is_passive(node: Node) -> bool:
    """Whether a layer leaves a linear map linear: reshaping, dropout, average pooling."""
    return isinstance(node, Layer) and (
        isinstance(node.op, Reshape | Dropout) or (isinstance(node.op, Pool) and node.op.kind == "avg")
    )


def next_active(chain: Chain, start: int) -> Item | None:
    """The next item of a chain after `start` that is not passive."""
    return next((item for item in chain[start + 1 :] if not is_passive(item.node)), None)

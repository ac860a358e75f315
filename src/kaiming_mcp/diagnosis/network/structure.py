"""Questions about a network's structure: chains of layers, blocks, what stands next to what."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

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
    NormKind,
    Op,
    Pool,
    Product,
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
    """A layer or a joining block in a chain: how many copies it stands for, and before how many the next one follows.

    A repeated body stands twice in a chain, to show its seam: first with all copies and the followers of all but the
    last, then with none and the follower of the last.
    """

    node: Node
    copies: int
    follows: int


Chain = list[Item]
LONGEST_CITE = 60
MOST_SEAMS = 1
"""Seams inside of a seam that are shown; deeper ones would double a chain again and again."""
POST_NORMED = 3
"""A trunk is post-normed if at least one in so many of its sums has a norm behind it: one a block of three."""
GATES = frozenset({"sigmoid", "hardsigmoid"})


def main_chain(root: Node, copies: int = 1) -> Chain:
    """The path from input to output of a node that stands `copies` times: layers and blocks."""
    chain: Chain = []
    stack: list[tuple[Node, int, int, int]] = [(root, copies, copies, 0)]
    while stack:
        node, count, follows, seams = stack.pop()
        match node:
            case Sequence():
                stack.extend((child, count, follows, seams) for child in reversed(node.children))
            case Repeat() if node.count > 1 and seams <= MOST_SEAMS:
                first = (node.body, count * node.count, follows * (node.count - 1), seams)
                stack.extend([(node.body, 0, follows, seams + 1), first])
            case Repeat():
                stack.append((node.body, count * node.count, follows * node.count, seams))
            case _:
                chain.append(Item(node, count, follows))
    return chain


def chains(root: Node) -> Iterator[Chain]:
    """The main chain, and the chain inside every branch, shortcut and concatenated part."""
    pending = [(root, 1)]
    while pending:
        node, copies = pending.pop()
        chain = main_chain(node, copies)
        yield chain
        for item in chain:
            if item.copies and not isinstance(item.node, Layer):
                pending.extend((child, item.copies) for child in children(item.node))


def residuals(root: Node) -> list[tuple[Residual, int]]:
    """Every residual block with its number of copies."""
    return [(n, times) for n, times in walk(root) if isinstance(n, Residual)]


def sums_before(root: Node, kind: type) -> int:
    """Residual sums with a layer of that kind right behind them."""
    found = 0
    for chain in chains(root):
        for item, after in pairwise(chain):
            behind = isinstance(after.node, Layer) and isinstance(after.node.op, kind)
            found += item.follows if behind and isinstance(item.node, Residual) else 0
    return found


def post_normed(root: Node) -> bool:
    """Whether at least two residual sums pass a norm; one alone is a final norm."""
    return sum(times for *_, times in normed_sums(root)) > 1


def normed_sums(root: Node) -> list[tuple[Residual, NormKind, int]]:
    """Residual sums with a norm right behind them, its kind, and how often; final norms are left out.

    An encoder's final norm stands in front of the decoder, a stage's in front of the next: on a trunk, the sums that no
    weighted layer parts, norms behind few of the sums before the last are such final ones.
    """
    found = list[tuple[Residual, NormKind, int]]()
    for chain in chains(root):
        for trunk in _trunks(chain):
            normed: list[tuple[Residual, NormKind, int]] = [
                (item.node, after.node.op.kind, item.follows)
                for item, after in pairwise(trunk)
                if isinstance(item.node, Residual) and isinstance(after.node, Layer) and isinstance(after.node.op, Norm)
            ]
            sums = sum(item.copies for item in trunk if isinstance(item.node, Residual))
            if POST_NORMED * (sum(times for *_, times in normed) - 1) >= sums - 1:
                found += normed
    return found


def _trunks(chain: Chain) -> Iterator[Chain]:
    """The pieces of a chain between its weighted layers, without what does nothing to the numbers."""
    piece: Chain = []
    for item in chain:
        if not isinstance(item.node, Residual) and weighted(item.node):
            yield piece
            piece = []
        elif not is_idle(item.node):
            piece.append(item)
    yield piece


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
    gates = {id(layer) for node, _ in walk(root) if isinstance(node, Product) for layer in _gates(node)}
    tally: dict[Activation, int] = {}
    for layer, times in layers(root):
        if not isinstance(layer.op, Activation) or layer is last or id(layer) in gates:
            continue
        if "softmax" not in layer.op.name:
            tally[layer.op] = tally.get(layer.op, 0) + times
    return max(tally, key=lambda op: tally[op]) if tally else None


def _gates(product: Product) -> Iterator[Layer]:
    """Sigmoids that close a factor of a product: they weigh the other factor, and are no hidden nonlinearity."""
    for branch in product.branches:
        for item in main_chain(branch)[-1:]:
            if isinstance(item.node, Layer) and isinstance(item.node.op, Activation) and item.node.op.name in GATES:
                yield item.node


def only(node: Node) -> Node | None:
    """The one node that a branch is, through sequences of one."""
    while isinstance(node, Sequence) and len(node.children) == 1:
        node = node.children[0]
    return node


def cite(node: Node) -> str:
    """Where a layer, or the first layer of a block, stands in the user's text: the line and its own words."""
    layer = next((found for found, _ in layers(node)), None)
    if layer is None:
        return "an empty block"
    text = layer.origin.text or layer.path or type(layer.op).__name__
    shown = text if len(text) <= LONGEST_CITE else f"{text[: LONGEST_CITE - 1]}…"
    return f"line {layer.origin.line}: `{shown}`" if layer.origin.line else f"`{shown}`"


def width_in(op: Op) -> int | None:
    """Features that a weighted layer expects; None for any other."""
    match op:
        case Linear(in_features=width) | Recurrent(in_features=width) | Attention(features=width):
            return width
        case Conv(in_channels=width):
            return width
        case _:
            return None


def width_out(op: Op) -> int | None:
    """Features that leave a weighted layer; None for any other."""
    match op:
        case Linear(out_features=width) | Conv(out_channels=width) | Attention(features=width):
            return width
        case Recurrent(hidden=hidden, bidirectional=both):
            return hidden * (1 + both)
        case _:
            return None


@dataclass(frozen=True, slots=True)
class Ending:
    """The last layers of a network: its head, the nonlinearity behind it, and dropout that acts on the output."""

    head: Layer
    activation: Layer | None
    dropout: Layer | None

    @property
    def units(self) -> int:
        """Numbers for each example or position; 0 where that is not known."""
        return width_out(self.head.op) or 0


def ending(root: Node) -> Ending | None:
    """The head of a network and what follows it; None where the last weighted layer is a hidden one."""
    activation = dropout = None
    for item in reversed(main_chain(root)):
        if not isinstance(item.node, Layer) or item.copies != 1:
            return None
        op = item.node.op
        if isinstance(op, Dropout):
            dropout = item.node if op.p > 0 and dropout is None else dropout
        elif isinstance(op, Activation) and activation is None:
            activation = item.node
        elif isinstance(op, Linear | Conv):
            return Ending(item.node, activation, dropout)
        elif not isinstance(op, Reshape | Pool):
            return None
    return None


def is_passive(node: Node) -> bool:
    """Whether a layer leaves a linear map linear: reshaping, dropout, average pooling."""
    return isinstance(node, Layer) and (
        isinstance(node.op, Reshape | Dropout) or (isinstance(node.op, Pool) and node.op.kind == "avg")
    )


def is_idle(node: Node) -> bool:
    """Whether a layer does nothing to the numbers: reshaping, dropout."""
    return isinstance(node, Layer) and isinstance(node.op, Reshape | Dropout)


def next_after(chain: Chain, start: int, skipped: Callable[[Node], bool]) -> Item | None:
    """The next item of a chain after `start` that is not skipped."""
    return next((chain[i] for i in range(start + 1, len(chain)) if not skipped(chain[i].node)), None)


def next_active(chain: Chain, start: int) -> Item | None:
    """The next item of a chain after `start` that is not passive."""
    return next_after(chain, start, is_passive)

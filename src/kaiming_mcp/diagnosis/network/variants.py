"""The same network after a change: what a remedy would do is computed on it, not recited."""

from __future__ import annotations

from dataclasses import replace

from kaiming_mcp.architecture.ir import (
    Activation,
    Conv,
    Dropout,
    Layer,
    Linear,
    Network,
    Node,
    Norm,
    NormKind,
    Repeat,
    Reshape,
    Residual,
    Sequence,
)
from kaiming_mcp.architecture.rewrite import transform


def without_dropout(network: Network) -> Network:
    """Every dropout layer made the identity, as in evaluation."""

    def change(node: Node) -> Node:
        if isinstance(node, Layer) and isinstance(node.op, Dropout):
            return replace(node, op=Reshape("identity"))
        return node

    return replace(network, root=transform(network.root, change))


def with_open_head(network: Network, head: Layer | None) -> Network:
    """A head that starts at zero drawn as its framework would; the network itself where there is none."""
    if head is None or not head.start.startswith("zero"):
        return network
    return replace(network, root=transform(network.root, lambda n: replace(head, start="") if n is head else n))


def with_own_weights(network: Network) -> Network:
    """Layers that start as copies of one, each with a draw of its own."""

    def change(node: Node) -> Node:
        return replace(node, identical=False) if isinstance(node, Repeat) else node

    return replace(network, root=transform(network.root, change))


def without_second_skips(network: Network) -> Network:
    """Every x + (x + F(x)) as x + F(x)."""

    def change(node: Node) -> Node:
        if not isinstance(node, Residual) or node.shortcut is not None:
            return node
        inner = node.branch
        while isinstance(inner, Sequence) and len(inner.children) == 1:
            inner = inner.children[0]
        return inner if isinstance(inner, Residual) and inner.shortcut is None else node

    return replace(network, root=transform(network.root, change))


def with_branch_scale(network: Network, scale: float) -> Network:
    """Every residual branch multiplied by `scale`."""

    def change(node: Node) -> Node:
        return replace(node, scale=scale) if isinstance(node, Residual) else node

    return replace(network, root=transform(network.root, change))


def with_activation(network: Network, old: str, new: str) -> Network:
    """One nonlinearity in place of another."""

    def change(node: Node) -> Node:
        if isinstance(node, Layer) and isinstance(node.op, Activation) and node.op.name == old:
            return replace(node, op=Activation(new))
        return node

    return replace(network, root=transform(network.root, change))


def with_norm_before_activation(network: Network, kind: NormKind = "layer") -> Network:
    """A normalization in front of every hidden nonlinearity."""

    def change(node: Node) -> Node:
        if isinstance(node, Layer) and isinstance(node.op, Activation):
            return Sequence((Layer(Norm(kind, 0)), node))
        return node

    return replace(network, root=transform(network.root, change))


def with_norm_kind(network: Network, old: NormKind, new: NormKind) -> Network:
    """One normalization in place of another."""

    def change(node: Node) -> Node:
        if isinstance(node, Layer) and isinstance(node.op, Norm) and node.op.kind == old:
            return replace(node, op=replace(node.op, kind=new))
        return node

    return replace(network, root=transform(network.root, change))


def with_norm_in_branches(network: Network, kind: NormKind = "layer") -> Network:
    """A normalization at the start of every residual branch."""

    def change(node: Node) -> Node:
        if isinstance(node, Residual) and node.shortcut is None:
            return replace(node, branch=Sequence((Layer(Norm(kind, 0)), node.branch)))
        return node

    return replace(network, root=transform(network.root, change))


def with_pre_norm(network: Network) -> Network:
    """Every norm behind a residual sum at the start of its branch instead."""
    return _moved_inside(network, Norm)


def with_pre_activation(network: Network) -> Network:
    """Every nonlinearity behind a residual sum at the start of its branch instead."""
    return _moved_inside(network, Activation)


def _moved_inside(network: Network, kind: type[Norm | Activation]) -> Network:
    def change(node: Node) -> Node:
        if not isinstance(node, Sequence):
            return node
        out: list[Node] = []
        for child in node.children:
            before = out[-1] if out else None
            behind = isinstance(child, Layer) and isinstance(child.op, kind)
            if behind and isinstance(before, Residual) and before.shortcut is None:
                out[-1] = replace(before, branch=Sequence((child, before.branch)))
            else:
                out.append(child)
        return replace(node, children=tuple(out))

    return replace(network, root=transform(network.root, change))


def with_twice_the_depth(network: Network) -> Network | None:
    """Every run of blocks, or of layers that keep their width, twice as long; None where there is none."""
    longer = _longer(network.root)
    return None if longer == network.root else replace(network, root=longer)


def _longer(node: Node) -> Node:
    match node:
        case Repeat():
            return replace(node, count=2 * node.count)
        case Sequence():
            out: list[Node] = []
            unit: list[Node] = []
            behind = _behind_sums(node.children)
            for child in node.children:
                kinds = behind if unit and isinstance(unit[0], Residual) else (Activation, Norm, Dropout)
                if unit and isinstance(child, Layer) and isinstance(child.op, kinds):
                    unit.append(child)
                    continue
                out += unit + unit
                keeps = isinstance(child, Layer) and _keeps_width(child)
                unit = [child] if keeps or (isinstance(child, Residual) and child.shortcut is None) else []
                out += [] if unit else [_longer(child)]
            return replace(node, children=(*out, *unit, *unit))
        case _:
            return node


def _behind_sums(nodes: tuple[Node, ...]) -> tuple[type, ...]:
    """What stands behind each residual sum, seen between the first two: a final norm belongs to no block."""
    sums = [i for i, node in enumerate(nodes) if isinstance(node, Residual)]
    between = nodes[sums[0] + 1 : sums[1]] if len(sums) > 1 else ()
    return tuple(type(node.op) for node in between if isinstance(node, Layer))


def with_skips(network: Network, norm: NormKind = "layer") -> Network:
    """Hidden layers that keep width and size grouped in pairs into pre-normalised residual blocks.

    A block is x + W2 phi(norm(W1 phi(norm(x)))); layers that change the width stay as they are.
    """
    flat = list(_flat(network.root))
    act = next((n for n in flat if isinstance(n, Layer) and isinstance(n.op, Activation)), None)
    if act is None:
        return network
    out = list[Node]()
    pending = list[Layer]()
    for node in flat:
        if isinstance(node, Layer) and isinstance(node.op, Activation | Norm) and _follows_kept(out, pending):
            continue
        if isinstance(node, Layer) and _keeps_width(node):
            pending.append(node)
            if len(pending) == 2:
                half = [step for w in pending for step in (Layer(Norm(norm, 0)), act, w)]
                out.append(Residual(Sequence(tuple(half))))
                pending = []
            continue
        out.extend(pending)
        pending = []
        out.append(node)
    return replace(network, root=Sequence((*out, *pending)))


def _follows_kept(out: list[Node], pending: list[Layer]) -> bool:
    return bool(pending) or (bool(out) and isinstance(out[-1], Residual))


def _keeps_width(layer: Layer) -> bool:
    match layer.op:
        case Linear():
            return layer.op.in_features == layer.op.out_features
        case Conv():
            return layer.op.in_channels == layer.op.out_channels and set(layer.op.stride) == {1}
        case _:
            return False


def _flat(node: Node) -> list[Node]:
    match node:
        case Sequence():
            return [leaf for child in node.children for leaf in _flat(child)]
        case Repeat():
            return _flat(node.body) * min(node.count, 512)
        case _:
            return [node]

"""A tree after a change of its nodes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from kaiming_mcp.architecture.ir import Concat, Layer, Node, Product, Repeat, Residual, Sequence, layers


def transform(node: Node, change: Callable[[Node], Node]) -> Node:
    """Rebuild a tree from its leaves up, each node passed through `change`."""
    match node:
        case Layer():
            return change(node)
        case Sequence():
            return change(replace(node, children=tuple(transform(c, change) for c in node.children)))
        case Repeat():
            return change(replace(node, body=transform(node.body, change)))
        case Residual():
            shortcut = None if node.shortcut is None else transform(node.shortcut, change)
            return change(replace(node, branch=transform(node.branch, change), shortcut=shortcut))
        case Concat() | Product():
            return change(replace(node, branches=tuple(transform(b, change) for b in node.branches)))


def without_starts(root: Node) -> Node:
    """The same tree with no layer that says how its own weights are drawn."""
    if not any(layer.start for layer, _ in layers(root)):
        return root
    return transform(root, lambda node: replace(node, start="") if isinstance(node, Layer) and node.start else node)

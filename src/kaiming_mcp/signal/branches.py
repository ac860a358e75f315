"""What an initialization does to residual branches: a factor on the variance of some weights.

GPT-2 (Radford et al. 2019, section 2.3): the last projection of each branch by 1/sqrt(N), N residual
sums. Fixup (Zhang et al. 2019, section 3): last layer zero, the others by L^(-1/(2m-2)). SkipInit (De & Smith
2020), ReZero (Bachlechner et al. 2020): branch scale 0. DeepNorm (Wang et al. 2022, table 1, encoder or decoder
alone): skip by (2N)^(1/4), branch weights by (8N)^(-1/4). T-Fixup (Huang et al. 2020, section 4): 0.67 N^(-1/4).
"""

from __future__ import annotations

from collections.abc import Iterator

from kaiming_mcp.architecture.ir import (
    Attention,
    Concat,
    Conv,
    Layer,
    Linear,
    Node,
    Norm,
    Product,
    Repeat,
    Residual,
    Scale,
    Sequence,
    walk,
)
from kaiming_mcp.signal.initialization import Initialization


def branch_factors(root: Node, init: Initialization) -> dict[int, float]:
    """id of a layer or residual -> factor on the variance of its weights or of what its branch adds."""
    if not init.branch:
        return {}
    residuals = [(node, times) for node, times in walk(root) if isinstance(node, Residual)]
    # A sum of two embeddings is no residual branch.
    count = max(1, sum(times for node, times in residuals if any(_last_weighted(node.branch))))
    factors: dict[int, float] = {}
    for node, _ in residuals:
        ends = list(_last_weighted(node.branch))
        last = {id(layer) for layer in ends}
        inner = [layer for layer in _weighted(node.branch) if id(layer) not in last]
        match init.branch:
            case "gpt2":
                factors |= {id(layer): 1 / count for layer in ends if not isinstance(layer.op, Norm)}
            case "zero_last":
                factors |= {id(layer): 0.0 for layer in ends}
            case "fixup":
                weights = max(2, 1 + len(inner))
                factors |= {id(layer): count ** (-1 / (weights - 1)) for layer in inner}
                factors |= {id(layer): 0.0 for layer in ends}
            case "rezero" | "skipinit":
                factors[id(node)] = 0.0
            case "deepnorm":
                # N layers have two sums each; x alpha on the skip is 1/alpha on the branch before a norm.
                layers = max(count / 2, 0.5)
                factors |= {id(layer): _both((8 * layers) ** -0.5, layer) for layer in [*inner, *ends]}
                if not _is_scaled(node.shortcut):
                    factors[id(node)] = (2 * layers) ** -0.5
            case "tfixup":
                small = 0.67**2 * max(count / 2, 0.5) ** -0.5
                factors |= {id(layer): _both(small, layer) for layer in [*inner, *ends]}
            case _:
                pass
    return factors


def _is_scaled(shortcut: Node | None) -> bool:
    """Whether the skip is written with its constant already."""
    return shortcut is not None and any(isinstance(n, Layer) and isinstance(n.op, Scale) for n, _ in walk(shortcut))


def _both(factor: float, layer: Layer) -> float:
    """Attention has two matrices that are scaled: value and output."""
    return factor**2 if isinstance(layer.op, Attention) else factor


def _weighted(node: Node) -> Iterator[Layer]:
    for inner, _ in walk(node):
        if isinstance(inner, Layer) and isinstance(inner.op, Linear | Conv | Attention):
            yield inner


def _last_weighted(node: Node) -> Iterator[Layer]:
    """The layers whose output leaves a branch, but for activations and dropout: weights, or a norm's gain."""
    match node:
        case Layer():
            if isinstance(node.op, Linear | Conv | Attention | Norm):
                yield node
        case Sequence(children=children):
            for child in reversed(children):
                found = list(_last_weighted(child))
                if found:
                    yield from found
                    return
        case Repeat(body=body):
            yield from _last_weighted(body)
        case Residual(branch=branch):
            yield from _last_weighted(branch)
        case Concat(branches=branches) | Product(branches=branches):
            for branch in branches:
                yield from _last_weighted(branch)

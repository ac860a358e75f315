"""Residual blocks of a network that was read, and the stack that a skip could be put round."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from kaiming_mcp.architecture.ir import (
    Activation,
    Attention,
    Conv,
    Dropout,
    Layer,
    Linear,
    Network,
    Node,
    Norm,
    Opaque,
    Pool,
    Product,
    Recurrent,
    Residual,
    Scale,
    layers,
    walk,
)
from kaiming_mcp.architecture.notation_writer import write_notation
from kaiming_mcp.diagnosis.network import structure
from kaiming_mcp.diagnosis.network.losses import RANGES
from kaiming_mcp.diagnosis.network.stretches import longest_run
from kaiming_mcp.diagnosis.residual.block.model import Block, OnSkip
from kaiming_mcp.diagnosis.residual.block.trunk import moments_of
from kaiming_mcp.signal.initialization import Initialization

LONGEST_SHOWN = 110
_WEIGHTED = ("conv", "linear", "dense", "fc", "proj")
"""Parts of the names of unknown modules that are one weighted layer."""


def blocks_of(network: Network, init: Initialization, times: int = 1) -> list[Block]:
    """The kinds of residual block in a network of `times` copies of the text, the most frequent first."""
    groups: dict[tuple[object, ...], list[tuple[Residual, int]]] = {}
    for node, copies in structure.residuals(network.root):
        kinds = tuple(_kind(la) for la, _ in layers(node.branch))
        computes = (Linear, Conv, Attention, Recurrent, Opaque, Norm)
        # A sum of embeddings computes nothing.
        if copies and structure.count(node.branch, *computes):
            groups.setdefault((kinds, node.scale), []).append((node, copies))
    return sorted((_block(members, network, init, times) for members in groups.values()), key=lambda b: -b.sums)


def candidate(network: Network, init: Initialization) -> Block:
    """A stack without a skip, seen as the branch F that a skip could be put round, or a network whose middle takes skips."""
    run = longest_run(network.root)
    whole = replace(_branch(network.root, network, init, 1), shown=_short(network.root), sums=0, kept=run.kept)
    if whole.fits or run.kept < 2:
        return whole
    # A whole network: skips fit round the layers in its middle, not round it.
    return replace(whole, moment=None, degree=None, mean=0.0, width=(None, None), strided=False, ends="layer")


def _branch(node: Node, network: Network, init: Initialization, times: int) -> Block:
    """A block of this branch, with nothing round it."""
    moment, degree, mean = moments_of(node, network, init, times)
    ops = [la.op for la, _ in layers(node)]
    found = structure.activations(node)
    return Block(
        shown="",
        basis="read",
        layers=_depth(node),
        moment=moment,
        degree=degree,
        mean=mean,
        normed=structure.has_norm(node),
        ends=_ends(node),
        width=(
            next((w for op in ops if (w := structure.width_in(op))), None),
            next((w for op in reversed(ops) if (w := structure.width_out(op))), None),
        ),
        strided=any(isinstance(op, Pool) or (isinstance(op, Conv) and any(s != 1 for s in op.stride)) for op in ops),
        inner=max(found, key=lambda n: found[n]) if found else "",
    )


def _block(members: list[tuple[Residual, int]], network: Network, init: Initialization, times: int) -> Block:
    node, _ = max(members, key=lambda m: m[1])
    after, factor = _after(network.root, [m for m, _ in members])
    branch, scale = _branch(node.branch, network, init, times), node.scale
    behind = ", then " + ", ".join(a.partition(" ")[2] for a in after) if after else ""
    skip = "x" if node.shortcut is None else f"S(x), S: {_short(node.shortcut)}"
    scaled = "" if scale == 1 else f"{scale:.4g} "
    return replace(
        branch,
        shown=f"{skip} + {scaled}F(x), F: {_short(node.branch)}{behind}",
        basis="assumed" if node.basis == "assumed" else "read",
        sums=sum(n for _, n in members),
        on_skip=tuple(o for n, copies in members if copies for o in _on_skip(n)),
        after=after,
        after_factor=factor,
        branch_factor=scale,
        moment=None if branch.moment is None else branch.moment * scale**2,
    )


def _kind(layer: Layer) -> str:
    return f"{type(layer.op).__name__}{getattr(layer.op, 'name', '') or getattr(layer.op, 'kind', '')}"


def _depth(node: Node) -> int | None:
    """Weighted layers; attention counts as two. Unknown modules by their names."""
    total = structure.weighted(node) + structure.count(node, Attention, Recurrent)
    for layer, copies in layers(node):
        if isinstance(layer.op, Opaque):
            if layer.op.parameters or not any(w in layer.op.name.lower() for w in _WEIGHTED):
                return None
            total += copies
    return total


def _on_skip(node: Residual) -> list[OnSkip]:
    if node.shortcut is None:
        return []
    products = (n for n, _ in walk(node.shortcut) if isinstance(n, Product))
    if any(structure.GATES & structure.activations(n).keys() for n in products):
        return [OnSkip("gate", "sigmoid(W x) on the skip", 0.5)]
    found: list[OnSkip] = []
    for layer, _ in layers(node.shortcut):
        match layer.op:
            case Linear() as op:
                found.append(OnSkip("projection", structure.cite(layer), None, op.in_features != op.out_features))
            case Conv() as op:
                resizes = op.in_channels != op.out_channels or any(s != 1 for s in op.stride)
                found.append(OnSkip("projection", structure.cite(layer), None, resizes))
            case Dropout(p=p) if p > 0:
                found.append(OnSkip("dropout", f"p = {p:g}"))
            case Scale(factor=factor) if factor != 1:
                found.append(OnSkip("scale", f"{factor:g}", factor))
            case Activation(name=name):
                found.append(OnSkip("activation-on-skip", name))
            case Norm(kind=kind) if not any(o.kind == "projection" for o in found):
                found.append(OnSkip("norm-on-skip", kind))
            case Opaque(name=name):
                found.append(OnSkip("unknown", name[:30]))
            case _:
                continue
    return found


def _after(root: Node, members: list[Residual]) -> tuple[tuple[str, ...], float]:
    """What stands behind most of these sums, and the product of constants there."""
    wanted = {id(m) for m in members}
    seen: Counter[tuple[tuple[str, ...], float]] = Counter()
    for chain in structure.chains(root):
        places = [i for i, item in enumerate(chain) if id(item.node) in wanted]
        for i in places:
            found, constant = _behind(chain[i + 1 :])
            # A norm behind the last of several sums is the final one.
            lone = chain[i].copies == 1 and i == places[-1] and len(wanted) > 1
            if lone and len(found) == 1 and found[0].startswith("norm-after"):
                found = ()
            if chain[i].copies:
                seen[found, constant] += chain[i].copies
    return seen.most_common(1)[0][0] if seen else ((), 1.0)


def _behind(chain: structure.Chain) -> tuple[tuple[str, ...], float]:
    found: list[str] = []
    constant = 1.0
    for item in chain:
        match item.node.op if isinstance(item.node, Layer) else None:
            case Norm(kind=kind):
                found.append(f"norm-after {kind} norm")
            case Activation(name=name) if "softm" not in name:
                found.append(f"activation-after {name}")
            case Scale(factor=factor) if factor != 1:
                found.append(f"scale-after {factor:.4g}")
                constant *= factor
            case _:
                if not structure.is_idle(item.node):
                    break
    return tuple(found), constant


def _ends(node: Node) -> str:
    """How a branch ends, as in Block.ends."""
    last = next((i.node for i in reversed(structure.main_chain(node)) if not structure.is_passive(i.node)), None)
    if last is None:
        return ""
    match last.op if isinstance(last, Layer) else None:
        case Norm():
            return "norm"
        case Scale():
            return "scale"
        case Activation(name=name):
            low, _ = RANGES.get(name, (-1.0, 0.0))
            return "never zero" if name in ("sigmoid", "softplus", "softmax") else "positive" if low == 0 else name
        case _:
            return "layer"


def _short(node: Node) -> str:
    text = " ; ".join(line.strip() for line in write_notation(Network("", node)).splitlines() if line.strip())
    text = " ".join(text.replace("{ ;", "{").replace("; }", "}").split())
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 1]}…"

"""Before a trace: what the network holds, and whether it can be followed at all."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from kaiming_mcp.architecture.ir import (
    Activation,
    Attention,
    Conv,
    Embedding,
    Layer,
    Linear,
    Node,
    Norm,
    Recurrent,
    Sequence,
    Shape,
    layers,
)
from kaiming_mcp.signal.rules import is_modelled

MOST_LAYERS = 20_000
"""Layers, copies counted, that are traced; beyond it the answer would take more than seconds."""
MOST_NAMED = 5
"""Kinds of layer that a note lists by name."""


class NotTracedError(ValueError):
    """The signal cannot be followed through this network; the message says where and why."""


def unmodelled(root: Node) -> dict[str, int]:
    """Kinds of layer without a rule, with their number, copies counted."""
    found: dict[str, int] = {}
    for layer, times in layers(without_readout(root)):
        if not is_modelled(layer.op):
            name = kind_of(layer)
            found[name] = found.get(name, 0) + times
    return found


def kind_of(layer: Layer) -> str:
    """What a layer is called in a note."""
    name = getattr(layer.op, "name", None) or getattr(layer.op, "kind", None)
    return str(name or type(layer.op).__name__)


class Survey(NamedTuple):
    """One pass over all layers: whether any pads with zeros, whether any normalizes, how many are recurrent."""

    pads: bool
    normed: bool
    recurrent: int


def survey(root: Node) -> Survey:
    """Look at every layer once.

    Raises:
        NotTracedError: no layer, none that is modelled, or too many.
    """
    total, modelled, pads, normed, recurrent = 0, False, False, False, 0
    for layer, times in layers(root):
        op = layer.op
        total += times
        modelled = modelled or is_modelled(op)
        if isinstance(op, Conv):
            pads = pads or any(op.padding)
        elif isinstance(op, Norm):
            normed = True
        elif isinstance(op, Recurrent):
            recurrent += times
    if total > MOST_LAYERS:
        raise NotTracedError(f"{total:,} layers; at most {MOST_LAYERS:,} are traced")
    if not total:
        raise NotTracedError("no layer was read")
    if not modelled:
        raise NotTracedError(f"no layer is modelled: {', '.join([*unmodelled(root)][:MOST_NAMED])}")
    return Survey(pads, normed, recurrent)


def without_readout(root: Node) -> Node:
    """The network up to its logits: a last softmax changes nothing that is measured here."""
    if isinstance(root, Sequence) and root.children:
        last = root.children[-1]
        if isinstance(last, Layer) and isinstance(last.op, Activation) and "softm" in last.op.name:
            return replace(root, children=root.children[:-1])
        inner = without_readout(last) if isinstance(last, Sequence) else last
        return root if inner is last else replace(root, children=(*root.children[:-1], inner))
    return root


def first_shape(root: Node) -> Shape:
    """The input that the first layer with a known one asks for; unknown otherwise."""
    for layer, _ in layers(root):
        match layer.op:
            case Linear():
                return Shape(layer.op.in_features)
            case Conv():
                return Shape(layer.op.in_channels, None)
            case Embedding():
                return Shape(None, None)
            case Attention():
                return Shape(layer.op.features, None)
            case Recurrent():
                return Shape(layer.op.in_features, None)
            case _:
                continue
    return Shape(None, None)

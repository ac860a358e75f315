"""What a Keras table hides: one assumption for each kind of thing, with what would settle it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kaiming_mcp.architecture import listing
from kaiming_mcp.architecture.graph import Join, Vertex
from kaiming_mcp.architecture.ir import (
    Activation,
    Assumption,
    Conv,
    Dropout,
    Layer,
    Linear,
    Node,
    Norm,
    Opaque,
    Pool,
    Recurrent,
    Reshape,
    Upsample,
    layers,
)

CONFIG = "model.get_config()"
ACTIVATIONS_UNSHOWN = "(activation=...) are not shown by summary()"
MOST_NAMED = 3


def listed(names: Iterable[str]) -> str:
    """The first few of the names, each once."""
    return listing.listed(list(dict.fromkeys(names)), MOST_NAMED)


def hidden_activations(vertices: Sequence[Vertex]) -> list[Assumption]:
    """Dense and convolution layers that no activation layer follows: they may hold one themselves."""
    acts = [False] * len(vertices)
    after: list[list[int]] = [[] for _ in vertices]
    for at, vertex in enumerate(vertices):
        for i in vertex.inputs:
            after[i].append(at)
    bare, weighted = list[str](), set[str]()
    for at in range(len(vertices) - 1, -1, -1):
        content, follows, behind = vertices[at].content, any(acts[i] for i in after[at]), ""
        inner = [] if content is None or isinstance(content, Join) else [layer for layer, _ in layers(content)]
        for layer in reversed(inner):
            if isinstance(layer.op, Linear | Conv):
                if layer.path != behind:
                    weighted.add(layer.path)
                    if not follows:
                        bare.append(layer.path)
                follows = False
            elif not isinstance(layer.op, Norm | Pool | Dropout | Reshape | Upsample):
                follows = isinstance(layer.op, Activation)
            behind = layer.path
        acts[at] = follows
    if not bare:
        return []
    names = list(dict.fromkeys(reversed(bare)))
    return [
        Assumption(
            f"activations inside Dense/Conv layers {ACTIVATIONS_UNSHOWN}, so none was taken: "
            f"{len(names)} of {len(weighted)} have no activation layer after them ({listed(names)})",
            f"{CONFIG}, or the code that builds the model",
        )
    ]


def guesses(nodes: Iterable[Node]) -> list[Assumption]:
    """What stands in the layers that the table did not print."""
    found = [layer for node in nodes for layer, _ in layers(node)]
    assumed = [layer for layer in found if layer.basis == "assumed"]
    notes = list[Assumption]()

    def note(statement: str, kept: list[Layer], settle: str = CONFIG) -> None:
        if kept:
            notes.append(Assumption(statement.format(listed(layer.path for layer in kept)), settle))

    note(
        "kernels, strides and padding are not printed: {} have the usual ones (square, dilation 1) that give the "
        "printed shapes and parameter counts",
        [layer for layer in assumed if isinstance(layer.op, Conv | Pool)],
    )
    note("the rate of Dropout is not printed: {} taken as 0.5", [la for la in found if isinstance(la.op, Dropout)])
    note(
        "the functions of {} were taken from their names or those of their kind, slopes as Keras's defaults",
        [layer for layer in assumed if isinstance(layer.op, Activation)],
    )
    note(
        "which function {} applies is not printed",
        [la for la in found if isinstance(la.op, Opaque) and la.op.name == "Activation"],
    )
    note(
        "the input widths of {}, or what they wrap, follow from shapes and parameter counts alone",
        [la for la in assumed if not isinstance(la.op, Conv | Pool | Dropout | Activation | Norm | Upsample)],
    )
    note(
        "groups, and whether a scale or a shift is left out, are not printed: {} have what the count allows",
        [layer for layer in assumed if isinstance(layer.op, Norm)],
    )
    note(
        "whether {} return every step or the last one is not modelled: what follows works on each step",
        [la for la in found if isinstance(la.op, Recurrent)],
        "return_sequences in the code",
    )
    return notes

"""The order of channels and positions in Keras, and what a layer does that its rule does not have."""

from __future__ import annotations

import re

from kaiming_mcp.architecture.ir import Recurrent
from kaiming_mcp.architecture.source.keras_kernels import Dims, Step
from kaiming_mcp.architecture.source.keras_layers import step
from kaiming_mcp.architecture.source.machine import Machine
from kaiming_mcp.architecture.source.remarks import LAST_AXIS
from kaiming_mcp.architecture.source.values import Object, whole, written

_WINDOWS = re.compile(
    r"(Separable|Depthwise)?Conv|Convolution|Deconvolution|(Max|Average|Avg|Global)\w*Pool|UpSampling\dD"
)
_NORMS = frozenset({"BatchNormalization", "LayerNormalization", "GroupNormalization"})


def note_cell(machine: Machine, layer: Object, made: Step) -> None:
    """A nonlinearity inside a recurrent cell that the cell's rule does not have."""
    inner = layer.arguments.get("layer")
    given = (inner.arguments if isinstance(inner, Object) else layer.arguments).get("activation", "tanh")
    if any(isinstance(op, Recurrent) for op in made.ops) and given != "tanh":
        machine.assume(
            f"line {layer.line}: {layer.title} has activation {written(given)} inside its cell, where tanh bounds the "
            "state; it is traced with tanh",
            "nothing: with an unbounded activation the state may grow at every step",
        )


def in_order(machine: Machine, layer: Object, cls: str, dims: Dims) -> Step:
    """The operations of a layer, in either order of channels and positions."""
    given = layer.arguments.get("data_format")
    window = bool(_WINDOWS.match(cls))
    # Without a word Keras 1 followed its back end, and Theano's had the channels first.
    guessed = window and given is None and _theano(layer, dims)
    machine.channels_first = machine.channels_first or (window and given == "channels_first") or guessed
    if guessed:
        machine.assume(
            f"line {layer.line}: {cls} on {'x'.join(str(d) for d in dims or ())} is taken with its channels first, as "
            "Keras 1 did over Theano",
            'dim_ordering="tf", if the channels come last',
        )
    axis = whole(layer.arguments.get("axis", -1))
    first = window if given is None else given == "channels_first"
    turned = machine.channels_first and dims and len(dims) > 1 and (first or (cls in _NORMS and axis == 1))
    if machine.channels_first and cls in _NORMS and axis == -1 and dims and len(dims) > 1:
        machine.assume(
            f"line {layer.line}: {cls} {LAST_AXIS}: it normalises over the last axis "
            f" ({dims[-1]} positions), not over the {dims[0]} channels",
            "axis=1 in this layer, if the channels are meant",
        )
    if not turned or not dims:
        return step(cls, layer.arguments, dims)
    made = step(cls, layer.arguments, (*dims[1:], dims[0]))
    return made if not made.dims or len(made.dims) < 2 else made._replace(dims=(made.dims[-1], *made.dims[:-1]))


def _theano(layer: Object, dims: Dims) -> bool:
    """Whether an image of Keras 1 has one or three channels in front, and no such number at the end."""
    old = layer.title.startswith("Convolution")
    return old and dims is not None and len(dims) == 3 and dims[0] in {1, 3} and (dims[2] or 0) > 4

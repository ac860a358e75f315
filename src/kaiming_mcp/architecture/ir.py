"""What a network is: operations, and the tree that joins them.

Every value is immutable. `path` and `origin` say where in the user's text a node came from and
take no part in equality, so that two layers with the same meaning compare equal.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

Basis = Literal["read", "assumed"]
NormKind = Literal["batch", "layer", "rms", "group", "instance"]


@dataclass(frozen=True, slots=True)
class Linear:
    """y = W x + b on the last axis; also Dense and the transposed Conv1D of GPT-2."""

    in_features: int
    out_features: int
    bias: bool = True


@dataclass(frozen=True, slots=True)
class Conv:
    """A convolution over `len(kernel)` axes; one entry per axis in every tuple.

    `padding` is the number of zeros on each side of an axis.
    """

    in_channels: int
    out_channels: int
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int = 1
    bias: bool = True
    transposed: bool = False
    output_padding: tuple[int, ...] = ()
    padding_mode: str = "zeros"


@dataclass(frozen=True, slots=True)
class Activation:
    """A pointwise nonlinearity; `parameter` is its slope or scale where it has one."""

    name: str
    parameter: float | None = None
    learnable: int = 0


@dataclass(frozen=True, slots=True)
class Norm:
    """A normalization; `groups` counts for group norm only."""

    kind: NormKind
    features: int
    eps: float = 1e-5
    affine: bool = True
    bias: bool = True
    groups: int = 1


@dataclass(frozen=True, slots=True)
class Pool:
    """Pooling; `output` is given for adaptive pooling, `kernel` for the rest; global has neither."""

    kind: Literal["max", "avg"]
    kernel: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    padding: tuple[int, ...] = ()
    output: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Dropout:
    """Zero with probability p, scale by 1/(1-p) in training."""

    p: float = 0.5


@dataclass(frozen=True, slots=True)
class Reshape:
    """Flatten, identity and the like: no arithmetic."""

    kind: Literal["flatten", "identity"] = "flatten"


@dataclass(frozen=True, slots=True)
class Upsample:
    """Enlargement by a factor along each axis, by repetition or by linear interpolation."""

    factor: float = 2.0
    linear: bool = False


@dataclass(frozen=True, slots=True)
class Scale:
    """y = factor * x: layer scale, ReZero's zero, the sqrt(width) behind an embedding; `learnable` numbers of it."""

    factor: float
    learnable: int = 0


@dataclass(frozen=True, slots=True)
class Embedding:
    """A table of `count` vectors of `features` numbers."""

    count: int
    features: int


@dataclass(frozen=True, slots=True)
class Attention:
    """Softmax attention with its projections; `heads` = 0 where the text hides it.

    `kv_features` is the width of the key and value projections (grouped-query: below `features`).
    `packed` marks query, key and value in one matrix that is initialised as one (nn.MultiheadAttention),
    `causal` a mask of what comes later; scores are multiplied by `scale`, 1/sqrt(head width) when 0.
    `extra` counts the parameters that this shape does not: query and key norms, a bias on three of
    the four projections, queries wider than `features`.
    """

    features: int
    heads: int = 0
    kv_features: int = 0
    bias: bool = True
    extra: int = 0
    packed: bool = False
    causal: bool = False
    scale: float = 0.0

    @property
    def kv_width(self) -> int:
        """Width of keys and values."""
        return self.kv_features or self.features


@dataclass(frozen=True, slots=True)
class Recurrent:
    """RNN, LSTM or GRU; `gates` is 1, 4 or 3 (times `hidden` rows of weights)."""

    kind: Literal["rnn", "lstm", "gru"]
    in_features: int
    hidden: int
    layers: int = 1
    bidirectional: bool = False
    bias: bool = True

    @property
    def gates(self) -> int:
        """Number of gate blocks stacked in the weight matrix."""
        return {"rnn": 1, "lstm": 4, "gru": 3}[self.kind]


@dataclass(frozen=True, slots=True)
class Opaque:
    """A module whose meaning is not known: its class name and arguments, as printed.

    `parameters` is its parameter count where the text or the class tells it.
    """

    name: str
    arguments: str = ""
    parameters: int | None = field(default=None, compare=False)


Op = (
    Linear
    | Conv
    | Activation
    | Norm
    | Pool
    | Dropout
    | Reshape
    | Upsample
    | Scale
    | Embedding
    | Attention
    | Recurrent
    | Opaque
)


@dataclass(frozen=True, slots=True)
class Origin:
    """The line of the user's text (1-based, 0 unknown) and its content, shortened."""

    line: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class Layer:
    """One operation. `basis` is "assumed" where the text only implies it.

    `start` says how its own weights are drawn, in the words of the tools' `initialization` argument; empty where the
    text says nothing of this layer alone.
    """

    op: Op
    path: str = field(default="", compare=False)
    origin: Origin = field(default=Origin(), compare=False)
    basis: Basis = field(default="read", compare=False)
    start: str = ""


@dataclass(frozen=True, slots=True)
class Sequence:
    """Children in order of execution; `basis` is "assumed" where that order is, and what joins them is not shown."""

    children: tuple[Node, ...]
    path: str = field(default="", compare=False)
    basis: Basis = field(default="read", compare=False)


@dataclass(frozen=True, slots=True)
class Repeat:
    """`count` copies of the body one after another, each with its own weights.

    `identical` marks copies that start with the same weights (nn.TransformerEncoder).
    """

    count: int
    body: Node
    path: str = field(default="", compare=False)
    identical: bool = False


@dataclass(frozen=True, slots=True)
class Residual:
    """shortcut(x) + scale * branch(x); the shortcut is the identity when None."""

    branch: Node
    shortcut: Node | None = None
    scale: float = 1.0
    path: str = field(default="", compare=False)
    basis: Basis = field(default="read", compare=False)


@dataclass(frozen=True, slots=True)
class Concat:
    """The branches' outputs side by side."""

    branches: tuple[Node, ...]
    path: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Product:
    """The branches' outputs multiplied element by element: act(gate(x)) * up(x), x * gate(x)."""

    branches: tuple[Node, ...]
    path: str = field(default="", compare=False)
    basis: Basis = field(default="read", compare=False)


Node = Layer | Sequence | Repeat | Residual | Concat | Product


@dataclass(frozen=True, slots=True)
class Shape:
    """Features (channels, width) at each of `positions`; None where a size is not known.

    `positions` is () for a plain vector, (tokens,) for a sequence, (height, width) for an image.
    """

    features: int | None
    positions: tuple[int, ...] | None = ()

    @property
    def count(self) -> int | None:
        """Number of positions, or None when unknown."""
        return None if self.positions is None else math.prod(self.positions)


@dataclass(frozen=True, slots=True)
class Assumption:
    """Something the text does not say: what was taken, why, and what would settle it."""

    statement: str
    settle: str


@dataclass(frozen=True, slots=True)
class Difference:
    """Parameters that the modules of the text miss (positive) or count twice (negative).

    `layered` marks missed ones that a layer of the tree holds all the same, such as the in_proj of an Attention.
    """

    count: int
    reason: str
    layered: bool = False


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another network that the text allows as well: what would have to hold for it."""

    condition: str
    root: Node


@dataclass(frozen=True, slots=True)
class Network:
    """One model as read.

    `initialization` and `loss` are what the text itself says of them, in the words of the tool's argument and as
    the class of the loss; `stated` is the number of parameters that the text gives as its own total.
    """

    name: str
    root: Node
    input: Shape | None = None
    assumptions: tuple[Assumption, ...] = ()
    differences: tuple[Difference, ...] = ()
    modules: int = 0
    """Modules in the text, containers included; run-length rows counted in full."""
    initialization: str = ""
    loss: str = ""
    stated: int | None = None
    alternatives: tuple[Alternative, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader made of a text: one or more networks, and the format it recognised."""

    format: str
    networks: tuple[Network, ...]


def children(node: Node) -> tuple[Node, ...]:
    """The direct children of a node, in order of execution."""
    match node:
        case Layer():
            return ()
        case Sequence(children=inner) | Concat(branches=inner) | Product(branches=inner):
            return inner
        case Repeat(body=body):
            return (body,)
        case Residual(branch=branch, shortcut=shortcut):
            return (branch,) if shortcut is None else (branch, shortcut)


def walk(node: Node, times: int = 1) -> Iterator[tuple[Node, int]]:
    """Every node below and including this one, with the number of copies it stands for."""
    stack = [(node, times)]
    while stack:
        current, copies = stack.pop()
        yield current, copies
        inner = copies * current.count if isinstance(current, Repeat) else copies
        stack.extend((child, inner) for child in reversed(children(current)))


def layers(node: Node) -> Iterator[tuple[Layer, int]]:
    """Every layer with its number of copies, in order of execution."""
    return ((n, times) for n, times in walk(node) if isinstance(n, Layer))


def is_weighted(op: Op) -> bool:
    """Whether the operation mixes features through a weight matrix."""
    return isinstance(op, Linear | Conv | Attention | Recurrent)

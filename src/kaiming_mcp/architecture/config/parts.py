"""Building blocks that the families share: attention, mlps, norms, embeddings, residual blocks, heads.

Source: transformers 5.x, models/*/modeling_*.py and activations.py (names of activations).
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence as Ordered
from dataclasses import dataclass, field, replace
from itertools import groupby

from kaiming_mcp.architecture.config.fields import Fields
from kaiming_mcp.architecture.ir import (
    Activation,
    Assumption,
    Attention,
    Dropout,
    Embedding,
    Layer,
    Linear,
    Node,
    Norm,
    NormKind,
    Op,
    Opaque,
    Product,
    Repeat,
    Residual,
    Scale,
    Sequence,
    Shape,
)
from kaiming_mcp.architecture.parameters import parameter_count

TOKENS = Shape(None, None)
Biases = tuple[bool, bool, bool, bool]
"""Whether query, key, value and output projections have a bias."""
_ACTIVATIONS = {
    **dict.fromkeys(("gelu_new", "gelu_fast", "gelu_pytorch_tanh", "gelu_python_tanh", "gelu_accurate"), "gelu_tanh"),
    "gelu_python": "gelu",
    "swish": "silu",
    "linear": "identity",
}
_LEARNABLE = {"prelu": 1, "xielu": 2}


@dataclass(slots=True)
class Tower:
    """One network on its way: its layers so far, and what is to be said about it."""

    fields: Fields
    name: str = ""
    steps: list[Node] = field(default_factory=list[Node])
    input: Shape = TOKENS
    initialization: str = ""
    differences: dict[str, int] = field(default_factory=dict[str, int])
    assumptions: dict[Assumption, None] = field(default_factory=dict[Assumption, None])

    def add(self, *nodes: Node) -> None:
        """Append nodes in order of execution."""
        self.steps += nodes

    def differ(self, count: int, reason: str) -> None:
        """Parameters that the tree misses, or counts twice when below zero."""
        if count:
            self.differences[reason] = self.differences.get(reason, 0) + count

    def assume(self, statement: str, settle: str = "print(model)") -> None:
        """Something that the file does not say."""
        self.assumptions[Assumption(statement, settle)] = None


def layer(op: Op, path: str) -> Layer:
    """A layer whose sizes stand in the file."""
    return Layer(op, path)


def chain(*nodes: Node | None) -> Node:
    """Nodes one after another; None is left out, and sequences without a path are laid open."""
    kept: list[Node] = []
    for node in nodes:
        if node is not None:
            kept += node.children if isinstance(node, Sequence) and not node.path else (node,)
    return kept[0] if len(kept) == 1 else Sequence(tuple(kept))


def activation(name: str) -> Activation:
    """An activation by its name in transformers."""
    known = _ACTIVATIONS.get(name, name)
    return Activation(known, None, _LEARNABLE.get(known, 0))


def dropout(p: float, path: str) -> Node | None:
    """Dropout, or nothing."""
    return Layer(Dropout(p), path) if p else None


@dataclass(frozen=True, slots=True)
class Normal:
    """The kind of norm that a family uses throughout."""

    kind: NormKind
    eps: float
    affine: bool = True
    bias: bool = True

    def layer(self, features: int, path: str) -> Layer:
        """The norm of that width."""
        return Layer(Norm(self.kind, features, self.eps, self.affine, self.bias and self.kind != "rms"), path)


@dataclass(frozen=True, slots=True)
class Heads:
    """How attention splits its width: number of heads, their width, heads of keys and values."""

    count: int
    width: int
    key_values: int

    @property
    def queries(self) -> int:
        """Width of all queries."""
        return self.count * self.width

    @property
    def keys(self) -> int:
        """Width of all keys."""
        return self.key_values * self.width


def heads_of(f: Fields, width: int, key_values: int | None = None) -> Heads:
    """Heads from the usual fields; the width of a head is hidden_size / heads unless head_dim says otherwise.

    Raises:
        ReadError: the heads do not divide the width, or the key-value heads do not divide the heads.
    """
    count = f.whole("num_attention_heads")
    own = f.optional("head_dim")
    if own is None and width % count:
        f.refuse(f"hidden_size {width:,} is not a multiple of num_attention_heads {count:,}")
    if key_values is None:
        key_values = f.optional("num_key_value_heads") or count
    if count % key_values:
        f.refuse(f"num_attention_heads {count:,} is not a multiple of num_key_value_heads {key_values:,}")
    return Heads(count, own or width // count, key_values)


def attention(
    width: int,
    heads: Heads,
    path: str,
    *,
    biases: Biases = (False, False, False, False),
    more: int = 0,
    causal: bool = False,
    scale: float = 0.0,
) -> Layer:
    """Attention with biases on query, key, value, output; `more` counts its norms and tables."""
    plain = Attention(
        width, heads.count, 0 if heads.keys == width else heads.keys, all(biases), causal=causal, scale=scale
    )
    q, k, v, o = biases
    true = 2 * width * (heads.queries + heads.keys) + heads.queries * q + heads.keys * (k + v) + width * o + more
    return Layer(replace(plain, extra=true - (parameter_count(plain) or 0)), path)


def biased(qkv: bool, out: bool) -> Biases:
    """One answer for query, key and value, one for the output."""
    return qkv, qkv, qkv, out


def mlp(width: int, inner: int, act: str, path: str, bias: bool = True, inside: Node | None = None) -> Node:
    """down(act(up(x)))."""
    return chain(
        layer(Linear(width, inner, bias), f"{path}.up"),
        layer(activation(act), f"{path}.act"),
        inside,
        layer(Linear(inner, width, bias), f"{path}.down"),
    )


def gated_mlp(width: int, inner: int, act: str, path: str, bias: bool = False, inside: Node | None = None) -> Node:
    """down(act(gate(x)) * up(x))."""
    gate = chain(layer(Linear(width, inner, bias), f"{path}.gate"), layer(activation(act), f"{path}.act"))
    up = layer(Linear(width, inner, bias), f"{path}.up")
    return chain(Product((gate, up), path, "assumed"), inside, layer(Linear(inner, width, bias), f"{path}.down"))


def residual(branch: Node, path: str, scale: float = 1.0, shortcut: Node | None = None) -> Residual:
    """A sum that the family's forward() makes."""
    return Residual(branch, shortcut, scale, path, "assumed")


def pre_norm(parts: Iterable[tuple[Node | None, Node, Node | None]], path: str, scale: float = 1.0) -> Node:
    """x + after(part(before(x))) for each (before, part, after) in turn."""
    return Sequence(tuple(residual(chain(before, part, after), path, scale) for before, part, after in parts), path)


def post_norm(parts: Iterable[tuple[Node, Node]], path: str) -> Node:
    """norm(x + part(x)) for each (part, norm) in turn."""
    return Sequence(tuple(n for part, norm in parts for n in (residual(part, path), norm)), path)


def parallel(first: Node, second: Node, path: str, norm: Node | None = None, scale: float = 1.0) -> Node:
    """x + first(n(x)) + second(n(x)), with one norm for both unless each brings its own."""
    return residual(chain(norm, residual(second, path, 1.0, first)), path, scale)


def repeated(blocks: Ordered[Node], path: str) -> list[Node]:
    """Blocks in order; equal neighbours become one Repeat."""
    runs = [(block, sum(1 for _ in same)) for block, same in groupby(blocks)]
    return [Repeat(count, block, path) if count > 1 else block for block, count in runs]


def embedded(tokens: Node, width: int, tables: Iterable[tuple[int, str]]) -> Node:
    """Position and type vectors, from tables of so many rows, added to what the tokens give."""
    for rows, path in tables:
        tokens = residual(layer(Embedding(rows, width), path), path, 1.0, tokens)
    return tokens


def tied_head(tower: Tower, width: int, vocabulary: int, tied: bool, bias: bool = False) -> None:
    """The language model's head, whose weight may be the token embedding."""
    tower.add(layer(Linear(width, vocabulary, bias), "lm_head"))
    if tied:
        tower.differ(-width * vocabulary, "the head's weight is the token embedding (tie_word_embeddings)")


def scaled(factor: float, path: str) -> Node | None:
    """A constant factor, or nothing when it is one."""
    return None if factor == 1 else layer(Scale(factor), path)


def unknown_head(tower: Tower, kind: str) -> None:
    """A head that is not known: the rest is read, its parameters stay unknown."""
    tower.add(layer(Opaque(f"head of {kind}"), "head"))
    tower.assume(f"the head of a class that ends in {kind} is not known; its parameters are not counted")

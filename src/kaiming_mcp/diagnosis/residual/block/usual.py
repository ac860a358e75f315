"""Modules that a forward() calls and nothing defines, taken for what their names say."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from kaiming_mcp.architecture.ir import Activation, Conv, Dropout, Layer, Linear, Network, Node, Norm, Opaque, Sequence
from kaiming_mcp.architecture.rewrite import transform

USUAL_WIDTH = 64
"""Taken for every size that a text leaves open: second moments hardly depend on it."""
_ONE = (1, 1)
_CONV = Conv(USUAL_WIDTH, USUAL_WIDTH, (3, 3), _ONE, _ONE, _ONE)
_LINEAR = Linear(USUAL_WIDTH, USUAL_WIDTH)
_WIDE = 4 * USUAL_WIDTH
_MLP = Sequence((Layer(Linear(USUAL_WIDTH, _WIDE)), Layer(Activation("gelu")), Layer(Linear(_WIDE, USUAL_WIDTH))))
_BY_NAME: tuple[tuple[str, str, Callable[[str], Node]], ...] = (
    (r"conv_?\d?[a-z]?|conv\d?d", f"conv {USUAL_WIDTH} {USUAL_WIDTH} k3", lambda _: Layer(_CONV)),
    (
        r"(?:fc|lin|linear|dense|proj|out_proj|w)_?\d?(?:_?out|_?in)?",
        f"linear {USUAL_WIDTH} {USUAL_WIDTH}",
        lambda _: Layer(_LINEAR),
    ),
    (
        r"mlp|ffn?|feed_?forward",
        f"linear {USUAL_WIDTH} {_WIDE} ; gelu ; linear {_WIDE} {USUAL_WIDTH}",
        lambda _: _MLP,
    ),
    (r"bn_?\d?|batch_?norm_?\d?", "batchnorm", lambda _: Layer(Norm("batch", USUAL_WIDTH))),
    (r"rms_?norm_?\d?|rms", "rmsnorm", lambda _: Layer(Norm("rms", USUAL_WIDTH, bias=False))),
    (r"(?:layer_?)?norm_?\d?|ln_?\d?(?:_\w)?", "layernorm", lambda _: Layer(Norm("layer", USUAL_WIDTH))),
    (r"(?:act|activation|non_?linearity|relu)_?(?:fn)?_?\d?", "relu", lambda _: Layer(Activation("relu"))),
    (r"(gelu|silu|tanh|sigmoid|elu|selu|softplus)_?\d?", "{}", lambda name: Layer(Activation(name))),
    (r"drop(?:out)?_?\d?", "dropout 0.1", lambda _: Layer(Dropout(0.1))),
)
_PATTERNS = [(re.compile(pattern), words, make) for pattern, words, make in _BY_NAME]


def with_usual(network: Network) -> tuple[Network, str]:
    """The network with such modules filled in, and which were taken as what; the text is empty where none were."""
    taken: dict[str, str] = {}
    unknown: dict[str, None] = {}

    def filled(node: Node) -> Node:
        if not (isinstance(node, Layer) and isinstance(node.op, Opaque) and node.op.name.startswith("self.")):
            return node
        name = node.op.name.removeprefix("self.").lower()
        for pattern, words, make in _PATTERNS:
            if found := pattern.fullmatch(name):
                kind = found[1] if pattern.groups else ""
                taken[node.op.name] = words.format(kind)
                return _placed(make(kind), node)
        unknown[node.op.name] = None
        return node

    root = transform(network.root, filled)
    named = ", ".join(f"{name} = {words}" for name, words in taken.items())
    told = f", taken by their names: {named}" if named else ""
    return replace(network, root=root), told + (f", {', '.join(unknown)} taken to keep the scale" if unknown else "")


def _placed(made: Node, at: Layer) -> Node:
    return transform(made, lambda n: replace(n, origin=at.origin, basis="assumed") if isinstance(n, Layer) else n)

"""IR -> PyTorch's print(model) -> IR is the identity, with a printer that is written here and nowhere else."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from kaiming_mcp.architecture.ir import (
    Activation,
    Conv,
    Dropout,
    Embedding,
    Layer,
    Linear,
    Node,
    Norm,
    Op,
    Pool,
    Recurrent,
    Repeat,
    Reshape,
    Sequence,
    Upsample,
)
from kaiming_mcp.architecture.torch_reader import read_torch_repr

CLASSES = {"relu": "ReLU", "gelu": "GELU", "tanh": "Tanh", "silu": "SiLU", "sigmoid": "Sigmoid", "softmax": "Softmax"}


def _conv(op: Conv) -> str:
    n, extra = len(op.kernel), ""
    if any(op.padding):
        extra += f", padding={op.padding}"
    if set(op.dilation) != {1}:
        extra += f", dilation={op.dilation}"
    if op.output_padding:
        extra += f", output_padding={op.output_padding}"
    if op.groups != 1:
        extra += f", groups={op.groups}"
    extra += "" if op.bias else ", bias=False"
    name = "ConvTranspose" if op.transposed else "Conv"
    return f"{name}{n}d({op.in_channels}, {op.out_channels}, kernel_size={op.kernel}, stride={op.stride}{extra})"


def _norm(op: Norm) -> str:
    match op.kind:
        case "layer":
            return f"LayerNorm(({op.features},), eps={op.eps}, elementwise_affine={op.affine})"
        case "rms":
            return f"RMSNorm(({op.features},), eps={op.eps}, elementwise_affine={op.affine})"
        case "group":
            return f"GroupNorm({op.groups}, {op.features}, eps={op.eps}, affine={op.affine})"
        case kind:
            name = "BatchNorm2d" if kind == "batch" else "InstanceNorm2d"
            return f"{name}({op.features}, eps={op.eps}, momentum=0.1, affine={op.affine}, track_running_stats=True)"


def _leaf(op: Op) -> str:
    match op:
        case Linear():
            return f"Linear(in_features={op.in_features}, out_features={op.out_features}, bias={op.bias})"
        case Conv():
            return _conv(op)
        case Norm():
            return _norm(op)
        case Activation(name="leaky_relu"):
            return f"LeakyReLU(negative_slope={op.parameter})"
        case Activation():
            return f"{CLASSES[op.name]}()"
        case Dropout():
            return f"Dropout(p={op.p}, inplace=False)"
        case Embedding():
            return f"Embedding({op.count}, {op.features})"
        case Pool(output=(n, m)):
            return f"Adaptive{op.kind.title()}Pool2d(output_size=({n}, {m}))"
        case Pool():
            return f"{op.kind.title()}Pool2d(kernel_size={op.kernel}, stride={op.stride}, padding={op.padding})"
        case Recurrent():
            extra = f", num_layers={op.layers}" if op.layers > 1 else ""
            extra += ", bidirectional=True" if op.bidirectional else ""
            return f"{op.kind.upper()}({op.in_features}, {op.hidden}{extra}, batch_first=True)"
        case Upsample():
            return f"Upsample(scale_factor={op.factor}, mode='{'bilinear' if op.linear else 'nearest'}')"
        case Reshape():
            return "Flatten(start_dim=1, end_dim=-1)" if op.kind == "flatten" else "Identity()"
        case _:
            raise NotImplementedError(op)


def printed(node: Node, indent: int = 0) -> str:
    """The lines that torch would print for this node, without a name in front."""
    match node:
        case Layer():
            return _leaf(node.op)
        case Sequence():
            pad = "  " * (indent + 1)
            rows = [f"{pad}({i}): {printed(child, indent + 1)}" for i, child in enumerate(node.children)]
            return "Sequential(\n" + "\n".join(rows) + "\n" + "  " * indent + ")"
        case Repeat():
            pad = "  " * (indent + 1)
            row = f"{pad}(0-{node.count - 1}): {node.count} x {printed(node.body, indent + 1)}"
            return f"ModuleList(\n{row}\n{'  ' * indent})"
        case _:
            raise NotImplementedError(node)


_SIZE = st.integers(1, 4096)
_PAIR = st.tuples(st.integers(1, 7), st.integers(1, 7))
_LEAVES = st.one_of(
    st.builds(Linear, _SIZE, _SIZE, st.booleans()),
    st.builds(
        lambda i, o, g, k, s, p, d, b: Conv(i * g, o * g, k, s, p, d, g, b),
        st.integers(1, 64),
        st.integers(1, 64),
        st.integers(1, 8),
        _PAIR,
        _PAIR,
        st.tuples(st.integers(0, 3), st.integers(0, 3)),
        _PAIR,
        st.booleans(),
    ),
    st.builds(
        lambda i, o, k, s, e: Conv(i, o, (k,), (s,), (0,), (1,), 1, True, True, (e,) if e else ()),
        _SIZE,
        _SIZE,
        st.integers(1, 7),
        st.integers(1, 4),
        st.integers(0, 2),
    ),
    st.sampled_from([*CLASSES]).map(Activation),
    st.builds(Activation, st.just("leaky_relu"), st.floats(0.001, 0.9)),
    st.builds(
        Norm,
        st.sampled_from(["batch", "instance", "layer"]),
        _SIZE,
        st.sampled_from([1e-5, 1e-6, 1e-3]),
        st.booleans(),
    ),
    st.builds(lambda c, affine: Norm("rms", c, 1e-6, affine, False), _SIZE, st.booleans()),
    st.builds(lambda g, c: Norm("group", g * c, groups=g), st.integers(1, 32), st.integers(1, 64)),
    st.builds(lambda kind, k, s: Pool(kind, k, s, (0, 0)), st.sampled_from(["max", "avg"]), _PAIR, _PAIR),
    st.builds(lambda kind, n: Pool(kind, output=n), st.sampled_from(["max", "avg"]), _PAIR),
    st.builds(Dropout, st.floats(0, 1)),
    st.builds(Embedding, _SIZE, _SIZE),
    st.builds(Recurrent, st.sampled_from(["lstm", "gru", "rnn"]), _SIZE, _SIZE, st.integers(1, 4), st.booleans()),
    st.builds(Upsample, st.sampled_from([2.0, 4.0]), st.booleans()),
    st.sampled_from([Reshape("flatten"), Reshape("identity")]),
).map(Layer)
_TREES = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map(lambda c: Sequence(tuple(c))),
        st.builds(lambda n, body: Sequence((Repeat(n, body),)), st.integers(2, 50), inner),
    ),
    max_leaves=12,
)


def _bare(node: Node) -> Node:
    """Without containers round a single thing, which the printer adds to write a run of equal modules."""
    match node:
        case Sequence():
            inner = tuple(map(_bare, node.children))
            return inner[0] if len(inner) == 1 else Sequence(inner)
        case Repeat():
            return Repeat(node.count, _bare(node.body))
        case _:
            return node


@settings(max_examples=300, deadline=None)
@given(st.lists(_TREES, min_size=1, max_size=5))
def test_what_is_printed_reads_back_to_the_same_network(children: list[Node]) -> None:
    root = Sequence(tuple(children))
    (network,) = read_torch_repr(printed(root)).networks
    assert _bare(network.root) == _bare(root)


@settings(max_examples=100, deadline=None)
@given(st.lists(_TREES, min_size=1, max_size=5))
def test_a_printout_that_lost_its_lines_reads_back_as_well(children: list[Node]) -> None:
    root = Sequence(tuple(children))
    (network,) = read_torch_repr(" ".join(printed(root).split())).networks
    assert _bare(network.root) == _bare(root)

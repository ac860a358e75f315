"""A network written in the layer notation, runs of equal structure folded into `repeat`."""

from __future__ import annotations

from kaiming_mcp.architecture.ir import (
    Activation,
    Attention,
    Concat,
    Conv,
    Dropout,
    Embedding,
    Layer,
    Linear,
    Network,
    Node,
    Norm,
    Op,
    Opaque,
    Pool,
    Product,
    Recurrent,
    Repeat,
    Reshape,
    Residual,
    Scale,
    Sequence,
    Shape,
    Upsample,
)
from kaiming_mcp.architecture.notation_words import find_word, leaves_padding_open, same_padding

LONGEST_PERIOD = 12
LINE = 100


def write_notation(network: Network) -> str:
    """Text that reads back to the same network, up to nesting of plain sequences."""
    lines = [f"input {shape}"] if (shape := _shape(network.input)) else []
    steps = _steps(normalise(network.root))
    line = ""
    for step in steps:
        if line and len(line) + len(step) > LINE:
            lines.append(line)
            line = ""
        line = f"{line} ; {step}" if line else step
    apart = sum(d.count for d in network.differences if not d.layered)
    after = [f"extra {apart}"] if apart else []
    if network.stated is not None:
        after.append(f"total {network.stated}")
    if network.loss:
        after.append(f'loss "{_escaped(network.loss)}"')
    return "\n".join([*lines, *([line] if line else []), *after])


def normalise(node: Node) -> Node:
    """The same network with nested sequences joined, and equal neighbours folded into repeats."""
    match node:
        case Layer():
            return node
        case Sequence():
            flat: list[Node] = []
            for child in map(normalise, node.children):
                flat += child.children if isinstance(child, Sequence) else [child]
            folded = _fold(flat)
            return folded[0] if len(folded) == 1 else Sequence(tuple(folded))
        case Repeat():
            body = normalise(node.body)
            if node.count == 1 and not node.identical:
                return body
            return Repeat(node.count, body, identical=node.identical)
        case Residual():
            shortcut = None if node.shortcut is None else normalise(node.shortcut)
            return Residual(normalise(node.branch), shortcut, node.scale)
        case Concat():
            return Concat(tuple(map(normalise, node.branches)))
        case Product():
            return Product(tuple(map(normalise, node.branches)))


def _fold(steps: list[Node]) -> list[Node]:
    """Greedy from the left: the shortest period whose run covers the most steps."""
    out: list[Node] = []
    at = 0
    while at < len(steps):
        best, best_period = 1, 0
        for period in range(1, min(LONGEST_PERIOD, (len(steps) - at) // 2) + 1):
            times = 1
            while steps[at : at + period] == steps[at + times * period : at + (times + 1) * period]:
                times += 1
            if times > 1 and times * period > max(best * best_period, 1):
                best, best_period = times, period
        if best_period:
            body = steps[at : at + best_period]
            out.append(Repeat(best, body[0] if best_period == 1 else Sequence(tuple(body))))
            at += best * best_period
        else:
            out.append(steps[at])
            at += 1
    return out


def _steps(node: Node) -> list[str]:
    return [_written(child) for child in node.children] if isinstance(node, Sequence) else [_written(node)]


def _block(node: Node) -> str:
    return "{ " + " ; ".join(_steps(node)) + " }"


def _written(node: Node) -> str:
    match node:
        case Layer():
            return _word(node.op) + (f' init "{_escaped(node.start)}"' if node.start else "")
        case Sequence():
            return " ; ".join(_steps(node))
        case Repeat():
            identical = " identical" if node.identical else ""
            return f"repeat {node.count}{identical} {_block(node.body)}"
        case Residual():
            scale = f" scale {node.scale!r}" if node.scale != 1 else ""
            shortcut = "" if node.shortcut is None else f" shortcut {_block(node.shortcut)}"
            return f"residual{scale} {_block(node.branch)}{shortcut}"
        case Concat():
            return "concat " + " ".join(map(_block, node.branches))
        case Product():
            return "product " + " ".join(map(_block, node.branches))


def _word(op: Op) -> str:
    match op:
        case Linear():
            return f"linear {op.in_features} {op.out_features}" + _switch(not op.bias, "nobias")
        case Conv():
            return _conv(op)
        case Activation():
            return _activation(op)
        case Norm():
            return _norm(op)
        case Pool():
            return _pool(op)
        case Dropout():
            return f"dropout {op.p!r}"
        case Reshape():
            return op.kind
        case Upsample():
            return f"upsample {op.factor!r}" + _switch(op.linear, "linear")
        case Scale():
            return f"multiply {op.factor!r}" + (f" learnable {op.learnable}" if op.learnable else "")
        case Embedding():
            return f"embedding {op.count} {op.features}"
        case Attention():
            kv = f" kv {op.kv_features}" if op.kv_features else ""
            heads = f" heads {op.heads}" if op.heads else ""
            scale = f" scale {op.scale!r}" if op.scale else ""
            switches = _switch(op.packed, "packed") + _switch(op.causal, "causal") + _switch(not op.bias, "nobias")
            extra = f" extra {op.extra}" if op.extra else ""
            return f"attention {op.features}{heads}{kv}{scale}{extra}{switches}"
        case Recurrent():
            layers = f" layers {op.layers}" if op.layers != 1 else ""
            both = _switch(op.bidirectional, "bidirectional") + _switch(not op.bias, "nobias")
            return f"{op.kind} {op.in_features} {op.hidden}{layers}{both}"
        case Opaque():
            held = "" if op.parameters is None else f" parameters {op.parameters}"
            return _unknown(f"{op.name}({op.arguments})") + held


def _switch(on: bool, word: str) -> str:
    return f" {word}" if on else ""


def _unknown(text: str) -> str:
    return f'unknown "{_escaped(text)}"'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _sizes(sizes: tuple[int, ...]) -> str:
    return str(sizes[0]) if len(set(sizes)) == 1 else "x".join(map(str, sizes))


def _axes(sizes: tuple[int, ...]) -> str:
    return "" if len(sizes) == 2 else f"{len(sizes)}d"


def _conv(op: Conv) -> str:
    sizes = _axes(op.kernel)
    stride = "" if set(op.stride) == {1} else f" s{_sizes(op.stride)}"
    dilation = "" if set(op.dilation) == {1} else f" d{_sizes(op.dilation)}"
    same = (0,) * len(op.kernel) if op.transposed else same_padding(op.kernel, op.dilation)
    padding = "" if op.padding == same and not leaves_padding_open(op) else f" p{_sizes(op.padding)}"
    tail = _switch(not op.bias, "nobias")
    if op.transposed:
        extra = f" op{_sizes(op.output_padding)}" if any(op.output_padding) else ""
        groups = f" g{op.groups}" if op.groups > 1 else ""
        head = f"convtranspose{sizes} {op.in_channels} {op.out_channels} k{_sizes(op.kernel)}"
        return head + stride + padding + extra + dilation + groups + tail
    tail += _switch(op.padding_mode != "zeros", op.padding_mode)
    if op.groups == op.in_channels == op.out_channels > 1:
        return f"depthwise{sizes} {op.in_channels} k{_sizes(op.kernel)}{stride}{padding}{dilation}{tail}"
    groups = f" g{op.groups}" if op.groups > 1 else ""
    head = f"conv{sizes} {op.in_channels} {op.out_channels} k{_sizes(op.kernel)}"
    return head + stride + padding + dilation + groups + tail


def _norm(op: Norm) -> str:
    groups = f" {op.groups}" if op.kind == "group" else ""
    eps = f" eps {op.eps!r}" if op.eps != 1e-5 else ""
    affine = op.kind != "instance"
    switch = "" if op.affine == affine else " affine" if op.affine else " noaffine"
    bias = op.kind != "rms"
    switch += "" if op.bias == bias else " bias" if op.bias else " nobias"
    return f"{op.kind}norm{groups} {op.features}{eps}{switch}"


def _pool(op: Pool) -> str:
    if op.output:
        return f"{'adaptivepool' if op.kind == 'avg' else 'adaptivemaxpool'}{_axes(op.output)} {_sizes(op.output)}"
    if not op.kernel:
        return "globalpool" if op.kind == "avg" else "globalmaxpool"
    stride = "" if op.stride in {(), op.kernel} else f" s{_sizes(op.stride)}"
    padding = f" p{_sizes(op.padding)}" if any(op.padding) else ""
    return f"{op.kind}pool{_axes(op.kernel)} {_sizes(op.kernel)}{stride}{padding}"


def _activation(op: Activation) -> str:
    if find_word(op.name) is None:
        return _unknown(op.name)
    value = f" {op.parameter!r}" if op.parameter is not None else ""
    learnable = f" learnable {op.learnable}" if op.name == "prelu" and op.learnable != 1 else ""
    return f"{op.name}{value}{learnable}"


def _shape(shape: Shape | None) -> str:
    if shape is None or shape.positions is None:
        return ""
    if len(shape.positions) == 1 and shape.features is None:
        return f"tokens {shape.positions[0]}"
    return "x".join(str(n) for n in (shape.features, *shape.positions))

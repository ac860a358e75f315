"""Lines that are rows of layers without a name: `1 (ReLU): mean=0.12`, `ReLU() mean 0.12`, `0 1.2e-09`."""

from __future__ import annotations

import re
from itertools import pairwise

from kaiming_mcp.measurements.context import Line
from kaiming_mcp.measurements.quantity import PER_LAYER
from kaiming_mcp.measurements.record import At
from kaiming_mcp.measurements.repeated import of_layers

CLASS = (
    r"(?:Lazy|Quantized|NonDynamicallyQuantizable|Parametrized)?(?:Linear|Dense\w{0,10}|Conv(?:Transpose)?[123]?[dD](?:Transpose)?|ConvTranspose"
    r"|Conv|DepthwiseConv[12]D|SeparableConv[12]D|Conv1D|Bilinear|Embedding|Einsum(?:Dense)?|Identity|Flatten|Unflatten|Reshape"
    r"|(?:Leaky|P|R|C|S|G|)ReLU6?|ReLU6|ELU|CELU|SELU|GELU(?:Activation|Tanh)?|NewGELUActivation|SiLU|Swish|Mish|GLU|SwiGLU"
    r"|Softplus|Softsign|Softmax|LogSoftmax|Tanh|Tanhshrink|Sigmoid|LogSigmoid|Hardtanh|Hardsigmoid|Hardswish|Threshold"
    r"|Activation|(?:Sync)?Batch_?Norm(?:alization)?\w{0,3}|LayerNorm(?:alization)?|GroupNorm(?:alization)?|RMSNorm"
    r"|InstanceNorm\w{0,3}|LocalResponseNorm|\w{2,10}RMSNorm|(?:Alpha)?Dropout[123]?[dD]?|DropPath"
    r"|(?:Adaptive|Global)?(?:Max|Avg|Average)Pool(?:ing)?[123][dD]|Upsample|PixelShuffle|ZeroPad[12]d"
    r"|MultiheadAttention|MultiHeadAttention|\w{2,20}Attention|\w{2,20}Block|\w{2,20}Layer|\w{2,20}MLP|MLP|BasicBlock|Bottleneck"
    r"|LSTM|GRU|RNN|LSTMCell|GRUCell|Sequential)"
)
"""Names of the modules of torch.nn, keras.layers and flax.linen, and of blocks that are named alike."""
_OF_CLASS = re.compile(rf"\s?\(\s{{0,12}}({CLASS})\s{{0,4}}\)|\s{{0,4}}[|,]\s{{0,4}}({CLASS})(?=\s{{0,4}}[|,:])")
_MARKED = re.compile(r"\s{0,12}#(\d{1,7})(?=[\s(:=|>,;)-]|$)")
_NUMBERED = re.compile(rf"\s{{0,12}}(({CLASS})(?:[ _-]\d{{1,4}}|\[\d{{1,4}}\]))(?![\w.])")
_CALLED = re.compile(rf"\b{CLASS}\(")
_HEAD = re.compile(
    rf"\s{{0,12}}(?:(?P<kind>{CLASS})(?:\((?:[^()\n]|\([^()\n]{{0,40}}\)){{0,200}}\))?|(?P<weight>weight|kernel)(?=\s{{1,9}}\(\d))"
    r"(?=\s{0,9}[:=|]|\s{1,9}(?:-\s|[a-z(|]))"
)
_INDEXED = re.compile(rf"(?m)^([ \t]{{0,8}})(\d{{1,4}})(?=[ \t]?\(\s{{0,12}}{CLASS}\s{{0,4}}\)|[ \t]{CLASS}\b)")
_COUNTED = re.compile(
    r"[ \t]{0,8}(\d{1,4})(?:[.)][ \t]{1,4}|[:|,;][ \t]{0,4}|[ \t]{1,9}(?:[-=>:|]{1,2}[ \t]{1,4})?)"
    r"[-+]?[\d.]{1,24}(?:e[-+]?\d{1,4})?[ \t]*",
    re.I,
)
_WORDED = re.compile(r"(?:[ \t]{0,8})(\d{1,4})[ \t]{1,9}(?=[A-Za-z|‖].{0,300}\d)")
_SPARSE = re.compile(
    r"[ \t]{0,8}(\d{1,6})([kK]?)[ \t]?[:|=][ \t]{0,8}[-+]?(?:[\d.]{1,24}(?:e[-+]?\d{1,4})?%?|nan|inf)[ \t]*", re.I
)
_NAMED = re.compile(r"#([^#\n]{1,80})#")
_TOP = re.compile(
    r"[ \t]{0,8}(?:global[ _])?(?:epoch|ep|steps?|iter(?:ation)?|it|batch|layers?|block|depth)\b"
    r"(?:[^\d\n]|(?<=[A-Za-z_])\d){3,300}",
    re.I,
)
_RULE = re.compile(r"[\s|+:=_─━┼│-]{3,300}")
_CELLS = re.compile(r"[ \t]{0,8}\d{1,6}(?:[ \t]{1,8}|[ \t]{0,8}\|)[-+\d.eE%\s|naif]{1,400}")
"""An index and bare numbers, set apart as behind the number of a line in an editor."""
FEWEST = 3
"""Lines in a row that must count up by one before the first number of each is an index."""


def marked(text: str) -> str:
    """The text with a # before the index of a row, so that it is no number of a line of an editor."""
    text = _INDEXED.sub(r"\1#\2", text)
    lines = text.split("\n")
    _mark_sparse(lines)
    _mark_column(lines)
    counts = [_count(line) for line in lines]
    begin = 0
    for end in range(1, len(lines) + 1):
        here, last = counts[end] if end < len(lines) else None, counts[end - 1]
        if here is not None and last is not None and here == last + 1:
            continue
        if end - begin >= FEWEST and counts[begin] in (0, 1):
            lines[begin:end] = [re.sub(r"(\d)", r"#\1", line, count=1) for line in lines[begin:end]]
        begin = end
    return "\n".join(lines)


def _mark_sparse(lines: list[str]) -> None:
    """`12: 2e-2`, `9: 4e-4`, `6: 9e-6`: indices of layers or of steps that do not count up by one."""
    run: list[tuple[int, int, int]] = []
    for i, line in enumerate([*lines, ""]):
        match = _SPARSE.fullmatch(line)
        count = int(match[1]) * (1000 if match[2] else 1) if match else 0
        last = [n for _, n, _ in run[-2:]]
        steps = [b - a for a, b in pairwise([*last, count])]
        if match and all(step and (step > 0) == (steps[0] > 0) for step in steps):
            run.append((i, count, match.end(2)))
            continue
        if len(run) >= FEWEST and any(abs(b - a) != 1 for (_, a, _), (_, b, _) in pairwise(run)):
            for at, index, end in run:
                lines[at] = f"#{index}{lines[at][end:]}"
        run = [(i, count, match.end(2))] if match else []


def _mark_column(lines: list[str]) -> None:
    """The first column of a table that counts epochs, steps or layers, below a head that names it."""
    for at, line in enumerate(lines):
        if not _TOP.fullmatch(line):
            continue
        end = begin = at + 1 + (at + 1 < len(lines) and _RULE.fullmatch(lines[at + 1]) is not None)
        while end < len(lines) and _CELLS.fullmatch(lines[end]):
            end += 1
        if end - begin >= FEWEST:
            lines[begin:end] = [re.sub(r"(\d)", r"#\1", line, count=1) for line in lines[begin:end]]


def _count(line: str) -> int | None:
    """The index of a row of bare numbers, or of statistics: `3 1.2e-5`, `3 mean 0.5 std 0.1`."""
    if match := _COUNTED.fullmatch(line):
        return int(match[1])
    match = _WORDED.match(line)
    return int(match[1]) if match and of_layers(line[match.end() :]) else None


def plain(line: str) -> str:
    """The line as it was before `marked`."""
    return re.sub(r"^(\s{0,12})#(?=\d)", r"\1", line)


def kind_after(text: str, at: int) -> tuple[str, int]:
    """The class that stands in brackets after a name, and where it ends: `features.0 (Conv2d)`."""
    match = _OF_CLASS.match(text, at)
    return (match[1] or match[2], match.end()) if match else ("", at)


def split_kind(name: str) -> tuple[str, str]:
    """Name and class of `fc1 (Linear)`; without brackets the name and ""."""
    match = re.fullmatch(rf"(.{{1,100}}?)\s?\(\s{{0,12}}({CLASS})\s{{0,4}}\)", name.strip())
    return (match[1], match[2]) if match else (name, "")


def headed(text: str, line: Line) -> int:
    """Where the line goes on after a row's index or class, of which `line` takes note."""
    if match := _NAMED.match(text):
        line.layers, line.last = (match[1],), "layer"
        return match.end()
    if match := _MARKED.match(text):
        line.kind, end = kind_after(text, match.end())
        if not line.kind and (named := re.match(rf"\s({CLASS})\b", text[match.end() :])):
            line.kind, end = named[1], match.end() + named.end()
        if line.kind:
            line.layers, line.last = (match[1],), "layer"
        elif line.context.quantity.kind in PER_LAYER or of_layers(text[match.end() :]):
            line.layers, line.last = (f"layer {match[1]}",), "layer"
        elif line.context.quantity.known:
            line.step, line.last = float(match[1]), "step"
        else:
            line.row = At("row", float(match[1]))
        return end
    if match := _NUMBERED.match(text):
        line.layers, line.kind, line.last = (match[1],), match[2], "layer"
        return match.end()
    if (match := _HEAD.match(text)) and not _CALLED.search(text, match.end()):
        line.kind = match["kind"] or ""
        name = f"({line.kind})" if line.kind else match["weight"]
        line.layers, line.last, line.anonymous = (f"layer {line.context.rows} {name}",), "layer", True
        return match.end()
    return 0

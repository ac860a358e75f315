"""Which rows of torchsummary's flat list are the children of a block: the rows before its own, by their classes.

A block may call its activations as functions, which gives no rows; it may work along one axis or three. A projection
on the skip path comes behind the branch and is told by its size: a 1 x 1 convolution of what entered the block.
Sources: torchvision.models (resnet, video.resnet, mobilenetv2, mobilenetv3, densenet, squeezenet, googlenet).
"""

from __future__ import annotations

import re

from kaiming_mcp.architecture.tables.rows import Row

_PAIR, _LONGEST = "CN", 12
_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("C", re.compile(r"Conv\w*[123][dD]\w*")),
    ("N", re.compile(r"BatchNorm[123]d|InstanceNorm[123]d|GroupNorm|SyncBatchNorm")),
    ("A", re.compile(r"\w*(?:ReLU6?|ELU|SiLU|Swish|swish|Mish|Hardswish|Sigmoid|Hardsigmoid|Tanh)")),
    ("P", re.compile(r"Adaptive\w+Pool[123]d")),
    ("S", re.compile(r"SqueezeExcitation|SE\w*")),
)
# Each class with the pairs of its branch (0: no branch) and its rows in order of execution.
_BLOCKS: tuple[tuple[re.Pattern[str], int, re.Pattern[str]], ...] = tuple(
    (re.compile(cls), pairs, re.compile(rows))
    for cls, pairs, rows in (
        (r"Basic_?Block|Building_?Block|Res(?:idual|[Nn]et)?_?(?:Block|Unit)\w*", 2, r"CNA?CN(?:CN)?A?"),
        (r"Bottle_?[Nn]eck(?:_?[Bb]lock)?", 3, r"CNA?CNA?CN(?:CN)?A?"),
        (r"\w*Inverted_?Residual\w*", 0, r"(?:CNA)?CNAS?CN"),
        (r"_DenseLayer", 0, r"NACNAC"),
        (r"Fire", 0, r"CACACA"),
        (r"SqueezeExcitation", 0, r"PCACA"),
        (r"BasicConv[123]d", 0, r"CN"),
    )
)
_NAMES = {"C": "conv", "N": "bn"}


def take_children(row: Row, before: list[Row]) -> None:
    """Move the children of a known block from the rows before it to below it."""
    found = next((block for block in _BLOCKS if block[0].fullmatch(row.cls)), None)
    if found is None or row.parameters:
        return
    _, pairs, wanted = found
    kinds = "".join(map(_kind, before))
    for count in range(min(len(before), _LONGEST), 0, -1):
        shown, tail, width = kinds[-count:], before[-count:], _width(before[:-count])
        if not wanted.fullmatch(shown):
            continue
        extra = pairs and shown.count(_PAIR) > pairs
        first = tail[0] if shown.startswith("CNACNA") and not pairs else None
        if (extra and not _enters(tail[shown.rfind(_PAIR)], width)) or (first and not _enters(first, width)):
            continue
        del before[-count:]
        row.children = _branch(tail, shown, bool(extra)) if pairs else _wrapped(row, tail)
        for child in row.children:
            child.parent = row.cls
        return


def _branch(tail: list[Row], shown: str, projected: bool) -> list[Row]:
    """The rows of a residual block under the names of torchvision, a projection in a module of its own."""
    children, seen = list[Row](), dict[str, int]()
    at = shown.rfind(_PAIR) if projected else len(shown)
    for i, (child, kind) in enumerate(zip(tail, shown, strict=True)):
        if i == at:
            inner = Row("Sequential", "downsample", child.line, output=tail[i + 1].output)
            inner.children = tail[i : i + 2]
            for part in inner.children:
                part.parent = inner.cls
            children.append(inner)
        if at <= i < at + 2:
            continue
        seen[kind] = seen.get(kind, 0) + 1
        child.name = f"{_NAMES[kind]}{seen[kind]}" if kind in _NAMES else "relu"
        children.append(child)
    return children


def _wrapped(row: Row, tail: list[Row]) -> list[Row]:
    """The rows themselves; those of an inverted residual stand in a Sequential, which gets no row."""
    if "Inverted" not in row.cls:
        return tail
    whole = Row("Sequential", "conv", tail[0].line, output=row.output)
    whole.children = tail
    for child in tail:
        child.parent = whole.cls
    return [whole]


def _kind(row: Row) -> str:
    return next((letter for letter, cls in _KINDS if cls.fullmatch(row.cls)), "-")


def _width(before: list[Row]) -> int:
    """Channels that enter a block: those of the row before its first."""
    return before[-1].output[1] if before and len(before[-1].output) > 1 else 0


def _enters(conv: Row, width: int) -> bool:
    """Whether a convolution is a 1 x 1 projection of so many channels."""
    after = conv.output[1] if len(conv.output) > 1 else 0
    return bool(width) and conv.parameters in (width * after, width * after + after)

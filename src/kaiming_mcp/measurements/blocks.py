"""Where the documents of a text stand: JSON and printed Python dicts, in blocks of lines or one a line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, cast

from kaiming_mcp.measurements import written
from kaiming_mcp.measurements.quantity import Quantity, quantity_of

MOST_FAILURES = 20
"""Brackets that open no document after which only documents of one line are looked for."""
LONGEST_PRINTED = 200_000
"""Characters of one printed Python dict of many lines."""
LONGEST_SERIES = 1_000
"""Lines of a printed pandas series."""
_OPENING = re.compile(r"[ \t]*[\[{]")
_INLINE = re.compile(r"\{\s?[\"']\w")
_NAME = re.compile(r"[A-Za-z_][\w /.]{0,60}[=:\s]{0,4}$")
_ASSIGNED = re.compile(r"[ \t]*\w{1,40}[ \t]?=[ \t]?(?=[\[{])")

_FOOTER = re.compile(r"[ \t]*Name: ([\w ./-]{1,60}), (?:Length: \d{1,9}, )?dtype: \w{1,20}[ \t]*$")


@dataclass(frozen=True, slots=True)
class Block:
    """A document, with the line where it begins and the line after its end."""

    begin: int
    end: int
    content: Any
    before: str = ""
    """What stands on the line before it: `epoch 3 loss 2.3 grads=`."""


def documents(lines: Sequence[str]) -> Iterator[Block]:
    """JSON and printed dicts: whole blocks of lines, or one a line."""
    text, starts = "\n".join(lines), [0, *accumulate(len(line) + 1 for line in lines)]
    failures, i = 0, 0
    while i < len(lines):
        line = lines[i]
        offset = m.end() if (m := _ASSIGNED.match(line)) else 0
        if line.rstrip().endswith("}") and not _OPENING.match(line) and (m := _INLINE.search(line)):
            offset = m.start()
        block = None
        if _OPENING.match(line, offset):
            block = _of_one_line(line, i, offset)
            if block is None and failures < MOST_FAILURES and line.rstrip().endswith(("{", "[", ",", "(", "}", "]")):
                block = _of_several(text, starts[i] + offset, i)
                failures += block is None
        if block is not None:
            before = line[:offset]
            name = (m[0] if (m := _NAME.search(before)) else "").strip(" =:\t")
            content = {name: block.content} if name and quantity_of(name).known else block.content
            yield replace(block, content=content, before=before[: m.start()] if m else before)
        i = block.end if block is not None else i + 1


def _of_one_line(line: str, i: int, offset: int) -> Block | None:
    one = line[offset:].strip().rstrip(",;")
    if one[-1:] not in ("]", "}") or len(one) < 3:
        return None
    try:
        content = written.loads(written.from_python(one))
    except ValueError:
        return None
    rich = isinstance(content, list) and any(isinstance(item, (dict, list)) for item in cast(list[object], content))
    return Block(i, i + 1, content) if rich or isinstance(content, dict) else None


def _of_several(text: str, begin: int, i: int) -> Block | None:
    for piece, start in ((text, begin), (written.from_python(text[begin : begin + LONGEST_PRINTED]), 0)):
        try:
            content, stop = written.document(piece, start)
        except ValueError:
            continue
        count = piece.count("\n", start, stop)
        if isinstance(content, (dict, list)) and count:
            return Block(i, i + count + 1, content)
    return None


def footed(lines: Sequence[str]) -> Iterator[tuple[int, int, Quantity]]:
    """Printed pandas series: the first line, the line `Name: grad_norm, dtype: float64` below it, what it names."""
    for at, line in enumerate(lines):
        if not (match := _FOOTER.match(line)):
            continue
        begin = at
        while begin > 0 and lines[begin - 1].strip() and at - begin < LONGEST_SERIES:
            begin -= 1
        yield begin, at, quantity_of(match[1])

"""Several things in one paste, told apart line by line: printed modules, tables, a configuration, source code.

A part is the whole text with every other line blank, so that its line numbers are the paste's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_FENCE = re.compile(r"[ \t]{0,8}(?:```+|~~~+)[ \t]*([\w+.-]*)[^`\n]*$")
_OPENING = re.compile(r"[ \t]*(?:\([^()\n]{1,100}\):[ \t]*)?(?:\d+ x )?[^\W\d][\w.]*[ \t]?\([ \t]*$")
_ONE_LINE = re.compile(r"[^=#]*?[^\W\d][\w.]*[ \t]?\([ \t]*\([^()\n]{1,100}\):[ \t]*(?:\d+ x )?[^\W\d][\w.]*[ \t]?\(")
_CHILD = re.compile(r"[ \t]*\([^()\n]{1,100}\):[ \t]*\S")
_RULE = re.compile(r"[ \t]*[=_\-+]{20,}[ \t]*$|[ \t]*[\u2500-\u257f][\u2500-\u257f \t]{10,}$")
_ROW = re.compile(
    r"[ \t]*(?:[│├└┃|].*|.*\([A-Z]\w*\)\s{2,}.*|\s*[\w-]+-\d+\s+\[.*\]\s+[\d,]+\s*"
    r"|(?:Total|Trainable|Non-trainable|Optimizer|Input size|Params size|Forward|Estimated)\b.*|Model: \".*)$"
)
_CONFIG = re.compile(r"[ \t]*(?:[A-Z]\w*Config[ \t]*)?\{[ \t]*$|[ \t]*(?:[A-Z]\w*Config[ \t]*)?\{[ \t]*\"")
_CODE = re.compile(
    r"[ \t]*(?:import|from|class|def|async def|with|for|while|if|elif|else|return|self\.|try)\b"
    r"|[ \t]*[\w.,\[\] ]{1,200}[ \t]*[-+*/]?=[^=]|[ \t]*[#)\]}@]"
)


LONGEST_HEAD = 400
"""Characters of a line that decide what it is."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The kinds of text that were found; "" for a kind that is not there."""

    printed: str = ""
    table: str = ""
    config: str = ""
    source: str = ""


def fenced(text: str) -> str:
    """Only what stands between code fences, the rest blank; the text itself where there are none."""
    lines = text.split("\n")
    inside, open_, kept = False, False, list[str]()
    for line in lines:
        if _FENCE.match(line):
            inside, open_ = not inside, True
            kept.append("")
        else:
            kept.append(line if inside else "")
    body = "\n".join(kept)
    return body if open_ and body.strip() else "\n".join("" if _FENCE.match(line) else line for line in lines)


def parts(text: str) -> Parts:
    """Tell the parts of a paste apart."""
    lines = text.split("\n")
    heads = [line[:LONGEST_HEAD] for line in lines]
    printed = set(_printed(heads, lines))
    config = set(_configs(heads, lines, printed))
    table = {i for i in _tables(heads) if i not in printed and i not in config}
    taken = printed | config | table
    rest = [i for i, head in enumerate(heads) if i not in taken and head.strip()]
    code = rest if any(_is_code(heads[i]) for i in rest) else []
    return Parts(*(_only(lines, chosen) for chosen in (printed, table, config, code)))


def _only(lines: list[str], chosen: Iterable[int]) -> str:
    kept = set(chosen)
    return "\n".join(line if i in kept else "" for i, line in enumerate(lines)) if kept else ""


def _printed(heads: list[str], lines: list[str]) -> Iterable[int]:
    """Lines of printed module trees: from `Class(` before a `(name): ` to the closing parenthesis."""
    at = 0
    while at < len(lines):
        if not _begins(heads, at):
            at += 1
            continue
        depth = 0
        while at < len(lines):
            depth += lines[at].count("(") - lines[at].count(")")
            yield at
            at += 1
            if depth <= 0:
                break


def _begins(lines: list[str], at: int) -> bool:
    line = lines[at]
    if _OPENING.match(line):
        return bool(_CHILD.match(next((after for after in lines[at + 1 : at + 4] if after.strip()), "")))
    return bool(_ONE_LINE.match(line) or _CHILD.match(line))


def _configs(heads: list[str], lines: list[str], taken: set[int]) -> Iterable[int]:
    """Lines of JSON objects that stand on their own."""
    at = 0
    while at < len(lines):
        if at in taken or not _CONFIG.match(heads[at]):
            at += 1
            continue
        depth, begin = 0, at
        while at < len(lines):
            depth += lines[at].count("{") - lines[at].count("}")
            at += 1
            if depth <= 0:
                break
        if '":' in "".join(lines[begin:at]):
            yield from range(begin, at)


def _tables(lines: list[str]) -> Iterable[int]:
    """Lines between the first rule of a table and its last row, where anything looks like a row of one."""
    rules = [i for i, line in enumerate(lines) if _RULE.match(line)]
    if len(rules) < 2:
        return
    for i, line in enumerate(lines):
        if _RULE.match(line) or _ROW.match(line) or (rules[0] < i < rules[-1] and not _is_code(line)):
            yield i


def _is_code(line: str) -> bool:
    return bool(_CODE.match(line))

"""Noise that terminals, logs, notebooks and chats add, taken off without moving a line.

Every rule keeps the number of lines, so that evidence can cite the user's own line.
"""

from __future__ import annotations

import re
from itertools import pairwise

MOST = 0.6
"""Share of the lines that must carry a prefix before it counts as noise on all of them."""
FEWEST = 3
"""Lines below which a prefix may be a coincidence."""

# Terminal colours, cursor moves and titles; and the invisible characters of web pages and chats.
_CODES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]{0,200}(?:\x07|\x1b\\)|[@-_])"
    r"|[\ufeff\u200b-\u200f\u2060\u00ad]"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x85]")
_LEVEL = r"(?:TRACE|DEBUG|INFO|NOTICE|WARNING|WARN|ERROR|CRITICAL|FATAL)"
_DAY = r"\d{4}[-/]\d\d[-/]\d\d[T ]"
_STAMP = rf"\[?(?:{_DAY})?\d\d:\d\d:\d\d(?:[.,]\d{{1,9}})?(?:Z|[+-]\d\d:?\d\d)?\]?"
_BAR = r"[ \t]*[-|:][ \t]?"
_PREFIXES = tuple(
    re.compile(pattern)
    for pattern in (
        # logging, loguru and the like: a time, then a name, a level, a place, with bars between.
        rf"{_STAMP}(?:{_BAR}|[ \t])?(?:\[?[\w.<>:]{{1,80}}\]?{_BAR}){{0,4}}(?:\[?{_LEVEL}\]?[ \t]?)?",
        rf"{_LEVEL}:[\w.]{{1,60}}:",
        rf"\[?{_LEVEL}\]?{_BAR}",
        r"\[(?:rank|rank:|default)\s?\d{1,5}\]:?[ \t]?",
        r"(?:In|Out) ?\[\d{1,6}\]: ?|[ \t]{0,8}\.{3}: ",
        r">>> ?|\.\.\. ?",
        r"> ?",
    )
)
_PROMPT = re.compile(r"(?:>>> ?|(?:In|Out) ?\[\d{1,6}\]: ?|\$ )")
_NUMBER = re.compile(r"[ \t]{0,8}(\d{1,6})(?:[.)]|[ \t]?[|:│]|(?=[ \t]|$))")


# JSON-escaped line breaks count as line breaks.
_BREAK = re.compile(r"\r\n?|\\r\\n|\\n")
_NOISE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\ufeff\u200b-\u200d\u2060]")


def unbroken(text: str) -> str:
    """The text of one printout without colours and invisible characters, its breaks as line breaks."""
    return _BREAK.sub("\n", _NOISE.sub("", text))


def clean(text: str) -> str:
    """The same lines without colours, prompts, log prefixes, quotation marks and line numbers."""
    text = re.sub(r"\r\n?", "\n", text)
    if "\n" not in text.strip() and "\\n" in text:
        # One JSON-escaped line: its breaks came as two characters.
        text = text.replace("\\r\\n", "\n").replace("\\n", "\n").replace("\\t", "\t")
    lines = _CONTROL.sub("", _CODES.sub("", text)).replace("\u00a0", " ").split("\n")
    for pattern in _PREFIXES:
        lines = _without(pattern, lines)
    lines = _without_numbers(lines)
    return "\n".join(_PROMPT.sub("", line, count=1) if _PROMPT.match(line) else line for line in lines)


def _without(pattern: re.Pattern[str], lines: list[str]) -> list[str]:
    found = [pattern.match(line) for line in lines]
    carried = sum(bool(m and m.end()) for m in found)
    filled = sum(bool(line.strip()) for line in lines)
    if carried < FEWEST or carried < MOST * filled:
        return lines
    return [line[m.end() :] if m else line for line, m in zip(lines, found, strict=True)]


def _without_numbers(lines: list[str]) -> list[str]:
    """Line numbers count up by one: other numbers at the start of lines stay."""
    found = [_NUMBER.match(line) for line in lines]
    numbers = [int(m[1]) for m in found if m]
    filled = sum(bool(line.strip()) for line in lines)
    steps = sum(b - a == 1 for a, b in pairwise(numbers))
    if len(numbers) < FEWEST or len(numbers) < 0.9 * filled or steps < 0.9 * (len(numbers) - 1):
        return lines
    rest = [line[m.end() :] if m else line for line, m in zip(lines, found, strict=True)]
    blank = all(line[:1] in ("", " ", "\t") for line in rest)
    return [line[1:] if blank else line for line in rest]

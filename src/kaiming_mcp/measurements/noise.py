"""What stands in printed lines beside measurements: clocks, bars, devices, constructor arguments."""

from __future__ import annotations

import re

# What must stand in a line before a rule is tried, the rule, and what takes its place.
_RULES: tuple[tuple[str, re.Pattern[str], str], ...] = (
    ("-", re.compile(r"\d{4}-\d\d-\d\d(?:[T ]|\b)"), " "),
    ("/", re.compile(r"\d{4}/\d\d/\d\d(?:[T ]|\b)"), " "),
    (":", re.compile(r"(?<![\w.])\d{1,4}:\d\d(?::\d\d)?(?:[.,]\d{1,9})?(?![\w.])"), " "),
    ("%|", re.compile(r"\d{1,3}%\|[^|\n]{0,200}\|"), " "),
    # The counter of tqdm and Keras bars: 3/25 [00:01<..., 938/938 [====], 1875/1875 and a bar of dashes.
    (
        "/",
        re.compile(r"(?<![\w./\[])\d{1,9}/(?:\d{1,9}|Unknown|\?)\s?(?=\[[=>.\s<,?]|━|[╸╺]|\d{1,6}m?s\b|-\s*ETA)"),
        " ",
    ),
    ("%)]", re.compile(r"\[\d{1,9}/\d{1,9}\s?\(\d{1,3}(?:\.\d+)?%\)\]"), " "),
    ("━", re.compile(r"[━█╸╺]{2,}"), " "),
    ("[", re.compile(r"\[[=>.]{3,200}\]"), " "),
    ("device=", re.compile(r",?\s?device=['\"][^'\"]{0,20}['\"]"), ""),
    ("=", re.compile(r",?\s?(?:grad_fn=<[^>]{0,60}>|dtype=[\w.]{1,30}|requires_grad=\w{4,5})"), ""),
    (
        "(",
        re.compile(r"\b(?!Loss|Acc|Epoch|Step|Grad|Array|Iter)[A-Z]\w{0,60}\((?=[^()\n]{0,200}[,=\d])[^()\n]{0,200}\)"),
        " ",
    ),
    ("].", re.compile(r"\[(\d{1,4})\](?=\.[A-Za-z])"), r".\1"),
    ("|", re.compile(r" ?\|([A-Za-z]\w{0,4})\| ?"), r" abs \1 "),
    ("..", re.compile(r"\.{2,}"), " .. "),
    ("_norm", re.compile(r"\bgrad_\d(?:\.\d)?_norm"), "grad_norm"),
)
_CODE = re.compile(
    r"\s*(?:[\w.,\[\] ]{1,100}\s?=\s?[\w.]+\(|import |from |def |class |return |for |with |@|#|assert |if .*:$)"
)


def without_noise(line: str) -> str:
    """The line without what is no measurement."""
    for mark, pattern, to in _RULES:
        if mark in line:
            line = pattern.sub(to, line)
    return line


def is_code(line: str) -> bool:
    """Whether a line is a statement of a program rather than its output."""
    return _CODE.match(line) is not None and "tensor(" not in line and "array(" not in line

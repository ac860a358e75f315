"""Pasted text made plain, and the numbers in it."""

from __future__ import annotations

import re

LONGEST_READ = 60_000
"""Characters of one argument that are read; a long paper with its appendix has about as many."""
LONGEST_LINE, MOST_LINES = 4_000, 3_000
# Exponents of two digits: squares stay inside a float.
NUMBER = r"[-+]?(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,15}(?:\.\d{0,15})?|\.\d{1,15})(?:[eE][-+]?\d{1,2}(?!\d))?"
_SAME = str.maketrans(
    {
        "−": "-", "–": "-", "—": "-", "‑": "-", "\u00a0": " ", "\u2009": " ", "\u202f": " ", "＋": "+", "＝": "=",
        "∗": "*", "·": "*", "⋅": "*", "“": '"', "”": '"', "’": "'", "‘": "'", "⇒": "→", "➔": "→", "➜": "→", "\t": "\t",
    }
)  # fmt: skip
_LATEX = (
    (re.compile(r"\\(?:begin|end)\{[^{}]*\}(?:\{[^{}]*\})?"), " "),
    (re.compile(r"\\(?:script(?:style|size)|tiny|small|footnotesize|large|bfseries|itshape|bf|it|hspace\*?\{[^{}]*\}|phantom\{[^{}]*\})(?![A-Za-z])"), " "),
    (re.compile(r"\\(?:mathcal|mathrm|mathbf|mathbb|text|textrm|textbf|textit|texttt|emph|boldsymbol|operatorname\*?|underline|mathit)\s*\{([^{}]{0,80})\}"), r"\1"),
    (re.compile(r"\\(?:mathcal|mathbb|mathrm|mathbf)\s+([A-Za-z])"), r"\1"),
    (re.compile(r"\\(?:left|right|big|Big|bigl|bigr|,|;|!|quad|qquad|displaystyle)(?![A-Za-z])"), " "),
    (re.compile(r"\\pm"), "±"),
    (re.compile(r"\\(?:cdot|times|ast)(?![A-Za-z])"), "*"),
    (re.compile(r"\\(?:rightarrow|to|Rightarrow)(?![A-Za-z])"), "→"),
    (re.compile(r"\\%"), "%"),
    (re.compile(r"\\&"), " and "),
    (re.compile(r"\\(?:uparrow)(?![A-Za-z])"), "↑"),
    (re.compile(r"\\(?:downarrow)(?![A-Za-z])"), "↓"),
    (re.compile(r"\\_"), "_"),
    (re.compile(r"\\(lambda|alpha|beta|gamma|eta|mu|omega|tau|delta|rho)(?![A-Za-z])"), r"\1"),
    (re.compile(r"[_^]?\{\s*\$?\s*±\s*([\d.]+)\s*\$?\s*\}"), r" ± \1"),
    (re.compile(r"[_^]\{([^{}]{0,40})\}"), r"_\1 "),
    (re.compile(r"\$"), " "),
)  # fmt: skip
_GREEK = str.maketrans({"λ": "lambda", "β": "beta", "γ": "gamma", "η": "eta", "ω": "omega"})
_DECIMAL_COMMA = re.compile(r"(?<![\d.,])(\d{1,4}),(\d{1,3})(?=\s?(?:±|%|\+/-)|\s+[a-zA-Z(]|\s*;|\s*$)(?!\d)")
_AFTER_SIGN = re.compile(r"(±\s?\d{1,4}),(\d{1,3})(?!\d)")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\ufeff]")


def plain(text: str) -> str:
    """The text with one sign for each meaning, LaTeX words taken off, line for line."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")[:LONGEST_READ]
    lines = [_CONTROL.sub(" ", line[:LONGEST_LINE]).translate(_SAME) for line in text.split("\n")[:MOST_LINES]]
    return "\n".join(_line(line) for line in lines)


def is_cut(text: str) -> bool:
    """Whether `plain` leaves out a part of a text."""
    return len(text) > LONGEST_READ or text.count("\n") >= MOST_LINES


def _line(line: str) -> str:
    if "\\" in line or "$" in line or "_{" in line:
        for _ in range(2):
            for pattern, to in _LATEX:
                line = pattern.sub(to, line)
    line = re.sub(r"\+\s?/\s?-|\+-(?=\s?\d)", "±", line)
    if "," in line and not re.search(r"\d\.\d", line):
        line = _AFTER_SIGN.sub(r"\1.\2", _DECIMAL_COMMA.sub(_as_point, line))
    return line


def _as_point(found: re.Match[str]) -> str:
    """3,2 % is 3.2 %, but 1,000 stays a thousand."""
    whole, rest = found[1], found[2]
    return found[0] if len(rest) == 3 and whole != "0" else f"{whole}.{rest}"


def latin(name: str) -> str:
    """A name with its Greek letters written out."""
    return name.translate(_GREEK)


def number_of(text: str) -> float:
    """The value of a matched NUMBER."""
    return float(text.replace(",", ""))

"""A person's text with its numbers in one form, so that every reader sees 1,000, 1e-3, 5 % and 0,93 alike."""

from __future__ import annotations

import re
import unicodedata

from kaiming_mcp.knowledge import LONGEST_READ

NUMBER = r"(?<![\w.^])[-+]?\d{1,15}(?:\.\d{1,12})?(?:e[-+]?\d{1,2}(?!\d))?(?!e[-+]?\d)"
"""A number in plain text; `plain` has removed separators and powers of ten. 1e100 and beyond are no numbers here."""
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_SUPERSCRIPT = re.compile(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]{1,8}")
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:[,'\u00a0\u202f\u2009]\d{3}){1,4}(?![\d,])")
_SPACED = re.compile(r"(?<![\d.,] )(?<![\d.,])[1-9]\d{0,2}(?: \d{3}){1,3}(?= [a-z])")
"""3 200 tiles; a number after another one is none."""
_BARE_POINT = re.compile(r"(?<![\w.)\]])\.(?=\d)")
_DECIMAL_COMMA = re.compile(
    r"(?<![\d.,])(0),(\d{1,4})(?![\d,])|(?<![\d.,])(\d{1,3}),(\d{1,2})(?=\s?(?:%|°|[a-zA-Zµμ]{1,4}/))"
)
_POWER = re.compile(r"(?<![\w.])(\d{1,6}(?:\.\d{1,6})?)\s?[x×*·]\s?10\s?\^?\s?\(?([-+]?\d{1,3})\)?(?![\d.])")
_CAPITAL = re.compile(r"(?<=\d)E(?=[-+]?\d)")
_BARE_POWER = re.compile(r"(?<![\w.^])10\^([-+]?\d{1,2})(?![\d.])")
_WORDS = {
    word: str(n)
    for n, word in enumerate("one two three four five six seven eight nine ten eleven twelve".split(), start=1)
} | {"twenty": "20", "thirty": "30", "forty": "40", "fifty": "50", "single": "1", "both": "2"}
_ROUND = {"dozen": "12", "hundred": "100", "thousand": "1000", "million": "1000000"}
_ROUNDED = re.compile(
    r"\b(\d{1,3}(?:\.\d)?|an?|half an?)[ -](dozen|hundred|thousand|million)\b(?=[- ][a-z])(?! of\b)", re.IGNORECASE
)
_WORD = re.compile(rf"\b(?<!leave-)(?<!leave )({'|'.join(_WORDS)})(?=[- ](?!of\b|to\b)[a-z])", re.IGNORECASE)


def plain(text: str) -> str:
    """The first LONGEST_READ characters: separators out of numbers, powers of ten as 1e3, number words as digits."""
    text = _SUPERSCRIPT.sub(lambda m: "^" + m[0].translate(_RAISED), text[:LONGEST_READ])
    text = _SPACED.sub(lambda m: m[0].replace(" ", ""), text)
    text = _THOUSANDS.sub(lambda m: re.sub(r"\D", "", m[0]), text)
    text = unicodedata.normalize("NFKC", text).translate({0x2212: "-", 0x2013: "-", 0x2014: " - ", 0x2009: " "})
    text = _DECIMAL_COMMA.sub(lambda m: f"{m[1] or m[3]}.{m[2] or m[4]}", text)
    text = _BARE_POINT.sub("0.", text)
    text = _CAPITAL.sub("e", text)
    text = _POWER.sub(lambda m: f"{m[1]}e{int(m[2])}", text)
    text = _BARE_POWER.sub(lambda m: f"1e{int(m[1])}", text)
    text = _WORD.sub(lambda m: _WORDS[m[1].lower()], text)
    return _ROUNDED.sub(_whole, text)[: 2 * LONGEST_READ]


def _whole(match: re.Match[str]) -> str:
    """Three hundred is 300, half a million 500000."""
    lead = match[1].lower()
    times = float(lead) if lead[0].isdigit() else 0.5 if lead.startswith("half") else 1.0
    return f"{times * float(_ROUND[match[2].lower()]):.0f}"

"""How the weights start, as a text about the training says it, in the words of the `initialization` argument."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kaiming_mcp.measurements.record import Setting
from kaiming_mcp.measurements.value import number

_NUMBER = r"(\d{0,6}\.?\d{1,9}(?:e-?\d{1,3})?)"
_GAINED = ("xavier", "orthogonal", "he")
_GAIN = re.compile(r"[^;.\n]{0,40}?\bgain\s?(?:of|[=:])?\s?(\d{1,4}(?:\.\d{1,9})?(?:\s?/\s?\d{1,4})?)", re.I)
_SCHEMES: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "he",
        re.compile(
            r"\b[Kk]aiming(?: (?=init|normal|uniform)|_)?(?:init|normal|uniform)?\w{0,20}(?! He\b)"
            r"|(?<!\w)[Hh]e[ _-](?:init|normal|uniform)\w{0,20}|(?<!\w)He(?=\s?(?:[,;.)]|$))"
        ),
    ),
    ("xavier", re.compile(r"\b(?:xavier|glorot)\w{0,20}", re.I)),
    ("lecun", re.compile(r"\blecun(?:_normal|_uniform| init\w*)?\b", re.I)),
    ("orthogonal", re.compile(r"\borthogonal_?(?: init\w*)?\b(?!ity| regul)", re.I)),
    ("fixup", re.compile(r"(?<!t-)\bfixup\b", re.I)),
    ("gpt2", re.compile(r"\bgpt-?2[- ](?:style )?init\w*", re.I)),
)
_NORMAL = re.compile(
    rf"(?P<cut>trunc(?:ated)?_?)?normal_?\([^()\n]{{0,60}}?std(?:dev)?\s?=\s?{_NUMBER}"
    rf"|(?P<cut2>trunc_)?normal_\([^,()\n]{{0,40}},\s?0(?:\.0)?,\s?{_NUMBER}\)|\binitializer_range\W{{1,4}}{_NUMBER}"
    rf"|(?<!\w)N\(0,\s?{_NUMBER}\s?(?:\^2|²)\)",
    re.I,
)
_STATED = re.compile(
    rf"(?P<cut>\btrunc(?:ated)?[ _]normal\W{{1,3}}(?:init\w*\W{{1,3}})?(?:with )?)?"
    rf"\bstd(?:dev)?\.?\s?(?:of|is|[=:])?\s?{_NUMBER}(?!\w|\.\d)",
    re.I,
)
_NOT_WEIGHTS = re.compile(
    r"\b(?:inputs?|data|noise|targets?|labels?|features?|pixels?|images?|loss|grad\w*|activations?)\W{1,3}"
    r"(?:\w{1,20} )?$",
    re.I,
)


def initialization(text: str, prose: bool = True) -> Iterator[Setting]:
    """The first scheme or standard deviation that the text names; a bare `std 0.02` counts in prose alone."""
    hits: list[tuple[int, int, str]] = []
    for name, pattern in _SCHEMES:
        if match := pattern.search(text):
            gain = _GAIN.match(text, match.end())
            gained = gain is not None and name in _GAINED
            said = f"{name} gain {gain[1].replace(' ', '')}" if gain and gained else name
            hits.append((match.start(), gain.end() if gain else match.end(), said))
    for pattern in (_NORMAL, _STATED) if prose else (_NORMAL,):
        for match in pattern.finditer(text):
            value = number(next(g for g in reversed(match.groups()) if g))
            before = text[max(0, match.start() - 40) : match.start()]
            if value and 0 < value.x < 1e3 and not _NOT_WEIGHTS.search(before):
                groups = match.groupdict()
                cut = "truncated normal " if groups.get("cut") or groups.get("cut2") else ""
                hits.append((match.start(), match.end(), f"{cut}std {value.x:g}"))
                break
    if hits:
        begin, end, said = min(hits)
        yield Setting("initialization", said, None, text[max(0, begin - 60) : end + 60].strip())

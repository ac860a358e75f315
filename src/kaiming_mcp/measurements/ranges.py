"""Ranges of data that people write: `x in [-100,100]`, `inputs ~ U(0,1000)`, `targets between 0 and 1e8`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kaiming_mcp.measurements.quantity import Quantity
from kaiming_mcp.measurements.record import Fact
from kaiming_mcp.measurements.value import number

LONGEST = 2_000
_END = r"([-+]?[\d.]{1,12}(?:e[-+]?\d{1,3})?)"
_RANGE = re.compile(
    r"\b(?P<what>(?:input|target|output|label|pixel|data|image|feature|value|[xyz])\w{0,12}(?:,[xyzt])*)"
    r"(?: values?| drawn| data| lie| are| is| range[sd]?){0,3}"
    rf"(?: in | from | between |\s?~\s?|\s?∈\s?)(?:U(?:niform)?)?\s?[\[(]?{_END}\s?(?:,|\.\.|to|and|-)\s?{_END}[\])]?",
    re.I,
)

_ENDS = re.compile(
    rf"\b(?P<what>(?:input|target|output|label|pixel|data|image|feature)\w{{0,12}}|[xXyYz](?:_\w{{1,8}})?)"
    rf"(?:\.|\W{{1,3}})min(?:\(\))?[\s:=]{{1,3}}{_END}[\s,;/|]{{1,4}}(?:\w{{1,10}}\.)?max(?:\(\))?[\s:=]{{1,3}}{_END}(?![\w.])"
)


def ranges(lines: list[str]) -> Iterator[Fact]:
    """The least and the greatest value of inputs and targets, as facts of kind "range"."""
    for i, line in enumerate(lines):
        text = line[:LONGEST]
        if len(text) < 8 or not re.search(r"[~∈]|\bin\b|\bfrom\b|\bbetween\b|\bmin\b", text):
            continue
        for match in (*_RANGE.finditer(text), *_ENDS.finditer(text)):
            for statistic, end in (("min", match[2]), ("max", match[3])):
                if value := number(end):
                    yield Fact(Quantity("range", statistic), value, i + 1, text.strip()[:200], label=match["what"])

"""Several answers to one condition, as the user states them: shares, two values, K heads."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kaiming_mcp.diagnosis.generative.quantities import NUMBER, PERCENT, numbers, value, whole

_SPLIT = re.compile(PERCENT)
_OF_DATA = re.compile(r"train|test|validat|held[- ]out|missing|cover|interval|accura|correct|random split")
"""What a share may be of instead of answers."""
_SLASH = re.compile(
    r"\b(\d{1,2})\s?[/:-]\s?(\d{1,2})\s(?:split|share|mix)|split\w*\s(?:about\s|as\s)?(\d{1,2})\s?[/:-]\s?(\d{1,2})\b"
)
_OF = re.compile(
    r"\b(\d{1,2}) (?:out )?of (?:the )?(\d{1,2}) (?:annotators|raters|readers|experts|radiologists|labell?ers|reviewers|people)"
)
_EITHER = re.compile(
    rf"either (?:at |of |about )?([+-−]?)\s?{NUMBER}\s?\w{{0,10}}\s?or (?:at |of |about )?([+-−]?)\s?{NUMBER}"
)
_PLUS_MINUS = re.compile(
    rf"(?:two|both|symmetric|either|branches|modes|solutions|answers|signs?)[^.;\n]{{0,40}}?(?:±|\+/-|\+-)\s?{NUMBER}|"
    rf"\+{NUMBER}\s?\w{{0,8}}\s(?:and|or)\s[-−]{NUMBER}"
)
_BEST_OF = re.compile(
    rf"best[- ]of[- ]{NUMBER}|min(?:imum)?[- ]?(?:over|of)?[- ]?(?:the )?{NUMBER}|min(?:ade|fde)[_@-]?\s?\(?(?:k\s?=\s?)?(\d{{1,3}})|"
    rf"{NUMBER}\s(?:output )?(?:masks|heads|hypotheses|proposals|predictions|trajectories|candidates)"
)


@dataclass(frozen=True, slots=True)
class Answers:
    """Shares of the answers, two answers as numbers, and how many outputs compete for the minimum."""

    shares: tuple[float, ...] = ()
    modes: tuple[float, float] | None = None
    heads: int | None = None


def read_answers(text: str) -> Answers:
    """All of them, from a lower-case text."""
    return Answers(shares=_shares(text), modes=_modes(text), heads=whole(_BEST_OF, text))


def _shares(text: str) -> tuple[float, ...]:
    """Shares of answers, such as 70 % and 30 %, 60/40, or 3 of 5 annotators."""
    found = [m for m in _SPLIT.finditer(text) if not _OF_DATA.search(text[max(0, m.start() - 25) : m.end() + 25])]
    told = [value(m[1]) / 100 for m in found]
    for i in range(len(told)):
        for j in range(i + 2, min(i + 6, len(told)) + 1):
            if abs(sum(told[i:j]) - 1) < 0.011 and all(s > 0 for s in told[i:j]):
                return tuple(told[i:j])
    slash = _SLASH.search(text)
    if slash and not _OF_DATA.search(text[max(0, slash.start() - 25) : slash.end() + 25]):
        a, b = (int(n) for n in numbers(slash)[:2])
        if a + b == 100 and a * b:
            return (a / 100, b / 100)
    of = _OF.search(text)
    if of and 0 < int(of[1]) < int(of[2]):
        return (int(of[1]) / int(of[2]), 1 - int(of[1]) / int(of[2]))
    return ()


def _modes(text: str) -> tuple[float, float] | None:
    """Two answers to one condition, as numbers."""
    either = _EITHER.search(text)
    if either:
        one, other = (
            value(n) * (-1 if sign in "-−" and sign else 1) for sign, n in (either.group(1, 2), either.group(3, 4))
        )
        return (one, other) if one != other else None
    found = _PLUS_MINUS.search(text)
    if not found:
        return None
    told = [value(n) for n in numbers(found)]
    a, b = told[0], -told[-1]
    return (a, b) if a != b else None

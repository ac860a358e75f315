"""Numbers in prose: their value, how exactly they are written, and the fact ids that they cite."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺"
_PLAIN = str.maketrans(_RAISED + "−\u202f\u00a0", "0123456789-+-  ")
"""Character for character, so that places stay."""
_SIGNED = r"[-+−]?\d{1,5}"
_FIGURE = re.compile(
    r"(?:(?<![\w.^])|(?<=\bx))(?:"
    rf"(?P<base>\d{{1,4}}(?:\.\d{{1,6}})?)(?:\s?(?:\^|\*\*)\s?\{{?(?P<power>{_SIGNED})\}}?|(?P<raised>[{_RAISED}]{{1,5}}))|"
    r"(?P<sign>[-+−–]?)(?P<digits>\d{1,3}(?:[, ]\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
    rf"(?:e(?P<e>{_SIGNED})|\s?[x×·*]\s?10\s?(?:\^?\s?\{{?(?P<ten>{_SIGNED})\}}?|(?P<tens>[{_RAISED}]{{1,5}})))?"
    r"(?P<percent>\s?%|\s?per ?cent\b)?(?![\w]*\d|[A-Za-z]{3,}))",
    re.IGNORECASE,
)
_CITATION = re.compile(
    r"[\[(]\s*((?:fact\s*)?[AF]\d{1,3}(?:\s*(?:,|;|and|&|-|–)\s*(?:fact\s*)?[AF]\d{1,3})*)\s*[\])]|\b([AF]\d{1,3})\b"
)
_ID = re.compile(r"[AF]\d{1,3}")
LARGEST_EXPONENT = 300
COARSEST = 0.2
"""A number of one digit is a fact's only this near: 1.3 is not rounded to 1 in a claim."""
NOTHING = 0.005
"""What may be written as 0."""
ALTERED = 1.55
"""A number less than this factor from a fact's looks like an altered one."""
OPENING = 2
"""Words before a citation that opens its sentence: what follows belongs to it."""
FURTHEST = 5
"""Words between a number and the citation that still belongs to it."""
_JOINS = re.compile(r"\b(?:to|and|or|then|versus|vs|against)\b|^\W{1,3}$", re.IGNORECASE)
_DERIVED = frozenset({"from", "via", "by", "using", "given", "since", "because", "see", "cf", "cf.", "out of", "per"})
FEWEST_TIMES = 5
"""From here on a number may be read as so many times smaller."""
_SENTENCE = re.compile(r"(?<=[!?;\n])|(?<=\.)(?=\s|$)|\n|\|")
_LABEL = re.compile(
    r"(?:\b(?:layer|block|step|epoch|stage|number|figure|fig|table|section|eq|equation|principle|option|phase|part|version|"
    r"seed|question|field|item|finding|top|day|week|appendix|chapter|line|arxiv)s?\.?\s*#?\s*|[#§])$",
    re.IGNORECASE,
)
_YEAR = re.compile(r"(?:19[5-9]|20[0-4])\d")
_BOUND = re.compile(
    r"(?:\b(?:below|above|under|over|than|beyond|exceeds?|at least|at most|up to|within|threshold(?: of)?|"
    r"limit(?: of)?|cut-?off(?: of)?|until)\s*(?:about\s*)?|[<>≤≥→]\s*=?\s*|->\s*|±\s*)$",
    re.IGNORECASE,
)
_FORETOLD = re.compile(
    r"\b(?:predict|expect|should|would|will|target|aim|goal|want|ought|ideal|forecast|give it up|give up|wish|hope|"
    r"become|after the change)",
    re.IGNORECASE,
)
_ABOUT = re.compile(
    r"(?:\b(?:about|around|roughly|approximately|nearly|almost|order of|circa|some)\s*(?:x\s?)?|[~≈]\s*)$", re.I
)


@dataclass(frozen=True, slots=True)
class Figure:
    """A number as written. `half` is half a unit of its last digit; `place` its offset in the text."""

    text: str
    value: float
    half: float
    place: int
    percent: bool = False
    label: bool = False
    """It counts places ("layer 12") rather than measures."""
    bound: bool = False
    """A comparison or an arrow stands before it: a threshold, a target."""
    foretold: bool = False
    about: bool = False

    @property
    def free(self) -> bool:
        """Whether it makes no claim about what is: a place, a threshold, a prediction, an estimate."""
        return self.label or self.bound or self.foretold or self.about

    @property
    def values(self) -> tuple[float, ...]:
        """What it may mean, without a sign: of percent also the share."""
        size = abs(self.value)
        return (size, size / 100) if self.percent else (size,)


@dataclass(frozen=True, slots=True)
class Claim:
    """A stretch of one sentence that cites facts, and the numbers in it."""

    text: str
    ids: tuple[str, ...]
    figures: tuple[Figure, ...]

    @property
    def cited(self) -> tuple[Figure, ...]:
        """The number that the citation belongs to, and those joined to it ("from 1.5 to 6.9 [F4]"), the last first.

        None where the citation stands far off, or marks a source of something derived ("2.05, from [F4]").
        """
        said = [f for f in self.figures if not f.free]
        if not said or self._between(said[-1], None) is None:
            return ()
        chain = [said[-1]]
        for figure in reversed(said[:-1]):
            words = self._between(figure, chain[-1])
            if words is None or not _JOINS.search(" ".join(words)):
                break
            chain.append(figure)
        return tuple(chain)

    def _between(self, first: Figure, second: Figure | None) -> list[str] | None:
        """Words between two numbers, or between the last and the citation; None where they are too many."""
        start, end = first.place + len(first.text), len(self.text) if second is None else second.place
        words = self.text[start:end].split()
        derived = second is None and bool(words) and words[-1].strip(",;(").lower() in _DERIVED
        return None if len(words) > FURTHEST or derived else words


def figures(text: str) -> tuple[Figure, ...]:
    """Every number of a text, in order; ids such as F3 and names such as resnet18 hold none."""
    found: list[Figure] = []
    for match in _FIGURE.finditer(text):
        exponent = _exponent(match)
        if match["base"]:
            base = float(match["base"])
            if base > 0 and abs(exponent * math.log10(base)) < LARGEST_EXPONENT:
                value = base**exponent
                found.append(_figure(text, match, value, 0.5 * value if base == 10 else 0.0))
            continue
        digits = re.sub("[,\\s]", "", match["digits"])
        scale = 10.0 ** max(min(exponent, LARGEST_EXPONENT), -LARGEST_EXPONENT)
        sign = -1.0 if match["sign"] in ("-", "−") and not _is_range(text, match.start()) else 1.0
        value, half = sign * float(digits) * scale, 0.5 * 10.0 ** -_decimals(digits) * scale
        found.append(_figure(text, match, value, half, bool(match["percent"])))
    return tuple(found)


def _exponent(match: re.Match[str]) -> int:
    written = next((match[n] for n in ("power", "raised", "e", "ten", "tens") if match[n] is not None), "0")
    sign, digits = re.fullmatch(r"([-+]*)(\d*)[-+]*", written.translate(_PLAIN)).groups()  # type: ignore[union-attr] - matches whatever the pattern takes
    return (-1 if sign.startswith("-") else 1) * int(digits or 0)


def claims(text: str) -> Iterator[Claim]:
    """The cited stretches: from the last citation, or the start of the sentence, up to the next citation.

    A citation that opens its sentence ("F3: 0.81 at the last") belongs to what follows it.
    """
    for sentence in filter(None, (s for s in _SENTENCE.split(text) if s)):
        marks = list(_CITATION.finditer(sentence))
        start = 0
        for i, mark in enumerate(marks):
            end = marks[i + 1].start() if i + 1 < len(marks) else len(sentence)
            before = sentence[: mark.start()]
            opens = not i and len(before.split()) <= OPENING and not figures(before)
            stretch = sentence[mark.end() : end] if opens else sentence[start : mark.start()]
            yield Claim(stretch, tuple(_ID.findall(mark[0])), figures(stretch))
            start = end if opens else mark.end()


def cited(text: str) -> list[str]:
    """All fact ids of a text, each once."""
    return list(dict.fromkeys(i for mark in _CITATION.finditer(text) for i in _ID.findall(mark[0])))


def agrees(said: Figure, fact: Figure) -> bool:
    """Whether two written numbers are one, within the rounding of either; 1 % apart where rounding is finer.

    Signs are not compared ("falls by 3"), and "600 times smaller" may stand for 0.00167.
    """
    loose = 0.1 if said.about else 0.01
    for shown in fact.values:
        # The server writes three digits: its "1" is 1.00.
        exact = max(min(fact.half, 0.005 * shown), loose * shown)
        if any(abs(v - shown) <= max(min(said.half / abs(said.value), COARSEST) * v, exact) for v in said.values if v):
            return True
        if abs(said.value) >= FEWEST_TIMES and shown and abs(1 / abs(said.value) - shown) <= 2 * loose * shown:
            return True
    return not said.value and min(fact.values) <= min(said.half, NOTHING)


def near(said: Figure, fact: Figure) -> bool:
    """Whether a number looks like a fact's that was changed: less than a factor of ALTERED apart."""
    pairs = [(v, f) for v in said.values for f in fact.values if v and f]
    return any(abs(math.log(v / f)) < math.log(ALTERED) for v, f in pairs)


def _figure(text: str, match: re.Match[str], value: float, half: float, percent: bool = False) -> Figure:
    before, clause = text[max(0, match.start() - 40) : match.start()], text[max(0, match.start() - 80) : match.start()]
    return Figure(
        match[0].strip(),
        value,
        half,
        match.start(),
        percent,
        bool(_LABEL.search(before) or _YEAR.fullmatch(match[0].strip())),
        bool(_BOUND.search(before)),
        bool(_FORETOLD.search(clause)),
        bool(_ABOUT.search(before)),
    )


def _decimals(digits: str) -> int:
    whole, dot, part = digits.partition(".")
    if dot:
        return len(part)
    return -(len(whole) - len(whole.rstrip("0"))) if len(whole) > 2 else 0


def _is_range(text: str, at: int) -> bool:
    return at > 0 and text[at - 1].isdigit()

"""What sentences state of the size of the data: ranges, means and deviations of inputs and targets."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from kaiming_mcp.diagnosis.gradients.words import LONGEST, NUMBER, as_float, plain

_TO = r"\s?(?:\.\.\.?|-|–|—|to|and|,)\s?"
_PIXELS = re.compile(rf"\buint8\b|[\[(]?\b0(?:\.0)?{_TO}255\b")
_SCALED = re.compile(
    r"(?<!no )(?<!not )(?<!without )(?<!n't )/{1,2}\s?25[56]\b|ToTensor|(?:divided|dividing) by 255|normali[sz]ed to|(?:re)?scaled to|0 ?(?:-|to|,) ?1\b",
    re.I,
)
_UNSCALED = r"\braw\b|\bun-?(?:scaled|normali[sz]ed|standardi[sz]ed)|\b(?:not|n't|without|no|none)(?: of \w+)? (?:\w+ )?(?:scal|normali[sz]|standardi[sz]|pre-?process)\w*"
_VALUES = re.compile(
    rf"\b(?P<what>values?|prices?|features?|inputs?|signals?|readings?|counts?|amplitudes?|intensit(?:y|ies)|coordinates?|targets?|labels?)"
    rf"\b[^.\n\d]{{0,30}}?[\[(]?(?<![\w.])(?P<low>{NUMBER}){_TO}(?P<high>{NUMBER})(?![\w.]\d)",
    re.I,
)
_RANGES = re.compile(
    rf"\b(?P<what>features?|inputs?|columns?|timestamps?|targets?|labels?|prices?|[xy](?:\[[^\]\n]{{0,9}}\])?)"
    rf"(?: [a-z]\w{{0,20}}){{0,4}} (?:ranges?|ranging|goes|go|spans?|lies?|lie|runs?|var(?:y|ies)) (?:from |between |over |in )?[\[(]?"
    rf"(?P<low>{NUMBER}){_TO}(?P<high>{NUMBER})",
    re.I,
)
_PREPARED = re.compile(
    r"(?<!un)(?<!not )(?<!others are )(?<!rest is )\b(?:standardi[sz]|normali[sz]|(?:re)?scaled|divided)", re.I
)
_INTEGERS = re.compile(
    r"\b(?P<un>u?)int(?P<bits>16|32)\b|\b(?P<words>16|24)[ -]?bit (?:audio|pcm|wav|samples?|images?|png)", re.I
)
_ABOUT = re.compile(
    rf"\b(?P<what>inputs?|features?|targets?|labels?|y)\b(?: (?:are|is|of|sit|lie|in|all))? ?(?:mean|average|about|around|of (?:the )?order|roughly|~|≈|up to) ?"
    rf"(?P<x>{NUMBER})(?![\w.]\d)",
    re.I,
)
_GOES_IN = re.compile(r"\b(?:raw|cast|inputs?|audio|images?|samples|data|pcm|wav)\b", re.I)
_FEATURES = re.compile(r"\b(?:features?|inputs?|columns?)\b(?P<rest>[^\n]{0,240})", re.I)
_SPAN = re.compile(
    rf"(?:(?<![\w.])(?P<low>{NUMBER}){_TO}(?P<high>{NUMBER})|\bup to (?P<top>{NUMBER}))(?![\w.]\d)"
    r"(?! ?(?:epochs?|steps?|iter\w*|layers?|images?|samples?|class\w*|units?|tokens?|nodes?|rows?|GB|Hz|kHz)\b)",
    re.I,
)
_WHOSE = re.compile(r"\b(?:targets?|labels?|outputs?|y)\b", re.I)
_FAR = 100.0
"""Size of a stated range that no standardised data have."""
_DESCRIBED = re.compile(
    rf"\b(?P<name>[a-z_]\w{{1,30}})\W{{1,3}}mean\W{{1,3}}(?P<mean>{NUMBER})[,;]?\W{{1,2}}std\W{{1,3}}(?P<std>{NUMBER})",
    re.I,
)
_CALLED = re.compile(
    rf"(?<![\w.])(?P<name>x|y|inputs?|batch|data|images?|targets?|labels?)(?:_\w{{1,12}})?"
    rf"\.(?P<statistic>mean|std|max)\((?:axis|dim)?\s?=?\s?\d?\)\s?[=:]?\s?(?P<list>\[[-+.,\de\s]{{1,400}}\])?(?P<x>{NUMBER})?",
    re.I,
)
_DATA = re.compile(r"\bdescribe\(|\bfeatures?\b|\bcolumns?\b|\btabular\b|\bdata ?set\b|\bpre-?processing\b", re.I)
_STATISTICS = ("count", "mean", "std", "min", "max", "25%", "50%", "75%", "median")
_OF_DATA = re.compile(r"\bdescribe\(|\b(?:features?|columns?|variables?|names?|inputs?|data ?frame)\b", re.I)
_PRINTED = re.compile(
    r"(?<![\w.])(?P<name>(?:x|xb|batch|inputs?|features?|data|samples?)(?:_\w{1,20})?)(?:\[(?P<key>[^\]\n]{1,30})\]){0,3}\s?[=:]\s?"
    r"\[(?P<list>(?:\s?-?\d{1,15}\.\d{0,9},?){2,20})",
    re.I,
)
_LAYER = re.compile(r"\b(?:layer|block|conv|fc|relu|out|act)\w{0,3}\W{0,2}$", re.I)


class Range(NamedTuple):
    """What spans from where to where."""

    what: str
    low: float
    high: float


def ranges(text: str) -> Iterator[Range]:
    """Ranges of data that are stated to go in as they are: raw pixels, values that nobody scaled."""
    text = text[:LONGEST]
    scaled = _SCALED.search(text) is not None
    if (pixels := _PIXELS.search(text)) and not scaled:
        yield Range("pixels" if "255" not in pixels[0] else f"pixels {pixels[0].strip('[(')}", 0.0, 255.0)
    for found in (*_RANGES.finditer(text), *_ABOUT.finditer(text)):
        given = found.groupdict()
        ends = [as_float(given[k]) for k in ("low", "high", "x") if given.get(k)]
        low, high = (ends[0], ends[1]) if len(ends) > 1 else (min(0.0, ends[0]), max(0.0, ends[0]))
        prepared = _PREPARED.search(text[found.end() : found.end() + 60].partition("\n")[0])
        if low < high and max(abs(low), abs(high)) >= _FAR and not prepared:
            yield Range(found["what"], low, high)
    if (integers := _INTEGERS.search(text)) and _GOES_IN.search(text) and not scaled and not _PREPARED.search(text):
        top = 2.0 ** (int(integers["bits"] or integers["words"]) - (0 if integers["un"] else 1))
        yield Range(f"{integers[0]} values", 0.0 if integers["un"] else -top, top - 1)
    if re.search(_UNSCALED, text, re.I):
        yield from _unscaled(text)


def _unscaled(text: str) -> Iterator[Range]:
    """Ranges near words that say that nobody scaled them; of those that have no name, the sentence's."""
    named = list[Range]()
    for found in _VALUES.finditer(text):
        low, high = as_float(found["low"]), as_float(found["high"])
        if low < high and re.search(_UNSCALED, text[max(0, found.start() - 80) : found.end() + 80], re.I):
            named.append(Range(found["what"], low, high))
    sentences = (one[:2_000] for one in re.split(r"\n|(?<=[.;!?])\s", text))
    named = named or [r for one in sentences if re.search(_UNSCALED, one, re.I) for r in _of_sentence(one)]
    if not named and (listed := _FEATURES.search(text)) and re.search(_UNSCALED, listed["rest"], re.I):
        sizes = [abs(as_float(n)) for n in re.findall(rf"(?<![\w.])(?:{NUMBER})(?![\w.]\d)", listed["rest"])]
        named = [Range("features", 0.0, max(sizes))] if len(sizes) > 1 and max(sizes) >= _FAR else []
    yield from named


def _of_sentence(sentence: str) -> Iterator[Range]:
    """Ranges of a sentence that says that nobody scaled them: `depth in mm (0 to 8000), unnormalised`."""
    whose = _WHOSE.search(sentence)
    for found in _SPAN.finditer(sentence):
        high = as_float(found["high"] or found["top"])
        low = as_float(found["low"] or "0")
        if low < high and high >= _FAR:
            yield Range(whose[0] if whose else "the input", low, high)


def described(text: str) -> Iterator[tuple[str, float, float]]:
    """Name, mean and std of features, in a text that describes data and not layers."""
    yield from _tabled(plain(text[:LONGEST]).split("\n"))
    for line in text[:LONGEST].split("\n"):
        if _DATA.search(line[:2_000]):
            for found in _DESCRIBED.finditer(line[:2_000]):
                if not _LAYER.search(found["name"]):
                    yield found["name"], as_float(found["mean"]), as_float(found["std"])


def _tabled(lines: Sequence[str]) -> Iterator[tuple[str, float, float]]:
    """The same from a table with features down (`name mean std`), or across as pandas describes them."""
    heads, names, of_data, across = list[str](), list[str](), False, dict[str, dict[str, float]]()
    for line in lines:
        cells = line[:400].replace("|", " ").split()
        words = [cell.lower() for cell in cells]
        numbers = [as_float(cell) for cell in cells if re.fullmatch(NUMBER, cell)]
        given = [word for word in words if word in _STATISTICS]
        if not numbers and len(given) > 1 and "mean" in given:
            # Layers have such tables as well: the word features, or nothing but `mean std`, says that it is data.
            heads = given if of_data or _OF_DATA.search(line) or words == ["mean", "std"] else []
        elif heads and cells and 0 <= len(numbers) - len(heads) <= 1 < len(cells) - len(numbers) + 1:
            row = dict(zip(heads, numbers[-len(heads) :], strict=True))
            name = next(cell for cell in cells if not re.fullmatch(NUMBER, cell))
            yield name, row["mean"], row.get("std", max(map(abs, row.values())))
        elif of_data and given and words[0] == given[0] and len(numbers) == len(names) == len(cells) - 1:
            for name, x in zip(names, numbers, strict=True):
                across.setdefault(name, {})[words[0]] = x
        elif cells:
            heads, of_data, names = [], of_data or bool(_OF_DATA.search(line)), [] if numbers else cells
    yield from ((name, row["mean"], row["std"]) for name, row in across.items() if {"mean", "std"} <= row.keys())


def printed(text: str) -> Iterator[tuple[str, float]]:
    """Name and root mean square of inputs of which a script prints some, with decimals: whole numbers may be tokens."""
    for found in _PRINTED.finditer(text[:LONGEST]):
        sizes = [as_float(n) for n in re.findall(NUMBER, found["list"])]
        if not _WHOSE.search(found["key"] or ""):
            key = f"[{found['key']}]" if found["key"] else ""
            yield f"{found['name']}{key}", math.sqrt(sum(x * x for x in sizes) / len(sizes))


def called(text: str) -> Iterator[tuple[str, float]]:
    """Name and root mean square of data whose statistics a script prints: `x.mean() 0.1 x.std() 5.7e-06`."""
    found: dict[str, dict[str, float]] = {}
    for m in _CALLED.finditer(text[:LONGEST]):
        sizes = [as_float(n) for n in re.findall(NUMBER, m["list"] or m["x"] or "")]
        if sizes:
            found.setdefault(m["name"].lower(), {})[m["statistic"].lower()] = max(sizes, key=abs)
    for name, given in found.items():
        if "std" in given or ("max" in given and "mean" in given):
            yield name, math.hypot(given.get("mean", 0.0), given.get("std", 0.0))

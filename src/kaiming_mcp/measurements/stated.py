"""Statistics that a sentence or a printed frame states of data, outputs and scores, as facts of the whole run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from kaiming_mcp.measurements import layers
from kaiming_mcp.measurements.quantity import Quantity
from kaiming_mcp.measurements.record import Fact
from kaiming_mcp.measurements.value import Value, number, numbers

LONGEST = 1_000
TAKEN = "…"
"""What stands in a line in place of the words that were taken from it."""
_NUMBER = r"([-+−]?(?:\d[\d,]{0,20}\.?\d{0,20}|\.\d{1,20})(?:e[-+]?\d{1,3})?|nan\b)"
_STATISTIC = r"(mean|avg|average|std|stddev|sd|var|variance|min|max|median|rms)"
_PAIR = rf"\b{_STATISTIC}(?:\(\))?\s{{0,3}}(?:[=:~≈]|of|is)?\s{{0,3}}{_NUMBER}(?![\w.]\d)"
_OF = r"(?:the )?(?:last |first |final |output )?"
_SUBJECTS = {
    "prediction": r"(?:model )?(?:predictions?|preds?|y_?(?:hat|pred)|reconstructions?)",
    "target": r"(?:targets?|labels?|y(?:_(?:train|true|batch))?)",
    "input": r"(?:(?:raw |model |network )?(?:inputs?|pixels?|images?)|x(?:_(?:train|batch|in))?|X)",
    "pre-activation": rf"(?:before {_OF}(?:sigmoid|tanh|relu|softmax|gates?)|(?:attention )?scores)",
    "output": rf"after {_OF}(?:sigmoid|tanh|softmax)",
}
"""What a statistic may be of that is no layer, by the kind of fact."""
_SAID = {
    kind: re.compile(
        rf"(?:^|(?<=[;,(\]…]))\W{{0,6}}{words}(?: (?:values?|are|is|have|has)){{0,2}}"
        rf"\s{{0,3}}[:=.,]?\s{{0,3}}(?={_PAIR})",
        re.I,
    )
    for kind, words in _SUBJECTS.items()
}
_PAIRS = re.compile(
    rf"[\s,/.]{{0,4}}(?:[A-Za-z]\w{{0,11}}\.(?:abs\(\)\.)?)?{_PAIR}"
    r"(?: ?(?!(?:mean|std|min|max|sd|var|rms)\b)[A-Za-z°%]{1,6}(?![\w=:]))?",
    re.I,
)
_REVERSED = {
    kind: re.compile(rf"\b{_STATISTIC} {words}\s{{0,3}}(?:[=:]|is|was)?\s{{0,3}}{_NUMBER}(?![\w.]\d)", re.I)
    for kind, words in (
        *((kind, rf"of (?:the |all )?{_SUBJECTS[kind]}") for kind in ("prediction", "target", "input")),
        ("pre-activation", rf"[^;:=\n]{{0,30}}?\b{_SUBJECTS['pre-activation']}"),
    )
}
_ALONE = tuple(
    (kind, statistic, re.compile(words + r"\s{0,3}(?:[=:~≈]|of|is)?\s{0,3}" + _NUMBER, re.I))
    for kind, statistic, words in (
        ("r2", "value", r"(?<![\w.])R(?:\^?2|²)(?:[ _]score)?"),
        ("top probability", "mean", r"\b(?:mean|average) (?:top|max)(?:-1)? (?:softmax |attention )?prob\w{0,8}"),
        ("entropy", "mean", r"\b(?:mean |attention |softmax ){0,2}entropy"),
        ("entropy", "max", r"\buniform(?: would be| is| gives)?(?: (?:ln|log)\s?\d{1,6} ?=)"),
        ("gradient", "max", r"\bmax(?:imum)? \|g(?:rad)?\| over all [a-z]{3,12}(?:,[^:=\d]{1,30})?"),
        ("gradient norm", "max", r"\b(?:largest|highest|max(?:imum)?) (?:grad(?:ient)? )?norm (?:ever|so far|seen)"),
    )
)  # fmt: skip
_LISTED = re.compile(
    r"\b(?P<name>x|X|y|inputs?|targets?|batch)(?P<at>(?:\[[^\]\n]{1,30}\]){1,3})\s?=\s?\[(?P<list>[-+.,\de\s]{3,400})\]"
)
_TIMED = re.compile(r"(?<!last )\b(?:step|epoch|iter\w*|ep|it|batch)\W{0,2}\d|^\s*\d+[\s:|/]", re.I)
_ROW = re.compile(r"\s{0,12}(?P<statistic>count|mean|std|min|max|\d\d%)\s{1,40}(?=[-+\d.])")
_LIKELY = re.compile(rf"{_STATISTIC}\b|\bR\^?[2²]|entropy|norm|\]\s?=", re.I)


def stated(lines: Sequence[str]) -> tuple[list[Fact], list[str]]:
    """The facts, and the lines without the words that say them.

    Kinds: input, target, prediction, pre-activation (before a nonlinearity, or attention scores), output (behind one),
    r2, top probability, entropy (in nats; "max" that of a uniform choice), gradient, gradient norm.
    """
    facts, left = list[Fact](), list(lines)
    for begin, end in _described(lines):
        facts += _columns(lines, begin, end)
        left[begin:end] = [TAKEN] * (end - begin)
    for i, line in enumerate(left):
        if len(line) > LONGEST or not _LIKELY.search(line) or _TIMED.search(line):
            continue
        if any(True for _ in layers.found(line)):
            continue
        for kind, statistic, value, begin, end in _of_line(line):
            facts.append(Fact(Quantity(kind, statistic), value, i + 1, lines[i].strip()[:200]))
            left[i] = left[i][:begin] + " " * (end - begin) + left[i][end:]
        if left[i] != line:
            rest = re.sub(r"\([^()]{0,200}\)", " ", left[i])
            left[i] = left[i].rstrip() if re.search(r"\d", rest) else TAKEN
    return facts, left


def _of_line(line: str) -> Iterator[tuple[str, str, Value, int, int]]:
    taken = 0
    for kind, pattern in _SAID.items():
        for match in pattern.finditer(line):
            end = match.end()
            while pair := _PAIRS.match(line, end):
                if value := number(pair[2]):
                    yield kind, _statistic(pair[1]), value, match.start(), pair.end()
                end, taken = pair.end(), max(taken, pair.end())
    for kind, pattern in _REVERSED.items():
        for match in pattern.finditer(line):
            if value := number(match[2]):
                yield kind, _statistic(match[1]), value, match.start(), match.end()
    for kind, statistic, pattern in _ALONE:
        if (match := pattern.search(line)) and (value := number(match[1])):
            yield kind, statistic, value, match.start(), match.end()
    if match := _LISTED.search(line):
        kind = "target" if re.match(r"y|target|batch\[.(?:y|label|target)", match["name"] + match["at"]) else "input"
        values = [value for _, _, value in numbers(match["list"])]
        if values:
            yield kind, "max", max(values, key=lambda v: abs(v.x)), match.start(), match.end()


def _statistic(word: str) -> str:
    word = word.lower()
    return {"avg": "mean", "average": "mean", "stddev": "std", "sd": "std", "var": "variance"}.get(word, word)


def _described(lines: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Frames that pandas' `describe` prints: the line of the heads and the line behind the last statistic."""
    at = 0
    while at + 2 < len(lines):
        end = at + 1
        while end < len(lines) and len(lines[end]) <= LONGEST and _ROW.match(lines[end]):
            end += 1
        heads = lines[at].split() if end - at > 2 and len(lines[at]) <= LONGEST else []
        cells = {len(lines[i].split()) - 1 for i in range(at + 1, end)}
        named = heads and cells == {len(heads)} and all(re.match(r"[A-Za-z_]", head) for head in heads)
        if named and not any(map(layers.is_layer, heads)):
            yield at, end
        at = end


def _columns(lines: Sequence[str], begin: int, end: int) -> Iterator[Fact]:
    heads = lines[begin].split()
    for i in range(begin + 1, end):
        statistic, *cells = lines[i].split()
        for head, cell in zip(heads, cells, strict=True):
            kind = "target" if re.fullmatch(_SUBJECTS["target"], head, re.I) else "input"
            if statistic in ("mean", "std", "min", "max") and (value := number(cell)):
                yield Fact(Quantity(kind, statistic), value, i + 1, lines[i].strip()[:200], label=head)

"""Parts in lines that are neither formula nor setting: headings, lists, chains, sentences."""

from __future__ import annotations

import re
from dataclasses import replace

from kaiming_mcp.diagnosis.simplify.parts import Part, same, tokens
from kaiming_mcp.diagnosis.simplify.reading.collect import Collector, Knob
from kaiming_mcp.diagnosis.simplify.reading.names import (
    BEFORE,
    GONE,
    VALUE,
    bracketed,
    commas,
    context_of,
    head_of,
    kind_of,
    modifiers,
    number_in,
    said_absent,
)
from kaiming_mcp.diagnosis.simplify.reading.text import NUMBER
from kaiming_mcp.diagnosis.simplify.reading.words import HEAD_KINDS, HEADS, NEGATED, NO_PART, hours_in

SHORT_ITEM, SHORT_NAME, LONGEST_ABBREVIATION = 7, 4, 5
_BULLET = re.compile(r"^\s*(?:[-*•+‣]|\(?\d{1,2}[.)]|\(?[a-h]\))\s+(.*)$")
_MARK = re.compile(r"(?:^|(?<=\s))\(?(\d{1,2})\)\s+(?=\S)")
_NUMBERED = re.compile(r"^\s*\(?\d{1,2}[.)]\s")
_STAGE = re.compile(
    r"^\s*(?:[-*•]\s*)?(?:stage|step|phase)\s*(\d{1,2}|[IVX]{1,3}|one|two|three)\s*[:.)–-]\s*(.*)$", re.IGNORECASE
)
_ARROWS = re.compile(r"\s*(?:->|=>|→|-->)\s*")
_HEADING = re.compile(r"^\s*(?:#{1,5}\s*)?(?:\*\*)?([A-Za-z][A-Za-z /&-]{2,30})(?:\*\*)?\s*:(?:\*\*)?\s*(.*)$")
_ABBREVIATION = re.compile(r"\(([A-Z][A-Za-z-]{1,7})\)")
_OWN = re.compile(
    r"\b(?:our|novel|new|proposed|called|named|dubbed|termed)\s+(?:the\s+)?((?:[A-Z][\w-]+)(?:\s[A-Z][\w-]+){0,3})"
)
_SUMMED_LOSS = re.compile(r"(?<![\w-])((?:[\w-]{1,30}\s?\+\s?){1,6}[\w-]{1,30})\s+loss(?:es)?\b")
_INTRODUCED = re.compile(
    r"^[^,:]{2,80}:\s|^[^,]*?\b(?:uses?|using|with|includes?|including|combines?|add(?:s|ed)?|consists of|employs?|plus|"
    r"on top|also)\b:?",
    re.IGNORECASE,
)
_FIRST_WORDS = re.compile(r"^(?:and|plus|with|a|an|the|our|then|also|\+)\s+", re.IGNORECASE)
_VALUE_AT_END = re.compile(rf"(?:\s+|\s*[=(:]\s*){NUMBER}\s*%?\)?$")
_SAID_OF_IT = re.compile(
    r"\s+(?:weighted|with|in|on|for|over|from|via|using|at|by|of|between|across|per)\b.*$", re.IGNORECASE
)
_CLAUSE = re.compile(r"(?:we|which|that|it|is|are|on|in|for|to)\b")
_GRID = re.compile(r"\d+\s?[x×]\s?\d")
_LED = re.compile(r"^[A-Za-z ]{0,40}:\s")
_PRUNED = " .,;:*`"


def read_prose(text: str, in_settings: set[int], into: Collector) -> None:
    """Read every line; a heading gives the lines of its list their kind."""
    context = ""
    lines = [(n, part) for n, line in enumerate(text.split("\n"), 1) for part in _numbered(line)]
    for number, line in lines:
        item = _BULLET.match(line)
        if not line.strip() or (number in in_settings and not item):
            continue
        heading = _HEADING.match(line)
        if heading and not item and not heading[2].strip():
            context = heading[1].lower()
            continue
        if number not in in_settings:
            _line(line, number, context, item[1] if item else "", into)
        context = context if item else heading[1].lower() if heading else ""


def _numbered(line: str) -> list[str]:
    """The entries of "1) encoder 2) fusion 3) head" as lines of their own; another line as it is."""
    marks = list(_MARK.finditer(line))
    if len(marks) < 3 or [int(m[1]) for m in marks] != list(range(1, len(marks) + 1)):
        return [line]
    ends = [m.start() for m in marks[1:]] + [len(line)]
    return [line[: marks[0].start()], *(line[m.start() : end].strip(" ,;") for m, end in zip(marks, ends, strict=True))]


def _line(line: str, number: int, context: str, item: str, into: Collector) -> None:
    stage = _STAGE.match(line)
    chain = [p for p in _ARROWS.split(line) if p.strip()]
    summed = [p for p in re.split(r"\s\+\s", line) if p.strip()]
    if stage:
        _stage(f"stage {stage[1]}: {stage[2]}", number, into)
    elif len(chain) > 2:
        for piece in chain:
            _item(_LED.sub("", piece), number, "stage", into)
    elif len(summed) > 2 and not item and max(len(p.split()) for p in summed) <= SHORT_ITEM:
        for piece in summed:
            _item(_LED.sub("", piece), number, kind_of(context, piece), into)
    elif item:
        numbered = _NUMBERED.match(line) and not context
        _item(item, number, "stage" if numbered else kind_of(context, item), into)
    else:
        _sentences(line, number, into)


def _stage(item: str, line: int, into: Collector) -> None:
    """ "Stage 1: …" is a part under that name; other parts that it speaks of stand beside it."""
    name = " ".join(item.split()[:9]).strip(_PRUNED + "(")
    hits = [part for part, _ in into.hits(item, line)]
    own = next((p for p in hits if p.kind == "stage"), None)
    stage = Part(name, "stage", own.known if own else None, (line,), word=own.word if own else "")
    into.part(replace(stage, hours=hours_in(item), alias=name.split(":")[0]))
    for part in hits:
        if part is not own:
            into.part(part)
    _summed(item, line, into)


def _item(item: str, line: int, kind: str, into: Collector) -> None:
    """One entry of a list: its name, and the known parts in what is said of it."""
    name, rest = head_of(item)
    if NO_PART.fullmatch(name.lower().strip()):
        return
    found = into.hits(item, line)
    hits = [part for part, _ in found]
    several = len(commas(rest or item)) > 2 and len(hits) > 1
    if NEGATED.search(name.lower() + " ") and not several:
        return
    in_name = len({part.key for part, place in found if place < len(name)})
    if in_name and not several:
        hits[0] = replace(
            hits[0],
            name=_whole_name(name, hits[0]) if in_name == 1 else hits[0].name,
            hours=hours_in(item),
            alias=next(iter(_ABBREVIATION.findall(item)), ""),
        )
    elif not several:
        _own(name, item, line, kind, not hits, into)
    for part in hits:
        into.part(part)
    if several:
        _list(rest or item, line, kind, into)


def _whole_name(name: str, part: Part) -> str:
    """The name of the entry where it says more than the known words: `cross-encoder reranker`."""
    whole = _VALUE_AT_END.sub("", name).strip(_PRUNED)
    return whole if 1 < len(whole.split()) <= 5 and not part.base else part.name


def _own(name: str, item: str, line: int, kind: str, alone: bool, into: Collector) -> None:
    """An entry without a known word in its name is a part of its own, when it is short or says nothing else."""
    words = name.split()
    if len(words) > 8 and not alone:
        return
    shown = _FIRST_WORDS.sub("", " ".join(words[:7]).strip(_PRUNED))
    if not tokens(shown) or not re.search(r"[A-Za-z]{2}", shown):
        return
    own = kind_of(kind, shown)
    value = VALUE.match(item.lower(), item.find(shown) + len(shown)) if own == "loss" else None
    alias = next(iter(_ABBREVIATION.findall(item)), "")
    into.part(Part(shown, own, None, (line,), value[1] if value else "", hours_in(item), alias))
    if value:
        into.knob(Knob(f"weight of {shown}", value[1], line))


def _list(text: str, line: int, kind: str, into: Collector) -> None:
    """Short items of a comma list that holds known parts are parts too; a number in brackets is the weight of a loss."""
    for piece, inside in bracketed(text):
        lower = piece.lower()
        if (
            next(iter(into.known.in_prose.finds(lower)), None)
            or NO_PART.search(lower)
            or NEGATED.search(lower)
            or GONE.search(lower)
        ):
            continue
        bare = _SAID_OF_IT.sub("", _VALUE_AT_END.sub("", _FIRST_WORDS.sub("", piece.strip(" .;:"))))
        bare = " ".join(bare.split())
        weight = None if _GRID.match(bare) else re.match(rf"({NUMBER})\s?[*x×]?\s?(?=[A-Za-z])", bare)
        bare = bare[weight.end() :] if weight else bare
        short = 0 < len(bare.split()) <= SHORT_NAME and re.search(r"[A-Za-z]{2}|L[12]", bare) and tokens(bare)
        if not short or _CLAUSE.match(bare.lower()) or any(tokens(p.name) == tokens(bare) for p in _parts(into)):
            continue
        abbreviated = bare.isupper() and len(bare) <= LONGEST_ABBREVIATION
        entry, word = into.known.entry_of(bare, True) if kind == "loss" or abbreviated else (None, "")
        own = entry.kind if entry else kind_of(kind, bare)
        given = weight[1] if weight else number_in(inside)
        into.part(Part(bare, own, entry, (line,), given if own == "loss" else "", word=word))
        if given and own == "loss":
            into.knob(Knob(f"weight of {bare}", given, line))


def _sentences(line: str, number: int, into: Collector) -> None:
    heading = _HEADING.match(line)
    headed = heading is not None and len(heading[1].split()) <= 3
    # "YOLOX: …" names the method and says nothing of the kind of its parts.
    kind = context_of(heading[1].lower()) if heading is not None and headed else ""
    body = heading[2] if heading is not None and headed else line
    for part, _ in into.hits(body, number):
        into.part(part)
    _summed(body, number, into)
    for clause in re.split(r"(?<=[.;])\s+", body):
        pieces = commas(_INTRODUCED.sub("", clause, count=1))
        spoken = any(next(iter(into.known.in_prose.finds(p.lower())), None) for p in pieces)
        short = sum(len(p.split()) <= SHORT_ITEM for p in pieces)
        # A line of short names alone is a list, whatever they are.
        spoken = spoken or (
            "," in clause and all(len(p.split()) <= SHORT_NAME and not _CLAUSE.match(p.lower()) for p in pieces)
        )
        if len(pieces) > 2 and (headed or (spoken and 5 * short >= 4 * len(pieces))):
            _list(_INTRODUCED.sub("", clause, count=1), number, kind, into)
    _named(body, number, into)


def _summed(text: str, number: int, into: Collector) -> None:
    """ "Dice + CE loss" names two losses."""
    for summed in _SUMMED_LOSS.findall(text):
        for name in re.split(r"\s?\+\s?", summed):
            entry, word = into.known.entry_of(name, True)
            into.part(Part(name, "loss", entry, (number,), word=word))


def _named(line: str, number: int, into: Collector) -> None:
    """Own parts: "the X loss", "our X", "X Module (XM)"; words of known parts are theirs."""
    lower = line.lower()
    taken = [(h.begin, h.end) for h in into.known.in_prose.finds(lower)]

    def free(begin: int, end: int) -> bool:
        overlaps = any(b < end and e > begin for b, e in taken)
        return not overlaps and not NEGATED.search(lower[max(0, begin - BEFORE) : begin])

    for found in HEADS.finditer(line):
        words = modifiers(found[1])
        if words and free(found.end(1) - len(" ".join(words)), found.end()) and not said_absent(lower[found.end() :]):
            kind = HEAD_KINDS.get(found[2].lower().rstrip("s"), "module")
            alias = _ABBREVIATION.match(line[found.end() :].lstrip())
            if any(p.known is None and tokens(" ".join(words)) < tokens(p.name) for p in _parts(into)):
                # "auxiliary depth head" stands in the list already.
                continue
            into.part(Part(" ".join([*words, found[2]]), kind, None, (number,), alias=alias[1] if alias else ""))
    for found in _OWN.finditer(line):
        if free(found.start(1), found.end(1)) and not any(same(p, found[1]) >= 2 for p in _parts(into)):
            into.part(Part(found[1], "module", None, (number,)))


def _parts(into: Collector) -> list[Part]:
    return list(into.parts.values())

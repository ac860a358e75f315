"""Collects parts and knobs from every way of writing; two readings of one part become one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from kaiming_mcp.diagnosis.simplify.lists import KnownPart, Lists
from kaiming_mcp.diagnosis.simplify.parts import Part, one_name, tokens, umbrella
from kaiming_mcp.diagnosis.simplify.reading.names import (
    BEFORE,
    LENGTH_BEFORE,
    VALUE,
    VALUE_BEFORE,
    context_of,
    said_absent,
    tail,
    written,
)
from kaiming_mcp.diagnosis.simplify.reading.settings import Setting
from kaiming_mcp.diagnosis.simplify.reading.words import ADMINISTRATIVE, NEGATED, NO_PART, SIZES

MOST_PARTS, MOST_KNOBS = 80, 200
LARGEST_STRENGTH = 15
"""A whole number above this beside an augmentation is a size in pixels."""
_SWITCH = re.compile(r"^(?:use|enable|with|apply|add|has|do)[_-]|[_-]enabled$")
_WEIGHT = re.compile(r"^(?:lambda|weight|coef|w|lam|alpha|beta)[_-]|[_-](?:loss_weight|weight|coeff?|lambda)$")
_ABBREVIATION_BEFORE = re.compile(r"(?<![\w-])([A-Z][a-z]{0,6}[A-Z][A-Za-z]{0,6})\s$")
"""The own name of a part before its known words: "RevIN instance normalisation"."""
_SOURCE = re.compile(r"distil\w*\s+from\s+(?:an?|the|its|our)\s+(?:\w+\s)?$")
"""A teacher is no part beside its distillation."""
_INNER = re.compile(r"temperature|margin|gamma|tau")


@dataclass(frozen=True, slots=True)
class Knob:
    """A number or switch that somebody chose: name, value as written ("" where none is given), and its line."""

    name: str
    value: str
    line: int
    choices: int = 0
    """How many values were tried; 0 where the text does not say."""


@dataclass(slots=True)
class Collector:
    """Parts and knobs in the order of reading."""

    known: Lists
    parts: dict[str, Part] = field(default_factory=dict[str, Part])
    knobs: dict[str, Knob] = field(default_factory=dict[str, Knob])

    def part(self, part: Part) -> None:
        """Add a part, or the new reading of one that is there."""
        if not part.name.strip():
            return
        before = next((k for k, p in self.parts.items() if _one(p, part)), None)
        if before is not None:
            self.parts[before] = self.parts[before].joined(part)
        elif len(self.parts) < MOST_PARTS:
            key = part.key if part.key not in self.parts else f"{part.key}+{len(self.parts)}"
            self.parts[key] = part

    def knob(self, knob: Knob) -> None:
        """Add a knob; the first reading stays."""
        if len(self.knobs) < MOST_KNOBS:
            self.knobs.setdefault(" ".join(sorted(tokens(knob.name))), knob)

    def swept(self, name: str, choices: int) -> None:
        """Note how many values of a knob were tried."""
        wanted = tokens(name)
        key = next((k for k, knob in self.knobs.items() if wanted & tokens(knob.name)), None)
        if key is not None:
            self.knobs[key] = replace(self.knobs[key], choices=choices)
        elif wanted and not set(name.lower().split()) & {"seed", "seeds", "betas"}:
            self.knob(Knob(name.strip(), "", 0, choices))

    def setting(self, setting: Setting) -> None:
        """A switch or a weight is a part and a knob; other numbers are knobs; paths and sizes are neither."""
        key = setting.key
        if re.match(r"(?:no|disable|without|wo)[_-]", key):
            return
        bare = _WEIGHT.sub("", _SWITCH.sub("", key))
        weighted = _WEIGHT.search(key) is not None
        inside = " ".join(setting.path[:-1]).lower()
        kind = "loss" if weighted or "loss" in inside else context_of(inside)
        entry, word = self.known.entry_of(key, kind == "loss")
        if entry is not None and weighted and entry.kind != "loss":
            bare, kind, weighted = key, "", False
        elif entry is None:
            entry, word = self.known.entry_of(bare, kind == "loss")
        unnamed = ADMINISTRATIVE.search(key.lower()) or NO_PART.fullmatch(key.lower())
        if (entry is None and unnamed) or (entry is not None and setting.off):
            return
        numeric, on = setting.number is not None, setting.value.lower() in {"true", "on", "yes"}
        if entry is not None and (numeric or on):
            weight = setting.value if kind == "loss" and numeric else ""
            self.part(Part(bare, entry.kind, entry, (setting.line,), weight, word=word))
        elif on:
            self.part(Part(bare, "loss" if kind == "loss" else "module", None, (setting.line,)))
        elif (weighted or (kind == "loss" and numeric)) and not setting.off:
            self.part(Part(bare, "loss", None, (setting.line,), setting.value))
        elif not numeric and setting.value:
            for part, _ in self.hits(setting.value, setting.line):
                self.part(part)
        sized = entry is None and SIZES.search(key.lower())
        if numeric and not sized and not (setting.off and entry is None):
            self.knob(Knob(f"weight of {bare}" if kind == "loss" else key, setting.value, setting.line))

    def hits(self, text: str, line: int) -> list[tuple[Part, int]]:
        """Known parts of a stretch of text with the place of each; their values become knobs."""
        lower = text.lower()
        found: list[tuple[Part, int]] = []
        for hit in self.known.in_prose.finds(lower):
            entry = self.known.known[hit.id]
            before = lower[max(0, hit.begin - BEFORE) : hit.begin]
            if _SOURCE.search(before) or NEGATED.search(before) or said_absent(lower[hit.end : hit.end + BEFORE]):
                continue
            # İ is longer in lower case; places of hits then do not fit the text.
            name = written(text, hit) if len(lower) == len(text) else hit.word
            name = entry.title.removeprefix("the ") if name.endswith(" of") else name
            said = found[-1][0].name.lower() if found else ""
            if (
                hit.word in umbrella(entry)
                and said.endswith(lower[hit.begin : hit.end])
                and hit.begin < found[-1][1] + len(said)
            ):
                continue  # the last word of "copy-paste augmentation"
            own = _ABBREVIATION_BEFORE.search(text[: hit.begin]) if entry.kind == "module" and not entry.base else None
            if (
                own
                and not name.startswith(own[1])
                and next(iter(self.known.in_prose.finds(own[1].lower())), None) is None
            ):
                name = f"{own[1]} {name}"
            value, inner = self._value(lower, hit.end, before, entry)
            if value in {"0", "0.0"} and entry.kind == "training" and not entry.base:
                continue
            weight = value if entry.kind == "loss" and not inner else ""
            found.append((Part(name, entry.kind, entry, (line,), weight, word=hit.word), hit.begin))
            if value:
                self.knob(Knob(f"{inner} of {name}" if inner else f"weight of {name}" if weight else name, value, line))
        return found

    @staticmethod
    def _value(lower: str, end: int, before: str, entry: KnownPart) -> tuple[str, str]:
        """(number that belongs to a part, the name of the number where it is no weight)."""
        after = VALUE.match(lower, end + tail(lower, end))
        earlier = VALUE_BEFORE.search(before) if entry.kind == "loss" or entry.id == "many-steps" else None
        length = LENGTH_BEFORE.search(before)
        value = (earlier[1] if earlier else after[1] if after else length[1] if length else "").rstrip(".")
        pixels = entry.kind == "data" and value.isdigit() and int(value) > LARGEST_STRENGTH
        if entry.id == "backbone" or pixels:
            return "", ""
        inner = _INNER.search(after[0]) if after and not earlier else None
        return value, inner[0] if inner else ""

    def kept(self) -> tuple[Part, ...]:
        """Parts without umbrella words whose single parts are there as well."""
        parts = self.parts.values()
        single = {p.known.id for p in parts if p.known and p.known.umbrella and p.word not in umbrella(p.known)}
        general = (
            p
            for p in parts
            if p.known
            and p.known.id in single
            and p.word in umbrella(p.known)
            and _joined(p.name.lower()).startswith(p.word)
        )
        dropped = {id(p) for p in general}
        return tuple(p for p in parts if id(p) not in dropped)


def _one(one: Part, other: Part) -> bool:
    """Whether two readings mean one part; terms of a formula with different short names do not."""
    if one.known is None or other.known is None:
        return one.known is other.known and one_name(one, other.name)
    if one.known.id == other.known.id and tokens(one.name) == tokens(other.name):
        return True
    short = {_joined(n) for n in one.known.names}
    terms = one.word != other.word and {one.word, other.word} <= short
    apart = terms or bool(one.extra and other.extra and not one.extra & other.extra)
    return one.key == other.key and not apart


def _joined(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name)

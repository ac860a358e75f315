"""What a label says was changed: `w/o EMA`, `+ mixup`, `full - EMA`, `baseline`, `no_ema`, `A -> B`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Role = Literal["full", "base", "removed", "added", "replaced", "other"]

FULL = re.compile(
    r"^(?:\(?[a-z0-9]\)\s*)?(?:the\s+)?(?:full|ours|complete|all|everything|proposed|final|default|reference|whole|original|our)\b(?!.*\b(?:w/?o|without|minus)\b)"
    r"|^stack(?:ed|ing)?\b(?!.*\b(?:w/?o|without|minus)\b)|\(ours\)|\bours\b|\(full\)|^full$|\bfull (?:model|method|system|pipeline|version)\b(?!.*\b(?:w/?o|without|minus)\b)",
    re.IGNORECASE,
)
BASE = re.compile(
    r"^(?:the\s+|our\s+)?(?:baseline|base(?: model)?|vanilla|plain|backbone only|none|nothing|bare|(?:best )?single (?!stage|step|scale|view|shot))\b",
    re.IGNORECASE,
)
_REMOVED = re.compile(
    r"^(?:(?:full|ours|all|complete|baseline|default)\s*(?:model|method)?\s*)?(?:\(?[a-z0-9]{1,2}[.)]\s*)?"
    r"(?:w/?o\.?[ _]|w/o|without\b|with no\b|no[ _-](?=\S)|minus\b|-{1,3}\s*(?=[A-Za-z])|remov(?:e|ing|ed|al of)\b|drop(?:ping|ped)?\b|ablat(?:e|ing|ed)\b|"
    r"disabl(?:e|ing|ed)\b|exclud(?:e|ing|ed)\b|turn(?:ing)? off|switch(?:ing)? off|delete|less\b)\s*(.*)$",
    re.IGNORECASE,
)
_REMOVED_AFTER = re.compile(
    r"^(.{2,40}?)\s*(?:=\s*(?:0|false|off|none)|:\s*(?:off|false|none|no)|\s(?:removed|off|disabled|ablated|dropped)|\s*→\s*(?:none|0|∅|nothing))$",
    re.IGNORECASE,
)
_ADDED = re.compile(
    r"^(?:base(?:line)?\s*|ours\s*)?(?:\+|w/\s|with\b|add(?:ing|ed)?\b|plus\b|&)\s*(.*)$", re.IGNORECASE
)
_REPLACED = re.compile(
    r"^(?:replac(?:e|ing)\s+)?(.{2,40}?)\s*(?:→|->|=>|\breplaced (?:by|with)\b|\bwith\b|\bby\b|\binstead of\b|\bswapped for\b)\s*(.{2,40})$",
    re.IGNORECASE,
)
_SWAPPED = re.compile(r"^-{1,3}\s*([A-Za-z][^+&,]{1,38}?)\s+\+\s*([A-Za-z][^+&,]{1,38})$")
""" "- Swish + ReLU": one taken out, another put in its place."""
_ADDED_AFTER = re.compile(r"^(.{2,40}?)\s+(?:added|in addition)$", re.IGNORECASE)
_WITHIN = re.compile(r"^\S.{1,40}?\s+(?:w/?o|without|minus)\s+(\S.*)$", re.IGNORECASE)
_JOINED = re.compile(r"\s*(?:,|&|\+|/|\band\b|;|\bwithout\b|\bw/o\b|\bno\b|(?<=\s)-(?=\s?[A-Za-z]))\s*", re.IGNORECASE)
_LEAD = re.compile(r"^(?:the|our|a|an|any|all|its|from|of|explicit)\s+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Change:
    """The role of a variant and the names of what was changed."""

    role: Role
    names: tuple[str, ...] = ()
    absolute: bool = False
    """Whether the names are all that stands on the baseline, not what was added to the row before."""


def change_of(label: str) -> Change:
    """The change that a label states."""
    text = re.sub(r"[*`$\\]|^\W*[↳└╰>]+\s*", "", label).strip(" .:|")
    text = re.sub(r"^\(?[ivx0-9a-hA-H]{1,3}[).:]\s+", "", text)
    swapped = _SWAPPED.match(text)
    if swapped:
        return Change("replaced", (_bare(swapped[1]), _bare(swapped[2])))
    removed = _REMOVED.match(text)
    if removed and removed[1]:
        return Change("removed", names_of(removed[1]))
    after = _REMOVED_AFTER.match(text)
    if after:
        return Change("removed", names_of(after[1]))
    more = _ADDED_AFTER.match(text)
    if more:
        return Change("added", names_of(more[1]))
    if FULL.search(text):
        return Change("full")
    added = _ADDED.match(text)
    if added and added[1]:
        return Change("added", names_of(added[1]))
    if BASE.match(text) and " instead of " not in text.lower():
        rest = re.split(r"\s\+\s|\bw/\s|\bwith\b", text, maxsplit=1)
        return (
            Change("added", names_of(rest[1]), True)
            if len(rest) > 1 and re.search(r"[A-Za-z]", rest[1])
            else Change("base")
        )
    replaced = _REPLACED.match(text)
    if replaced and not (re.search(r"[A-Za-z]{2}", replaced[1]) and re.search(r"[A-Za-z]{2}", replaced[2])):
        # "5 samples instead of 20" is a value of a knob, and no part.
        return Change("other", (text,))
    if replaced and re.search(r"→|->|=>|replac|swapped|instead", text):
        names = (replaced[2], replaced[1]) if "instead of" in text.lower() else (replaced[1], replaced[2])
        return Change("replaced", tuple(_bare(n) for n in names))
    inner = re.match(
        r"^(?:full|ours|all)?\s*(?:model|method)?\s*\(?\s*(?:w/o|without|no|minus)\s+(.*?)\)?$", text, re.IGNORECASE
    )
    inner = inner or _WITHIN.match(text)
    return Change("removed", names_of(inner[1])) if inner else Change("other", (text,))


def names_of(text: str) -> tuple[str, ...]:
    """The names in "A, B and C", bare."""
    text = re.sub(r"\s*\((?!\s*[A-Z]{2,}).*$", "", text)
    return tuple(n for n in (_bare(p) for p in _JOINED.split(text)) if re.search(r"[A-Za-zλβαγ]", n))[:8]


def _bare(name: str) -> str:
    name = name.strip(" .:,;'\"()*`→=>")
    for _ in range(2):
        name = _LEAD.sub("", name)
    return name[:60]

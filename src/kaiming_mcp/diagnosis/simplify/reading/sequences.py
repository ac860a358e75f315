"""Rows under bare names that were added one after the other: "ResNet-50 78.8, patchify stem 79.5, GELU 80.6"."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from kaiming_mcp.diagnosis.simplify.parts import tokens
from kaiming_mcp.diagnosis.simplify.reading.anchors import is_known
from kaiming_mcp.diagnosis.simplify.reading.labels import Change, names_of
from kaiming_mcp.diagnosis.simplify.reading.variants import Variant

FEWEST_SAID, FEWEST_GUESSED = 2, 4
"""Steps of a sequence that is said to be one, and of one that only its order shows."""


def as_sequences(variants: tuple[Variant, ...], names: tuple[str, ...], sign: int, said: bool) -> tuple[Variant, ...]:
    """The variants with bare names as additions, where the text says so or no row is worse than the one before."""
    found = list(variants)
    for table in {v.table for v in variants}:
        places = [i for i, v in enumerate(variants) if v.table == table and v.score and v.present is None]
        rows = [variants[i] for i in places]
        if not rows or any(v.change.role not in {"base", "other"} for v in rows) or names_a_part(rows[0].label, names):
            continue
        steps = [sign * (b.score.mean - a.score.mean) for a, b in pairwise(rows) if a.score and b.score]
        bare = all(v.change.role == "other" and names_a_part(v.label, names) for v in rows[1:])
        rising = len(steps) >= FEWEST_GUESSED and min(steps) >= 0 < max(steps)
        if not bare or not (rising or (said and len(steps) >= FEWEST_SAID)):
            continue
        found[places[0]] = replace(rows[0], change=Change("base"))
        for i in places[1:]:
            told = names_of(variants[i].label)
            part = tuple(n for n in told if names_a_part(n, names))[:1] or told[:1]
            found[i] = replace(variants[i], change=Change("added", part))
    return tuple(found)


def names_a_part(label: str, names: tuple[str, ...]) -> bool:
    """Whether a label has a word of a known part."""
    return is_known(label, names) or any(tokens(label) & tokens(n) for n in names)

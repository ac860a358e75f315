"""Fewer places for long networks: the ends, the extremes of every stretch, and what something points at."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import TypeVar

from kaiming_mcp.picture.model import Floor, Picture

Mark = TypeVar("Mark")
MOST = 2_000


def thinned(picture: Picture, most: int = MOST) -> Picture:
    """The picture with at most `most` places, and those that a finding points at; the title says of how many."""
    count = len(picture.places)
    if count <= most:
        return picture
    kept = sorted(_kept(picture, most))
    old = {place: new for new, place in enumerate(kept)}
    near = _nearest(kept, count)
    return picture.model_copy(
        update={
            "title": f"{picture.title} ({len(kept):,} of {count:,} places)",
            "places": [picture.places[i] for i in kept],
            "variants": [v.at(kept) for v in picture.variants],
            "floors": [_floor(f, kept) for f in picture.floors],
            "measured": [m.model_copy(update={"place": old[m.place]}) for m in picture.measured if m.place in old],
            "blocks": _distinct(
                b.model_copy(update={"first": near[b.first], "last": near[b.last]}) for b in picture.blocks
            ),
            "norms": _distinct(n.model_copy(update={"place": near[n.place]}) for n in picture.norms),
            "findings": [
                f if f.place is None else f.model_copy(update={"place": old[f.place]}) for f in picture.findings
            ],
        }
    )


def _kept(picture: Picture, most: int) -> set[int]:
    count = len(picture.places)
    series = [
        values for v in picture.variants for values in (v.second_moment, v.gradient, v.weight_gradient, v.correlation)
    ]
    pointed = {f.place for f in picture.findings if f.place is not None}
    kept = {0, count - 1, *pointed}
    buckets = max(1, (most - len(kept)) // max(2 * len(series), 1))
    edges = [round(k * count / buckets) for k in range(buckets + 1)]
    for start, end in pairwise(edges):
        for values in series:
            held = [i for i in range(start, end) if values[i] is not None]
            if held:
                kept |= {min(held, key=lambda i: values[i] or 0.0), max(held, key=lambda i: values[i] or 0.0)}
    fill = most - len(kept)
    return kept | {round(k * (count - 1) / fill) for k in range(fill)} if fill > 0 else kept


def _nearest(kept: list[int], count: int) -> list[int]:
    """By place of before, the number of the first kept one at or behind it."""
    found, new = list[int](), 0
    for place in range(count):
        while new < len(kept) - 1 and kept[new] < place:
            new += 1
        found.append(new)
    return found


def _floor(floor: Floor, kept: list[int]) -> Floor:
    return floor.model_copy(update={"values": [floor.values[i] for i in kept] if floor.values else []})


def _distinct(marks: Iterable[Mark]) -> list[Mark]:
    found = list[Mark]()
    for mark in marks:
        if not found or mark != found[-1]:
            found.append(mark)
    return found

"""Which place a measured layer is: by its name, else by its number in the order of depth."""

from __future__ import annotations

import re
from collections.abc import Sequence

_WRAPPERS = re.compile(r"^(?:module\.|_orig_mod\.|model\.|net\.)+")
_PARTS = re.compile(r"(?:\.|_)?(?:weight|bias|kernel|grad)s?$", re.IGNORECASE)
_ENOUGH = 0.5
"""Share of the rows that names must place before names are believed."""


def place_of(name: str, names: Sequence[str]) -> int | None:
    """The place with this name, or the one place whose name ends in it, or in which it ends, at a dot."""
    key = _key(name)
    if not key:
        return None
    keys = [_key(one) for one in names]
    if key in keys:
        return keys.index(key)
    near = [i for i, one in enumerate(keys) if one and (one.endswith(f".{key}") or key.endswith(f".{one}"))]
    return near[0] if len(near) == 1 else None


def places_of(rows: Sequence[str], names: Sequence[str], candidates: Sequence[int]) -> list[int]:
    """The place of each measured row: by names where they place most rows in order, else along the candidates.

    As many rows as candidates stand one on each; otherwise they are spread evenly over the depth.
    """
    index = {key: i for i, one in reversed(list(enumerate(names))) if (key := _key(one))}
    found = [index.get(_key(row)) if len(names) > 200 else place_of(row, names) for row in rows]
    known = [p for p in found if p is not None]
    if known and len(known) == len(rows):
        return known
    if len(known) >= max(2, _ENOUGH * len(rows)) and known == sorted(set(known)):
        return _between(found, len(names))
    last = len(candidates) - 1
    if len(rows) == 1:
        return [candidates[0]]
    return [candidates[round(i * last / (len(rows) - 1))] for i in range(len(rows))]


def _between(found: Sequence[int | None], count: int) -> list[int]:
    """Rows without a name take the place behind the one before them."""
    made, at = list[int](), -1
    for place in found:
        at = place if place is not None else min(at + 1, count - 1)
        made.append(at)
    return made


def _key(name: str) -> str:
    return _WRAPPERS.sub("", _PARTS.sub("", name.strip())).lower()

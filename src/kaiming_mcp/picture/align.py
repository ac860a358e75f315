"""A changed network over the places of the one it came from."""

from __future__ import annotations

from itertools import accumulate

from kaiming_mcp.picture.course import Drawn
from kaiming_mcp.picture.model import Variant
from kaiming_mcp.signal.station import Station


def aligned(before: Drawn, after: Drawn, lists: Variant) -> Variant:
    """The lists of the changed network with an entry for each place of the first; empty where it has none there.

    The same stations stand one under the other. Where a change added sums or moved layers into branches, the stations
    outside of its branches stand where as many weighted layers have been passed.
    """
    if _kinds(before.stations) == _kinds(after.stations):
        return lists
    outside = {depth: i for i, depth in enumerate(_depths(after.stations)) if not after.stations[i].inside}
    at = [outside.get(depth) if i in before.main else None for i, depth in enumerate(_depths(before.stations))]
    return lists.at(at)


def _kinds(stations: tuple[Station, ...]) -> list[tuple[str, bool]]:
    return [(s.kind, s.inside) for s in stations]


def _depths(stations: tuple[Station, ...]) -> list[int]:
    """Weighted layers up to and with each station."""
    return [*accumulate(s.kind == "layer" for s in stations)]

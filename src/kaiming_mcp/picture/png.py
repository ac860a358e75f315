"""The figure as pixels, drawn from its SVG by resvg (the extra `plot`)."""

from __future__ import annotations

ZOOM = 2
"""Pixels for each unit: sharp in print at 12 cm."""
_PROBE = '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20" font-family="{}"><text y="15">{}</text></svg>'


class NotDrawnError(RuntimeError):
    """What is missing for a PNG; the message says how to get it."""


def png(svg: str) -> bytes:
    """The pixels of a figure, ZOOM for each of its units.

    Raises:
        NotDrawnError: the extra is not installed, or the system has no font.
    """
    try:
        from resvg_py import svg_to_bytes
    except ImportError as missing:
        raise NotDrawnError(
            "a PNG needs the extra `plot`: pip install 'kaiming-mcp[plot]' (or write out.svg or out.html)"
        ) from missing
    from kaiming_mcp.picture.theme import FONT

    bare, lettered = (bytes(svg_to_bytes(svg_string=_PROBE.format(FONT, text))) for text in ("", "Σ x"))
    if bare == lettered:
        raise NotDrawnError(
            "no font was found, so a PNG would have no words: install one (Debian: apt-get install fonts-dejavu-core), "
            "or write out.svg or out.html"
        )
    return bytes(svg_to_bytes(svg_string=svg, zoom=ZOOM))

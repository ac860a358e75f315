"""The page of the app with one document inside: a file that needs no host and no network."""

from __future__ import annotations

import json
from html import escape
from importlib.resources import files

from kaiming_mcp.picture.model import Picture

SLOT = "<!-- picture -->"
"""Where the page has room for the document, before its script."""
_TITLE = "<title>Signal over depth</title>"


def page(picture: Picture) -> str:
    """The page, to be opened from a file."""
    whole = (files("kaiming_mcp") / "app" / "signal.html").read_text(encoding="utf-8")
    assert whole.count(SLOT) == 1, "the page is built with one place for a document"
    head, tail = whole.split(SLOT)
    named = head.replace(_TITLE, f"<title>{escape(picture.title)}</title>", 1)
    return f'{named}<script type="application/json" id="picture">{embedded(picture)}</script>{tail}'


def embedded(picture: Picture) -> str:
    """The document as JSON in which no tag and no comment of HTML can begin or end."""
    return json.dumps(picture.document(), ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")

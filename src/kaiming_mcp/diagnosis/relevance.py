"""Choose from the library the quotation and the limit that belong to a finding."""

from __future__ import annotations

import re

from kaiming_mcp.library import Library, Principle
from kaiming_mcp.scaffold import Quotation

_CITATION = re.compile(r"\s*\[@[a-z0-9-]+\]")
LONGEST_LIMIT = 320


def limit_of(principle: Principle, words: str) -> str:
    """The bullet of "When it does not apply" that fits the words best, without its citations."""
    bullets = _bullets(principle.sections["When it does not apply"])
    exact = [b for b in bullets if words and words.lower() in b.lower()]
    best = (exact or sorted(bullets, key=lambda b: -_overlap(b, words)))[0]
    plain = _CITATION.sub("", best).replace("**", "")
    return plain if len(plain) <= LONGEST_LIMIT else plain[:LONGEST_LIMIT].rsplit(". ", 1)[0].rstrip(".") + "."


def quote_of(library: Library, principle: Principle, words: str) -> Quotation:
    """The quotation of the principle that fits the words best; primary ones first."""
    best = max(
        principle.quotes,
        key=lambda q: (_overlap(q.text, words) + 0.5 * (q.grade == "primary"), q.grade == "primary"),
    )
    source = library.sources[best.source]
    return Quotation(
        text=best.text,
        attribution=best.attribution,
        source=f"{source.title}, {source.locator}, {best.locator}",
        grade=best.grade,
    )


def _bullets(section: str) -> list[str]:
    pieces = re.split(r"^\s*(?:[-*]|\d+\.)\s+", section, flags=re.MULTILINE)
    return [" ".join(piece.split()) for piece in pieces if piece.strip()]


def _overlap(text: str, words: str) -> float:
    """Shared word stems, longer words only."""
    return float(len(_stems(text) & _stems(words)))


def _stems(text: str) -> set[str]:
    return {w[:6] for w in re.findall(r"[a-z]{5,}", text.lower())}

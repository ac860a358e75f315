"""Choose from the library the quotation and the limit that belong to a finding."""

from __future__ import annotations

import re

from kaiming_mcp.library import Library, Principle, Quote
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


def named_limit(principle: Principle, words: str) -> str | None:
    """The bullet of "When it does not apply" that holds these very words; None where none does."""
    held = any(words.lower() in bullet.lower() for bullet in _bullets(principle.sections["When it does not apply"]))
    return limit_of(principle, words) if words and held else None


def quote_of(library: Library, principle: Principle, words: str) -> Quotation:
    """The quotation of the principle that fits the words best; primary ones first."""
    best = max(
        principle.quotes,
        key=lambda q: (_overlap(q.text, words) + 0.5 * (q.grade == "primary"), q.grade == "primary"),
    )
    return _quotation(library, best)


def named_quote(library: Library, words: str) -> Quotation | None:
    """The quotation of any principle that holds these very words; None where none does."""
    found = (q for p in library.principles.values() for q in p.quotes if words and words in q.text)
    best = next(found, None)
    return None if best is None else _quotation(library, best)


def _quotation(library: Library, quote: Quote) -> Quotation:
    source = library.sources[quote.source]
    return Quotation(
        text=quote.text,
        attribution=quote.attribution,
        source=f"{source.title}, {source.locator}, {quote.locator}",
        grade=quote.grade,
    )


def _bullets(section: str) -> list[str]:
    pieces = re.split(r"^\s*(?:[-*]|\d+\.)\s+", section, flags=re.MULTILINE)
    return [" ".join(piece.split()) for piece in pieces if piece.strip()]


def _overlap(text: str, words: str) -> float:
    """Shared word stems, longer words only."""
    return float(len(_stems(text) & _stems(words)))


def _stems(text: str) -> set[str]:
    return {w[:6] for w in re.findall(r"[a-z]{5,}", text.lower())}

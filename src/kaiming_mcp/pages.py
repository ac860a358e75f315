"""Content as Markdown pages: one renderer for resources, prompts and `read_principle`."""

from __future__ import annotations

from kaiming_mcp.headings import SECTIONS
from kaiming_mcp.library import Library, Principle, Quote, Source


def index_page(library: Library) -> str:
    """All principles and patterns with their claims."""
    lines = ["# Principles", ""]
    lines += [f"- [{p.title}]({p.uri}): {p.claim}" for p in library.principles.values()]
    lines += ["", "# Ways of reasoning", ""]
    lines += [f"- [{p.title}]({p.uri}): {p.claim}" for p in library.reasoning.values()]
    return "\n".join(lines) + "\n"


def principle_page(library: Library, principle: Principle) -> str:
    """A whole principle: its sections, its quotations with grades, its sources."""
    parts = [f"# {principle.title}", f"*{principle.claim}*"]
    parts += [section_page(principle, name) for name in SECTIONS]
    parts.append("## Quotations\n\n" + "\n".join(quote_line(library, q) for q in principle.quotes))
    parts.append("## Sources\n\n" + "\n".join(source_line(k, library.sources[k]) for k in principle.sources))
    return "\n\n".join(parts) + "\n"


def section_page(principle: Principle, name: str) -> str:
    """One section with its heading."""
    return f"## {name}\n\n{principle.sections[name]}"


def quote_line(library: Library, quote: Quote) -> str:
    """A quotation as a list item: words, attribution, place, grade."""
    source = library.sources[quote.source]
    return f"- “{quote.text}” ({quote.attribution}, {source.title}, {quote.locator}; {quote.grade})"


def source_line(key: str, source: Source) -> str:
    """A bibliography entry as a list item."""
    venue = f", {source.venue}" if source.venue else ""
    note = f" {source.note}" if source.note else ""
    return f"- [@{key}] {source.authors}: {source.title}{venue}, {source.year}. {source.locator} ({source.kind}).{note}"


def sources_page(library: Library) -> str:
    """The whole bibliography."""
    return "# Sources\n\n" + "\n".join(source_line(k, s) for k, s in library.sources.items()) + "\n"

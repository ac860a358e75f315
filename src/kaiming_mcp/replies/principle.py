"""read_principle: principles and patterns as text, for clients whose models never read resources."""

from __future__ import annotations

import difflib

from mcp.server.mcpserver.exceptions import ToolError

from kaiming_mcp.examples import EXAMPLES
from kaiming_mcp.headings import QUOTATIONS, SECTIONS, SITUATIONS, Situation
from kaiming_mcp.library import Library, Principle
from kaiming_mcp.pages import index_page, principle_page, quote_line, section_page
from kaiming_mcp.results import PrincipleText

NAME = "read_principle"
EXAMPLE_CALL = EXAMPLES[NAME]


def principle_text(content: Library, id: str = "", situation: str = "", section: str = "") -> PrincipleText:
    """A page, one section of it, or the parts of several pages that decide in a situation.

    Raises:
        ToolError: an argument names nothing; the message lists what there is.
    """
    return PrincipleText(text=_text(content, id, situation, section))


def _text(content: Library, name: str, situation: str, section: str) -> str:
    if not name.strip() and not situation.strip():
        return index_page(content)
    if name.strip():
        pages = [_find(content, name.strip().lower().replace(" ", "-"))]
    else:
        pages = list(content.for_situation(_situation(situation)))
    if section.strip():
        heading = _heading(section)
        return "\n\n".join(f"# {p.title}\n\n{_section(content, p, heading)}" for p in pages) + "\n"
    if len(pages) == 1:
        return principle_page(content, pages[0])
    # Four whole pages would not fit a host's limit: the questions and the measurement decide.
    wanted = ("Claim", "Questions to ask", "First measurement")
    return "\n\n".join(f"# {p.title}\n\n" + "\n\n".join(section_page(p, s) for s in wanted) for p in pages) + "\n"


def _section(content: Library, principle: Principle, heading: str) -> str:
    if heading == QUOTATIONS:
        return "\n".join(quote_line(content, q) for q in principle.quotes)
    return section_page(principle, heading)


def _find(content: Library, name: str) -> Principle:
    found = content.find(name)
    if found is None:
        known = [*content.principles, *content.reasoning]
        near = difflib.get_close_matches(name, known, 1, 0.4)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ToolError(f"`id`: no principle {name[:60]!r}.{hint} Known: {', '.join(known)}. Example: {EXAMPLE_CALL}")
    return found


def _situation(text: str) -> Situation:
    near = difflib.get_close_matches(text.strip().lower(), SITUATIONS, 1, 0.7)
    if not near:
        raise ToolError(f"`situation` must be one of {', '.join(SITUATIONS)}, got {text[:60]!r}. Example: gradients")
    return next(s for s in SITUATIONS if s == near[0])


def _heading(text: str) -> str:
    headings = {h.lower(): h for h in (*SECTIONS, QUOTATIONS)}
    near = difflib.get_close_matches(text.strip().lower(), headings, 1, 0.6)
    if not near:
        raise ToolError(f"`section` must be one of {', '.join(headings.values())}, got {text[:60]!r}.")
    return headings[near[0]]

"""The way of thinking as an Agent Skill: SKILL.md and its references, written from the content.

The overview is `principles/skill.md`; tools, claims, numbers, limits and quotations come from the same pages as the
resources, so that nothing is said twice by hand.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from kaiming_mcp import __version__
from kaiming_mcp.library import YAML_LOADER, ContentError, Library, Principle, content_root
from kaiming_mcp.pages import principle_page, quote_line, sources_page

NAME = "kaiming-he"
ROOT = f"skill://{NAME}"
URI = f"{ROOT}/SKILL.md"
LIMITS_SHOWN = 2
"""How many limits of a principle stand in SKILL.md; all are in its reference."""
_GUIDES = {"tools": "index", "formats": "formats", "layer-notation": "layer-notation"}
"""Guides by the name of their reference."""


class Frontmatter(BaseModel):
    """The head of SKILL.md, held to the rules of the Agent Skills format."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, StringConstraints(max_length=64, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    description: Annotated[str, StringConstraints(min_length=1, max_length=1024)]
    license: str


def skill_files(content: Library) -> dict[str, str]:
    """The text of every file of the skill by its URI, SKILL.md first.

    Raises:
        ContentError: `principles/skill.md` has no valid front matter.
    """
    front, body = _overview()
    parts = [body.strip(), _tools(content), _principles(content)]
    files = {URI: f"---\n{yaml.safe_dump(front, sort_keys=False, width=10_000)}---\n\n" + "\n\n".join(parts) + "\n"}
    for page in _pages(content):
        files[f"{ROOT}/references/{page.id}.md"] = principle_page(content, page)
    for name, guide in _GUIDES.items():
        files[f"{ROOT}/references/{name}.md"] = content.guides[guide]
    files[f"{ROOT}/references/sources.md"] = sources_page(content)
    return files


def frontmatter(text: str) -> dict[str, Any]:
    """The front matter of a SKILL.md, as it stands there.

    Raises:
        ContentError: it has none.
    """
    parts = text.split("---\n", 2)
    if len(parts) != 3 or parts[0]:
        raise ContentError("skill.md: front matter between two lines of --- is missing")
    return yaml.load(parts[1], YAML_LOADER)


def _overview() -> tuple[dict[str, Any], str]:
    text = (content_root() / "skill.md").read_text(encoding="utf-8")
    try:
        head = Frontmatter.model_validate(frontmatter(text))
    except ValidationError as error:
        first = error.errors()[0]
        raise ContentError(f"skill.md: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    if head.name != NAME:
        raise ContentError(f"skill.md: name: {head.name!r} is not the directory's name, {NAME!r}")
    return {**head.model_dump(), "metadata": {"version": __version__}}, text.split("---\n", 2)[2]


def _pages(content: Library) -> list[Principle]:
    return [*content.principles.values(), *content.reasoning.values()]


def _tools(content: Library) -> str:
    table = [line for line in content.guides["index"].splitlines() if line.startswith("|")]
    return "\n".join(
        [
            "## The tools of kaiming-mcp",
            "",
            *table,
            "",
            "`read_principle` returns a page as text; `check_answer` takes your answer and the scaffold's last line,",
            "recomputes the facts and names what contradicts them. More in [tools](references/tools.md).",
        ]
    )


def _principles(content: Library) -> str:
    head = (
        "## Claims, first numbers, limits\n\n"
        "Each page behind these headings has the rationale with its mathematics, figures with sources, all limits,\n"
        "questions with thresholds and a worked example. A key in square brackets is an entry of\n"
        "[sources](references/sources.md)."
    )
    return "\n\n".join([head, *(_principle(content, page) for page in _pages(content))])


def _principle(content: Library, page: Principle) -> str:
    limits = re.split(r"^- ", page.sections["When it does not apply"], flags=re.MULTILINE)[1 : 1 + LIMITS_SHOWN]
    return "\n".join(
        [
            f"### [{page.title}](references/{page.id}.md)",
            "",
            page.claim,
            "",
            f"*First number.* {page.measurement}",
            "",
            "*Not when:*",
            "",
            *(f"- {' '.join(limit.split())}" for limit in limits),
            "",
            "*In their words:*",
            "",
            quote_line(content, page.quotes[0]),
        ]
    )

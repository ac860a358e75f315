"""Principles, patterns, sources and guides as resources: static, cacheable Markdown."""

from __future__ import annotations

import mcp_types as types
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ResourceNotFoundError
from mcp.server.mcpserver.resources import TextResource

from kaiming_mcp.library import Library, Principle
from kaiming_mcp.pages import index_page, principle_page, source_line, sources_page
from kaiming_mcp.probes import PROBES, probe_source
from kaiming_mcp.skill import ROOT, frontmatter, skill_files
from kaiming_mcp.skill import URI as SKILL

MARKDOWN, PYTHON = "text/markdown", "text/x-python"


def register_resources(server: MCPServer, content: Library) -> None:
    """Register every resource and template that needs only content."""
    _static(
        server,
        "kaiming://principles",
        "principles",
        "All principles",
        "Index with claims",
        index_page(content),
        0.9,
    )
    for principle in [*content.principles.values(), *content.reasoning.values()]:
        page = principle_page(content, principle)
        _static(server, principle.uri, principle.id, principle.title, principle.claim, page, 0.8)
    _static(server, "kaiming://sources", "sources", "Sources", "The bibliography", sources_page(content), 0.3)
    _static(
        server,
        "kaiming://guide",
        "guide",
        "Guide",
        "Which tool for which situation",
        content.guides["index"],
        0.7,
    )
    _static(
        server,
        "kaiming://guide/formats",
        "formats",
        "How to send a network",
        "Every text that is read as a network, and what each hides",
        content.guides["formats"],
        0.7,
    )
    _static(
        server,
        "kaiming://guide/layer-notation",
        "layer-notation",
        "Layer notation",
        "Grammar of the notation for networks, with examples",
        content.guides["layer-notation"],
        0.7,
    )
    for name, description in PROBES.items():
        uri = f"kaiming://probes/{name}"
        _static(server, uri, f"probe-{name}", f"Probe: {name}", description, probe_source(name), 0.6, PYTHON)
    _skill(server, content)
    _templates(server, content)


def _skill(server: MCPServer, content: Library) -> None:
    """The skill's files; its two methods are in `skill_methods`."""
    for uri, text in skill_files(content).items():
        if uri == SKILL:
            head = frontmatter(text)
            _static(server, uri, head["name"], "Skill: think like Kaiming He", head["description"], text, 0.5)
        else:
            path = uri.removeprefix(f"{ROOT}/")
            _static(server, uri, path, f"Skill: {path}", "A reference of the skill, named in its SKILL.md", text, 0.2)


def _static(
    server: MCPServer,
    uri: str,
    name: str,
    title: str,
    description: str,
    text: str,
    priority: float,
    mime_type: str = MARKDOWN,
) -> None:
    server.add_resource(
        TextResource(
            uri=uri,
            name=name,
            title=title,
            description=description,
            mime_type=mime_type,
            annotations=types.Annotations(audience=["assistant", "user"], priority=priority),
            text=text,
        )
    )


def _templates(server: MCPServer, content: Library) -> None:
    @server.resource("kaiming://principles/{id}", name="principle", title="A principle", mime_type=MARKDOWN)
    def principle(id: str) -> str:
        """One of the five core principles, by id."""
        return _page(content, content.principles, id)

    @server.resource("kaiming://reasoning/{id}", name="reasoning", title="A way of reasoning", mime_type=MARKDOWN)
    def reasoning(id: str) -> str:
        """One of the three reasoning patterns, by id."""
        return _page(content, content.reasoning, id)

    @server.resource("kaiming://sources/{key}", name="source", title="A source", mime_type=MARKDOWN)
    def source(key: str) -> str:
        """One entry of the bibliography, by key."""
        if key not in content.sources:
            raise ResourceNotFoundError(f"No source {key!r}; kaiming://sources lists all keys")
        return source_line(key, content.sources[key]) + "\n"

    @server.resource("kaiming://probes/{name}", name="probe", title="A probe", mime_type=PYTHON)
    def probe(name: str) -> str:
        """A script to run in your own environment, by name; it prints JSON to paste as `measurements`."""
        if name not in PROBES:
            raise ResourceNotFoundError(f"No probe {name!r}; known: {', '.join(PROBES)}")
        return probe_source(name)

    _ = principle, reasoning, source, probe  # registered by their decorators


def _page(content: Library, shelf: dict[str, Principle], name: str) -> str:
    if name not in shelf:
        raise ResourceNotFoundError(f"No page {name!r}; known: {', '.join(shelf)}")
    return principle_page(content, shelf[name])

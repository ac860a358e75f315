"""Completions for the arguments of templates and prompts."""

from __future__ import annotations

import mcp_types as types
from mcp.server import MCPServer

from kaiming_mcp.probes import PROBES

_FIELDS = (
    "astronomy",
    "biology",
    "chemistry",
    "climate",
    "economics",
    "materials science",
    "medicine",
    "neuroscience",
    "physics",
    "weather",
)
_MOST = 100


def register_completions(server: MCPServer) -> None:
    """One handler for all arguments that have a known set of values."""

    @server.completion()
    async def complete(
        ref: types.PromptReference | types.ResourceTemplateReference,
        argument: types.CompletionArgument,
        context: types.CompletionContext | None,
    ) -> types.Completion | None:
        del context
        owner = ref.uri if isinstance(ref, types.ResourceTemplateReference) else ref.name
        known = _values().get((owner, argument.name))
        if known is None:
            return None
        found = [v for v in known if argument.value.lower() in v.lower()]
        found.sort(key=lambda v: not v.startswith(argument.value))
        return types.Completion(values=found[:_MOST], total=len(found), has_more=len(found) > _MOST)

    _ = complete  # registered by its decorator


def _values() -> dict[tuple[str, str], list[str]]:
    from kaiming_mcp.library import library

    content = library()
    return {
        ("kaiming://principles/{id}", "id"): list(content.principles),
        ("kaiming://reasoning/{id}", "id"): list(content.reasoning),
        ("kaiming://sources/{key}", "key"): list(content.sources),
        ("kaiming://probes/{name}", "name"): list(PROBES),
        ("bring_ai_to_science", "field"): list(_FIELDS),
    }

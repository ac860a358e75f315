"""The Skills extension (SEP-2640): `skills/list` and `skills/get`; the files themselves are resources."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Any

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.extension import Extension, MethodBinding
from mcp.shared.exceptions import MCPError

TTL_MS = 3_600_000
"""The content changes only with the version."""


class GetSkillParams(types.RequestParams):
    """Which skill: the URI of its SKILL.md."""

    uri: str


class Skills(Extension):
    """Lists the one skill with the digest and size of each of its files, so that a host can hold it to them."""

    identifier = "io.modelcontextprotocol/skills"

    def methods(self) -> Sequence[MethodBinding]:
        """The two methods that the extension requires."""
        return (
            MethodBinding("skills/list", types.PaginatedRequestParams, _list),
            MethodBinding("skills/get", GetSkillParams, _get),
        )


async def _list(context: ServerRequestContext[Any, Any], params: types.PaginatedRequestParams) -> dict[str, Any]:
    del context, params
    return {"skills": [_entry()], "ttlMs": TTL_MS, "cacheScope": "public"}


async def _get(context: ServerRequestContext[Any, Any], params: GetSkillParams) -> dict[str, Any]:
    del context
    entry = _entry()
    if params.uri != entry["uri"]:
        raise MCPError(
            code=types.INVALID_PARAMS, message=f"No skill is served at {params.uri!r}; known: {entry['uri']}"
        )
    return {"skill": entry, "ttlMs": TTL_MS, "cacheScope": "public"}


@cache
def _entry() -> dict[str, Any]:
    from kaiming_mcp.library import library
    from kaiming_mcp.skill import URI, frontmatter, skill_files

    files = {uri: text.encode() for uri, text in skill_files(library()).items()}
    listed = [
        {"uri": uri, "digest": f"sha256:{hashlib.sha256(data).hexdigest()}", "size": len(data)}
        for uri, data in files.items()
    ]
    return {"uri": URI, "frontmatter": frontmatter(files[URI].decode()), "resources": listed}

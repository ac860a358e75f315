"""read_principle as clients see it."""

from __future__ import annotations

from typing import Annotated

import mcp_types as types
from mcp.server import MCPServer
from pydantic import Field

from kaiming_mcp.calls import Calls
from kaiming_mcp.headings import QUOTATIONS, SECTIONS
from kaiming_mcp.tools.surface import READ_ONLY


def register(server: MCPServer, calls: Calls) -> None:
    """Register the tool."""

    @server.tool(name="read_principle", title="Read a principle", annotations=READ_ONLY)
    async def read_principle(
        id: Annotated[str, Field(description="Such as residual-learning; empty for the index")] = "",
        situation: Annotated[str, Field(description="Instead of id: design, gradients, generative or science")] = "",
        section: Annotated[str, Field(description=f"One of: {', '.join(SECTIONS)}, {QUOTATIONS}")] = "",
    ) -> types.CallToolResult:
        """Reads a principle or reasoning pattern: mathematics, figures with sources, limits, measurable questions, \
worked example, first measurement, graded quotations.

Use when a principle is to be explained, cited or doubted. Whole page, or one section; by id or by situation."""
        return await calls.reply("read_principle", {"id": id, "situation": situation, "section": section})

    _ = read_principle

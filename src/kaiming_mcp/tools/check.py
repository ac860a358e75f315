"""check_answer as clients see it."""

from __future__ import annotations

from typing import Annotated

import mcp_types as types
from mcp.server import MCPServer
from pydantic import Field

from kaiming_mcp.calls import Calls
from kaiming_mcp.tools.surface import READ_ONLY


def register(server: MCPServer, calls: Calls) -> None:
    """Register the tool."""

    @server.tool(name="check_answer", title="Check an answer", annotations=READ_ONLY)
    async def check_answer(
        answer: Annotated[str, Field(description="The filled-in form, as Markdown or JSON")],
        request: Annotated[str, Field(description="The request line at the end of the scaffold; empty: none")] = "",
    ) -> types.CallToolResult:
        """Verifies what was filled into a scaffold: recomputes its facts and reports by field what is missing, lacks \
a number or test, contradicts the fact it cites, or quotes and cites what is not in the library.

Use before an answer is given to the user. Never grades style."""
        return await calls.reply("check_answer", {"answer": answer, "request": request})

    _ = check_answer

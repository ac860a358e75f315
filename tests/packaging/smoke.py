"""A first conversation with a server that was installed from a distribution."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import anyio
from mcp import Client, StdioServerParameters
from mcp_types import TextContent, TextResourceContents

from kaiming_mcp import __version__

NETWORK = "input 784\nrepeat 20 { linear 784 784 ; relu }\nlinear 784 10"


async def converse(
    command: str, arguments: list[str], cwd: Path, environment: dict[str, str], mode: Literal["auto", "legacy"]
) -> None:
    """Tools, a critique, a principle, a probe, the skill: of the version that was built, from any directory."""
    server = StdioServerParameters(command=command, args=arguments, cwd=cwd, env=environment)
    with anyio.fail_after(120):
        async with Client(server, mode=mode) as client:
            assert client.server_info
            assert client.server_info.version == __version__
            tools = (await client.list_tools()).tools
            assert len(tools) == 10
            assert "critique_architecture" in [tool.name for tool in tools]
            found = await client.call_tool("critique_architecture", {"architecture": NETWORK})
            assert not found.is_error
            (text,) = found.content
            assert isinstance(text, TextContent)
            assert "does not fit relu" in text.text
            for uri, begins in (
                ("kaiming://principles/residual-learning", "# Residual Learning"),
                ("kaiming://probes/signal", '"""'),
                ("skill://kaiming-he/SKILL.md", "---\nname: kaiming-he\n"),
            ):
                (part,) = (await client.read_resource(uri)).contents
                assert isinstance(part, TextResourceContents)
                assert part.text.startswith(begins)

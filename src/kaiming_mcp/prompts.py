"""The five prompts as clients see them; their messages are in replies/prompts.py."""

from __future__ import annotations

from typing import Annotated

from mcp.server import MCPServer
from mcp.server.mcpserver import Message, UserMessage
from mcp.server.mcpserver.exceptions import ToolError
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS
from pydantic import Field

from kaiming_mcp.calls import Calls
from kaiming_mcp.printable import printable


def register_prompts(server: MCPServer, calls: Calls) -> None:
    """Register the user-invoked prompts."""

    async def message(prompt: str, **arguments: str) -> list[Message]:
        try:
            return [UserMessage(await calls.prompt(prompt, arguments))]
        except ToolError as error:
            raise MCPError(code=INVALID_PARAMS, message=printable(str(error))) from error

    @server.prompt(title="Think like Kaiming He")
    async def think_like_kaiming(
        problem: Annotated[str, Field(description="The problem, in a few sentences; a network may stand in it")],
    ) -> list[Message]:
        """Think a problem through: the symmetry, the stack, the earlier era, then the principles."""
        return await message("think_like_kaiming", problem=problem)

    @server.prompt(title="Review a network")
    async def review_network(
        architecture: Annotated[
            str, Field(description="A printed model, its source, a summary, a config.json, or path:models/net.py")
        ],
    ) -> list[Message]:
        """Review an architecture with the facts computed for it."""
        return await message("review_network", architecture=architecture)

    @server.prompt(title="Debug gradients")
    async def debug_gradients(
        symptom: Annotated[str, Field(description="What you see: losses, norms, layers, numbers")],
    ) -> list[Message]:
        """Find what makes gradients vanish or explode, beginning with what decides."""
        return await message("debug_gradients", symptom=symptom)

    @server.prompt(title="Formulate as a generative task")
    async def formulate_generatively(
        problem: Annotated[str, Field(description="What is given, what is wanted, the data and the metric")],
    ) -> list[Message]:
        """Decide whether a task is generative and how to pose it."""
        return await message("formulate_generatively", problem=problem)

    @server.prompt(title="Bring AI to a science")
    async def bring_ai_to_science(
        field: Annotated[str, Field(description="The science, such as materials science")],
        problem: Annotated[str, Field(description="The problem in the words of that science")],
    ) -> list[Message]:
        """Carry machine learning into another science without leaking and without weak baselines."""
        return await message("bring_ai_to_science", field=field, problem=problem)

    _ = think_like_kaiming, review_network, debug_gradients, formulate_generatively, bring_ai_to_science

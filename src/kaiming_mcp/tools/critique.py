"""critique_architecture as clients see it."""

from __future__ import annotations

from typing import Annotated

import mcp_types as types
from mcp.server import MCPServer
from pydantic import Field

from kaiming_mcp.calls import Calls
from kaiming_mcp.tools.surface import READ_ONLY


def register(server: MCPServer, calls: Calls) -> None:
    """Register the tool."""

    @server.tool(name="critique_architecture", title="Critique an architecture", annotations=READ_ONLY)
    async def critique_architecture(
        architecture: Annotated[
            str,
            Field(
                description="print(model), a torchinfo, torchsummary or Keras summary, config.json, source code, "
                "the layer notation, or path:models/net.py#Net in an allowed directory"
            ),
        ],
        input: Annotated[str, Field(description='Size of one input: "3x224x224", "784", "tokens 1024"')] = "",
        batch: Annotated[int, Field(description="Batch size (matters for batch norm); 0: unknown")] = 0,
        initialization: Annotated[
            str,
            Field(description='"he", "xavier", "std 0.02", "orthogonal", "pytorch default"; empty: unknown'),
        ] = "",
        goal: Annotated[str, Field(description="What it is for, such as: PINN with second derivatives")] = "",
        constraints: Annotated[str, Field(description="What may not change, such as: no batch norm")] = "",
    ) -> types.CallToolResult:
        """Reads a network and computes its signal at initialization: second moment and gradient by depth, \
parameter account, faults with evidence, what to remove first, and the effect of each remedy on this network.

Use when a network is designed, reviewed, or does not train. Not for training curves alone. Returns verdict, \
three numbers, one change, findings, facts, and a frame of steps to fill in."""
        return await calls.reply(
            "critique_architecture",
            {
                "architecture": architecture,
                "input": input,
                "batch": batch,
                "initialization": initialization,
                "goal": goal,
                "constraints": constraints,
            },
        )

    _ = critique_architecture

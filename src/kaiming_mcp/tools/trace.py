"""trace_signal as clients see it."""

from __future__ import annotations

from typing import Annotated

import mcp_types as types
from mcp.server import MCPServer
from mcp.server.apps import client_supports_apps
from mcp.server.mcpserver import Context
from pydantic import Field

from kaiming_mcp.calls import Calls
from kaiming_mcp.tools.page import OPENS
from kaiming_mcp.tools.surface import READ_ONLY


def register(server: MCPServer, calls: Calls) -> None:
    """Register the tool."""

    @server.tool(name="trace_signal", title="Trace the signal", annotations=READ_ONLY, meta=OPENS)
    async def trace_signal(
        ctx: Context,
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
            Field(
                description='"he", "xavier gain 5/3", "std 0.02", "gpt2", "fixup", "pytorch default"; empty: unknown'
            ),
        ] = "",
        simulate: Annotated[bool, Field(description="Also run a random network in numpy, at most 5 seconds")] = False,
    ) -> types.CallToolResult:
        """Computes second moment, mean, input correlation, gradient and weight-gradient norm at every layer of a \
network at initialization, with depth scales and the spread between seeds; a table, a sparkline, and on request a \
Monte-Carlo run beside the theory.

Use when the numbers themselves are wanted, or to compare two variants. Returns verdict, three numbers, table, facts."""

        async def tell(done: float) -> None:
            await ctx.report_progress(round(100 * min(done, 1.0)), 100, "draws of the weights")

        arguments = {
            "architecture": architecture,
            "input": input,
            "batch": batch,
            "initialization": initialization,
            "simulate": simulate,
        }
        return await calls.reply("trace_signal", arguments, tell if simulate else None, client_supports_apps(ctx))

    _ = trace_signal

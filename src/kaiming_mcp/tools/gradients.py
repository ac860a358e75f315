"""diagnose_gradients as clients see it."""

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

    @server.tool(name="diagnose_gradients", title="Diagnose gradients", annotations=READ_ONLY, meta=OPENS)
    async def diagnose_gradients(
        ctx: Context,
        symptom: Annotated[str, Field(description="What you see, in words; numbers in it count as measurements")] = "",
        architecture: Annotated[
            str,
            Field(description="print(model), summary, config.json, source, layer notation, or path:models/net.py"),
        ] = "",
        measurements: Annotated[
            str,
            Field(
                description="Probe JSON, CSV, logs, gradients or activations per layer, tracebacks, as printed; or "
                "path:run/log.txt"
            ),
        ] = "",
        training: Annotated[
            str, Field(description='"fp16, Adam lr 1e-3, no warmup, clip 1.0, cross entropy, 10 classes"')
        ] = "",
        input: Annotated[str, Field(description='Size of one input: "3x224x224", "784"')] = "",
        batch: Annotated[int, Field(description="Batch size; 0: unknown")] = 0,
        initialization: Annotated[str, Field(description='"he", "std 0.02"; empty: unknown')] = "",
    ) -> types.CallToolResult:
        """Finds what stands behind vanishing, exploding, zero or nan gradients and losses that do not fall: 21 \
look-alikes told apart from the numbers, the layer where it begins, the rate per layer with its error, agreement with \
theory for this network.

Use when a network does not train. Returns verdict, three numbers, one change with its predicted effect, ranked \
explanations, or the measurement that would decide."""
        return await calls.reply(
            "diagnose_gradients",
            {
                "symptom": symptom,
                "architecture": architecture,
                "measurements": measurements,
                "training": training,
                "input": input,
                "batch": batch,
                "initialization": initialization,
            },
            picture=client_supports_apps(ctx),
        )

    _ = diagnose_gradients

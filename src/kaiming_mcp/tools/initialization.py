"""derive_initialization as clients see it."""

from __future__ import annotations

from typing import Annotated, Literal

import mcp_types as types
from mcp.server import MCPServer
from pydantic import Field

from kaiming_mcp.calls import Calls
from kaiming_mcp.tools.surface import READ_ONLY


def register(server: MCPServer, calls: Calls) -> None:
    """Register the tool."""

    @server.tool(name="derive_initialization", title="Derive an initialization", annotations=READ_ONLY)
    async def derive_initialization(
        activation: Annotated[
            str, Field(description='What follows the layer: "relu", "leaky_relu 0.2", "gelu", "tanh"')
        ],
        fan_in: Annotated[int, Field(description="Inputs of one output element; 0: take it from `layer`")] = 0,
        fan_out: Annotated[int, Field(description="Outputs that one input element feeds; 0: as fan_in")] = 0,
        layer: Annotated[
            str, Field(description='Or the layer in notation: "conv 64 128 k3 s2", "linear 768 3072"')
        ] = "",
        depth: Annotated[int, Field(description="Layers of this kind in a row; 0: 20")] = 0,
        residual_branches: Annotated[int, Field(description="Residual branches in the network; 0: none")] = 0,
        normalized: Annotated[bool, Field(description="A norm follows each layer")] = False,
        framework: Annotated[Literal["pytorch", "flax", "keras"], Field(description="For the code")] = "pytorch",
    ) -> types.CallToolResult:
        """Derives the weight std and bound for an activation, forward and backward, and what they hold: second moment \
and gradient after `depth` layers against the framework default, stability of the scale, residual branch scale, code.

Use when a layer is to be initialised or a gain chosen. Returns verdict, three numbers, facts, findings, code."""
        return await calls.reply(
            "derive_initialization",
            {
                "activation": activation,
                "fan_in": fan_in,
                "fan_out": fan_out,
                "layer": layer,
                "depth": depth,
                "residual_branches": residual_branches,
                "normalized": normalized,
                "framework": framework,
            },
        )

    _ = derive_initialization

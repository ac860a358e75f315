"""critique_architecture: read a network, follow its signal, and return the critique."""

from __future__ import annotations

from typing import Annotated

import mcp_types as types
from mcp.server import MCPServer
from pydantic import Field

from kaiming_mcp.architecture.read import EXAMPLE
from kaiming_mcp.confined import Roots
from kaiming_mcp.diagnosis.network.critique import critique
from kaiming_mcp.diagnosis.network.subject import examine
from kaiming_mcp.diagnosis.network.wishes import read_wishes
from kaiming_mcp.library import Library
from kaiming_mcp.request import request_line
from kaiming_mcp.scaffold import Scaffold, fitted
from kaiming_mcp.tools.network import ReadNetwork, Sent, completed, read_network
from kaiming_mcp.tools.surface import READ_ONLY, both_forms

NAME = "critique_architecture"
EXAMPLE_CALL = (
    '{"architecture": "repeat 20 { linear 256 256 ; relu } ; linear 256 10", "input": "256", '
    '"initialization": "he", "goal": "train without normalization"}'
)


def register(server: MCPServer, content: Library, roots: Roots) -> None:
    """Register the tool."""

    @server.tool(name=NAME, title="Critique an architecture", annotations=READ_ONLY)
    def critique_architecture(
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
    ) -> Annotated[types.CallToolResult, Scaffold]:
        """Reads a network and computes its signal at initialization: second moment and gradient by depth, \
parameter account, faults with evidence, what to remove first, and the effect of each remedy on this network.

Use when a network is designed, reviewed, or does not train. Not for training curves alone. Returns verdict, \
three numbers, one change, findings, facts, and a frame of steps to fill in."""
        return both_forms(critique_text(content, architecture, input, batch, initialization, goal, constraints, roots))

    _ = critique_architecture


def critique_text(
    content: Library,
    architecture: str,
    input: str = "",
    batch: int = 0,
    initialization: str = "",
    goal: str = "",
    constraints: str = "",
    roots: Roots = (),
) -> Scaffold:
    """The whole critique, or what to send when no network was recognised.

    Raises:
        ToolError: an argument is not understood; the message shows a valid one.
    """
    asked = Sent(architecture, input, batch, initialization)
    read = read_network(asked, roots)
    if isinstance(read, str):
        return Scaffold(tool=NAME, verdict="Nothing was established yet.", needs=read, example=EXAMPLE)

    def judged(read: ReadNetwork) -> Scaffold:
        subject = examine(read.network, read.init, read.batch, read_wishes(goal, constraints))
        return critique(subject, read.reading, read.given, content)

    scaffold = judged(read)
    sent, again = completed(read, asked)
    args = {**sent.args(), "goal": goal, "constraints": constraints}
    line = request_line(NAME, args, scaffold.established, again and (lambda: judged(again()).established))
    return fitted(scaffold.model_copy(update={"request": line}))

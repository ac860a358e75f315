"""The tools as clients see them: names, arguments, descriptions. One module each; what they answer is in replies/."""

from __future__ import annotations

from mcp.server import MCPServer

from kaiming_mcp.calls import Calls
from kaiming_mcp.examples import EXAMPLES
from kaiming_mcp.tools import (
    check,
    critique,
    generative,
    gradients,
    initialization,
    principle,
    residual,
    science,
    simplify,
    trace,
)
from kaiming_mcp.tools.surface import without_titles

ALL = (
    critique,
    gradients,
    trace,
    initialization,
    generative,
    residual,
    simplify,
    science,
    principle,
    check,
)


def register_tools(server: MCPServer, calls: Calls) -> None:
    """Register every tool, its calls to be run by `calls`; strip the title noise from its schema."""
    for tool in ALL:
        tool.register(server, calls)
    without_titles(server, EXAMPLES)

"""The tools as clients see them: names, arguments, descriptions. One module each; what they answer is in replies/."""

from __future__ import annotations

from mcp.server import MCPServer
from pydantic import BaseModel

from kaiming_mcp.calls import Calls
from kaiming_mcp.examples import EXAMPLES
from kaiming_mcp.results import Checked, PrincipleText
from kaiming_mcp.scaffold import Scaffold
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
from kaiming_mcp.tools.surface import finish

TOOLS = (critique, gradients, trace, initialization, generative, residual, simplify, science, principle, check)
OTHER_RESULTS: dict[str, type[BaseModel]] = {"read_principle": PrincipleText, "check_answer": Checked}
"""Results of the tools that return no scaffold."""


def register_tools(server: MCPServer, calls: Calls) -> None:
    """Register every tool, its calls to be run by `calls`."""
    for tool in TOOLS:
        tool.register(server, calls)
    finish(server, dict.fromkeys(EXAMPLES, Scaffold) | OTHER_RESULTS)

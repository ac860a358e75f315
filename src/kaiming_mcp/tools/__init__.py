"""The tools: parse arguments, call the core, render. One module each."""

from __future__ import annotations

from mcp.server import MCPServer

from kaiming_mcp.confined import Roots
from kaiming_mcp.library import Library
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

EXAMPLES = {
    "critique_architecture": critique.EXAMPLE_CALL,
    "diagnose_gradients": gradients.EXAMPLE_CALL,
    "trace_signal": trace.EXAMPLE_CALL,
    "derive_initialization": initialization.EXAMPLE_CALL,
    "reframe_as_generative": generative.EXAMPLE_CALL,
    "reframe_as_residual": residual.EXAMPLE_CALL,
    "simplify_method": simplify.EXAMPLE_CALL,
    "translate_to_science": science.EXAMPLE_CALL,
    "read_principle": principle.EXAMPLE_CALL,
    "check_answer": check.EXAMPLE_CALL,
}
"""A valid call of each tool, shown in every error."""


def register_tools(server: MCPServer, content: Library, roots: Roots) -> None:
    """Register every tool; strip the title noise from its schema. Files are read below the roots only."""
    critique.register(server, content, roots)
    gradients.register(server, content, roots)
    trace.register(server, content, roots)
    initialization.register(server, content)
    generative.register(server, content)
    residual.register(server, content, roots)
    simplify.register(server, content)
    science.register(server, content)
    principle.register(server, content)
    check.register(server, content, roots)
    without_titles(server, EXAMPLES)

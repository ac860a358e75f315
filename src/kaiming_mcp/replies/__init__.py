"""What each tool and prompt answers: arguments in, a typed result out.

The modules here import the whole core, so each is loaded when it is first called, by `reply` and `prompt`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import mcp_types as types

from kaiming_mcp.confined import Roots

TOOLS = {
    "critique_architecture": ("critique", "critique_text"),
    "diagnose_gradients": ("gradients", "diagnose_text"),
    "trace_signal": ("trace", "trace_text"),
    "derive_initialization": ("initialization", "derive_text"),
    "reframe_as_generative": ("generative", "reframe_text"),
    "reframe_as_residual": ("residual", "residual_text"),
    "simplify_method": ("simplify", "simplify_text"),
    "translate_to_science": ("science", "translate_text"),
    "read_principle": ("principle", "principle_text"),
    "check_answer": ("check", "check_text"),
}
"""The module and the function that answer for each tool."""
READS_FILES = frozenset(
    {"critique_architecture", "diagnose_gradients", "trace_signal", "reframe_as_residual", "check_answer"}
)


def reply(tool: str, arguments: dict[str, Any], roots: Roots = (), **watched: Any) -> types.CallToolResult:
    """The result of a tool; `watched` are the callbacks of a call that tells of its progress.

    Raises:
        ToolError: an argument is not understood; the message shows a valid one.
    """
    from kaiming_mcp.library import library
    from kaiming_mcp.replies.forms import both_forms

    files = {"roots": roots} if tool in READS_FILES else {}
    module, function = TOOLS[tool]
    answer = getattr(import_module(f"kaiming_mcp.replies.{module}"), function)
    return both_forms(answer(library(), **arguments, **files, **watched))


def prompt(name: str, arguments: dict[str, str], roots: Roots = ()) -> str:
    """The message of a prompt.

    Raises:
        ToolError: an argument is not understood; the message shows a valid one.
    """
    from kaiming_mcp.library import library
    from kaiming_mcp.replies.prompts import PROMPTS

    return PROMPTS[name](library(), roots, **arguments)

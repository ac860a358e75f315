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
    """The result of a tool in both forms; `watched` are the callbacks of a call that tells of its progress.

    Raises:
        ToolError: an argument is not understood; the message shows a valid one.
    """
    from kaiming_mcp.replies.forms import both_forms

    return both_forms(answer(tool, arguments, roots, **watched))


def answer(tool: str, arguments: dict[str, Any], roots: Roots = (), **watched: Any) -> Any:
    """The typed result of a tool, the user's words in it shown as data.

    Raises:
        ToolError: as above.
    """
    from kaiming_mcp.library import library
    from kaiming_mcp.replies.fencing import fenced
    from kaiming_mcp.roots import texts_of

    module, function = TOOLS[tool]
    files = {"roots": roots} if tool in READS_FILES else {}
    result = getattr(import_module(f"kaiming_mcp.replies.{module}"), function)(
        library(), **arguments, **files, **watched
    )
    # An answer is the model's, and what is repeated of it is shown as what it said.
    return fenced(result, texts_of({k: v for k, v in arguments.items() if k != "answer"}, roots))


def prompt(name: str, arguments: dict[str, str], roots: Roots = ()) -> str:
    """The message of a prompt.

    Raises:
        ToolError: an argument is not understood; the message shows a valid one.
    """
    from kaiming_mcp.library import library
    from kaiming_mcp.replies.prompts import PROMPTS

    return PROMPTS[name](library(), roots, **arguments)

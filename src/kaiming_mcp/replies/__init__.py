"""What each tool and prompt answers: arguments in, a typed result out.

The modules here import the whole core, so each is loaded when it is first called, by `reply` and `prompt`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import mcp_types as types

from kaiming_mcp.confined import Roots

if TYPE_CHECKING:
    from kaiming_mcp.picture.model import Picture
    from kaiming_mcp.scaffold import Scaffold

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
DRAWN = {
    "diagnose_gradients": ("gradients", "diagnose_drawn"),
    "trace_signal": ("trace", "trace_drawn"),
}
"""Likewise for those that can be drawn."""
TAKES_NETWORKS = frozenset(
    {"critique_architecture", "diagnose_gradients", "trace_signal", "reframe_as_residual", "check_answer"}
)
"""Tools that may be sent a network: they may read it from a file, and following it may take seconds."""


def reply(
    tool: str, arguments: dict[str, Any], roots: Roots = (), picture: bool = False, **watched: Any
) -> types.CallToolResult:
    """The result of a tool in both forms, with its picture in `_meta` where asked for.

    `watched` are the callbacks of a call that tells of its progress.

    Raises:
        ToolError: an argument is not understood; the message shows a valid one.
    """
    from kaiming_mcp.replies.forms import both_forms

    if not picture or tool not in DRAWN:
        return both_forms(answer(tool, arguments, roots, **watched))
    from kaiming_mcp.picture.model import META

    scaffold, drawn = draw(tool, arguments, roots, **watched)
    result = both_forms(scaffold)
    return result if drawn is None else result.model_copy(update={"meta": {META: drawn.document()}})


def draw(tool: str, arguments: dict[str, Any], roots: Roots = (), **watched: Any) -> tuple[Scaffold, Picture | None]:
    """The scaffold of one of DRAWN and its picture; None where there is nothing to draw.

    Raises:
        ToolError: as above.
    """
    scaffold, drawn = _called(DRAWN[tool], tool, arguments, roots, watched)
    shown = _shown(scaffold, arguments, roots)
    return shown, drawn(shown)


def answer(tool: str, arguments: dict[str, Any], roots: Roots = (), **watched: Any) -> Any:
    """The typed result of a tool, the user's words in it shown as data.

    Raises:
        ToolError: as above.
    """
    return _shown(_called(TOOLS[tool], tool, arguments, roots, watched), arguments, roots)


def _called(
    answers: tuple[str, str], tool: str, arguments: dict[str, Any], roots: Roots, watched: dict[str, Any]
) -> Any:
    from kaiming_mcp.library import library

    module, function = answers
    files = {"roots": roots} if tool in TAKES_NETWORKS else {}
    return getattr(import_module(f"kaiming_mcp.replies.{module}"), function)(library(), **arguments, **files, **watched)


def _shown(result: Any, arguments: dict[str, Any], roots: Roots) -> Any:
    from kaiming_mcp.replies.fencing import fenced
    from kaiming_mcp.roots import texts_of

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

"""How long an argument may be."""

from __future__ import annotations

from collections.abc import Mapping

from mcp.server.mcpserver.exceptions import ToolError

LONGEST_ARGUMENT = 2_000_000
"""Characters of one argument; the readers are linear, so this bounds the time of a call."""


def check_lengths(texts: Mapping[str, str], example: str = "") -> None:
    """Refuse an argument that is too long to be read.

    Raises:
        ToolError: it names the argument, and shows the example where one is given.
    """
    for name, text in texts.items():
        if len(text) > LONGEST_ARGUMENT:
            shown = f" Example: {example}" if example else ""
            raise ToolError(f"`{name}` has {len(text):,} characters; at most {LONGEST_ARGUMENT:,} are read.{shown}")

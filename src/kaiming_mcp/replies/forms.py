"""A typed result in both forms, with the same content: hosts show the model one or the other."""

from __future__ import annotations

import mcp_types as types

from kaiming_mcp.checking.report import rendered
from kaiming_mcp.results import Checked, PrincipleText
from kaiming_mcp.scaffold import Scaffold, render


def both_forms(result: Scaffold | Checked | PrincipleText) -> types.CallToolResult:
    """The result as text and as structured data."""
    match result:
        case Scaffold():
            text = render(result)
        case Checked():
            text = rendered(result)
        case PrincipleText():
            text = result.text
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=text)],
        structured_content=result.model_dump(mode="json", exclude_defaults=True),
    )

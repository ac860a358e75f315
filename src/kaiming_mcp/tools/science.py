"""translate_to_science: samples, groups, symmetry, units, noise floor and baseline of a problem in another field."""

from __future__ import annotations

import json
from typing import Annotated

import mcp_types as types
from mcp.server import MCPServer
from pydantic import Field

from kaiming_mcp.diagnosis.science.translate import NAME, translate
from kaiming_mcp.library import Library
from kaiming_mcp.request import request_line
from kaiming_mcp.scaffold import ORDINARY, Scaffold, fitted
from kaiming_mcp.tools.surface import READ_ONLY, both_forms, check_lengths

EXAMPLE_CALL = (
    '{"field": "medicine", "problem": "find pneumonia on chest X-rays", "data": "112,000 images of 30,805 patients '
    'from 3 hospitals, 8 % positive, random 80/20 split", "measurements": "AUC 0.93 random split, 0.81 on a held-out '
    'hospital"}'
)


def register(server: MCPServer, content: Library) -> None:
    """Register the tool."""

    @server.tool(name=NAME, title="Translate to a science", annotations=READ_ONLY)
    def translate_to_science(
        field: Annotated[str, Field(description="medicine, chemistry, weather …")] = "",
        problem: Annotated[str, Field(description="What is predicted from what")] = "",
        data: Annotated[str, Field(description="Samples, groups, split, quantities with units; or a CSV")] = "",
        measurements: Annotated[str, Field(description="Scores, noise, baselines; or probe JSON")] = "",
    ) -> Annotated[types.CallToolResult, Scaffold]:
        """Checks machine learning for a science: independent samples, groups that leak, split, symmetry, units, noise \
floor, the field's own baseline, and whether a claimed score survives them.

Use when data come from another field, or a result looks too good. Returns verdict, numbers, findings, and a frame to \
fill in."""
        return both_forms(translate_text(content, field, problem, data, measurements))

    _ = translate_to_science


def translate_text(
    content: Library, field: str = "", problem: str = "", data: str = "", measurements: str = ""
) -> Scaffold:
    """The translation, or what to send when nothing could be established.

    Raises:
        ToolError: an argument is too long.
    """
    args = {"field": field, "problem": problem, "data": data, "measurements": measurements}
    check_lengths(args)
    # The line grows with the arguments and not with the facts: its length is known before the facts are.
    room = ORDINARY - len(json.dumps(request_line(NAME, args, []), ensure_ascii=False)) - len('"request": , ')
    scaffold = translate(field, problem, data, measurements, content, room)
    if scaffold.needs:
        return scaffold
    return fitted(scaffold.model_copy(update={"request": request_line(NAME, args, scaffold.established)}))

"""translate_to_science: samples, groups, symmetry, units, noise floor and baseline of a problem in another field."""

from __future__ import annotations

import json

from kaiming_mcp.diagnosis.science.translate import NAME, translate
from kaiming_mcp.examples import EXAMPLES
from kaiming_mcp.library import Library
from kaiming_mcp.replies.lengths import check_lengths
from kaiming_mcp.request import request_line
from kaiming_mcp.scaffold import ORDINARY, Scaffold, fitted

EXAMPLE_CALL = EXAMPLES[NAME]


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

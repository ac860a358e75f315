"""reframe_as_residual: is there a reference, what does it leave, how does the branch start, when does it hurt."""

from __future__ import annotations

from typing import Annotated

import mcp_types as types
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from kaiming_mcp.architecture.errors import ReadError
from kaiming_mcp.architecture.ir import Network
from kaiming_mcp.architecture.notation_writer import write_notation
from kaiming_mcp.confined import Roots
from kaiming_mcp.diagnosis.residual.block.reading import Found, read_block
from kaiming_mcp.diagnosis.residual.columns.measure import NotMeasuredError
from kaiming_mcp.diagnosis.residual.inputs import Request
from kaiming_mcp.diagnosis.residual.reframe import NAME, lean, reframe
from kaiming_mcp.library import Library
from kaiming_mcp.request import request_line
from kaiming_mcp.scaffold import Fact, Scaffold, fitted
from kaiming_mcp.signal.initialization import PYTORCH_DEFAULT
from kaiming_mcp.signal.initialization_words import parse_initialization
from kaiming_mcp.tools.network import LONGEST_NOTATION, read_initialization, read_source
from kaiming_mcp.tools.surface import READ_ONLY, both_forms, check_lengths

EXAMPLE_CALL = (
    '{"mapping": "predict tomorrow\'s temperature from today\'s", "reference": "persistence", '
    '"data": "lag-1 autocorrelation 0.7, std 5 K, noise 0.3 K"}'
)
DEEPEST = 100_000


def register(server: MCPServer, content: Library, roots: Roots = ()) -> None:
    """Register the tool."""

    @server.tool(name=NAME, title="Reframe as a residual", annotations=READ_ONLY)
    def reframe_as_residual(
        mapping: Annotated[str, Field(description="Task in words, or a block: formula, code, layer notation")],
        reference: Annotated[str, Field(description="Cheap estimate R, or its column")] = "",
        data: Annotated[str, Field(description="Columns (target, references) or stated numbers")] = "",
        depth: Annotated[int, Field(description="Blocks; 0: unknown")] = 0,
        initialization: Annotated[str, Field(description='"he", "std 0.02"')] = "",
    ) -> Annotated[types.CallToolResult, Scaffold]:
        """Decides whether to predict X - R: variance share a reference leaves, ± error; when it hurts; branch scale \
for a depth; what keeps a skip from identity.

Use when a target has a cheap estimate, or a block a skip."""
        return both_forms(residual_text(content, mapping, reference, data, depth, initialization, roots))

    _ = reframe_as_residual


def residual_text(
    content: Library,
    mapping: str,
    reference: str = "",
    data: str = "",
    depth: int = 0,
    initialization: str = "",
    roots: Roots = (),
) -> Scaffold:
    """The whole reframing, or what to send when nothing could be established.

    Raises:
        ToolError: an argument is out of range, a file may not be read, or the columns hold nothing to measure.
    """
    if not 0 <= depth <= DEEPEST:
        raise ToolError(f"`depth` must lie between 1 and {DEEPEST:,} (number of blocks), got {depth}. Example: 50")
    check_lengths({"mapping": mapping, "reference": reference, "data": data}, EXAMPLE_CALL)
    block = read_source("mapping", mapping, roots, "path:models/block.py#Block")
    table = read_source("data", data, roots, "path:run/pairs.csv")
    try:
        found = read_block(block.text, block.fragment)
    except ReadError as fault:
        raise ToolError(f"`mapping`: {fault}") from fault
    request = _request(found, block.text, reference, table.text, depth, initialization)
    scaffold = _reframed(request, content)
    if scaffold.needs:
        return scaffold
    short = _short(None if found.jotted else found.network, block.text, block.reference)
    words = initialization or request.init_words
    args = {
        "mapping": short,
        "reference": reference,
        "data": table.reference or data,
        "depth": depth,
        "initialization": words,
    }

    def again() -> list[Fact]:
        return _reframed(_request(read_block(short), short, reference, table.text, depth, words), content).established

    same = short in (mapping, block.reference) and words == initialization

    def line(facts: list[Fact]) -> str:
        return request_line(NAME, args, facts, None if same else again)

    whole = scaffold.model_copy(update={"request": line(scaffold.established)})
    short_one = lean(fitted(whole))
    return short_one.model_copy(update={"request": line(short_one.established)})


def _request(found: Found, text: str, reference: str, data: str, depth: int, initialization: str) -> Request:
    asked, network = read_initialization(initialization), found.network
    if network is None:
        return Request(text, reference, data, depth, unread=found.unread)
    words = initialization.strip() or network.initialization
    init = parse_initialization(words) if words else asked
    told = (words or PYTORCH_DEFAULT.describe()) + found.assumed
    return Request(text, reference, data, depth, network, init, told, words, jotted=found.jotted)


def _reframed(request: Request, content: Library) -> Scaffold:
    try:
        return reframe(request, content)
    except NotMeasuredError as reason:
        raise ToolError(f"`data`: {reason}. Example: x,r\\n1.0,0.9\\n2.1,2.0 and so on, 8 rows or more") from reason


def _short(network: Network | None, text: str, reference: str) -> str:
    if network is None:
        return reference or text
    written = write_notation(network)
    if reference:
        return written if len(written) <= LONGEST_NOTATION else reference
    return written if len(written) < len(text) else text

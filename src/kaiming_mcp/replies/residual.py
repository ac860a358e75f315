"""reframe_as_residual: is there a reference, what does it leave, how does the branch start, when does it hurt."""

from __future__ import annotations

from mcp.server.mcpserver.exceptions import ToolError

from kaiming_mcp.architecture.errors import ReadError
from kaiming_mcp.architecture.ir import Network
from kaiming_mcp.architecture.notation_writer import write_notation
from kaiming_mcp.confined import Roots
from kaiming_mcp.diagnosis.residual.block.reading import Found, read_block
from kaiming_mcp.diagnosis.residual.columns.measure import NotMeasuredError
from kaiming_mcp.diagnosis.residual.inputs import Request
from kaiming_mcp.diagnosis.residual.reframe import NAME, lean, reframe
from kaiming_mcp.examples import EXAMPLES
from kaiming_mcp.library import Library
from kaiming_mcp.replies.lengths import check_lengths
from kaiming_mcp.replies.network import LONGEST_NOTATION, read_initialization, read_source
from kaiming_mcp.request import request_line
from kaiming_mcp.scaffold import Fact, Scaffold, fitted
from kaiming_mcp.signal.initialization import PYTORCH_DEFAULT
from kaiming_mcp.signal.initialization_words import parse_initialization

EXAMPLE_CALL = EXAMPLES[NAME]
DEEPEST = 100_000


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

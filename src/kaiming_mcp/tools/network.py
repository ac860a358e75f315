"""What tools that take a network share: reading it with what completes it, or saying what to send."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mcp.server.mcpserver.exceptions import ToolError

from kaiming_mcp.architecture.account import account
from kaiming_mcp.architecture.errors import ReadError
from kaiming_mcp.architecture.ir import Network, Reading
from kaiming_mcp.architecture.notation import parse_shape
from kaiming_mcp.architecture.notation_writer import write_notation
from kaiming_mcp.architecture.read import NotAnArchitectureError, read_architecture
from kaiming_mcp.diagnosis.network import structure
from kaiming_mcp.diagnosis.network.facts import Given
from kaiming_mcp.diagnosis.network.subject import ASSUMED_BATCH
from kaiming_mcp.signal.initialization import PYTORCH_DEFAULT, Initialization
from kaiming_mcp.signal.initialization_words import parse_initialization

LARGEST_BATCH = 1_000_000


@dataclass(frozen=True, slots=True)
class Sent:
    """The arguments that describe a network."""

    architecture: str
    input: str
    batch: int
    initialization: str


@dataclass(frozen=True, slots=True)
class ReadNetwork:
    """The first network of the text, completed by what else was sent."""

    network: Network
    reading: Reading
    init: Initialization
    batch: int
    given: Given


def read_network(sent: Sent) -> ReadNetwork | str:
    """The network, or what to send where none was recognised.

    Raises:
        ToolError: an argument is not understood; the message shows a valid one.
    """
    init = read_initialization(sent.initialization)
    if not 0 <= sent.batch <= LARGEST_BATCH:
        raise ToolError(f"`batch` must lie between 1 and {LARGEST_BATCH:,}, got {sent.batch}. Example: 128")
    shape = None
    if sent.input.strip():
        try:
            shape = parse_shape(sent.input)
        except ReadError as error:
            raise ToolError(f"`input`: {error}") from error
    try:
        reading = read_architecture(sent.architecture)
    except NotAnArchitectureError as nothing:
        return str(nothing)
    except ReadError as error:
        raise ToolError(f"`architecture`: {error}") from error
    network = reading.networks[0]
    if shape is not None:
        network = replace(network, input=shape)
    reading = replace(reading, networks=(network, *reading.networks[1:]))
    unknown = account(network).unknown
    if unknown and not structure.weighted(network.root):
        return (
            f"{network.name} was read ({network.modules} modules), but every module that holds weights is of "
            f"a class that is not known: {', '.join(unknown[:4])}. Write what they compute in the layer notation "
            "(kaiming://guide/layer-notation), from their forward()."
        )
    given = Given(input=shape is not None, batch=sent.batch > 0, initialization=bool(sent.initialization.strip()))
    return ReadNetwork(network, reading, init, sent.batch or ASSUMED_BATCH, given)


def read_initialization(text: str) -> Initialization:
    """The `initialization` argument; PyTorch's default where it is empty.

    Raises:
        ToolError: the text names no known scheme.
    """
    if not text.strip():
        return PYTORCH_DEFAULT
    try:
        return parse_initialization(text)
    except ValueError as error:
        raise ToolError(f"`initialization`: {error}") from error


def short_form(network: Network, text: str) -> str:
    """The network in layer notation, or the text itself where that is shorter."""
    written = write_notation(network)
    return written if len(written) < len(text) else text

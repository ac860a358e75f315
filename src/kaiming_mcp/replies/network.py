"""What tools that take a network share: reading it with what completes it, or saying what to send."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from mcp.server.mcpserver.exceptions import ToolError

from kaiming_mcp.architecture.account import account
from kaiming_mcp.architecture.errors import ReadError
from kaiming_mcp.architecture.ir import Embedding, Network, Reading, Recurrent, Repeat, Shape, is_weighted, layers, walk
from kaiming_mcp.architecture.notation import parse_shape
from kaiming_mcp.architecture.notation_writer import write_notation
from kaiming_mcp.architecture.read import NotAnArchitectureError, read_architecture
from kaiming_mcp.architecture.rewrite import without_starts
from kaiming_mcp.architecture.source.remarks import SHARED
from kaiming_mcp.confined import Roots
from kaiming_mcp.diagnosis.network import structure
from kaiming_mcp.diagnosis.network.facts import Given
from kaiming_mcp.diagnosis.network.subject import ASSUMED_BATCH
from kaiming_mcp.roots import Source, is_file_name, resolve
from kaiming_mcp.signal.initialization import PYTORCH_DEFAULT, Initialization
from kaiming_mcp.signal.initialization_words import parse_initialization

LARGEST_BATCH = 1_000_000
LONGEST_NOTATION = 1_000
"""Characters that a request line spends on a network before it names the file instead."""


@dataclass(frozen=True, slots=True)
class Sent:
    """The arguments that describe a network."""

    architecture: str
    input: str
    batch: int
    initialization: str

    def args(self) -> dict[str, Any]:
        """As arguments of a call."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ReadNetwork:
    """The first network of the text, completed by what else was sent."""

    network: Network
    reading: Reading
    init: Initialization
    batch: int
    given: Given
    source: Source
    initialization: str
    """The words of the argument, or of the text where the argument is empty."""


def read_network(sent: Sent, roots: Roots = ()) -> ReadNetwork | str:
    """The network, or what to send where none was recognised.

    Raises:
        ToolError: an argument is not understood; the message shows a valid one.
    """
    asked = sent.initialization.strip()
    init = read_initialization(asked)
    if not 0 <= sent.batch <= LARGEST_BATCH:
        raise ToolError(f"`batch` must lie between 1 and {LARGEST_BATCH:,}, got {sent.batch}. Example: 128")
    shape = None
    if sent.input.strip():
        try:
            shape = parse_shape(sent.input)
        except ReadError as error:
            raise ToolError(f"`input`: {error}") from error
    source = read_source("architecture", sent.architecture, roots)
    try:
        entering = shape.features if shape is not None and not shape.positions else None
        reading = read_architecture(source.text, source.fragment, entering or 0)
    except NotAnArchitectureError as nothing:
        hint = f" To have a file read, send path:{source.text.strip()}" if is_file_name(source.text) else ""
        return f"{nothing}{hint}"
    except ReadError as error:
        raise ToolError(f"`architecture`: {error}") from error
    network = reading.networks[0]
    if shape is not None:
        network = replace(network, input=_turned(shape, network))
    reading = replace(reading, networks=(network, *reading.networks[1:]))
    unknown = account(network).unknown
    if unknown and not structure.weighted(network.root):
        return (
            f"{network.name} was read ({network.modules} modules), but every module that holds weights is of "
            f"a class that is not known: {', '.join(unknown[:4])}. Write what they compute in the layer notation "
            f"(kaiming://guide/layer-notation), from their forward().{_copies(network)}"
        )
    if not any(is_weighted(la.op) or isinstance(la.op, Embedding) for la, _ in layers(network.root)):
        return _without_weights(network, source.text)
    words = asked or _words_of(reading)
    if asked and reading.format == "layer-notation" and network.initialization == "own":
        # What stands behind a layer is for that layer; the argument is for the others.
        words = f"own else {asked}"
    if words != asked:
        init = read_initialization(words)
    if init.own:
        for layer, _ in layers(network.root):
            read_initialization(layer.start, f"init of `{layer.origin.text or layer.path}`")
    else:
        network = replace(network, root=without_starts(network.root))
        reading = replace(reading, networks=(network, *reading.networks[1:]))
    given = Given(shape is not None, sent.batch > 0, bool(asked), not asked and bool(network.initialization))
    return ReadNetwork(network, reading, init, sent.batch or ASSUMED_BATCH, given, source, words)


def read_source(argument: str, value: str, roots: Roots, example: str = "path:models/net.py") -> Source:
    """The text of an argument, read from a file where it is a path under an allowed directory.

    Raises:
        ToolError: the file cannot or may not be read.
    """
    try:
        return resolve(value, roots, argument, example)
    except ReadError as error:
        raise ToolError(str(error)) from error


def _turned(shape: Shape, network: Network) -> Shape:
    """A sequence whose length is written before its width, where the first layer with weights runs over time."""
    first = next((la.op for la, _ in layers(network.root) if is_weighted(la.op)), None)
    width = first.in_features if isinstance(first, Recurrent) else None
    if width is not None and shape.features != width and shape.positions == (width,) and shape.features:
        return Shape(width, (shape.features,))
    return shape


def _without_weights(network: Network, text: str) -> str:
    """A piece of a model whose layers stand elsewhere."""
    called = [*dict.fromkeys(re.findall(r"\bself\.(\w{1,40})\(", text))]
    held = account(network).total
    return (
        f"{network.name} was read, but no layer with weights is on its path"
        + (f": what self.{', self.'.join(called[:6])} are is not in the text" if called else "")
        + (f"; {held:,} parameters are held that no forward() here uses" if held else "")
        + "".join(f"; {a.statement}" for a in network.assumptions if SHARED in a.statement)
        + ". Send the class with its __init__ and forward, or the block in the layer notation "
        "(kaiming://guide/layer-notation)."
    )


def _copies(network: Network) -> str:
    """What a class tells even where its sizes are left out."""
    count = next((n.count for n, _ in walk(network.root) if isinstance(n, Repeat) and n.identical and n.count > 1), 0)
    if not count:
        return ""
    return (
        f" Known all the same: nn.TransformerEncoder deep-copies one initialised layer, so its {count} layers start "
        "with equal weights (torch.equal(m.layers[0].linear1.weight, m.layers[1].linear1.weight) is True); to differ, "
        "each must be initialised again."
    )


def _words_of(reading: Reading) -> str:
    """What the text says of its initialization, or else the default of its framework; none for PyTorch's."""
    return reading.networks[0].initialization or ("keras" if reading.format.startswith("keras") else "")


def read_initialization(text: str, place: str = "`initialization`") -> Initialization:
    """The `initialization` argument, or one that stands elsewhere; PyTorch's default where it is empty.

    Raises:
        ToolError: the text names no known scheme.
    """
    if not text.strip():
        return PYTORCH_DEFAULT
    try:
        return parse_initialization(text)
    except ValueError as error:
        raise ToolError(f"{place}: {error}") from error


def completed(read: ReadNetwork, sent: Sent) -> tuple[Sent, Callable[[], ReadNetwork] | None]:
    """The call in short form, and how the network is read from that; None where it is read from the same text."""
    short = replace(
        sent, architecture=short_form(read.network, read.source), initialization=read.initialization.strip()
    )

    def again() -> ReadNetwork:
        found = read_network(short)
        if isinstance(found, str):
            raise ToolError(found)
        return found

    return short, None if short.architecture in (sent.architecture, read.source.reference) else again


def short_form(network: Network, source: Source) -> str:
    """The network in layer notation, or the text itself where that is shorter; for a long file its path and digest."""
    written = write_notation(network)
    if source.reference:
        return written if len(written) <= LONGEST_NOTATION else source.reference
    return written if len(written) < len(source.text) else source.text

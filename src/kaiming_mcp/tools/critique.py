"""critique_architecture: read a network, follow its signal, and return the critique."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import mcp_types as types
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from kaiming_mcp.architecture.account import account
from kaiming_mcp.architecture.errors import ReadError
from kaiming_mcp.architecture.ir import Network
from kaiming_mcp.architecture.notation import parse_shape
from kaiming_mcp.architecture.notation_writer import write_notation
from kaiming_mcp.architecture.read import EXAMPLE, NotAnArchitectureError, read_architecture
from kaiming_mcp.diagnosis.network import structure
from kaiming_mcp.diagnosis.network.critique import critique
from kaiming_mcp.diagnosis.network.facts import Given
from kaiming_mcp.diagnosis.network.subject import ASSUMED_BATCH, examine
from kaiming_mcp.diagnosis.network.wishes import read_wishes
from kaiming_mcp.library import Library
from kaiming_mcp.scaffold import Scaffold, request_line
from kaiming_mcp.signal.initialization import PYTORCH_DEFAULT, Initialization
from kaiming_mcp.signal.initialization_words import parse_initialization
from kaiming_mcp.tools.surface import READ_ONLY, both_forms

NAME = "critique_architecture"
EXAMPLE_CALL = (
    '{"architecture": "repeat 20 { linear 256 256 ; relu } ; linear 256 10", "input": "256", '
    '"initialization": "he", "goal": "train without normalization"}'
)
LARGEST_BATCH = 1_000_000


def register(server: MCPServer, content: Library) -> None:
    """Register the tool."""

    @server.tool(name=NAME, title="Critique an architecture", annotations=READ_ONLY)
    def critique_architecture(
        architecture: Annotated[str, Field(description="print(model) of PyTorch, or the layer notation")],
        input: Annotated[str, Field(description='Size of one input: "3x224x224", "784", "tokens 1024"')] = "",
        batch: Annotated[int, Field(description="Batch size (matters for batch norm); 0: unknown")] = 0,
        initialization: Annotated[
            str,
            Field(description='"he", "xavier", "std 0.02", "orthogonal", "pytorch default"; empty: unknown'),
        ] = "",
        goal: Annotated[str, Field(description="What it is for, such as: PINN with second derivatives")] = "",
        constraints: Annotated[str, Field(description="What may not change, such as: no batch norm")] = "",
    ) -> Annotated[types.CallToolResult, Scaffold]:
        """Reads a network and computes its signal at initialization: second moment and gradient by depth, \
parameter account, faults with evidence, what to remove first, and the effect of each remedy on this network.

Use when a network is designed, reviewed, or does not train. Not for training curves alone. Returns verdict, \
three numbers, one change, findings, facts, and a frame of steps to fill in."""
        return both_forms(critique_text(content, architecture, input, batch, initialization, goal, constraints))

    _ = critique_architecture


def critique_text(
    content: Library,
    architecture: str,
    input: str = "",
    batch: int = 0,
    initialization: str = "",
    goal: str = "",
    constraints: str = "",
) -> Scaffold:
    """The whole critique, or what to send when no network was recognised.

    Raises:
        ToolError: an argument is not understood; the message shows a valid one.
    """
    init = _initialization(initialization)
    if not 0 <= batch <= LARGEST_BATCH:
        raise ToolError(f"`batch` must lie between 1 and {LARGEST_BATCH:,}, got {batch}. Example: 128")
    shape = None
    if input.strip():
        try:
            shape = parse_shape(input)
        except ReadError as error:
            raise ToolError(f"`input`: {error}") from error
    try:
        reading = read_architecture(architecture)
    except NotAnArchitectureError as nothing:
        return Scaffold(tool=NAME, verdict="Nothing was established yet.", needs=str(nothing), example=EXAMPLE)
    except ReadError as error:
        raise ToolError(f"`architecture`: {error}") from error
    network = reading.networks[0]
    if shape is not None:
        network = replace(network, input=shape)
    reading = replace(reading, networks=(network, *reading.networks[1:]))
    account_of = account(network)
    if account_of.unknown and not structure.weighted(network.root):
        listed = ", ".join(account_of.unknown[:4])
        return Scaffold(
            tool=NAME,
            verdict="Nothing was established yet.",
            needs=f"{network.name} was read ({network.modules} modules), but every module that holds weights is of "
            f"a class that is not known: {listed}. Write what they compute in the layer notation "
            "(kaiming://guide/layer-notation), from their forward().",
            example=EXAMPLE,
        )
    subject = examine(network, init, batch or ASSUMED_BATCH, read_wishes(goal, constraints))
    given = Given(input=shape is not None, batch=batch > 0, initialization=bool(initialization.strip()))
    scaffold = critique(subject, reading, given, content)
    args = {
        "architecture": _short_form(network, architecture),
        "input": input,
        "batch": batch,
        "initialization": initialization,
        "goal": goal,
        "constraints": constraints,
    }
    return scaffold.model_copy(update={"request": request_line(NAME, args, scaffold.established)})


def _initialization(text: str) -> Initialization:
    if not text.strip():
        return PYTORCH_DEFAULT
    try:
        return parse_initialization(text)
    except ValueError as error:
        raise ToolError(f"`initialization`: {error}") from error


def _short_form(network: Network, text: str) -> str:
    written = write_notation(network)
    return written if len(written) < len(text) else text

"""trace_signal: the signal through a network, place by place, with a simulation on request."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Annotated

import anyio
import anyio.from_thread
import anyio.to_thread
import mcp_types as types
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from kaiming_mcp.architecture.read import EXAMPLE
from kaiming_mcp.confined import Roots
from kaiming_mcp.diagnosis.network.subject import Subject, examine
from kaiming_mcp.diagnosis.network.wishes import Wishes
from kaiming_mcp.diagnosis.signal.report import NAME, Beside, report
from kaiming_mcp.library import Library
from kaiming_mcp.request import request_line
from kaiming_mcp.scaffold import Fact, Scaffold, fitted
from kaiming_mcp.signal.simulation import NotSimulatedError, simulate
from kaiming_mcp.signal.trace import trace
from kaiming_mcp.tools.network import ReadNetwork, Sent, completed, read_network
from kaiming_mcp.tools.surface import READ_ONLY, both_forms

EXAMPLE_CALL = (
    '{"architecture": "repeat 20 { linear 256 256 ; tanh }", "input": "256", "initialization": "xavier gain 5/3", '
    '"simulate": true}'
)

Progress = Callable[[float], None]
Stopped = Callable[[], bool]


def register(server: MCPServer, content: Library, roots: Roots) -> None:
    """Register the tool."""

    @server.tool(name=NAME, title="Trace the signal", annotations=READ_ONLY)
    async def trace_signal(
        ctx: Context,
        architecture: Annotated[
            str,
            Field(
                description="print(model), a torchinfo, torchsummary or Keras summary, config.json, source code, "
                "the layer notation, or path:models/net.py#Net in an allowed directory"
            ),
        ],
        input: Annotated[str, Field(description='Size of one input: "3x224x224", "784", "tokens 1024"')] = "",
        batch: Annotated[int, Field(description="Batch size (matters for batch norm); 0: unknown")] = 0,
        initialization: Annotated[
            str,
            Field(
                description='"he", "xavier gain 5/3", "std 0.02", "gpt2", "fixup", "pytorch default"; empty: unknown'
            ),
        ] = "",
        simulate: Annotated[bool, Field(description="Also run a random network in numpy, at most 5 seconds")] = False,
    ) -> Annotated[types.CallToolResult, Scaffold]:
        """Computes second moment, mean, input correlation, gradient and weight-gradient norm at every layer of a \
network at initialization, with depth scales and the spread between seeds; a table, a sparkline, and on request a \
Monte-Carlo run beside the theory.

Use when the numbers themselves are wanted, or to compare two variants. Returns verdict, three numbers, table, facts."""
        stop = threading.Event()

        def tell(done: float) -> None:
            anyio.from_thread.run(ctx.report_progress, round(100 * min(done, 1.0)), 100, "draws of the weights")

        def work() -> Scaffold:
            return trace_text(content, architecture, input, batch, initialization, simulate, tell, stop.is_set, roots)

        try:
            return both_forms(await anyio.to_thread.run_sync(work, abandon_on_cancel=True))
        finally:
            # A cancelled call leaves its thread behind: this ends it before its next layer.
            stop.set()

    _ = trace_signal


def trace_text(
    content: Library,
    architecture: str,
    input: str = "",
    batch: int = 0,
    initialization: str = "",
    with_simulation: bool = False,
    progress: Progress = lambda _: None,
    stopped: Stopped = lambda: False,
    roots: Roots = (),
) -> Scaffold:
    """The report, or what to send when no network was recognised.

    Raises:
        ToolError: an argument is not understood, or the network cannot be traced.
    """
    sent = Sent(architecture, input, batch, initialization)
    read = read_network(sent, roots)
    if isinstance(read, str):
        return Scaffold(tool=NAME, verdict="Nothing was established yet.", needs=read, example=EXAMPLE)

    subject = _traced(read)
    beside, said = None, ""
    if with_simulation:
        try:
            found = simulate(read.network, read.init, progress=progress, stopped=stopped)
            beside = Beside(found, trace(read.network, read.init, found.batch))
        except NotSimulatedError as reason:
            said = str(reason)
    scaffold = report(subject, read.reading, read.given, content, beside, said)
    short, again = completed(read, sent)
    args = {**short.args(), "simulate": with_simulation}

    def traced_again(other: ReadNetwork) -> list[Fact]:
        return report(_traced(other), other.reading, other.given, content, None, "").established

    line = request_line(NAME, args, scaffold.established, again and (lambda: traced_again(again())))
    return fitted(scaffold.model_copy(update={"request": line}))


def _traced(read: ReadNetwork) -> Subject:
    subject = examine(read.network, read.init, read.batch, Wishes())
    if subject.trace is None or subject.course is None:
        raise ToolError(f"`architecture`: the signal cannot be followed: {subject.untraced}. Example: {EXAMPLE_CALL}")
    return subject

"""What answers with a picture share: the drawing of what is shown, and the network's own call."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from kaiming_mcp.picture.model import Call, Picture
from kaiming_mcp.replies.network import ReadNetwork, Sent
from kaiming_mcp.scaffold import Scaffold

Draw = Callable[[Scaffold], Picture | None]
"""Draws a scaffold as it is shown, with the user's words in ticks; None where there is nothing to draw."""

Arguments = ParamSpec("Arguments")


def undrawn(drawn: Callable[Arguments, tuple[Scaffold, Draw]]) -> Callable[Arguments, Scaffold]:
    """The same answer without what draws it."""

    @wraps(drawn)
    def scaffold(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Scaffold:
        return drawn(*args, **kwargs)[0]

    return scaffold


def call_of(sent: Sent, read: ReadNetwork) -> Call:
    """The call of trace_signal for a network, with what its text said of the initialization."""
    return Call(
        architecture=sent.architecture, input=sent.input, batch=sent.batch, initialization=read.initialization.strip()
    )

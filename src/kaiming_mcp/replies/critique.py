"""critique_architecture: read a network, follow its signal, and return the critique."""

from __future__ import annotations

from kaiming_mcp.architecture.read import EXAMPLE
from kaiming_mcp.confined import Roots
from kaiming_mcp.diagnosis.network.critique import critique
from kaiming_mcp.diagnosis.network.subject import examine
from kaiming_mcp.diagnosis.network.wishes import read_wishes
from kaiming_mcp.examples import EXAMPLES
from kaiming_mcp.library import Library
from kaiming_mcp.replies.network import ReadNetwork, Sent, completed, read_network
from kaiming_mcp.request import request_line
from kaiming_mcp.scaffold import Scaffold, fitted

NAME = "critique_architecture"
EXAMPLE_CALL = EXAMPLES[NAME]


def critique_text(
    content: Library,
    architecture: str,
    input: str = "",
    batch: int = 0,
    initialization: str = "",
    goal: str = "",
    constraints: str = "",
    roots: Roots = (),
) -> Scaffold:
    """The whole critique, or what to send when no network was recognised.

    Raises:
        ToolError: an argument is not understood; the message shows a valid one.
    """
    asked = Sent(architecture, input, batch, initialization)
    read = read_network(asked, roots)
    if isinstance(read, str):
        return Scaffold(tool=NAME, verdict="Nothing was established yet.", needs=read, example=EXAMPLE)

    def judged(read: ReadNetwork) -> Scaffold:
        subject = examine(read.network, read.init, read.batch, read_wishes(goal, constraints))
        return critique(subject, read.reading, read.given, content)

    scaffold = judged(read)
    sent, again = completed(read, asked)
    args = {**sent.args(), "goal": goal, "constraints": constraints}
    line = request_line(NAME, args, scaffold.established, again and (lambda: judged(again()).established))
    return fitted(scaffold.model_copy(update={"request": line}))

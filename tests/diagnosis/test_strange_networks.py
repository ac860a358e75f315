"""Networks that nobody would train: each once brought the engine or a report to its knees."""

from __future__ import annotations

import time

import pytest
from mcp.server.mcpserver.exceptions import ToolError

from kaiming_mcp.library import library
from kaiming_mcp.replies.critique import critique_text
from kaiming_mcp.replies.trace import trace_text
from kaiming_mcp.scaffold import bounded, power

SECONDS = 30.0
"""Far above what any of these takes (a few), far below what they took once."""

STRANGE = [
    ("celu of width 0", "linear 8 8 ; celu 0 ; linear 8 8 ; celu 0 ; linear 8 8", "8", "he"),
    ("a gated network without a gain", "repeat 30 { linear 8 8 ; glu ; linear 4 8 }", "8", "he"),
    ("only attention, no gain to speak of", "repeat 20 { attention 8 ; gelu }", "tokens 16x8", "he"),
    ("all weights zero", "repeat 20 { linear 8 8 ; relu } ; linear 8 8", "8", "zeros"),
    ("an axis that overflows", "conv 8 8 k3 ; repeat 300 { upsample 3 } ; conv 8 8 k3", "8x4x4", "he"),
    ("an axis that overflows by convolution", "repeat 300 { convtranspose 8 8 k4 s2 }", "8x4x4", "he"),
    ("more steps than are followed", "lstm 8 8 ; rnn 8 8 ; linear 8 8", "tokens 100000x8", ""),
    ("copies of copies of copies", "repeat 30 identical { " * 3 + "residual { linear 8 8 }" + " }" * 3, "8", "he"),
    ("hundreds of different recurrent layers", "repeat 200 { residual { lstm 8 8 } }", "tokens 1000x8", ""),
    ("hundreds of wide padded kernels", "repeat 300 { conv 8 8 k63 p31 ; relu }", "8x32x32", "he"),
    ("a number beyond every float", "repeat 7 { repeat 300 { linear 8 8 ; relu2 } }", "8", "he"),
    ("a signal of 0 that is raised to 2", "repeat 30 { linear 8 8 ; relu2 ; log_softmax }", "8", "keras"),
    ("more layers than are traced", "repeat 300 { repeat 300 { repeat 300 { linear 8 8 ; relu } } }", "8", "he"),
]


@pytest.mark.parametrize(("architecture", "given", "init"), [row[1:] for row in STRANGE], ids=[r[0] for r in STRANGE])
@pytest.mark.parametrize("ask", [trace_text, critique_text])
def test_a_strange_network_gets_an_answer_or_a_clear_error(ask, architecture: str, given: str, init: str) -> None:
    begin = time.monotonic()
    try:
        reply = ask(library(), architecture, given, 4, init)
    except ToolError as refused:
        assert "architecture" in str(refused)
    else:
        assert reply.structured()
        assert "nan" not in reply.verdict.lower()
    assert time.monotonic() - begin < SECONDS


def test_a_power_is_written_without_overflow() -> None:
    assert power(1e30) == "above 1e+1000000"
    assert power(-1e300) == "below 1e-1000000"
    assert power(float("nan")) == "undefined (0/0)"
    assert power(1e4) == "8.8e+4342"
    assert bounded(1e9) == bounded(700.0) < float("inf")
    assert bounded(float("-inf")) == 0.0

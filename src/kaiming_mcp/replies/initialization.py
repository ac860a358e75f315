"""derive_initialization: exact std and bound for a layer and its activation, and what they hold over depth."""

from __future__ import annotations

import difflib
import re
from typing import Literal

from mcp.server.mcpserver.exceptions import ToolError

from kaiming_mcp.architecture.errors import ReadError
from kaiming_mcp.architecture.ir import Activation, Conv, Linear, Sequence, layers
from kaiming_mcp.architecture.notation import read_notation
from kaiming_mcp.architecture.shorthand import jotted
from kaiming_mcp.diagnosis.initialization.derive import NAME, derive
from kaiming_mcp.diagnosis.initialization.question import Question
from kaiming_mcp.examples import EXAMPLES
from kaiming_mcp.library import Library
from kaiming_mcp.request import request_line
from kaiming_mcp.scaffold import Scaffold
from kaiming_mcp.signal.activations import find, names

EXAMPLE_CALL = EXAMPLES[NAME]
_OTHERWISE = (
    (
        re.compile(r"glu"),
        "A gate multiplies two layers: trace_signal follows it in layer notation, "
        "product { linear 1024 2816 ; silu } { linear 1024 2816 } ; linear 2816 1024.",
    ),
    (
        re.compile(r"sin\w*[^\w]+.*\d"),
        "sin(w0 z) is sin behind a factor: derive for sin and divide the std by w0 (SIREN: sqrt(2/fan_in)/w0); "
        "trace_signal follows linear 256 256 ; multiply 30 ; sin.",
    ),
)
LARGEST_FAN = 100_000_000
MOST_LAYERS = 5_000


def derive_text(
    content: Library,
    activation: str,
    fan_in: int = 0,
    fan_out: int = 0,
    layer: str = "",
    depth: int = 0,
    residual_branches: int = 0,
    normalized: bool = False,
    framework: Literal["pytorch", "flax", "keras"] = "pytorch",
) -> Scaffold:
    """The derivation.

    Raises:
        ToolError: an argument is not understood or out of range; the message shows a valid one.
    """
    for name, value, most in (
        ("fan_in", fan_in, LARGEST_FAN),
        ("fan_out", fan_out, LARGEST_FAN),
        ("depth", depth, MOST_LAYERS),
        ("residual_branches", residual_branches, MOST_LAYERS),
    ):
        if not 0 <= value <= most:
            raise ToolError(f"`{name}` must lie between 0 and {most:,}, got {value}. Example: {EXAMPLE_CALL}")
    question = Question(
        _layer(layer, fan_in, fan_out), _activation(activation), depth or 20, residual_branches, normalized, framework
    )
    scaffold = derive(question, content)
    args = {
        "activation": activation,
        "fan_in": fan_in,
        "fan_out": fan_out,
        "layer": layer,
        "depth": depth,
        "residual_branches": residual_branches,
        "normalized": normalized,
        "framework": framework,
    }
    given = {k: v for k, v in args.items() if v not in ("", 0, False)}
    return scaffold.model_copy(update={"request": request_line(NAME, given, scaffold.established)})


def _activation(text: str) -> Activation:
    if len(text) > 100:
        raise ToolError(f"`activation` has {len(text):,} characters; expected a name. Example: gelu")
    name = {"linear": "identity", "none": "identity", "": "identity"}.get(text.strip().lower(), text.strip().lower())
    if name == "identity":
        return Activation("identity")
    try:
        found = [la.op for la, _ in layers(read_notation(name).networks[0].root)]
    except ReadError:
        found = []
    if len(found) == 1 and isinstance(found[0], Activation) and find(found[0].name, found[0].parameter) is not None:
        return found[0]
    for pattern, hint in _OTHERWISE:
        if pattern.search(name):
            raise ToolError(f"`activation`: {text[:40]!r} is not one nonlinearity. {hint} Example: gelu")
    near = difflib.get_close_matches(name, names(), 1, 0.5)
    hint = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(sorted(names()))}."
    raise ToolError(f"`activation`: {text[:40]!r} is not a modelled nonlinearity. {hint} Example: gelu")


def _layer(text: str, fan_in: int, fan_out: int) -> Linear | Conv:
    if not text.strip():
        if not fan_in:
            raise ToolError(f"`fan_in` or `layer` is needed. Example: {EXAMPLE_CALL}")
        return Linear(fan_in, fan_out or fan_in)
    try:
        root = read_notation(text).networks[0].root
    except ReadError as error:
        # Or as code has it: nn.Conv2d(64, 128, 3, groups=64).
        called = jotted(text)
        if not called:
            raise ToolError(f"`layer`: {error}") from error
        root = Sequence(tuple(called))
    found = [node.op for node, _ in layers(root)]
    if len(found) == 1 and isinstance(found[0], Linear | Conv):
        return found[0]
    raise ToolError(
        "`layer` must be one linear or convolution, in layer notation or as torch.nn has it. Example: conv 64 128 k3 s2"
    )

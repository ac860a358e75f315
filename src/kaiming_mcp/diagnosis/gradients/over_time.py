"""Gradients over the time steps of a recurrent net, as a message lists them: `t=400: 1.0, t=300: 2e-3`."""

from __future__ import annotations

import math
import re

from kaiming_mcp.diagnosis.gradients.trends import layer_factor, layers_of
from kaiming_mcp.measurements.quantity import Quantity
from kaiming_mcp.measurements.record import LayerRow, PerLayer
from kaiming_mcp.measurements.trend import Trend
from kaiming_mcp.measurements.value import numbers

FEWEST = 3
"""Time steps from which a list of numbers is a course."""
LONGEST = 20_000
_NUMBER = r"[-+]?(?:\d{1,12}\.?\d{0,12}|\.\d{1,12})(?:e[-+]?\d{1,4})?"
_PAIR = re.compile(
    rf"(?<![\w.])(?:t|time[ _]?steps?)\s?=?\s?(?P<t>\d{{1,6}})\s{{0,3}}(?::|=|->|→|,? )\s{{0,3}}(?P<x>{_NUMBER})(?![\w.]\d)",
    re.I,
)
_STATE = re.compile(
    r"\bgrad\w*\b[^.\n]{0,60}?(?:\bh_?\{?t?\}?(?![\w'])|\bhidden|\bstates?\b|\btime ?steps?\b|\bback(?:ward)?s? in time)"
    r"|[d∂]L(?:oss)?/[d∂]h|\bBPTT\b[^.\n]{0,40}\bgrad|\bgrad\w*\b[^.\n]{0,40}\bBPTT\b",
    re.I,
)
"""Words of a gradient with respect to the state of a recurrent net."""
_RECURRENT = re.compile(
    r"\b(?:RNNs?|LSTMs?|GRUs?|recurren\w+|hidden states?|BPTT|time ?steps?|sequences?)\b|\bh_?t\b|[d∂]h", re.I
)
_ROW = re.compile(r"(?:t|time ?step|step|position|pos)[= ]\d{1,6}", re.I)
_GATED = {
    "LSTM": "forget gate (input and forget bias of `bias_ih` and `bias_hh` add up)",
    "GRU": "update gate (z keeps the state in PyTorch's form)",
}
_LONGEST_MEMORY = 1e-3


def over_time(text: str) -> PerLayer | None:
    """The gradient with respect to the state at each time step, the first step first; None where the text lists none."""
    text = text[:LONGEST]
    if not _STATE.search(text) or not _RECURRENT.search(text):
        return None
    found = list(_PAIR.finditer(text))
    steps = [int(m["t"]) for m in found]
    values = [next((v for _, _, v in numbers(m["x"])), None) for m in found]
    if len(found) < FEWEST or (steps not in (up := sorted(set(steps)), up[::-1])) or None in values:
        return None
    quantity = Quantity("activation gradient", "norm")
    course = sorted(
        (
            (t, v, text.count("\n", 0, m.start()) + 1)
            for t, v, m in zip(steps, values, found, strict=True)
            if v is not None
        ),
        key=lambda row: row[0],
    )
    return PerLayer(
        tuple(LayerRow(f"timestep {t}", at, {quantity: v}, line) for at, (t, v, line) in enumerate(course)), "names"
    )


def unrolled(shown: Trend | None) -> bool:
    """Whether the rows are the time steps of a recurrent net."""
    return shown is not None and all(_ROW.fullmatch(row.name) for row in shown.rows)


def open_gate(shown: Trend, text: str) -> tuple[str, str] | None:
    """What keeps the path of a gated cell that forgets: the bias of its gate, and the effect in numbers.

    With a bias b the open gate is s(b), and s(ln T)^T = (T/(T + 1))^T is about 1/e.
    """
    named = re.search(r"\b(LSTM|GRU)s?\b", text)
    steps = layers_of(shown) - 1
    if named is None or steps < FEWEST:
        return None
    kept = (steps / (steps + 1)) ** steps
    return (
        f"Start the {_GATED[named[1]]} with a bias of ln {steps} = {math.log(steps):.3g}, so that a cell forgets over "
        f"{steps} steps and not over {_memory(shown):.3g}.",
        f"factor per time step {layer_factor(shown):.3g} -> {steps / (steps + 1):.4g}, first/last -> about {kept:.2g} as long as "
        "the inputs move the gate little",
    )


def _memory(shown: Trend) -> float:
    """Steps over which the gradient falls to 1/e."""
    return -1 / min(math.log(layer_factor(shown)), -_LONGEST_MEMORY)

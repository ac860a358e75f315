"""A place in a network where the signal is read."""

from __future__ import annotations

import math
from dataclasses import dataclass

from kaiming_mcp.signal.rules.recurrent import Passage
from kaiming_mcp.signal.state import State


@dataclass(slots=True)
class Station:
    """A place where the signal is read: the output of a weighted layer, or a residual sum.

    `log_q` is ln E[x^2]; `across` the share of it that differs between two inputs; `log_g` ln of the
    summed squared gradient per sample; `log_w` ln of the squared norm of one sample's weight gradient
    (None where a station has no single weight matrix). `depth` counts the branches and shortcuts that hold it.
    `parts` are the two sides of a residual sum, the trunk and what its branch adds; `beside` is the number of stations
    right before it that belong to its shortcut.
    """

    path: str
    label: str
    kind: str
    depth: int
    state: State
    log_g: float = -math.inf
    log_w: float | None = None
    passage: Passage | None = None
    parts: tuple[State, State] | None = None
    beside: int = 0

    @property
    def inside(self) -> bool:
        """Whether it lies within a residual branch or shortcut."""
        return self.depth > 0

    @property
    def log_g_element(self) -> float | None:
        """ln of the mean squared gradient of one element; None where the size is not known."""
        shape = self.state.shape
        if not shape.features or shape.count is None:
            return None
        return self.log_g - math.log(shape.features * shape.count)

"""What a table shows of one module, and what follows from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from kaiming_mcp.architecture.tables.kernels import Size


@dataclass(frozen=True, slots=True)
class Sight:
    """What a table shows of one module. Sizes begin with the batch; `inputs` has the likeliest first.

    `certain` marks an input that the table itself shows, `weights` the sizes of named parameters where they are
    printed, `normalized` the features of a batch norm that follows, `numbers` the least and the most numbers that
    one example of the network's input may have.
    """

    cls: str
    parameters: int | None
    inputs: tuple[Size, ...] = ()
    output: Size = ()
    kernel: Size = ()
    certain: bool = False
    weights: Mapping[str, int] = field(default_factory=dict[str, int])
    normalized: int = 0
    numbers: tuple[float, float] = (0.0, math.inf)


@dataclass(frozen=True, slots=True)
class Guess:
    """Arguments as PyTorch prints them, what was taken for granted, the input where it follows from them, and the
    width of the output."""

    arguments: str
    notes: tuple[str, ...] = ()
    input: Size = ()
    features: int = 0

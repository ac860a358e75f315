"""The least numbers of float32, float16 and bfloat16, where a gradient of one element is lost.

With p bits of precision and least exponent e the smallest normal number is 2^e, the smallest subnormal one
2^(e - p + 1): float16 11 bits and -14, float32 24 bits and -126 (IEEE 754-2019, table 3.5), bfloat16 8 bits and -126.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

from kaiming_mcp.picture.model import Floor, Log


class Format(NamedTuple):
    """A binary floating-point format."""

    name: str
    bits: int
    least_exponent: int

    @property
    def normal(self) -> float:
        """Smallest number with all its digits."""
        return 2.0**self.least_exponent

    @property
    def subnormal(self) -> float:
        """Smallest number above zero."""
        return 2.0 ** (self.least_exponent - self.bits + 1)


FLOAT16, FLOAT32, BFLOAT16 = Format("float16", 11, -14), Format("float32", 24, -126), Format("bfloat16", 8, -126)


def floors(elements: Sequence[int | None], last: int, level: float | None, scale: str) -> list[Floor]:
    """Floors of a gradient that is plotted as log10 of a sum of squares over the elements of each place.

    `level` is what log10 of the squared gradient of one element is moved by on the axis; None: an element at place
    `last` has size 1 where the axis has 0. `scale` says which. Unknown numbers of elements count as that of `last`.
    """
    size = elements[last] or 1
    shift = -math.log10(size) if level is None else level
    counts = [math.log10(n or size) + shift for n in elements]
    found = list[Floor]()
    for form in (FLOAT16, BFLOAT16, FLOAT32):
        found += [
            _floor(form, "normal", form.normal, counts, last, scale),
            _floor(form, "subnormal", form.subnormal, counts, last, scale),
        ]
    # bfloat16 has float32's exponents: below its smallest normal number only the subnormal ones differ.
    return [f for f in found if (f.name, f.kind) != (BFLOAT16.name, "normal")]


def _floor(
    form: Format, kind: Literal["normal", "subnormal"], least: float, counts: list[float], last: int, scale: str
) -> Floor:
    square = 2 * math.log10(least)
    loses = "rounds to 0 below" if kind == "subnormal" else "loses digits below"
    about = f"{form.name} {loses} {least:.1e} (smallest {kind} number), squared as this axis is; {scale}"
    flat = all(abs(c - counts[last]) < 5e-5 for c in counts)
    values: list[Log] = [] if flat else [round(square + c, 4) for c in counts]
    return Floor(name=form.name, kind=kind, value=round(square + counts[last], 4), about=about, values=values)

"""The arguments of a printed module: `3, 64, kernel_size=(3, 3)` bound to names."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from kaiming_mcp.architecture.ir import Op
from kaiming_mcp.architecture.torch_repr import CUT

_COMMA = re.compile(r"[(\[{]|[)\]}]|,")
_NAMED = re.compile(r"(\w+)\s*=\s*(.*)", re.DOTALL)
_WHOLE = re.compile(r"\d{1,9}")
_SIZES = re.compile(r"(?:torch\.Size\()?[(\[]?(\d{1,9}(?:, ?\d{1,9})*),?[)\]]{0,2}")


class Arguments:
    """The arguments of one printed module, bound to their names; every getter raises ValueError."""

    def __init__(self, text: str, order: str = "") -> None:
        if CUT in text or "..." in text:
            raise ValueError("arguments left out")
        names = iter(order.split())
        self.values: dict[str, str] = {}
        # PyTorch before 0.4 printed `Linear (784 -> 256)`.
        for piece in _split(text.replace(" -> ", ", ")):
            if named := _NAMED.fullmatch(piece):
                self.values[named[1]] = named[2].strip("'\"")
            elif piece != "inplace":
                name = next(names, None)
                if name is None:
                    raise ValueError(piece)
                self.values[name] = piece.strip("'\"")

    def whole(self, name: str, default: int = 0) -> int:
        """A whole number of at least one."""
        text = self.values.get(name, str(default))
        if not _WHOLE.fullmatch(text) or not int(text):
            raise ValueError(text)
        return int(text)

    def sizes(self, name: str, axes: int = 0, default: int = 0, least: int = 1) -> tuple[int, ...]:
        """`3` or `(3, 5)`: one number for each axis, or, without `axes`, as many as there are."""
        text = self.values.get(name, str(default))
        found = _SIZES.fullmatch(text)
        sizes = tuple(int(size) for size in found[1].split(",")) if found else ()
        if len(sizes) == 1 and axes:
            sizes *= axes
        if not sizes or min(sizes) < least or (axes and len(sizes) != axes):
            raise ValueError(text)
        return sizes

    def real(self, name: str, default: float) -> float:
        """A finite number."""
        value = float(self.values.get(name, default))
        if not math.isfinite(value):
            raise ValueError(name)
        return value

    def flag(self, name: str, default: bool) -> bool:
        """True or False."""
        text = self.values.get(name, str(default))
        if text not in {"True", "False"}:
            raise ValueError(text)
        return text == "True"


Make = Callable[[str], Op]
"""From printed arguments to an operation; ValueError where they are not understood."""


def _split(text: str) -> list[str]:
    """Pieces between top-level commas: `3, 64, kernel_size=(3, 3)` has three."""
    pieces: list[str] = []
    depth = begun = 0
    for mark in _COMMA.finditer(text):
        depth += (mark[0] in "([{") - (mark[0] in ")]}")
        if mark[0] == "," and not depth:
            pieces.append(text[begun : mark.start()].strip())
            begun = mark.end()
    pieces.append(text[begun:].strip())
    return [piece for piece in pieces if piece]

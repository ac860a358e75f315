"""What the summary tables have in common as text: lines, sizes, counts and the totals below them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from kaiming_mcp.architecture.errors import ReadError
from kaiming_mcp.architecture.tables.kernels import Size
from kaiming_mcp.architecture.torch_repr import LONGEST_TEXT

MOST_ROWS = 5_000
_LONGEST_LINE = 4_000
_NUMBER = re.compile(r"-?\d{1,9}")
_INNERMOST = re.compile(r"\[([^\[\]]{0,100})\]")
_COUNT = re.compile(r"[(├└─]{0,2}(\d{1,3}(?:,\d{3}){1,5}|\d{1,18})\)?")
_TOTAL = re.compile(r"\W{0,9}Total params:[ \t]*+([\d,]{1,30})\W{0,9}")
_INPUT = re.compile(r"\W{0,9}Input size \(MB\):[ \t]*+(\d{1,9}\.\d\d)\W{0,9}")
# UTF-8 that was read as Windows-1252 on its way here.
_MISREAD = {"â”œâ”€": "├─", "â””â”€": "└─", "â”‚": "│"}


@dataclass(frozen=True, slots=True)
class Totals:
    """The lines below a table: all parameters, and the size of the input in megabytes, with two decimals."""

    total: int | None = None
    megabytes: float | None = None

    def joined(self, other: Totals) -> Totals:
        """Both together; what comes first stands."""
        return Totals(
            other.total if self.total is None else self.total,
            other.megabytes if self.megabytes is None else self.megabytes,
        )

    def numbers(self, megabyte: float, batch: int) -> tuple[float, float]:
        """Least and most 4-byte numbers in the input of one example."""
        if self.megabytes is None or batch < 1:
            return 0.0, math.inf
        number = megabyte / 4 / batch
        return max(0.0, (self.megabytes - 0.005) * number), (self.megabytes + 0.005) * number


def totals(line: str) -> Totals | None:
    """The totals that a line states; None for any other line."""
    if found := _TOTAL.fullmatch(line):
        return Totals(count(found[1]))
    if found := _INPUT.fullmatch(line):
        return Totals(None, float(found[1]))
    return None


def limit(rows: int, number: int, example: str) -> None:
    """Refuse more rows than a network has.

    Raises:
        ReadError: there are more than MOST_ROWS.
    """
    if rows > MOST_ROWS:
        raise ReadError(
            f"Line {number}: more than {MOST_ROWS:,} rows. Expected the summary table of one network; "
            f"a smaller depth makes it shorter. Example:{example}"
        )


def lines(text: str, example: str) -> Iterator[tuple[int, str]]:
    """The numbered lines of a text, without those too long to be a row.

    Raises:
        ReadError: the text is too long.
    """
    if len(text) > LONGEST_TEXT:
        raise ReadError(
            f"The text has {len(text):,} characters; at most {LONGEST_TEXT:,} are read. "
            f"Expected one summary table; a smaller depth makes it shorter. Example:{example}"
        )
    for wrong, right in _MISREAD.items():
        text = text.replace(wrong, right)
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) <= _LONGEST_LINE:
            yield number, line.rstrip()


def size(text: str) -> Size:
    """`[32, 3, 224, 224]`, the first of several in `[[...], ...]`, or `3`; () when nothing is shown."""
    found = _INNERMOST.search(text)
    numbers = [int(n) for n in _NUMBER.findall(found[1] if found else text)]
    return tuple(numbers) if len(numbers) <= 8 and all(n > 0 or n == -1 for n in numbers) else ()


def count(text: str) -> int | None:
    """`1,234` or, of frozen weights, `(1,234)`; None for anything else."""
    found = _COUNT.fullmatch(text.strip())
    return int(found[1].replace(",", "")) if found else None

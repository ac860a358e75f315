"""The Picture: everything that is drawn, as one JSON document. Logarithms are to base 10; null: unknown, not finite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from kaiming_mcp.scaffold import Severity

VERSION = 1
META = "kaiming/picture"
"""Key of a result's `_meta` under which the page finds the document."""
Log = Annotated[float, Field(allow_inf_nan=False)] | None
Quantity = Literal["second_moment", "correlation", "gradient", "weight_gradient"]
Span = tuple[int, int]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Place(_Part):
    """A place where the signal is read; `main` where it lies on the path that the text tells of."""

    name: str
    label: str
    kind: Literal["layer", "sum"]
    inside: bool
    line: int
    main: bool = True


class Variant(_Part):
    """The signal through one network; every list has an entry for each place.

    `gradient` and `weight_gradient` are squared and relative to the last place of the main path, `second_moment` is
    E[x²], `correlation` the share of it that two inputs have in common, `spread` one standard deviation of
    log10 E[x²] between seeds.
    """

    name: str
    about: str
    second_moment: list[Log]
    correlation: list[Log]
    gradient: list[Log]
    weight_gradient: list[Log]
    spread: list[Log]
    notes: list[list[str]]

    def at(self, places: Sequence[int | None]) -> Variant:
        """The variant with these of its places in this order; empty where there is none."""

        def taken(values: list[Log]) -> list[Log]:
            return [None if i is None else values[i] for i in places]

        return self.model_copy(
            update={
                "second_moment": taken(self.second_moment),
                "correlation": taken(self.correlation),
                "gradient": taken(self.gradient),
                "weight_gradient": taken(self.weight_gradient),
                "spread": taken(self.spread),
                "notes": [[] if i is None else self.notes[i] for i in places],
            }
        )


class Measured(_Part):
    """A measured number in the unit of its axis, with its interval; without a value `high` bounds it from above."""

    quantity: Quantity
    name: str
    place: int
    value: Log
    low: Log
    high: Log
    note: str


class Floor(_Part):
    """The least gradient of one element that a number format holds, in the unit of the gradient's axis.

    `values` by place, for a sum over more elements has its floor higher; `value` is the one at the last place.
    """

    name: str
    kind: Literal["normal", "subnormal"]
    value: float
    about: str
    values: list[Log] = []


class Block(_Part):
    """A residual block: its first and last place."""

    first: int
    last: int
    label: str


class Norm(_Part):
    """A normalization: the place that it follows."""

    place: int
    label: str


class Finding(_Part):
    """A finding and the place that it speaks of, where there is one; `text` is Markdown."""

    id: str
    severity: Severity
    title: str
    place: int | None
    text: str


class Call(_Part):
    """The arguments of trace_signal for this network."""

    architecture: str
    input: str
    batch: int
    initialization: str


class Control(_Part):
    """A change that a person can make: a value for `spans` of the notation, or for `insert` at positions of it.

    `templates` say what stands in each span, with `{}` for the value ("{}" where the list is empty). The value "none"
    takes spans out and inserts nothing.
    """

    kind: Literal["depth", "activation", "initialization", "scale", "norm"]
    label: str
    value: str
    spans: list[Span] = []
    choices: list[str] = []
    templates: list[str] = []
    insert: list[tuple[int, str]] = []


class Picture(_Part):
    """The document. `axes` say in words what each quantity is."""

    version: Literal[1] = VERSION
    title: str
    tool: str
    verdict: str
    axes: dict[Quantity, str]
    places: list[Place]
    variants: list[Variant]
    measured: list[Measured] = []
    floors: list[Floor] = []
    blocks: list[Block] = []
    norms: list[Norm] = []
    findings: list[Finding] = []
    change: str = ""
    call: Call | None = None
    controls: list[Control] = []

    def document(self) -> dict[str, Any]:
        """As plain JSON data."""
        return self.model_dump(mode="json")

"""What is known while lines are read: from the lines before, and from the words to the left."""

from __future__ import annotations

from dataclasses import dataclass, field

from kaiming_mcp.measurements.quantity import UNKNOWN, Quantity
from kaiming_mcp.measurements.record import At, Reading
from kaiming_mcp.measurements.value import Value


@dataclass(slots=True)
class Context:
    """What earlier lines said and later lines leave out."""

    quantity: Quantity = UNKNOWN
    at: At | None = None
    layer: str = ""
    blank: int = 0


@dataclass(slots=True)
class Line:
    """What is known while one line is read from left to right."""

    number: int
    context: Context
    subject: Quantity = UNKNOWN
    """Named by words that belong to no number of their own: `grads: layer 1 …`."""
    quantity: Quantity = UNKNOWN
    """Of the number before."""
    layers: tuple[str, ...] = ()
    epoch: float | None = None
    step: float | None = None
    total: float | None = None
    depths: list[int] = field(default_factory=list[int])
    since: int = 0
    """Numbers measured since the depths were named."""
    shared: list[tuple[tuple[str, ...], int]] = field(default_factory=list[tuple[tuple[str, ...], int]])
    """The numbers that several layers share, by where their readings begin."""
    newest: int = 0
    """Where the readings of the newest number begin in the result."""
    nameless: Value | None = None
    """A number that no words before it name: those after it may."""
    last: str = ""
    """What the item before was: epoch, step, depth, layer, value, other."""
    result: list[Reading] = field(default_factory=list[Reading])

    @property
    def at(self) -> At | None:
        """The time of the run that the line, or one before it, gives."""
        if self.epoch is not None:
            part = self.step / self.total if self.total and self.step is not None else 0.0
            return At("epoch", self.epoch + (part if part < 1 else 0.0))
        return At("step", self.step) if self.step is not None else self.context.at

    @property
    def timed(self) -> bool:
        """Whether the line itself gives a time."""
        return self.epoch is not None or self.step is not None


def remember(text: str, line: Line) -> None:
    """A line without values is a headline: its quantity, time or layer hold for the lines below."""
    context = line.context
    if line.timed:
        context.at = line.at
    if line.result:
        context.blank = 0
        if line.layers:
            context.layer = ""
    elif not text.strip():
        context.blank += 1
        if context.blank > 1:
            context.quantity, context.layer = UNKNOWN, ""
    else:
        context.blank = 0
        if line.subject.known:
            context.quantity = line.subject
        context.layer = line.layers[0] if len(line.layers) == 1 and text.rstrip()[-1] in ":)]-=>" else ""

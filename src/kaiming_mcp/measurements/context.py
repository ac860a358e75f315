"""What is known while lines are read: from the lines before, and from the words to the left."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from kaiming_mcp.measurements.quantity import PER_LAYER, UNKNOWN, Quantity, filled, quantity_of
from kaiming_mcp.measurements.record import At, Reading
from kaiming_mcp.measurements.value import Value

_FIELD = re.compile(r"[\s-]{0,20}(?:name|layer|module|param(?:eter)?)\s?:\s?[\"']?[\w./-]{1,100}[\"']?\s*$", re.I)


@dataclass(slots=True)
class Context:
    """What earlier lines said and later lines leave out."""

    quantity: Quantity = UNKNOWN
    at: At | None = None
    layer: str = ""
    announced: tuple[str, ...] = ()
    """Several layers of which the line before says that their numbers follow: `norm at position 0, 1, ... 63:`."""
    blank: int = 0
    title: str = ""
    """The last headline."""
    rows: int = 0
    """Rows of layers without a name since the last line that was none."""


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
    kind: str = ""
    """The class of the layer, where the line names it."""
    anonymous: bool = False
    """Whether the line begins with a class in place of a name."""
    row: At | None = None
    """The index of the row, where nothing says whether it counts layers or steps."""
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
            part = min(self.step / self.total, 1 - 0.5 / self.total) if self.total and self.step is not None else 0.0
            return At("epoch", self.epoch + max(part, 0.0))
        return At("step", self.step) if self.step is not None else self.context.at

    @property
    def timed(self) -> bool:
        """Whether the line itself gives a time."""
        return self.epoch is not None or self.step is not None


def hear(words: str, line: Line) -> Quantity:
    """Take a quantity that words name as the subject of the line, and give it back."""
    words = words.strip()[-100:]
    quantity = quantity_of(words) if words else UNKNOWN
    if quantity.known:
        line.subject = filled(quantity, line.subject)
    elif quantity.statistic != "unknown" or quantity.split:
        line.subject = replace(
            line.subject,
            statistic=quantity.statistic if quantity.statistic != "unknown" else line.subject.statistic,
            split=quantity.split or line.subject.split,
        )
    return quantity


def remember(text: str, line: Line) -> None:
    """A line without values is a headline: its quantity, time or layer hold for the lines below."""
    context = line.context
    if line.timed:
        context.at = line.at
    context.rows = context.rows + 1 if line.anonymous and line.result else 0
    if text.strip():
        context.announced = () if line.result or len(line.layers) < 2 else line.layers
    if line.result:
        context.blank = 0
        if text.rstrip().endswith(":") and line.subject.kind in PER_LAYER:
            # `gradients after one backward (loss 2.1):`
            context.quantity = line.subject
        if line.layers:
            context.layer = ""
    elif not text.strip():
        context.blank += 1
        if context.blank > 1:
            context.quantity, context.layer, context.title = UNKNOWN, "", ""
    else:
        context.blank, context.title = 0, text[:200]
        if line.subject.known:
            context.quantity = line.subject
        context.layer = line.layers[0] if len(line.layers) == 1 and _announces(text, line) else ""


def _announces(text: str, line: Line) -> bool:
    """Whether a line without values says of which layer the next ones are: `fc1:`, `- name: fc1`, `fc1.weight.grad`."""
    words = text.split()
    return (
        text.rstrip()[-1] in ":)]-=>"
        or len(words) == 1
        or _FIELD.match(text) is not None
        or (len(words) < 7 and line.subject.known)
    )

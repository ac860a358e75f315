"""What was read from a person's measurements: values per layer, series over time, events, facts and settings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from kaiming_mcp.measurements.quantity import Quantity
from kaiming_mcp.measurements.value import Value


@dataclass(frozen=True, slots=True)
class At:
    """A time of the run: "step", "epoch" or "row" (only the order of the text is known)."""

    unit: str
    x: float


@dataclass(frozen=True, slots=True)
class Reading:
    """One number with everything the text says about it; what the readers of lines, tables and documents yield."""

    line: int
    quantity: Quantity
    value: Value
    layer: str = ""
    at: At | None = None
    depth: int | None = None
    """Of the variant of the network that was measured, where the text compares depths."""
    kind: str = ""
    """The class of the layer, where the text names it."""
    given: bool = False
    """Whether the text keeps the order of execution (our probe)."""
    fan_in: int | None = None
    label: str = ""
    series: bool = False
    """Whether it stands in a list over time although no time is written."""
    apart: bool = False
    """Whether only its label tells it from other numbers of the same quantity and time."""


@dataclass(frozen=True, slots=True)
class LayerRow:
    """The numbers of one layer, or of one parameter of it."""

    name: str
    index: int
    """Its place by depth, from 0."""
    values: Mapping[Quantity, Value]
    line: int
    kind: str = ""
    part: str = ""
    """weight, bias, or "" for a whole layer."""
    role: str = ""
    """norm, embedding, or ""."""
    fan_in: int | None = None

    @property
    def weighted(self) -> bool:
        """Whether it may stand for a weighted layer: no bias, no norm, no embedding, no layer without weights."""
        if self.part == "bias" or self.role:
            return False
        if not self.kind or self.part == "weight":
            return True
        return self.fan_in is not None or self.kind.lower().startswith(_WEIGHTED)


_WEIGHTED = ("linear", "conv", "dense", "lazy", "bilinear", "lstm", "gru", "rnn", "multihead", "attention", "scaledstd")


@dataclass(frozen=True, slots=True)
class PerLayer:
    """Layers of the network at one time of the run, in order of depth."""

    rows: tuple[LayerRow, ...]
    order: str
    """How depth is known: "probe order", "names" or "as printed"."""
    at: At | None = None
    quantities: tuple[Quantity, ...] = field(init=False, repr=False, compare=False)
    """Every quantity that some row has, the most frequent first."""

    def __post_init__(self) -> None:
        counts = Counter(quantity for row in self.rows for quantity in row.values)
        object.__setattr__(self, "quantities", tuple(sorted(counts, key=lambda q: -counts[q])))

    def of(self, kind: str, statistic: str = "") -> Quantity | None:
        """The most frequent quantity of a kind, and of a statistic where one is given."""
        fits = (q for q in self.quantities if q.kind == kind and statistic in ("", q.statistic))
        return next(fits, None)


@dataclass(frozen=True, slots=True)
class Point:
    """One number of a series."""

    at: float
    value: Value
    line: int


@dataclass(frozen=True, slots=True)
class Series:
    """A quantity over the run."""

    quantity: Quantity
    unit: str
    """"step", "epoch" or "row"."""
    points: tuple[Point, ...]
    label: str = ""
    """Words of the text where the quantity alone does not say which series it is: the name of a term of the loss."""

    @property
    def first_nonfinite(self) -> Point | None:
        """The first point that is nan or infinite."""
        return next((p for p in self.points if not p.value.finite), None)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in the run.

    Kinds: nan, inf, overflow (a skipped step), skipped (a count of such steps), loss scale, clip, anomaly, assertion,
    error, warning.
    """

    kind: str
    line: int
    text: str
    at: At | None = None
    name: str = ""
    """The function that anomaly mode or numpy blames, the class of an error, or the quantity that is nan."""
    value: Value | None = None
    source: str = ""
    """The line of the user's code that a traceback shows last."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A number that belongs to the whole run or to one variant of it: a ratio, an initial loss, an accuracy."""

    quantity: Quantity
    value: Value
    line: int
    text: str
    depth: int | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of the training, with the words that say it."""

    name: str
    value: str
    number: Value | None
    text: str
    basis: str = "read"


@dataclass(frozen=True, slots=True)
class Training:
    """How the network is trained, as far as the texts say; None is unknown."""

    precision: str | None = None
    """fp32, fp16, bf16, amp (autocast without a stated type), tf32, fp64."""
    scaler: bool | None = None
    device: str | None = None
    optimizer: str | None = None
    initialization: str | None = None
    """In the words of the tools' `initialization` argument: "he", "xavier gain 1.5", "std 0.02"."""
    learning_rate: Value | None = None
    warmup: Value | None = None
    batch: int | None = None
    epochs: int | None = None
    loss: str | None = None
    classes: int | None = None
    dataset: str | None = None
    weight_decay: Value | None = None
    clip: Value | None = None
    clip_kind: str | None = None
    """norm or value."""
    loss_scale: Value | None = None
    second_derivatives: bool = False
    seed: int | None = None
    depth: int | None = None
    settings: tuple[Setting, ...] = ()
    """Every field that is set above, with its text and basis."""

    def setting(self, name: str) -> Setting | None:
        """Where a field comes from."""
        return next((s for s in self.settings if s.name == name), None)


@dataclass(frozen=True, slots=True)
class Measurements:
    """Everything that was read."""

    per_layer: tuple[PerLayer, ...] = ()
    series: tuple[Series, ...] = ()
    events: tuple[Event, ...] = ()
    facts: tuple[Fact, ...] = ()
    training: Training = field(default_factory=Training)
    understood: tuple[str, ...] = ()
    """What was read, one sentence each."""
    not_understood: tuple[tuple[int, str], ...] = ()
    """The first lines with numbers that could not be read."""
    not_understood_count: int = 0
    probe: Mapping[str, str | int | float | None] = field(default_factory=dict[str, str | int | float | None])
    """The head of our probe's document: model, dtype, cotangent, loss, samples, parameters."""

    @property
    def empty(self) -> bool:
        """Whether nothing at all was read from the measurements."""
        return not (self.per_layer or self.series or self.events or self.facts)

    def of(self, kind: str, split: str = "") -> Series | None:
        """The longest series of a kind, of one split where it is given; what names no split is of training."""
        splits = ("train", "") if split == "train" else (split,)
        fits = [s for s in self.series if s.quantity.kind == kind and (not split or s.quantity.split in splits)]
        return max(fits, key=lambda s: len(s.points), default=None)

    def layers(self, kind: str, statistic: str = "") -> tuple[PerLayer, Quantity] | None:
        """The first per-layer values that hold a kind of quantity, and that quantity."""
        for layers in self.per_layer:
            if quantity := layers.of(kind, statistic):
                return layers, quantity
        return None

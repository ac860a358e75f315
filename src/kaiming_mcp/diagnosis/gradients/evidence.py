"""What is established before any rule looks: measurements, training, network, theory, and the user's statements."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise

from kaiming_mcp.diagnosis.facts import Facts
from kaiming_mcp.diagnosis.gradients import lines, words
from kaiming_mcp.diagnosis.gradients.labels import (
    beside,
    headings,
    labelled,
    labelled_series,
    measured_events,
    of_layers,
    shares,
)
from kaiming_mcp.diagnosis.gradients.listed import listed_layers, told_layers
from kaiming_mcp.diagnosis.gradients.loss import Losses, losses
from kaiming_mcp.diagnosis.gradients.over_time import over_time
from kaiming_mcp.diagnosis.gradients.trends import GRADIENTS, STATISTICS, alike_from, best_trend, is_size, layers_of
from kaiming_mcp.diagnosis.network import structure
from kaiming_mcp.diagnosis.network.subject import Subject
from kaiming_mcp.measurements.quantity import Quantity
from kaiming_mcp.measurements.record import Event, LayerRow, Measurements, PerLayer, Training
from kaiming_mcp.measurements.trend import Trend

LAST_NORMS = 3
LONGEST = 60_000
"""Characters of a text that are searched for statements."""
_DEPTH_IN_NAME = re.compile(r"\d+")


@dataclass
class Evidence:
    """Everything that the rules may use; facts are added as they are cited."""

    measured: Measurements
    told: str
    """The texts that were sent beside the architecture, for what they state."""
    architecture: str
    subject: Subject | None
    unread: str = ""
    """Why the architecture that was sent could not be read."""
    facts: Facts = field(default_factory=Facts)

    @property
    def said(self) -> str:
        """All texts that were sent, as far as they are searched for statements."""
        return f"{self.told[:LONGEST]}\n{self.architecture[:LONGEST]}"

    @property
    def training(self) -> Training:
        """How the network is trained."""
        return self.measured.training

    @cached_property
    def gradient(self) -> Trend | None:
        """Gradients over depth at the first time that was measured."""
        return self._first(GRADIENTS)

    @cached_property
    def activation(self) -> Trend | None:
        """Activations over depth at the first time that was measured."""
        return self._first(("activation",))

    @cached_property
    def cosine(self) -> tuple[tuple[str, float], ...]:
        """Cosine between inputs, or between nodes, by layer."""
        return self.column("cosine") or words.alike(self.told) or alike_from(self.rows("spread"))

    @cached_property
    def series_losses(self) -> Losses | None:
        """The course of the numbers that are called losses, whatever they are the loss of."""
        return losses(self.measured, self.said, self.outputs)

    @property
    def losses(self) -> Losses | None:
        """The course of the loss; None of two players, where a loss that falls is no learning and one that stays no fault."""
        return None if self.adversarial else self.series_losses

    @cached_property
    def adversarial(self) -> bool:
        """Whether two networks play against each other."""
        return bool(words.PLAYERS.search(self.said))

    @cached_property
    def policy(self) -> bool:
        """Whether the loss is that of values or of a policy, whose targets move."""
        return bool(self.says(words.POLICY))

    @property
    def cosine_from(self) -> str:
        """Where the cosines come from, where no column of the log holds them."""
        return (
            ""
            if self.column("cosine") or not self.cosine
            else " (from the printed lines; a spread s and a level m give m²/(m² + s²))"
        )

    @property
    def outputs(self) -> int:
        """Numbers that the network puts out for each example; 0 where that is not known."""
        ends = structure.ending(self.subject.network.root) if self.subject is not None else None
        return ends.units if ends is not None else 0

    @property
    def learning(self) -> bool:
        """Whether the loss falls and stays low, and gradients still come."""
        falls = self.losses is not None and self.losses.falling and not self.losses.plateau
        return falls and not self.stopped and not self.policy

    @property
    def thriving(self) -> bool:
        """Whether it learns so well that no measured share or scale can be its trouble."""
        return self.learning and self.losses is not None and (self.losses.halved or not self.losses.values)

    @property
    def stopped(self) -> bool:
        """Whether all gradients are exactly zero at the last times that were measured."""
        norms = self.measured.of("gradient norm")
        times = [[p.value] for p in norms.points] if norms else []
        if not times:
            layers = [(one, q) for one in self.measured.per_layer for kind in GRADIENTS if (q := one.of(kind))]
            times = [[row.values[q] for row in one.rows if q in row.values] for one, q in layers]
        ends = times[-LAST_NORMS:]
        return len(ends) == LAST_NORMS and all(v.x == 0 and v.exact for values in ends for v in values)

    @property
    def tokens(self) -> bool:
        """Whether the cosines are those between tokens or nodes of one input."""
        return bool(self.says(words.OF_TOKENS))

    @cached_property
    def depth(self) -> int:
        """Weighted layers, as far as anything tells; 0 is unknown."""
        known = [0]
        if self.subject is not None:
            known.append(structure.weighted(self.subject.network.root))
        if self.training.depth:
            known.append(self.training.depth)
        for shown in (self.gradient, self.activation):
            if shown is None:
                continue
            known.append(layers_of(shown))
            if len(shown.rows) == 2:
                first, last = (_DEPTH_IN_NAME.search(row.name) for row in (shown.rows[0], shown.rows[-1]))
                if first and last and len(last[0]) < 4:
                    known.append(int(last[0]) - int(first[0]) + 1)
        return max(known)

    @property
    def activation_name(self) -> str:
        """The hidden nonlinearity: from the network, else from the words; "" is unknown."""
        if self.subject is not None and self.subject.activation is not None:
            return self.subject.activation.name
        named = re.findall(
            r"\b(leaky[ _]?relu|relu(?=6?\b)|sigmoid|tanh|gelu|elu|selu|silu|swish|softplus|sine?)6?\b", self.said, re.I
        )
        named += [r.kind for one in self.measured.per_layer for r in one.rows if r.kind in ("ReLU", "Tanh", "Sigmoid")]
        names = list(dict.fromkeys(name.lower().replace(" ", "_").replace("leakyrelu", "leaky_relu") for name in named))
        return names[0] if names else ""

    @property
    def anything(self) -> bool:
        """Whether there is a number or a network to reason about."""
        return not self.measured.empty or self.subject is not None

    def says(self, pattern: str) -> re.Match[str] | None:
        """The first place in the user's texts that matches."""
        return re.search(pattern, self.said, re.I)

    def listed(self, key: str) -> list[str]:
        """Names that the probe's document lists under a key."""
        match = re.search(rf"\"{key}\"\s?:\s?\[([^\]]{{1,4000}})\]", self.told)
        return re.findall(r"\"([^\"]+)\"", match[1]) if match else []

    @cached_property
    def without_gradient(self) -> list[str]:
        """Parameters whose gradient is printed as None, or said to be none."""
        printed = re.findall(
            r"(?m)(?<![\w.])([A-Za-z_0-9][\w.]{0,200}(?:weight|bias|lora_\w{1,20}))\b"
            r"(?:[^\n]{0,40}\bNone\s*$|\W{0,3}grad(?:ient)?\W{0,3}None\b|\W{0,3}(?:has |is )?None grad)",
            self.told,
        )
        return printed or words.without_gradient(self.told)

    @property
    def half(self) -> bool:
        """Whether it runs in half precision, also where another precision is said to work."""
        if self.training.precision in ("fp16", "amp"):
            return True
        other = (
            r"\b(?:fp32|float32|bf16|bfloat16)\b[^.\n]{0,40}\b(?:fine|ok(?:ay)?|works?|trains?|runs?|no nan|nonzero)\b"
        )
        return bool(self.says(r"\bfp16\b|\bfloat16\b|\.half\(\)") and self.says(other))

    @property
    def scaled(self) -> bool:
        """Whether the loss is multiplied by a scale; a scale of 1 is none."""
        scale = self.training.loss_scale
        return self.training.scaler is True and not (scale is not None and scale.x <= 1)

    def events(self, *kinds: str) -> list[Event]:
        """Events of some kinds, in the order of the text."""
        return [event for event in self.measured.events if event.kind in kinds]

    def rows(self, kind: str) -> Iterator[tuple[LayerRow, Quantity]]:
        """Rows that hold a kind of quantity at the last time it was measured."""
        times = [one for one in self.measured.per_layer if one.of(kind)]
        for one in times[-1:]:
            quantity = one.of(kind)
            for row in one.rows:
                if quantity is not None and quantity in row.values:
                    yield row, quantity

    @cached_property
    def zeros(self) -> Zeros:
        """Which gradients are zero, exactly or as printed."""
        return Zeros.of(self.measured.per_layer)

    def _column(self, kind: str) -> tuple[tuple[str, float], ...]:
        return tuple((row.name, row.values[q].x) for row, q in self.rows(kind) if row.values[q].finite)

    def column(self, kind: str) -> tuple[tuple[str, float], ...]:
        """Name and value by layer of a kind such as "dead" or "saturated", at the last time."""
        found = self._column(kind) or shares(self.measured.facts, kind)
        if not found and kind == "saturated":
            return words.saturated(self.told) or lines.at_ends(self.told, self.activation_name == "tanh")
        return found or (lines.dead_units(self.told) if kind == "dead" else ())

    def _first(self, kinds: Sequence[str]) -> Trend | None:
        return best_trend(self.measured.per_layer, kinds)


@dataclass(frozen=True, slots=True)
class Zeros:
    """Names of rows whose gradient is exactly zero, zero as printed, or neither, at the last time with a zero."""

    exact: tuple[str, ...] = ()
    printed: tuple[str, ...] = ()
    live: tuple[tuple[str, float], ...] = ()
    resolution: float = 0.0
    """The largest number that a printed zero may hide."""
    edge: float = 0.0
    """The least gradient that stands right beside a printed zero."""
    late: bool = False
    """Whether the same rows had a gradient at an earlier time."""
    moved: bool = False
    """Whether exact zeros of the first time have a gradient at a later one."""

    @staticmethod
    def of(times: Sequence[PerLayer]) -> Zeros:
        """From every time at which gradients of at least two rows were measured."""
        seen = [z for z in (Zeros._at(one) for one in times) if z is not None]
        if not seen:
            return Zeros()
        at = next((i for i in reversed(range(len(seen))) if seen[i].exact or seen[i].printed), None)
        if at is None:
            return seen[-1]
        names = set(seen[at].exact)
        before, after = ({name for one in part for name, _ in one.live} & names for part in (seen[:at], seen[at + 1 :]))
        return replace(seen[at], late=bool(before), moved=bool(after) and not before)

    @staticmethod
    def _at(layers: PerLayer) -> Zeros | None:
        kinds = (layers.of(kind, statistic) for kind in GRADIENTS for statistic in STATISTICS)
        quantity = next((q for q in kinds if q and is_size(layers, q)), None)
        rows = [(r.name, r.values[quantity]) for r in layers.rows if quantity in r.values] if quantity else []
        if len(rows) < 2:
            return None
        exact = tuple(n for n, v in rows if v.x == 0 and v.exact)
        printed = tuple(n for n, v in rows if v.finite and n not in exact and (v.x == 0 or (v.below and not v.bound)))
        live = tuple((n, abs(v.x)) for n, v in rows if v.finite and n not in exact and n not in printed)
        hidden = [v.size[1] for n, v in rows if n in printed]
        shown, cut = dict(live), set(printed)
        edges = [shown[a] for (a, _), (b, _) in (*pairwise(rows), *pairwise(rows[::-1])) if a in shown and b in cut]
        return Zeros(exact, printed, live, max(hidden, default=0.0), min(edges, default=0.0))


def merged(log: Measurements, symptom: Measurements, training: Training, words: str) -> Measurements:
    """Measurements of both texts as one, with columns named that lost their words; `words` ends in the log.

    Rows in the symptom are named by the sentences around them, those of a log by the line above them alone: whatever
    the symptom says, it names no number of a log.
    """
    log = replace(log, per_layer=of_layers(log, words))
    texts = (log, symptom)
    above = headings(log.per_layer, words)
    layers = [labelled(one, words, line) for one, line in zip(log.per_layer, above, strict=True)]
    layers += [labelled(one, words, "" if layers else words) for one in symptom.per_layer]
    layers = layers or [labelled(one, words, words) for m in texts for one in listed_layers(m, words)]
    layers = layers or list(told_layers(words))
    if not any(len(one.rows) > 2 and any(q.known for q in one.quantities) for one in layers):
        layers = [one for one in (over_time(words),) if one is not None] or layers
    return Measurements(
        per_layer=tuple(layers),
        series=tuple(labelled_series(s) for m in texts for s in m.series),
        events=measured_events(tuple(e for m in texts for e in m.events)),
        facts=(*log.facts, *beside(symptom, log)),
        training=training,
        understood=tuple(u for m in texts for u in m.understood),
        not_understood=tuple(n for m in texts for n in m.not_understood),
        not_understood_count=sum(m.not_understood_count for m in texts),
        probe=next((m.probe for m in texts if m.probe), texts[0].probe),
    )

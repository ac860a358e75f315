"""The network under examination: as read, completed by what the user said, with its signal."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from kaiming_mcp.architecture.account import Account, account
from kaiming_mcp.architecture.ir import Activation, Conv, Dropout, Linear, Network, Norm, Opaque, Recurrent
from kaiming_mcp.architecture.keras.notes import ACTIVATIONS_UNSHOWN
from kaiming_mcp.architecture.listing import listed
from kaiming_mcp.architecture.torch_reader import CHILDREN_ONCE
from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.facts import Facts
from kaiming_mcp.diagnosis.network import structure, variants
from kaiming_mcp.diagnosis.network.rates import NO_RATE, Rate, settled
from kaiming_mcp.diagnosis.network.wishes import Wishes
from kaiming_mcp.signal.initialization import Initialization
from kaiming_mcp.signal.station import Station
from kaiming_mcp.signal.survey import NotTracedError
from kaiming_mcp.signal.trace import Trace, trace

ASSUMED_BATCH = 128
MOST_CLASSES, FEW = 3, 3
BROKEN = math.log(10)
"""|slope| x depth above ln 10 counts as broken scale (principle 2, question 1)."""


@dataclass(frozen=True, slots=True)
class Course:
    """The signal along the main path: ln of last over first forward, of first over last backward."""

    depth: int
    log_forward: float
    log_backward: float
    across: float
    log_free: float | None = None
    """Of a normed plain stack, ln of the gradient ratio with respect to the logarithm of the signal: a norm
    makes the scale of the layer before it irrelevant."""
    forward: Rate = NO_RATE
    backward: Rate = NO_RATE
    """The factor per step at which each settles, the gradient's towards the input."""
    network: Network | None = field(default=None, repr=False, compare=False)
    init: Initialization | None = field(default=None, repr=False, compare=False)
    """What was followed, so that a changed network can be drawn beside the one that was sent."""

    @property
    def healthy(self) -> bool:
        """Whether both directions stay within a factor of ten."""
        return self.worst <= BROKEN

    @property
    def worst(self) -> float:
        """The larger of the two, in e-folds; of a normed plain stack, the scale-free one."""
        if self.log_free is not None:
            return abs(self.log_free)
        return max(abs(self.log_forward), abs(self.log_backward))


@dataclass(slots=True)
class Subject:
    """A network with its account, its trace (or why there is none), and the facts found so far."""

    network: Network
    init: Initialization
    batch: int
    wishes: Wishes
    account: Account
    facts: Facts = field(default_factory=Facts)
    trace: Trace | None = None
    untraced: str = ""
    stations: tuple[Station, ...] = ()
    course: Course | None = None
    ranked: list[Draft] | None = None
    """The signal's findings, the worst first, once they have been worked out: each of their remedies is traced."""
    opened: bool = False
    """Whether the head starts at zero, and the signal is that of the network with its head at the default."""
    changed: dict[str, Course] = field(default_factory=dict[str, Course])
    """The course after a change, by the id of the fact that states it."""

    @property
    def activation(self) -> Activation | None:
        """The nonlinearity of the hidden layers."""
        return structure.hidden_activation(self.network.root)

    @property
    def normed(self) -> bool:
        """Whether any normalization was read."""
        return structure.count(self.network.root, Norm) > 0

    @property
    def hidden_forward(self) -> str:
        """A reservation where the text does not show the order of execution."""
        return " (unless the hidden forward() does otherwise)" if self.network.assumptions else ""

    @property
    def hidden_classes(self) -> str:
        """The classes whose children were taken to run once, in the order printed; empty where there are none."""
        found = [a.statement.partition(":")[0] for a in self.network.assumptions if CHILDREN_ONCE in a.statement]
        return listed([*dict.fromkeys(found)], MOST_CLASSES)

    @property
    def bare(self) -> bool:
        """Whether linear layers were read and no nonlinearity, where the text may well hide one."""
        root = self.network.root
        return (
            bool(self.decider)
            and structure.count(root, Linear, Conv) >= FEW
            and not structure.count(root, Activation, Recurrent, Opaque)
        )

    @property
    def decider(self) -> str:
        """What would show the nonlinearities that the text hides; empty where it hides none."""
        if self.hidden_classes:
            return f"the forward() of {self.hidden_classes}"
        unshown = any(ACTIVATIONS_UNSHOWN in a.statement for a in self.network.assumptions)
        return "model.get_config()" if unshown else ""


def examine(network: Network, init: Initialization, batch: int, wishes: Wishes) -> Subject:
    """Read the parameter account and follow the signal where every layer is modelled."""
    subject = Subject(network, init, batch, wishes, account(network))
    end = structure.ending(network.root) if init.own else None
    network = variants.with_open_head(network, end.head if end else None)
    subject.opened = network is not subject.network
    try:
        subject.trace = trace(network, init, batch)
        subject.stations = subject.trace.main_path()
        subject.course = course_of(network, init, batch)
        if subject.course is None:
            subject.untraced = "fewer than two weighted layers lie on the main path"
    except NotTracedError as reason:
        subject.untraced = str(reason)
    return subject


def _log_ratio(end: float, start: float) -> float:
    """ln(end / start) from logarithms; a signal that is zero at both ends counts as lost."""
    return -math.inf if end == -math.inf else end - start


def course_of(network: Network, init: Initialization, batch: int) -> Course | None:
    """Summary of a network's main path, or None where it cannot be followed.

    The share that differs between inputs is taken without dropout, whose masks differ whatever the input.
    """
    try:
        stations = trace(network, init, batch).main_path()
        quiet = stations
        if structure.count(network.root, Dropout):
            quiet = trace(variants.without_dropout(network), init, batch).main_path()
    except NotTracedError:
        return None
    if len(stations) < 2:
        return None
    forward = _log_ratio(stations[-1].state.log_q, stations[0].state.log_q)
    backward = _log_ratio(stations[0].log_g, stations[-1].log_g)
    plain = structure.has_norm(network.root) and not structure.has_skip(network.root)
    free = backward - forward if plain and math.isfinite(backward - forward) else None
    rates = settled([s.state.log_q for s in stations]), settled([-s.log_g for s in stations])
    return Course(len(stations), forward, backward, quiet[-1].state.across, free, *rates, network, init)

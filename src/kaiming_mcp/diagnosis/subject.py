"""The network under examination: as read, completed by what the user said, with its signal."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from kaiming_mcp.architecture.account import Account, account
from kaiming_mcp.architecture.ir import Activation, Dropout, Network, Norm
from kaiming_mcp.diagnosis import structure, variants
from kaiming_mcp.diagnosis.facts import Facts
from kaiming_mcp.scaffold import Severity
from kaiming_mcp.signal.initialization import HE, PYTORCH_DEFAULT, Initialization
from kaiming_mcp.signal.trace import NotTracedError, Station, Trace, trace

ASSUMED_BATCH = 128
BROKEN = math.log(10)
"""|slope| x depth above ln 10 counts as broken scale (principle 2, question 1)."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user's goal and constraints say about which remedies are open."""

    second_derivatives: bool = False
    no_batch_norm: bool = False
    no_norm: bool = False
    no_skip: bool = False
    fixed_init: bool = False
    warm_up: bool = False

    @property
    def norm(self) -> str:
        """The normalization that may be proposed."""
        return "LayerNorm or GroupNorm" if self.no_batch_norm else "a normalization (BatchNorm or LayerNorm)"


_WISHES = {
    "second_derivatives": r"second[- ]derivative|second[- ]order derivative|\bpinns?\b|physics[- ]informed|"
    r"\bpdes?\b|laplac|hessian|\bu_?xx\b|curvature|force matching|eikonal",
    "no_batch_norm": r"(no|without|avoid|not use|cannot use|can't use)\s+(batch[- ]?norm|bn\b)|"
    r"batch size (of )?[12]\b|small batch|tiny batch|online|streaming",
    "no_norm": r"(no|without|avoid|not use|cannot use|can't use)\s+(any\s+)?(normali[sz]ation|norms?\b|norm layers?)|"
    r"norm(ali[sz]er)?[- ]free",
    "no_skip": r"(no|without|avoid|cannot use|can't use)\s+(skip|residual|shortcut)",
    "fixed_init": r"(init\w*|weights)\s+(is|are|must stay|cannot be|can't be|stays?)\s*"
    r"(fixed|changed|pretrained|frozen)|pre-?trained|fine-?tun",
    "warm_up": r"warm-?\s?up",
}


def read_wishes(*texts: str) -> Wishes:
    """Find in the user's words the constraints that decide between remedies."""
    said = " ".join(texts).lower()
    return Wishes(**{name: bool(re.search(pattern, said)) for name, pattern in _WISHES.items()})


@dataclass(frozen=True, slots=True)
class Draft:
    """A finding before it is numbered; `weight` orders findings of equal severity."""

    severity: Severity
    principle: str
    title: str
    evidence: tuple[str, ...]
    remedy: str
    test: str
    effect: str = ""
    weight: float = 0.0
    limit: str = ""
    """Words that pick the limit of the principle that belongs to this finding."""


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


def examine(network: Network, init: Initialization, batch: int, wishes: Wishes) -> Subject:
    """Read the parameter account and follow the signal where every layer is modelled."""
    subject = Subject(network, init, batch, wishes, account(network))
    try:
        subject.trace = trace(network, init, batch)
        subject.stations = subject.trace.main_path()
        subject.course = course_of(network, init, batch)
        if subject.course is None:
            subject.untraced = "fewer than two weighted layers lie on the main path"
    except NotTracedError as reason:
        subject.untraced = str(reason)
    return subject


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
    forward = stations[-1].state.log_q - stations[0].state.log_q
    backward = stations[0].log_g - stations[-1].log_g
    plain = structure.has_norm(network.root) and not structure.has_skip(network.root)
    free = backward - forward if plain else None
    return Course(len(stations), forward, backward, quiet[-1].state.across, free)


__all__ = [
    "ASSUMED_BATCH",
    "BROKEN",
    "HE",
    "PYTORCH_DEFAULT",
    "Course",
    "Draft",
    "Subject",
    "Wishes",
    "course_of",
    "examine",
    "read_wishes",
]

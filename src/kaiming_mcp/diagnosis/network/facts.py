"""The facts of a critique: what was read, what was assumed, what was computed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from kaiming_mcp.architecture.ir import Concat, Difference, Embedding, Norm, Reading, Repeat, layers, walk
from kaiming_mcp.diagnosis.network import structure, variants
from kaiming_mcp.diagnosis.network.rates import told
from kaiming_mcp.diagnosis.network.subject import Course, Subject, course_of
from kaiming_mcp.scaffold import bounded, number, power
from kaiming_mcp.signal.initialization import PYTORCH_DEFAULT, Initialization
from kaiming_mcp.signal.station import Station

MOST_DIFFERENCES, MOST_ASSUMPTIONS, MOST_MENTIONS, LONGEST_MENTION = 4, 4, 4, 60
MOST_OF_IT, CLOSED = 0.4, 0.05
"""Share of the change that names a layer; share of the parameters below which unseen modules are a small thing."""
WIDE = 0.22
"""Standard deviation of ln E[x²] between seeds from which it is stated: x1.25."""


@dataclass(frozen=True, slots=True)
class Given:
    """Which of the completing arguments the user gave."""

    input: bool
    batch: bool
    initialization: bool
    read: bool = False
    """Whether the initialization was read from the text."""


def read_facts(subject: Subject, reading: Reading) -> None:
    """Format, sizes, kinds of layer, and the parameter account."""
    network, root = subject.network, subject.network.root
    norms: dict[str, int] = {}
    for layer, times in layers(root):
        if isinstance(layer.op, Norm):
            norms[layer.op.kind] = norms.get(layer.op.kind, 0) + times
    sums = sum(n for _, n in structure.residuals(root))
    joins = sum(times for node, times in walk(root) if isinstance(node, Concat))
    parts = [
        f"{network.name} ({reading.format})",
        f"{network.modules} modules" if network.modules else "",
        f"{structure.weighted(root)} weighted layers",
        "activations " + (_tally(structure.activations(root)) or "none"),
        "normalization " + (_tally(norms) or "none"),
        f"residual sums {sums}" if sums else "" if joins else "skips none read",
        f"concatenations {joins}" if joins else "",
    ]
    subject.facts.add("; ".join(p for p in parts if p), "read", structure.weighted(root), "weighted layers")
    account = subject.account
    text = f"{account.total:,} parameters"
    if account.differences:
        text += f" = {account.printed:,} in the modules shown " + _explained(account.differences)
    if account.unknown:
        text = f"at least {text}; unknown modules: {', '.join(account.unknown[:4])}"
    subject.facts.add(text, "read", account.total, "parameters")
    if closed := closed_parts(subject):
        subject.facts.add(
            f"{closed}. Settled by: a deeper table, or print(model)", "read", account.closed, "parameters"
        )


def closed_parts(subject: Subject) -> str:
    """How much of the network was not seen, where modules are counted without a look inside; "" where that is little."""
    account = subject.account
    if account.closed <= CLOSED * account.total:
        return ""
    modules = "module is" if account.closed_modules == 1 else "modules are"
    return (
        f"{account.closed_modules} {modules} counted without a look inside: {account.closed:,} of {account.total:,} "
        f"parameters ({account.closed / account.total:.0%}) were not seen, and the signal passes them unchanged"
    )


def _explained(differences: tuple[Difference, ...]) -> str:
    largest = sorted(differences, key=lambda d: -abs(d.count))
    parts = [f"{_signed(d.count)} ({d.reason})" for d in largest[:MOST_DIFFERENCES]]
    rest = largest[MOST_DIFFERENCES:]
    if rest:
        parts.append(f"{_signed(sum(d.count for d in rest))} ({len(rest)} smaller differences)")
    return " ".join(parts)


def _signed(count: int) -> str:
    return f"{'-' if count < 0 else '+'} {abs(count):,}"


def _tally(found: dict[str, int]) -> str:
    return ", ".join(f"{name} {times}" for name, times in found.items())


def assumed_facts(subject: Subject, given: Given) -> None:
    """What the text hides, and what was taken for arguments that were not given."""
    made = subject.network.assumptions
    for assumption in made[:MOST_ASSUMPTIONS]:
        subject.facts.add(f"{assumption.statement}. Settled by: {assumption.settle}", "assumed")
    if len(made) > MOST_ASSUMPTIONS:
        more = "; ".join(a.statement.split(":")[0][:LONGEST_MENTION] for a in made[MOST_ASSUMPTIONS:][:MOST_MENTIONS])
        subject.facts.add(f"{len(made) - MOST_ASSUMPTIONS} further assumptions, about: {more}", "assumed")
    if subject.bare:
        subject.facts.add(
            "no nonlinearity is printed, so that every number here is of the linear layers alone; a relu behind a layer would "
            f"halve its E[x²]. Settled by: {subject.decider}",
            "assumed",
        )
    followed = subject.trace is not None
    started = [layer for layer, _ in layers(subject.network.root) if layer.start]
    if given.read and followed and started and all(layer.basis == "assumed" for layer in started):
        told = (
            f"initialization not given, but these classes have their own: {subject.init.describe()}{_starts(subject)}"
        )
        subject.facts.add(told, "assumed", letter="F")
    elif given.read and followed:
        subject.facts.add(f"the text gives the initialization: {subject.init.describe()}{_starts(subject)}", "read")
    elif given.initialization and followed:
        subject.facts.add(f"initialization as given: {subject.init.describe()}{_starts(subject)}", "stated")
    if not followed:
        return
    taken: list[str] = []
    if not given.initialization and not given.read and subject.init != PYTORCH_DEFAULT:
        statement = f"initialization not given, so taken: {subject.init.describe()}, the default of the framework"
        subject.facts.add(statement, "assumed", letter="F")
    elif not given.initialization and not given.read:
        taken.append(f"initialization = {subject.init.describe()}")
    if not given.input and subject.network.input is None:
        taken.append("white input of unit variance, its size unknown")
    batch_norm = any(isinstance(la.op, Norm) and la.op.kind == "batch" for la, _ in layers(subject.network.root))
    if not given.batch and batch_norm:
        taken.append(f"batch = {subject.batch}, train mode")
    if taken:
        subject.facts.add("not given, so taken: " + "; ".join(taken), "assumed")


def lone_facts(subject: Subject) -> None:
    """What was computed where fewer than two places lie on one path."""
    found = subject.trace.stations if subject.trace is not None else ()
    for station in found[:MOST_MENTIONS]:
        if math.isfinite(station.state.log_q):
            subject.facts.add(
                f"E[x²] behind `{station.path or station.label}`: {power(station.state.log_q)}, for "
                + ("vectors of the table" if _has_table(subject) else "white input of unit variance"),
                "computed",
                bounded(station.state.log_q),
                "second moment here",
                "mean field",
            )


def _has_table(subject: Subject) -> bool:
    first = next((layer for layer, _ in layers(subject.network.root)), None)
    return first is not None and isinstance(first.op, Embedding)


def _starts(subject: Subject) -> str:
    """What single layers say of how they start."""
    if not subject.init.own:
        return ""
    found: dict[str, list[str]] = {}
    for layer, times in layers(subject.network.root):
        if layer.start:
            found.setdefault(layer.start, []).extend([layer.path or layer.origin.text] * min(times, LONGEST_MENTION))
    listed = [
        f"{words} for {places[0]}" + (f" and {len(places) - 1} more" if len(places) > 1 else "")
        for words, places in [*found.items()][:MOST_MENTIONS]
    ]
    more = f"; {len(found) - MOST_MENTIONS} further kinds" if len(found) > MOST_MENTIONS else ""
    return f": {'; '.join(listed)}{more}"


def signal_facts(subject: Subject, here: Course) -> None:
    """Second moment, gradient and input share along the main path, with their spread."""
    stations = subject.stations
    places = list(dict.fromkeys([0, len(stations) // 2, len(stations) - 1]))
    kind = "residual sums" if stations[0].kind == "sum" else "weighted layers"
    subject.facts.add(
        f"E[x²] over {here.depth} {kind}: "
        + ", ".join(f"{power(stations[i].state.log_q)} at {_place(i, stations)}" for i in places)
        + f"; last/first {power(here.log_forward)}, {forward_rate(subject, here)}",
        "computed",
        bounded(here.log_forward),
        "second moment",
        "mean field",
    )
    subject.facts.add(
        "gradient sum (dL/dx)² relative to the last: "
        + ", ".join(f"{power(stations[i].log_g - stations[-1].log_g)} at {_number(i, stations)}" for i in places)
        + f"; first/last {power(here.log_backward)}, {backward_rate(subject, here)} towards the input",
        "computed",
        bounded(here.log_backward),
        "gradient",
        "mean field, random cotangent",
    )
    subject.facts.add(
        f"share of E[x²] that differs between two inputs at the last: {power(math.log(max(here.across, 1e-300)))}",
        "computed",
        here.across,
        "share",
        "D_x / q",
    )
    _trunk_fact(subject)
    if any(isinstance(node, Repeat) and node.identical for node, _ in walk(subject.network.root)):
        own = variants.with_own_weights(subject.network)
        apart = course_of(own, subject.init, subject.batch)
        glorot = course_of(own, Initialization("xavier"), subject.batch) if subject.init == PYTORCH_DEFAULT else None
        if apart is not None:
            fact = subject.facts.add(
                "the layers start as copies of one and their branches add up coherently; each with a draw of its own: "
                f"gradient first/last {power(apart.log_backward)}, E[x²] last/first {power(apart.log_forward)}"
                + (f" (under xavier_uniform_ on every matrix {power(glorot.log_backward)})" if glorot else ""),
                "computed",
                bounded(apart.log_backward),
                "copies",
                "nn.TransformerEncoder deep-copies its layer",
            )
            subject.changed[fact] = apart
    if subject.trace is not None and subject.trace.log_q_spread > WIDE:
        spread = math.exp(subject.trace.log_q_spread)
        subject.facts.add(
            f"finite width: E[x²] at the end, a mean over many inputs, varies by x/÷ {number(spread)} between seeds",
            "computed",
            spread,
            "factor",
            "one sigma of its logarithm, within a fifth",
        )


def forward_rate(subject: Subject, here: Course) -> str:
    """How E[x²] changes from step to step."""
    return told(here.forward, here.log_forward / (here.depth - 1), unit(subject.stations))


def backward_rate(subject: Subject, here: Course) -> str:
    """How the gradient changes from step to step towards the input."""
    return told(here.backward, here.log_backward / (here.depth - 1), unit(subject.stations))


def quiet_start(subject: Subject) -> str:
    """Why the total is large where it was made at the start: a trunk that enters far below what a branch adds."""
    logs = [s.state.log_q for s in subject.stations]
    middle = len(logs) // 2
    first = subject.stations[0].parts
    if first is None or logs[middle] - logs[0] < max(math.log(10), 3 * (logs[-1] - logs[middle])):
        return ""
    return (
        f"; it comes from the start, where the trunk enters with {power(first[0].log_q)} and the first branches outweigh it: "
        f"from number {middle + 1} on E[x²] changes x{power(logs[-1] - logs[middle])}"
    )


def steepest(subject: Subject) -> str:
    """The layer at which a stack without a steady rate changes most."""
    stations = subject.stations
    if len(stations) < 3 or unit(stations) == "block":
        return ""
    steps = [after.state.log_q - before.state.log_q for before, after in pairwise(stations)]
    if not all(math.isfinite(step) for step in steps):
        return ""
    total = sum(steps)
    at = max(range(len(steps)), key=lambda i: steps[i] * total)
    name = stations[at + 1].path or stations[at + 1].label
    return f", most of it at {name} (x{power(steps[at])})" if abs(steps[at]) > MOST_OF_IT * abs(total) else ""


def _trunk_fact(subject: Subject) -> None:
    """What the blocks add to the trunk, where the main path is one."""
    sums = [s for s in subject.stations if s.parts is not None]
    if len(sums) != len(subject.stations) or not sums or not math.isfinite(sums[-1].state.log_q):
        return
    ratios = [0.5 * (branch.log_q - trunk.log_q) for trunk, branch in (s.parts for s in sums if s.parts)]
    if not all(math.isfinite(r) for r in ratios):
        return
    entered = sums[0].parts[0].log_q if sums[0].parts else 0.0
    top = max(range(len(ratios)), key=lambda i: ratios[i])
    largest = f", {power(ratios[top])} at number {top + 1}" if 0 < top < len(ratios) - 1 else ""
    subject.facts.add(
        f"the trunk enters with E[x²] {power(entered)}; std(F)/std(x) {power(ratios[0])} at the first sum{largest}, "
        f"{power(ratios[-1])} at the last, which adds {power(2 * ratios[-1] + _trunk_at(sums[-1]))}",
        "computed",
        bounded(ratios[-1]),
        "std(F)/std(x)",
        "mean field",
    )


def _trunk_at(station: Station) -> float:
    return station.parts[0].log_q if station.parts else 0.0


def unit(stations: tuple[Station, ...]) -> str:
    """What one step along the main path is."""
    return "block" if stations[0].kind == "sum" else "layer"


def _place(index: int, stations: tuple[Station, ...]) -> str:
    where, path = _number(index, stations), stations[index].path
    return f"{where} ({path})" if path else where


def _number(index: int, stations: tuple[Station, ...]) -> str:
    return {0: "the first", len(stations) - 1: "the last"}.get(index, f"number {index + 1}")

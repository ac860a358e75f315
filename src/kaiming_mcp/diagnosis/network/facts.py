"""The facts of a critique: what was read, what was assumed, what was computed."""

from __future__ import annotations

import math
from dataclasses import dataclass

from kaiming_mcp.architecture.ir import Concat, Difference, Norm, Reading, Repeat, layers, walk
from kaiming_mcp.diagnosis.network import structure, variants
from kaiming_mcp.diagnosis.network.subject import Course, Subject, course_of
from kaiming_mcp.scaffold import bounded, number, power
from kaiming_mcp.signal.station import Station

MOST_DIFFERENCES, MOST_ASSUMPTIONS, MOST_MENTIONS, LONGEST_MENTION = 4, 4, 4, 60


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
    if given.read and not subject.untraced:
        subject.facts.add(f"the text gives the initialization: {subject.init.describe()}", "read")
    if subject.untraced:
        return
    taken: list[str] = []
    if not given.initialization and not given.read:
        taken.append(f"initialization = {subject.init.describe()}")
    if not given.input and subject.network.input is None:
        taken.append("input size unknown, its numbers independent with unit variance")
    batch_norm = any(isinstance(la.op, Norm) and la.op.kind == "batch" for la, _ in layers(subject.network.root))
    if not given.batch and batch_norm:
        taken.append(f"batch = {subject.batch}, train mode")
    if taken:
        subject.facts.add("not given, so taken: " + "; ".join(taken), "assumed")


def signal_facts(subject: Subject, here: Course) -> None:
    """Second moment, gradient and input share along the main path, with their spread."""
    stations = subject.stations
    places = list(dict.fromkeys([0, len(stations) // 2, len(stations) - 1]))
    kind = "residual sums" if stations[0].kind == "sum" else "weighted layers"
    step = unit(stations)
    rate = here.log_forward / (here.depth - 1)
    subject.facts.add(
        f"E[x²] over {here.depth} {kind}: "
        + ", ".join(f"{power(stations[i].state.log_q)} at {_place(i, stations)}" for i in places)
        + f"; x{power(rate)} per {step}, last/first {power(here.log_forward)}",
        "computed",
        bounded(here.log_forward),
        "second moment",
        f"mean field, {subject.init.describe()}",
    )
    back = here.log_backward / (here.depth - 1)
    subject.facts.add(
        "gradient sum (dL/dx)² relative to the last: "
        + ", ".join(f"{power(stations[i].log_g - stations[-1].log_g)} at {_place(i, stations)}" for i in places)
        + f"; first/last {power(here.log_backward)}, x{power(back)} per {step} towards the input",
        "computed",
        bounded(here.log_backward),
        "gradient",
        f"mean field, {subject.init.describe()}, random cotangent",
    )
    subject.facts.add(
        f"share of E[x²] that differs between two inputs at the last: {power(math.log(max(here.across, 1e-300)))}",
        "computed",
        here.across,
        "share",
        "D_x / q",
    )
    if any(isinstance(node, Repeat) and node.identical for node, _ in walk(subject.network.root)):
        apart = course_of(variants.with_own_weights(subject.network), subject.init, subject.batch)
        if apart is not None:
            subject.facts.add(
                "the layers start as copies of one, so their branches add up coherently; with a draw of its own for each "
                f"layer E[x²] last/first would be {power(apart.log_forward)} and the gradient first/last "
                f"{power(apart.log_backward)}",
                "computed",
                bounded(apart.log_backward),
                "copies",
                "nn.TransformerEncoder deep-copies its layer",
            )
    if (subject.trace and subject.trace.log_q_spread**2 > 0.05 and not here.healthy) or _wide_spread(subject):
        spread = math.exp(subject.trace.log_q_spread) if subject.trace else 1.0
        subject.facts.add(
            f"finite width: E[x²] at the end varies by about x/÷ {number(spread)} between seeds (one sigma)",
            "computed",
            spread,
            "factor",
            "var ln q = 5 sum(1/width)",
        )


def unit(stations: tuple[Station, ...]) -> str:
    """What one step along the main path is."""
    return "block" if stations[0].kind == "sum" else "layer"


def _wide_spread(subject: Subject) -> bool:
    return subject.trace is not None and subject.trace.log_q_spread**2 > 0.05


def _place(index: int, stations: tuple[Station, ...]) -> str:
    station = stations[index]
    where = {0: "the first", len(stations) - 1: "the last"}.get(index, f"number {index + 1}")
    return f"{where} ({station.path})" if station.path else where

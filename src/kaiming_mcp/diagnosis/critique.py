"""The critique of an architecture: facts first, then findings, then the frame to think in."""

from __future__ import annotations

import math
from dataclasses import dataclass

from kaiming_mcp.architecture.ir import Activation, Layer, Norm, Reading, layers
from kaiming_mcp.architecture.notation_writer import write_notation
from kaiming_mcp.diagnosis import structure
from kaiming_mcp.diagnosis.relevance import limit_of, quote_of
from kaiming_mcp.diagnosis.removal import Removal, first_removal
from kaiming_mcp.diagnosis.rules_signal import COLLAPSED, signal_findings
from kaiming_mcp.diagnosis.rules_structure import structure_findings
from kaiming_mcp.diagnosis.subject import Course, Draft, Subject
from kaiming_mcp.library import Library
from kaiming_mcp.scaffold import SEVERITIES, Finding, FormField, Quotation, Scaffold, Step, number, power
from kaiming_mcp.signal.trace import Station

MOST_FINDINGS = 5
LONGEST_NOTATION = 700


@dataclass(frozen=True, slots=True)
class Given:
    """Which of the completing arguments the user gave."""

    input: bool
    batch: bool
    initialization: bool


def critique(subject: Subject, reading: Reading, given: Given, library: Library) -> Scaffold:
    """Everything of the scaffold but the request line, which the caller knows."""
    _read_facts(subject, reading)
    _assumed_facts(subject, given)
    here = subject.course
    if here is not None:
        _signal_facts(subject, here)
    drafts = sorted(
        signal_findings(subject) + structure_findings(subject),
        key=lambda d: (SEVERITIES.index(d.severity), -d.weight),
    )
    removal = first_removal(subject, drafts)
    findings = [_numbered(i, d, library) for i, d in enumerate(drafts[:MOST_FINDINGS], 1)]
    faults = [d for d in drafts if d.severity != "note"]
    return Scaffold(
        tool="critique_architecture",
        verdict=_verdict(subject, here, faults),
        key_numbers=_key_numbers(subject, here),
        first_change=_first_change(faults, removal),
        established=subject.facts.items,
        findings=findings,
        frame=_frame(subject, here, faults, removal),
        answer_form=FORM,
        limits=_limits(subject, reading, drafts, library),
        quotes=_quotes(faults, library),
        read_as=_short(write_notation(subject.network)),
        measure=_measure(faults, library),
    )


FORM = [
    FormField(name="invariant", holds="what should be conserved, its value now (fact id), its target"),
    FormField(name="mechanism", holds="one sentence: why it is broken, or why it holds, citing a fact id"),
    FormField(name="contract", holds="what the repeated block promises the next: scale in, scale out"),
    FormField(name="era_test", holds="the earlier era and the observation that would make the analogy false"),
    FormField(name="removal", holds="what goes first, the measurement, and the result that brings it back"),
    FormField(name="decision", holds="one change, its predicted number, and the number at which to give it up"),
]


def _read_facts(subject: Subject, reading: Reading) -> None:
    network, root = subject.network, subject.network.root
    norms: dict[str, int] = {}
    for layer, times in layers(root):
        if isinstance(layer.op, Norm):
            norms[layer.op.kind] = norms.get(layer.op.kind, 0) + times
    sums = sum(n for _, n in structure.residuals(root))
    parts = [
        f"{network.name} ({reading.format})",
        f"{network.modules} modules" if network.modules else "",
        f"{structure.weighted(root)} weighted layers",
        "activations " + (_tally(structure.activations(root)) or "none"),
        "normalization " + (_tally(norms) or "none"),
        f"residual sums {sums}" if sums else "skips none read",
    ]
    subject.facts.add("; ".join(p for p in parts if p), "read", structure.weighted(root), "weighted layers")
    account = subject.account
    text = f"{account.total:,} parameters"
    if account.differences:
        text += f" = {account.printed:,} in the printed modules " + " ".join(
            f"{'+' if d.count > 0 else '-'} {abs(d.count):,} ({d.reason})" for d in account.differences
        )
    if account.unknown:
        text = f"at least {text}; unknown modules: {', '.join(account.unknown[:4])}"
    subject.facts.add(text, "read", account.total, "parameters")


def _tally(found: dict[str, int]) -> str:
    return ", ".join(f"{name} {times}" for name, times in found.items())


def _assumed_facts(subject: Subject, given: Given) -> None:
    for assumption in subject.network.assumptions[:4]:
        subject.facts.add(f"{assumption.statement}. Settled by: {assumption.settle}", "assumed")
    if subject.untraced:
        return
    taken: list[str] = []
    if not given.initialization:
        taken.append(f"initialization = {subject.init.describe()}")
    if not given.input and subject.network.input is None:
        taken.append("input size unknown, its numbers independent with unit variance")
    batch_norm = any(isinstance(la.op, Norm) and la.op.kind == "batch" for la, _ in layers(subject.network.root))
    if not given.batch and batch_norm:
        taken.append(f"batch = {subject.batch}, train mode")
    if taken:
        subject.facts.add("not given, so taken: " + "; ".join(taken), "assumed")


def _signal_facts(subject: Subject, here: Course) -> None:
    stations = subject.stations
    places = list(dict.fromkeys([0, len(stations) // 2, len(stations) - 1]))
    kind = "residual sums" if stations[0].kind == "sum" else "weighted layers"
    unit = _unit(stations)
    rate = here.log_forward / (here.depth - 1)
    subject.facts.add(
        f"E[x²] over {here.depth} {kind}: "
        + ", ".join(f"{power(stations[i].state.log_q)} at {_place(i, stations)}" for i in places)
        + f"; x{power(rate)} per {unit}, last/first {power(here.log_forward)}",
        "computed",
        math.exp(min(here.log_forward, 600)),
        "second moment",
        f"mean field, {subject.init.describe()}",
    )
    back = here.log_backward / (here.depth - 1)
    subject.facts.add(
        "gradient sum (dL/dx)² relative to the last: "
        + ", ".join(f"{power(stations[i].log_g - stations[-1].log_g)} at {_place(i, stations)}" for i in places)
        + f"; first/last {power(here.log_backward)}, x{power(back)} per {unit} towards the input",
        "computed",
        math.exp(min(here.log_backward, 600)),
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
    if (subject.trace and subject.trace.log_q_spread**2 > 0.05 and not here.healthy) or _wide_spread(subject):
        spread = math.exp(subject.trace.log_q_spread) if subject.trace else 1.0
        subject.facts.add(
            f"finite width: E[x²] at the end varies by about x/÷ {number(spread)} between seeds (one sigma)",
            "computed",
            spread,
            "factor",
            "var ln q = 5 sum(1/width)",
        )


def _unit(stations: tuple[Station, ...]) -> str:
    return "block" if stations[0].kind == "sum" else "layer"


def _wide_spread(subject: Subject) -> bool:
    return subject.trace is not None and subject.trace.log_q_spread**2 > 0.05


def _place(index: int, stations: tuple[Station, ...]) -> str:
    station = stations[index]
    where = {0: "the first", len(stations) - 1: "the last"}.get(index, f"number {index + 1}")
    return f"{where} ({station.path})" if station.path else where


def _key_numbers(subject: Subject, here: Course | None) -> list[str]:
    if here is None:
        sums = sum(n for _, n in structure.residuals(subject.network.root))
        return [
            f"{subject.account.total:,} parameters",
            f"{structure.weighted(subject.network.root)} weighted layers, {sums} residual sums",
            f"signal not computed: {subject.untraced}",
        ]
    rate = here.log_backward / (here.depth - 1)
    return [
        f"gradient first/last: {power(here.log_backward)} (x{power(rate)} per {_unit(subject.stations)}, {here.depth} places)",
        f"E[x²] last/first: {power(here.log_forward)}",
        f"share that differs between inputs at the last layer: {power(math.log(max(here.across, 1e-300)))}",
    ]


def _verdict(subject: Subject, here: Course | None, faults: list[Draft]) -> str:
    if faults and faults[0].severity != "low":
        more = f" {len(faults) - 1} lesser finding(s) follow." if len(faults) > 1 else ""
        blind = here is not None and here.across < COLLAPSED
        return f"{faults[0].title}.{' The output barely depends on the input.' if blind else ''}{more}"
    small = f" Small things: {'; '.join(f.title for f in faults[:3])}." if faults else ""
    unknown = subject.account.unknown
    if unknown:
        named = ", ".join(name.partition("(")[0] for name in unknown[:3])
        return f"No fault in what could be read, but {len(unknown)} kinds of module are unknown ({named}).{small}"
    if here is None:
        return f"No structural fault was found; the signal was not computed ({subject.untraced}).{small}"
    return f"{'Sound' if faults else 'Nothing wrong here'} at initialization: {_calm(subject, here)}.{small}"


def _calm(subject: Subject, here: Course) -> str:
    if here.healthy and here.log_free is not None:
        return (
            f"relative to the signal the gradient changes x{power(here.log_free)} over {here.depth} layers with norms"
        )
    if here.healthy:
        return f"the signal keeps its scale over {here.depth} places, forward and backward"
    change = f"E[x²] changes x{power(here.log_forward)}, the gradient x{power(here.log_backward)}"
    if structure.has_skip(subject.network.root) and subject.normed:
        return f"{change} over {here.depth} places, as a normed residual trunk does: a power of depth, not a rate"
    return f"{change} over {here.depth} places, with no mechanism that the rules know"


def _first_change(faults: list[Draft], removal: Removal) -> str:
    if faults:
        return faults[0].remedy[0].upper() + faults[0].remedy[1:] + (f" {faults[0].effect}" if faults[0].effect else "")
    return f"None is called for by what was established. To simplify, try first without {removal.what}."


def _numbered(i: int, draft: Draft, library: Library) -> Finding:
    principle = library.find(draft.principle)
    return Finding(
        id=f"D{i}",
        severity=draft.severity,
        title=draft.title,
        evidence=list(draft.evidence),
        remedy=draft.remedy,
        predicted_effect=draft.effect,
        test=draft.test,
        principle=principle.uri if principle else draft.principle,
    )


def _frame(subject: Subject, here: Course | None, faults: list[Draft], removal: Removal) -> list[Step]:
    signal = [f.id for f in subject.facts.items if f.unit in {"second moment", "gradient"}]
    top = faults[0] if faults else None
    block, sums = _block(subject), sum(n for _, n in structure.residuals(subject.network.root))
    conserved = (
        f"Two quantities ought to be conserved along depth. E[x²] changes by x{power(here.log_forward)}, the "
        f"gradient by x{power(here.log_backward)}. Which one breaks first, and what single factor per layer "
        "holds both at 1?"
        if here is not None
        else "The signal could not be computed here. Name the quantity that must be conserved along depth "
        "(E[x²] of the trunk, gradient norm), and where this structure can change it."
    )
    cause = (
        f"D1: {top.title}. Derive it in one line from the cited fact; then say what else would "
        "show the same numbers, and which measurement separates the two."
        if top
        else "No structural fault was found, and the signal is not known. Which measurement on one batch would tell a "
        "sound network of this shape from a broken one, and what value do you expect?"
        if here is None
        else "Nothing is broken. Say which fact would have to change, and to what, before you would touch the design."
    )
    identity = (
        f"The {sums} residual sums let the identity be the default. Where on the skip path does something stand that "
        "is not the identity, and what does it cost?"
        if sums
        else f"The unit that repeats is {block}. What does it promise about the scale of its output, whatever its "
        "input? What would you call it with in one line, three years from now?"
    )
    era, cites = _era(subject)
    return [
        Step(way="Fundamental symmetry", prompt=conserved, cites=signal, field="invariant"),
        Step(way="The principle", prompt=cause, cites=list(top.evidence) if top else signal, field="mechanism"),
        Step(way="Abstraction stack", prompt=identity, cites=["F1"], field="contract"),
        Step(way="Earlier era", prompt=era, cites=cites, field="era_test"),
        Step(
            way="Simplicity",
            prompt=f"Remove first: {removal.what}. Test: {removal.test} What result would bring it back?",
            cites=list(removal.evidence),
            field="removal",
        ),
        Step(
            way="Decide",
            prompt="State one change only, the number you predict for it, and the number at which you give it up.",
            cites=list(top.evidence) if top else ["F1"],
            field="decision",
        ),
    ]


def _block(subject: Subject) -> str:
    kinds: list[str] = []
    for item in structure.main_chain(subject.network.root):
        if isinstance(item.node, Layer):
            op = item.node.op
            name = op.name if isinstance(op, Activation) else type(op).__name__.lower()
            if name not in kinds:
                kinds.append(name)
    return " + ".join(kinds[:4]) or "the block"


def _era(subject: Subject) -> tuple[str, list[str]]:
    """The earlier situation that this network resembles, with its figures."""
    root = subject.network.root
    depth = structure.weighted(root)
    ask = "What would you observe here if the analogy were false?"
    if structure.residuals(root):
        if any(isinstance(la.op, Norm) and la.op.kind in {"layer", "rms"} for la, _ in layers(root)):
            story = "The normed residual trunk repeats 2016's lesson (identity on the skip path) with another norm."
        else:
            story = "2016: 1001 layers went from 7.61 % to 4.92 % error when only the identity stayed on the skip path."
    elif subject.normed and depth > 18:
        story = (
            "2015, before skips: normed plain nets got worse with depth in training error (27.94 at 18, 28.54 at 34)."
        )
    elif depth > 10:
        story = (
            "Early 2015: rectifier nets of 22 layers trained with Xavier, 30 layers stalled until the gain fitted ReLU."
        )
    else:
        story = f"With {depth} weighted layers depth was never the problem, in 2012 or now; data and baseline were."
    return f"{story} {ask}", ["F1"]


def _limits(subject: Subject, reading: Reading, drafts: list[Draft], library: Library) -> list[str]:
    lines: list[str] = []
    if subject.untraced:
        lines.append(f"No signal was computed: {subject.untraced}. Findings rest on structure alone.")
    elif subject.trace is not None:
        lines.append(
            "Signal: infinite-width theory at initialization, before any training step; not a training forecast."
        )
        lines += [f"Left out: {note}." for note in subject.trace.left_out]
    if len(reading.networks) > 1:
        others = ", ".join(n.name for n in reading.networks if n is not subject.network)
        lines.append(
            f"The text holds {len(reading.networks)} models; only {subject.network.name} is treated. Others: {others}."
        )
    hidden = len(drafts) - MOST_FINDINGS
    if hidden > 0:
        lines.append(f"{hidden} further finding(s): " + "; ".join(d.title for d in drafts[MOST_FINDINGS:]) + ".")
    for draft in drafts[:2]:
        principle = library.find(draft.principle)
        if principle is not None:
            line = limit_of(principle, draft.limit or draft.title)
            if line not in lines:
                lines.append(line)
    if not drafts:
        lines.append(limit_of(library.principles["residual-learning"], "Depth is no longer"))
    return lines


def _quotes(faults: list[Draft], library: Library) -> list[Quotation]:
    """One quotation for each of the first principles that are touched; two at most."""
    wanted: dict[str, str] = {}
    for draft in faults[:3]:
        wanted.setdefault(draft.principle, f"{draft.title} {draft.remedy}")
    wanted.setdefault("simplicity-in-complexity", "simplicity rule reduce risk over-adapting dataset overfitting")
    principles = [(library.find(key), words) for key, words in wanted.items()]
    return [quote_of(library, p, words) for p, words in principles if p is not None][:2]


def _measure(faults: list[Draft], library: Library) -> str:
    return faults[0].test if faults else library.principles["residual-learning"].measurement


def _short(text: str) -> str:
    if len(text) <= LONGEST_NOTATION:
        return text
    return text[:LONGEST_NOTATION].rsplit("\n", 1)[0] + f"\n# … {len(text):,} characters in all"

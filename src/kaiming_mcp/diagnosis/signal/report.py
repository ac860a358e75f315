"""trace_signal: what the signal does over depth, said in words and numbers, with what it does not show."""

from __future__ import annotations

import math

from kaiming_mcp.architecture.ir import Dropout, Reading
from kaiming_mcp.architecture.notation_writer import write_notation
from kaiming_mcp.diagnosis.network import structure
from kaiming_mcp.diagnosis.network.deeper import deeper_fact
from kaiming_mcp.diagnosis.network.facts import (
    Given,
    assumed_facts,
    backward_rate,
    forward_rate,
    read_facts,
    signal_facts,
)
from kaiming_mcp.diagnosis.network.quoted import DEPTH_SCALES, EXPONENTIAL
from kaiming_mcp.diagnosis.network.subject import Course, Subject
from kaiming_mcp.diagnosis.network.traced import predicted
from kaiming_mcp.diagnosis.relevance import named_quote
from kaiming_mcp.diagnosis.signal.change import Change, change_of, is_trunk
from kaiming_mcp.diagnosis.signal.facts import Beside, scale_fact, simulation_fact, time_facts, weight_fact
from kaiming_mcp.diagnosis.signal.picture import spark_lines, table
from kaiming_mcp.diagnosis.signal.words import verdict
from kaiming_mcp.library import Library
from kaiming_mcp.scaffold import FormField, Quotation, Scaffold, Step, power
from kaiming_mcp.signal.trace import Trace

__all__ = ["Beside", "report"]

NAME = "trace_signal"
FORM = [
    FormField(
        name="first_break",
        holds="where a quantity leaves its scale (fact id)",
        wants=["number"],
    ),
    FormField(
        name="reality",
        holds="what a real batch moves, and what shows it",
        wants=["test"],
    ),
    FormField(
        name="change",
        holds="the edit to trace next, its predicted number",
        wants=["number"],
    ),
]


def report(
    subject: Subject, reading: Reading, given: Given, library: Library, beside: Beside | None, said: str
) -> Scaffold:
    """The scaffold of a trace; `said` is why no simulation was made where one was asked for."""
    found, here = subject.trace, subject.course
    assert found is not None and here is not None, "the tool refuses what cannot be traced"  # noqa: PT018 - one condition
    read_facts(subject, reading)
    assumed_facts(subject, given)
    signal_facts(subject, here)
    scale_fact(subject)
    weight_fact(subject)
    time_facts(subject, found)
    change = change_of(subject, here)
    deeper = deeper_fact(subject, here) if change is None else None
    if beside is not None:
        simulation_fact(subject, beside)
    return Scaffold(
        tool=NAME,
        verdict=verdict(subject, here),
        key_numbers=[
            f"gradient first/last: {power(here.log_backward)} ({backward_rate(subject, here)}, {here.depth} places)",
            f"E[x²] last/first: {power(here.log_forward)} ({forward_rate(subject, here)})",
            f"share that differs between inputs at the last place: {power(math.log(max(here.across, 1e-300)))}",
        ],
        first_change=_first_change(subject, change),
        established=subject.facts.items,
        frame=_frame(subject, change, deeper),
        answer_form=FORM,
        limits=_limits(subject, found, said),
        quotes=_quotes(subject, here, library),
        picture=spark_lines(subject.stations),
        table=table(subject.stations),
        read_as=_short(write_notation(subject.network)),
        measure="log E[x²] and log gradient per layer at step 0 on one real batch: kaiming://probes/signal.",
    )


def _first_change(subject: Subject, change: Change | None) -> str:
    if change is not None:
        return f"{change.do[0].upper()}{change.do[1:]}{predicted(change.effect.text)}"
    if is_trunk(subject):
        return "None is called for: what the blocks add makes a power of depth and no rate; compare the depth you plan."
    return "None is called for by these numbers; measure them on a real batch before changing anything."


def _frame(subject: Subject, change: Change | None, deeper: tuple[str, str] | None) -> list[Step]:
    signal = [f.id for f in subject.facts.items if f.unit in {"second moment", "gradient"}]
    if change is not None:
        first = (
            "E[x²] and the gradient should be conserved along depth. At which row of the table does one leave its scale for "
            "good, not as a transient, and is it the layer, the activation or a join that moves it?"
        )
        last = (
            "Edit the network in one place (the change above, or a gain, a norm, a skip, a scale), predict the new first/last "
            "ratio, and trace it again."
        )
    else:
        twice = deeper[1] if deeper else ""
        first = f"Nothing leaves its scale for good. {twice}At which row would it leave first, and what would move it there?"
        last = (
            "Edit the network in one place towards what you plan (more depth, another width, a norm less), predict the new "
            "first/last ratio, and trace it again."
        )
    return [
        Step(
            way="Fundamental symmetry",
            prompt=first,
            cites=signal + ([deeper[0]] if deeper else []),
            field="first_break",
        ),
        Step(
            way="Mathematical reality",
            prompt="Here input and cotangent are white. Your data has a mean and neighbours alike, your loss a direction: "
            "which column does a real batch move, and which way?",
            cites=[f.id for f in subject.facts.items if f.unit == "share"],
            field="reality",
        ),
        Step(
            way="Change one thing",
            prompt=last,
            cites=list(change.effect.evidence) if change else signal,
            field="change",
        ),
    ]


def _quotes(subject: Subject, here: Course, library: Library) -> list[Quotation]:
    """Of a plain stack with a rate, the depth scales; of any other with one, what an initialization should avoid."""
    moving = [r for r in (here.forward, here.backward) if r.log_step is not None and not r.level]
    if not moving or subject.normed:
        return []
    quote = named_quote(library, EXPONENTIAL if structure.has_skip(subject.network.root) else DEPTH_SCALES)
    return [] if quote is None else [quote]


def _limits(subject: Subject, found: Trace, said: str) -> list[str]:
    lines = [
        "Theory of infinite width at initialization, white input, random cotangent, train mode: no loss, no data, no "
        "training step. It does not show dead units after training, precision, or what a real batch has in common."
    ]
    if structure.count(subject.network.root, Dropout):
        lines.append("The table's share that differs includes dropout's masks; the third number above leaves them out.")
    if said:
        lines.append(f"Not simulated: {said}.")
    return lines + [f"Left out: {note}." for note in found.left_out]


def _short(text: str) -> str:
    return text if len(text) <= 700 else text[:700].rsplit("\n", 1)[0] + f"\n# … {len(text):,} characters in all"

"""The critique of an architecture: facts first, then findings, then the frame to think in."""

from __future__ import annotations

import math
import re

from kaiming_mcp.architecture.ir import Reading
from kaiming_mcp.architecture.notation_writer import write_notation
from kaiming_mcp.diagnosis.draft import Draft, numbered
from kaiming_mcp.diagnosis.network import structure
from kaiming_mcp.diagnosis.network.doubt import doubts
from kaiming_mcp.diagnosis.network.facts import (
    Given,
    assumed_facts,
    backward_rate,
    closed_parts,
    forward_rate,
    lone_facts,
    quiet_start,
    read_facts,
    signal_facts,
    steepest,
)
from kaiming_mcp.diagnosis.network.frame import form_of, frame
from kaiming_mcp.diagnosis.network.own_init import doubted
from kaiming_mcp.diagnosis.network.quoted import quotations
from kaiming_mcp.diagnosis.network.removal import Removal, first_removal
from kaiming_mcp.diagnosis.network.rules_attention import attention_findings
from kaiming_mcp.diagnosis.network.rules_blocks import block_findings
from kaiming_mcp.diagnosis.network.rules_code import code_findings
from kaiming_mcp.diagnosis.network.rules_ends import end_findings
from kaiming_mcp.diagnosis.network.rules_gain import COLLAPSED
from kaiming_mcp.diagnosis.network.rules_layers import layer_findings
from kaiming_mcp.diagnosis.network.rules_shapes import shape_findings
from kaiming_mcp.diagnosis.network.rules_signal import signal_findings
from kaiming_mcp.diagnosis.network.rules_skips import skip_findings
from kaiming_mcp.diagnosis.network.rules_sums import sum_findings
from kaiming_mcp.diagnosis.network.rules_time import time_findings
from kaiming_mcp.diagnosis.network.rules_zero import zero_findings
from kaiming_mcp.diagnosis.network.subject import Course, Subject
from kaiming_mcp.diagnosis.network.traced import predicted
from kaiming_mcp.diagnosis.principles import INIT, RESIDUAL
from kaiming_mcp.diagnosis.relevance import named_limit
from kaiming_mcp.diagnosis.signal.facts import time_facts
from kaiming_mcp.library import Library
from kaiming_mcp.scaffold import SEVERITIES, Scaffold, power

MOST_FINDINGS = 5
LONGEST_NOTATION = 700
TRACED = 0.5
"""Weight of a traced effect: more than the counts that order structural findings, less than a broken shape or signal."""
VERY_DEEP = 100
STEEP = math.log(1.5)
"""ln of a steady factor per block beyond which a trunk grows by a rate and not by adding up."""
_RULES = (
    signal_findings,
    skip_findings,
    sum_findings,
    block_findings,
    shape_findings,
    end_findings,
    layer_findings,
    zero_findings,
    attention_findings,
    time_findings,
    code_findings,
)


def critique(subject: Subject, reading: Reading, given: Given, library: Library) -> Scaffold:
    """Everything of the scaffold but the request line, which the caller knows."""
    read_facts(subject, reading)
    assumed_facts(subject, given)
    here = subject.course
    if here is not None:
        signal_facts(subject, here)
    else:
        lone_facts(subject)
    if subject.trace is not None:
        time_facts(subject, subject.trace)
    found = [draft for rules in _RULES for draft in rules(subject)]
    if not given.initialization and not given.read:
        found = doubted(subject, found)
    drafts = sorted(found, key=lambda d: (SEVERITIES.index(d.severity), -_weight(d)))
    faults = [d for d in drafts if d.severity != "note"]
    removal = first_removal(subject, drafts)
    if subject.wishes.symptom and not any(subject.wishes.symptom in f.statement for f in subject.facts.items):
        subject.facts.add(f'the goal says "{subject.wishes.symptom}"', "stated")
    steps = frame(subject, here, faults, removal)
    # Last, since a network written in short raises fewer doubts: the ids of the facts above stay.
    open_questions = doubts(subject)
    return Scaffold(
        tool="critique_architecture",
        verdict=_verdict(subject, here, faults),
        key_numbers=_key_numbers(subject, here),
        first_change=_first_change(subject, faults, removal),
        established=subject.facts.items,
        findings=numbered(drafts[:MOST_FINDINGS], library),
        frame=steps,
        answer_form=form_of(steps),
        limits=[*open_questions, *_limits(subject, reading, drafts, library)],
        quotes=quotations(faults, library),
        read_as=_short(write_notation(subject.network)),
        measure=_measure(subject, faults, library),
    )


def _weight(draft: Draft) -> float:
    """What has a traced effect comes before what has none."""
    return draft.weight + TRACED * bool(draft.effect)


def _key_numbers(subject: Subject, here: Course | None) -> list[str]:
    if here is None:
        sums = sum(n for _, n in structure.residuals(subject.network.root))
        return [
            f"{subject.account.total:,} parameters",
            f"{structure.weighted(subject.network.root)} weighted layers, {sums} residual sums",
            f"signal not computed: {subject.untraced}",
        ]
    return [
        f"gradient first/last: {power(here.log_backward)} ({backward_rate(subject, here)}, {here.depth} places)",
        f"E[x²] last/first: {power(here.log_forward)} ({forward_rate(subject, here)})",
        f"share that differs between inputs at the last layer: {power(math.log(max(here.across, 1e-300)))}",
    ]


def _verdict(subject: Subject, here: Course | None, faults: list[Draft]) -> str:
    if faults and faults[0].severity != "low":
        more = f" {len(faults) - 1} lesser finding(s) follow." if len(faults) > 1 else ""
        blind = here is not None and here.across < COLLAPSED
        seen = f" {closed}." if (closed := closed_parts(subject)) else ""
        return f"{faults[0].title}.{' The output barely depends on the input.' if blind else ''}{seen}{more}"
    small = f" Small things: {'; '.join(f.title for f in faults[:3])}." if faults else ""
    unknown, closed = subject.account.unknown, closed_parts(subject)
    if closed:
        signal = f": {_calm(subject, here)}" if here is not None else ""
        return f"No fault in what was seen{signal}. {closed}.{small}"
    if unknown:
        named = ", ".join(name.partition("(")[0] for name in unknown[:3])
        return f"No fault in what could be read, but {len(unknown)} kinds of module are unknown ({named}).{small}"
    if here is None:
        return f"No structural fault was found; the signal was not computed ({subject.untraced}).{small}"
    if subject.bare:
        calm = _calm(subject, here)
        return (
            f"No fault in what is printed, but no nonlinearity is: of the linear layers alone, {calm}; {subject.decider} "
            f"decides.{small}"
        )
    if subject.wishes.symptom:
        calm = _calm(subject, here)
        return f'Nothing at initialization explains that "{subject.wishes.symptom}": {calm}.{small}'
    if _unsettled(subject, here):
        return f"No rule names a fault; the scale is not kept at initialization: {_calm(subject, here)}.{small}"
    return f"{'Sound' if faults else 'Nothing wrong here'} at initialization: {_calm(subject, here)}.{small}"


def _unsettled(subject: Subject, here: Course) -> bool:
    """Whether scale is lost or gained for a reason that no rule knows."""
    return not here.healthy and not _adds_up(subject, here)


def _adds_up(subject: Subject, here: Course) -> bool:
    """Whether the change is that of a normed residual trunk."""
    rate = here.forward.log_step or 0.0
    return structure.has_skip(subject.network.root) and subject.normed and abs(rate) < STEEP


def _calm(subject: Subject, here: Course) -> str:
    if here.healthy and here.log_free is not None:
        return (
            f"relative to the signal the gradient changes x{power(here.log_free)} over {here.depth} layers with norms"
        )
    if here.healthy:
        return f"the signal keeps its scale over {here.depth} places, forward and backward"
    change = f"E[x²] changes x{power(here.log_forward)}, the gradient x{power(here.log_backward)}"
    if _adds_up(subject, here):
        return (
            f"{change} over {here.depth} places, as a normed residual trunk does: a power of depth, not a rate"
            f"{quiet_start(subject)}"
        )
    return f"{change} over {here.depth} places{steepest(subject)}"


def _first_change(subject: Subject, faults: list[Draft], removal: Removal) -> str:
    here = subject.course
    small = not faults or (subject.bare and faults[0].severity == "low")
    if small and here is not None and (subject.bare or (not subject.wishes.symptom and _unsettled(subject, here))):
        wanted = f"send {subject.decider}" if subject.decider else "measure one real batch"
        return f"None yet: {wanted} first. To simplify, try first without {removal.what}."
    if faults:
        # Of several variants the first is enough here; the finding has the others.
        first = re.split(r"(?<=\]\.) ", faults[0].effect)[0]
        return faults[0].remedy[0].upper() + faults[0].remedy[1:] + predicted(first)
    if subject.wishes.symptom:
        return "None of the design yet: measure one real batch at step 0 first, what was computed does not explain it."
    return f"None is called for by what was established. To simplify, try first without {removal.what}."


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
    wanted = [(d.principle, d.limit) for i, d in enumerate(drafts[:2]) if not i or d.severity in {"high", "medium"}]
    if structure.weighted(subject.network.root) > VERY_DEEP:
        wanted.append((RESIDUAL, "Depth is no longer"))
    for key, words in wanted:
        principle = library.find(key)
        line = None if principle is None else named_limit(principle, words)
        if line is not None and line not in lines:
            lines.append(line)
    return lines


def _measure(subject: Subject, faults: list[Draft], library: Library) -> str:
    if faults:
        return faults[0].test
    blocks = structure.residuals(subject.network.root)
    return library.principles[RESIDUAL if blocks else INIT].measurement


def _short(text: str) -> str:
    if len(text) <= LONGEST_NOTATION:
        return text
    return text[:LONGEST_NOTATION].rsplit("\n", 1)[0] + f"\n# … {len(text):,} characters in all"

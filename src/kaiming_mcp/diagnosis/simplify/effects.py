"""Facts about differences: the noise of seeds, effects, seeds needed, luck of many tries, test cases, sweeps."""

from __future__ import annotations

import math

from kaiming_mcp.diagnosis.simplify.bar import falls
from kaiming_mcp.diagnosis.simplify.effect import ERROR, SEQUENCE, STATED, Ablation
from kaiming_mcp.diagnosis.simplify.noise import (
    CaseErrors,
    case_errors,
    chance_of_lead,
    expected_maximum,
    least_effect,
    seeds_needed,
)
from kaiming_mcp.diagnosis.simplify.parts import tokens
from kaiming_mcp.diagnosis.simplify.shown import many, number, score_text, signed
from kaiming_mcp.diagnosis.simplify.subject import Subject

MOST_ABLATIONS = 4
WORTH_TELLING = 1_000
"""Seeds per arm beyond which nobody would look."""
MOST_TRIED = 1_000_000
POWER_FORMULA = "n = 2 (t_0.975 + t_0.8)² (s/δ)²"


def add_effects(s: Subject, ids: dict[str, str]) -> None:
    """Record what the evidence allows; the ids by name."""
    _noise(s, ids)
    _effects(s, ids)
    _seeds(s, ids)
    _luck(s, ids)
    _test_set(s, ids)
    _sweep(s, ids)


def _noise(s: Subject, ids: dict[str, str]) -> None:
    """The deviation, and what it takes to see it; with a gain that has a fact of its own."""
    if s.noise is None:
        return
    deviation, stated = s.noise.deviation, s.noise.source == STATED
    what = "standard deviation between folds, in place of seeds:" if s.context.folds else "seed standard deviation"
    what = "error of each score by its ± (of cases or raters, not of seeds):" if s.noise.source == ERROR else what
    text = f"{what} s = {number(deviation)} ({s.noise.source})"
    if s.noise.source == ERROR:
        text += "; more cases or raters shrink it, seeds are not in it"
    elif s.gain:
        text += f"; 2 s = {number(2 * deviation)}"
    else:
        text += (
            f"; per arm {seeds_needed(2)} seeds see 2 s = {number(2 * deviation)} with 80 % power, {seeds_needed(1)} see s, "
            f"3 only above {number(least_effect(3) * deviation)}"
        )
    source = "" if s.gain or s.noise.source == ERROR else POWER_FORMULA
    metric = s.evidence.metric_name or "metric"
    ids["noise"] = s.facts.add(text, "stated" if stated else "measured", deviation, metric, source)
    if not s.gain and s.noise.source != ERROR:
        ids["seeds"] = ids["noise"]


def _effects(s: Subject, ids: dict[str, str]) -> None:
    rank = {"harmful": 0, "noise": 1, "collapse": 2, "stays": 3, "small": 3, "open": 4, "blind": 4}
    chosen = sorted((j for j in s.judged if j.ablation is not None), key=lambda j: rank.get(j.verdict, 5))
    done: set[int] = set()
    for each in chosen:
        ablation = each.ablation
        if ablation is None or id(ablation) in done or len(done) >= MOST_ABLATIONS:
            continue
        done.add(id(ablation))
        text, value = effect_text(ablation, s)
        if each.verdict == "blind":
            text += f"; {s.evidence.metric.id if s.evidence.metric else 'the metric'} {falls(s)} under it by design and cannot judge it"
        basis = "measured" if value is not None and ablation.how != "stated" else "stated"
        ids[f"effect:{each.part.key}"] = s.facts.add(
            text,
            basis,
            value,
            s.evidence.metric_name or "metric",
            f"line {ablation.line}" if ablation.line else "",
        )
        for other in chosen:
            if other.ablation is ablation:
                ids.setdefault(f"effect:{other.part.key}", ids[f"effect:{each.part.key}"])
    for joint in s.joint[:1]:
        error = f" ± {number(joint.error)}" if joint.error is not None else " (error unknown)"
        ids["joint"] = s.facts.add(
            f"{joint.names[0]} and {joint.names[1]} removed together cost {number(joint.both)}, alone {number(joint.alone[0])} and "
            f"{number(joint.alone[1])}: interaction {number(joint.interaction)}{error}",
            "computed",
            joint.interaction,
            s.evidence.metric_name or "metric",
            "full - without A - without B + without both",
        )


def effect_text(a: Ablation, s: Subject) -> tuple[str, float | None]:
    """One comparison in a sentence, and its effect."""
    what = " + ".join(a.names)
    if a.status == "collapse":
        score = f" ({score_text(a.without_score.mean)})" if a.without_score else ""
        return f"without {what}: {a.collapsed!r}{score}; load-bearing", None
    if a.effect is None:
        return f"{what}: {a.reason}", None
    how = {
        "several": ", changed at once",
        "cumulative": ", added in sequence",
        "taken": ", taken out after the rows above it",
        "alone": ", added alone",
        "replaced": ", replaced",
        "stated": ", as stated",
    }.get(a.how, "")
    scores = (
        f"{score_text(a.with_score.mean)} against {score_text(a.without_score.mean)}"
        if a.with_score and a.without_score
        else ""
    )
    told = f" ({(scores + how).lstrip(', ')})" if scores or how else ""
    interval = f" ± {number(a.half)} (95 %)" if a.half is not None else ""
    ratio = f" = {number(abs(a.effect) / s.noise.deviation)} s" if s.noise else ""
    needed = (
        f"; {a.needed:,} seeds per arm would see it"
        if a.needed
        and not (s.noise and s.noise.source == ERROR)
        and a.needed <= WORTH_TELLING
        and a.status in {"open", "noise", "small"}
        else ""
    )
    reason = f"; {a.reason}" if a.reason else ""
    saved = "; it costs " + ", ".join(f"{v:+.3g} {k}" for k, v in a.saved[:2]) if a.saved else ""
    word = {
        "open": "not decidable",
        "noise": "below the noise",
        "harmful": "better without it",
        "small": "real but below 2 s",
        "stays": "load-bearing",
    }.get(a.status, "")
    if a.status == "open" and s.noise is None and a.how != "stated" and s.trains:
        word = ""  # said once, of all of them
    judged = f": {word}{reason}{needed}" if word else ""
    return f"{what}: {signed(a.effect)}{interval}{ratio}{told}{_again(a, s)}{judged}{_cases(a, s)}{saved}", a.effect


def _again(a: Ablation, s: Subject) -> str:
    """What another comparison of the same part gives: an own rerun beside the paper's numbers."""
    for other in s.ablations:
        same = tokens(" ".join(other.names)) == tokens(" ".join(a.names)) and other.how == a.how
        if other is a or not same or other.effect is None or a.how in SEQUENCE:
            continue
        scores = (
            f" ({score_text(other.with_score.mean)} against {score_text(other.without_score.mean)})"
            if other.with_score and other.without_score
            else ""
        )
        apart = abs(other.effect - (a.effect or 0.0))
        ratio = f", {number(apart / s.noise.deviation)} s apart" if s.noise else ""
        return f", elsewhere {signed(other.effect)}{scores}{ratio}"
    return ""


def _cases(a: Ablation, s: Subject) -> str:
    """The noise of the test cases on one difference, where nothing else is known of its noise."""
    errors = errors_of(s, a.effect) if s.noise is None else None
    return (
        f"; standard error over cases {number(errors.paired)} paired at least, {number(errors.unpaired)} unpaired"
        if errors
        else ""
    )


def errors_of(s: Subject, difference: float | None) -> CaseErrors | None:
    """The noise of the test set on a difference, where the metric is a share of right cases."""
    metric = s.evidence.metric
    if s.context.cases is None or s.full is None or metric is None or not metric.share or difference is None:
        return None
    return case_errors(s.full, difference, s.context.cases, s.context.disagree)


def _seeds(s: Subject, ids: dict[str, str]) -> None:
    if s.noise is not None and s.gain and s.noise.source != ERROR:
        ratio = abs(s.gain) / s.noise.deviation
        needed = seeds_needed(ratio)
        share = s.gain / s.removable if s.removable > 1 and s.gain > 0 else 0.0
        part = (
            f"; spread over {s.removable} parts, {number(share)} each: {many(seeds_needed(share / s.noise.deviation))}"
            if share
            else ""
        )
        ids["seeds"] = s.facts.add(
            f"the gain of {number(s.gain)} is {number(ratio)} s: {many(needed)} seeds per arm see it with 80 % power{part}",
            "computed",
            needed,
            "seeds per arm",
            POWER_FORMULA,
        )
    elif s.noise is None and s.removable and s.trains:
        ids["seeds"] = s.facts.add(
            f"the seed standard deviation s is not given; per arm {seeds_needed(2)} seeds see 2 s, {seeds_needed(1)} see 1 s, {seeds_needed(0.5)} see s/2; "
            f"3 see only above {least_effect(3):.2g} s (80 % power)",
            "computed", seeds_needed(2), "seeds per arm", POWER_FORMULA,
        )  # fmt: skip


def _luck(s: Subject, ids: dict[str, str]) -> None:
    m = min(s.context.tuned or s.context.best_of or 0, MOST_TRIED)
    if m < 2:
        return
    most = expected_maximum(m)
    what = f"{m:,} tried settings" if s.context.tuned else f"best of {m:,} runs"
    text = f"{what}: with no true difference the best lies {most:.3g} s above the mean"
    value = most
    if s.noise is not None:
        text += f" = {number(most * s.noise.deviation)}"
        if s.gain:
            chance = chance_of_lead(m, abs(s.gain) / s.noise.deviation)
            text += f"; it leads one run of the baseline by {number(abs(s.gain))} or more by chance with probability {number(chance)}"
            value = chance
    ids["luck"] = s.facts.add(text, "computed", value, "", "largest of m normal variables")


def _test_set(s: Subject, ids: dict[str, str]) -> None:
    cases, errors = s.context.cases, errors_of(s, s.gain or 0.0)
    if cases is None or errors is None or s.full is None or not (s.gain or s.noise is None):
        return
    alone = errors.unpaired / math.sqrt(2)
    named = s.context.test_set.id if s.context.test_set and s.context.cases == s.context.test_set.cases else "test set"
    text = f"{named} of {cases:,} cases at {score_text(s.full)}: standard error {number(alone)}, of a difference {number(errors.unpaired)} unpaired"
    if s.gain:
        said = f"paired at {s.context.disagree:.2%} disagreement" if s.context.disagree else "paired at least"
        text += f", {said} {number(errors.paired)}; the gain is {number(abs(s.gain))}. More seeds do not shrink it"
    ids["test"] = s.facts.add(
        text, "computed", alone, s.evidence.metric_name or "metric", "sqrt(p(1-p)/n); McNemar sqrt((d - δ²)/n)"
    )


def _sweep(s: Subject, ids: dict[str, str]) -> None:
    for sweep in s.evidence.sweeps[:1]:
        values = [score.mean for _, score in sweep.points]
        spread = max(values) - min(values)
        chance = 2 * expected_maximum(len(values))
        best = (max if s.evidence.sign > 0 else min)(sweep.points, key=lambda p: p[1].mean)
        noise = (
            f" = {number(chance * s.noise.deviation)} here"
            if s.noise
            else f"; if it did nothing, s would be {number(spread / chance)}"
        )
        ids["sweep"] = s.facts.add(
            f"{sweep.name} over {len(values)} values: best at {best[0]:g}, range {number(spread)}; noise alone gives a range of {chance:.3g} s{noise}",
            "computed",
            spread,
            s.evidence.metric_name or "metric",
            "expected range of m normals",
        )

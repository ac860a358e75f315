"""Findings about the claim: picked from many, below the noise of seeds or cases; sweeps, weights, knobs."""

from __future__ import annotations

from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.principles import SIMPLE
from kaiming_mcp.diagnosis.simplify.bar import LIKELY, cited, loss_of, luck, threshold
from kaiming_mcp.diagnosis.simplify.effect import ERROR
from kaiming_mcp.diagnosis.simplify.noise import expected_maximum, least_effect, seeds_needed
from kaiming_mcp.diagnosis.simplify.shown import names, number
from kaiming_mcp.diagnosis.simplify.subject import Subject

ROUNDED = 1 - 1e-9
"""76.6 - 76.1 is less than 0.5 in binary."""
MANY_KNOBS = 5


def claims(s: Subject, ids: dict[str, str]) -> list[Draft]:
    """Drafts about the claim and its knobs, not yet in order."""
    drafts = (
        _selected(s, ids),
        _apart(s, ids),
        _claim(s, ids),
        _test_set(s, ids),
        _sweep(s, ids),
        _weights(s, ids),
        _knobs(s, ids),
    )
    return [d for d in drafts if d is not None]


def _selected(s: Subject, ids: dict[str, str]) -> Draft | None:
    m = s.context.tuned or s.context.best_of
    if m is None or "luck" not in ids:
        return None
    chance = luck(s)
    return Draft(
        "high" if s.context.best_of or (chance or 0) > LIKELY else "medium", SIMPLE,
        f"The best of {m:,} is compared, not the mean" if s.context.best_of else f"{m:,} settings were tried for the method",
        (ids["luck"],),
        "report the mean over fresh seeds of the chosen setting, and tune the baseline with as many trials.",
        f"rerun the chosen setting with seeds that played no part in the choice: the {loss_of(s)} is the selection.",
        f"chance alone gives the claimed lead with probability {number(chance)}." if chance is not None else "",
        weight=7.8,
    )  # fmt: skip


def _apart(s: Subject, ids: dict[str, str]) -> Draft | None:
    if not s.context.apart or not s.ablations:
        return None
    return Draft(
        "high", SIMPLE, "Each arm was tuned for itself: a difference holds part and tuning together", (ids["coverage"], *cited(ids, "seeds"))[:2],
        "tune the full method once and keep its setting in every removal; then tune each arm with one and the same number of trials. Report both.",
        f"the two differences of one part, over fresh seeds of the chosen settings: further apart than {threshold(s)} means that the tuning decides.",
        f"the best of m trials lies {number(expected_maximum(3))} s above their mean at m = 3 and {number(expected_maximum(10))} s at m = 10, with no effect at all.",
        weight=7,
    )  # fmt: skip


def _claim(s: Subject, ids: dict[str, str]) -> Draft | None:
    readable = not any(j.verdict == "open" for j in s.judged)
    if s.noise is None and s.gain and s.trains and readable and "seeds" in ids:
        return _without_error(s, ids)
    if s.noise is None or s.noise.source == ERROR or not s.gain or abs(s.gain) >= 2 * s.noise.deviation * ROUNDED:
        return None
    needed = seeds_needed(abs(s.gain) / s.noise.deviation)
    return Draft(
        "high", SIMPLE, f"The whole gain of {number(abs(s.gain))} is below 2 s = {number(2 * s.noise.deviation)}",
        (ids["seeds"], ids["noise"]),
        f"run method and baseline with {needed:,} seeds each, or a metric with less noise, before any ablation.",
        "the 95 % interval of the difference to the baseline excludes 0.",
        "no single part can then be seen either; the share of one part needs more." if s.removable > 1 else "",
        weight=7.5,
    )  # fmt: skip


def _without_error(s: Subject, ids: dict[str, str]) -> Draft:
    gain = abs(s.gain or 0.0)
    return Draft(
        "high", SIMPLE, f"The gain of {number(gain)} has no error", (ids["seeds"],),
        "run method and baseline with 3 seeds each before any ablation; the same seeds, data order and tuning budget.",
        f"the 95 % interval of the difference excludes 0: with 3 seeds that takes s below {number(gain / least_effect(3))} (80 % power).",
        f"at s above {number(gain / 2)} the gain is below 2 s.",
        weight=7.2,
    )  # fmt: skip


def _test_set(s: Subject, ids: dict[str, str]) -> Draft | None:
    fact = next((f for f in s.facts.items if f.id == ids.get("test")), None)
    if fact is None or fact.value is None or not s.gain:
        return None
    unpaired = fact.value * 2**0.5
    if abs(s.gain) > 2 * unpaired:
        return None
    return Draft(
        "medium", SIMPLE, f"The gain of {number(abs(s.gain))} is {number(abs(s.gain) / unpaired)} standard errors of the test set", (fact.id,),
        "compare case by case (McNemar): count the cases that only one of the two gets right.",
        "b and c, the two counts: |b - c| > 2·sqrt(b + c).",
        f"at least {number(4 * (unpaired / abs(s.gain)) ** 2)} times as many cases make it 2 unpaired errors.",
        weight=5.2,
    )  # fmt: skip


def _sweep(s: Subject, ids: dict[str, str]) -> Draft | None:
    if "sweep" not in ids:
        return None
    sweep = s.evidence.sweeps[0]
    values = [score.mean for _, score in sweep.points]
    spread = max(values) - min(values)
    idle = s.noise is not None and spread <= 2 * s.noise.deviation
    if s.noise is not None and not idle:
        return None
    return Draft(
        "medium", SIMPLE,
        f"{sweep.name} does nothing that can be seen" if idle else f"Whether {sweep.name} matters is open: one run per value", (ids["sweep"],),
        f"fix {sweep.name} at a default and take it off the list of knobs." if idle else f"repeat the best and the worst value of {sweep.name} with {seeds_needed(2)} seeds.",
        f"the difference of best and worst over fresh seeds exceeds {threshold(s)}.", weight=4,
    )  # fmt: skip


def _weights(s: Subject, ids: dict[str, str]) -> Draft | None:
    weighted = [j for j in s.judged if j.part.kind == "loss" and j.part.weight]
    if len(weighted) < 2:
        return None
    return Draft(
        "low", SIMPLE, f"A weight is no share: {names(weighted, 3)}", (ids["inventory"],),
        "print w_i·‖∇θ L_i‖ per term on one batch, at the start and at the end: one backward pass per term, no training run.",
        "a term below 1 % of the summed norm at both ends is the first to remove (rule of thumb); a term that outweighs the task loss is a second task.",
        weight=2.5,
    )  # fmt: skip


def _knobs(s: Subject, ids: dict[str, str]) -> Draft | None:
    knobs = s.inventory.knobs
    if len(knobs) < MANY_KNOBS or "knobs" not in ids:
        return None
    unset = [k.name for k in knobs if not k.value and not k.choices]
    return Draft(
        "low", SIMPLE, f"{len(knobs)} knobs are that many ways to fit the benchmark", (ids["knobs"],),
        "set all knobs from one task and report a second task without touching them." + (f" Values missing: {', '.join(unset[:3])}." if unset else ""),
        f"a second data set with the same values: a knob that has to move there is fitted; one whose range changes the score by less than {threshold(s)} is no knob.",
        weight=2.2,
    )  # fmt: skip

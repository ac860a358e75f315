"""Findings about the parts: what hurts, what is below the noise, what was never tested, what cannot be read."""

from __future__ import annotations

from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.principles import SIMPLE
from kaiming_mcp.diagnosis.simplify.bar import (
    cited,
    effects_of,
    falls,
    loss_of,
    meter,
    metric_of,
    not_excluded,
    threshold,
)
from kaiming_mcp.diagnosis.simplify.claims import claims
from kaiming_mcp.diagnosis.simplify.effect import SEQUENCE
from kaiming_mcp.diagnosis.simplify.noise import least_effect, seeds_needed
from kaiming_mcp.diagnosis.simplify.plan import Judged
from kaiming_mcp.diagnosis.simplify.shown import name, names, number, signed
from kaiming_mcp.diagnosis.simplify.subject import Subject


def advise(s: Subject, ids: dict[str, str]) -> list[Draft]:
    """Drafts of every kind that the facts support, not yet in order."""
    drafts = (
        _bare(s, ids),
        _harmful(s, ids),
        _noise(s, ids),
        _untested(s, ids),
        _unreadable(s, ids),
        _together(s, ids),
        _sequence(s, ids),
        _joint(s, ids),
        _pair(s, ids),
        _load_bearing(s, ids),
        _blind(s, ids),
        _enough(s, ids),
    )
    return [*(d for d in drafts if d is not None), *claims(s, ids)]


def _bare(s: Subject, ids: dict[str, str]) -> Draft | None:
    if s.removable:
        return None
    base = ", ".join(p.name for p in s.inventory.base[:4])
    return Draft(
        "note", SIMPLE, f"Nothing but the base was read: {base}" if base else "No part was read, only numbers", cited(ids, "inventory", "knobs", "sweep")[:1],
        "if the method has more parts, list them one to a line; if not, it is the baseline: tune it with as many trials as its rivals get.",
        f"its gap to them over 3 seeds: below {threshold(s)} it is none.",
    )  # fmt: skip


def _blind(s: Subject, ids: dict[str, str]) -> Draft | None:
    parts = s.with_verdict("blind")
    if not parts:
        return None
    first = parts[0]
    return Draft(
        "medium", SIMPLE, f"{metric_of(s)} cannot judge {names(parts, 3)}", effects_of(ids, parts),
        f"score the two arms that exist by what the part is for: {meter(first)}" + (f" ({name(first)})." if len(parts) > 1 else "."),
        f"that meter over the same seeds: {name(first)} stays if it worsens by more than 2 of its own seed deviations.",
        f"{metric_of(s)} may even {'rise' if s.evidence.sign > 0 else 'fall'} without it; that alone is no reason to remove it.",
        weight=6,
    )  # fmt: skip


def _enough(s: Subject, ids: dict[str, str]) -> Draft | None:
    part = s.enough
    if part is None or not s.gain or part.ablation is None:
        return None
    return Draft(
        "high", SIMPLE, f"{name(part)} alone ({signed(part.ablation.effect or 0.0)}) is all of the claimed gain of {number(abs(s.gain))}",
        (*effects_of(ids, [part]), *cited(ids, "given", "seeds"))[:3],
        f"score the baseline with {name(part)} added and nothing else, same seeds and tuning: that is the bar for the other {s.removable - 1}.",
        f"full against baseline + {name(part)}: a gap below {threshold(s)} means that the rest gives nothing.",
        f"by these numbers the method without {name(part)} lies {number(abs(part.ablation.effect or 0.0) - abs(s.gain))} below the baseline.",
        weight=8.5,
    )  # fmt: skip


def _harmful(s: Subject, ids: dict[str, str]) -> Draft | None:
    parts = s.with_verdict("harmful")
    if not parts:
        return None
    first = parts[0].ablation
    gain = abs(first.effect) if first and first.effect is not None else 0.0
    return Draft(
        "high", SIMPLE, f"Better without {names(parts, 2)}", effects_of(ids, parts),
        f"remove {names(parts, 3)}, then tune the learning rate once more: it was tuned with the part in place.",
        f"the same seeds without it: it comes back only if the score {falls(s)} by more than {threshold(s)}.",
        f"about {number(gain)} better.", weight=9,
    )  # fmt: skip


def _noise(s: Subject, ids: dict[str, str]) -> Draft | None:
    parts = s.with_verdict("noise")
    if not parts:
        return None
    several = len(parts) > 1
    reach = not_excluded(s, parts)
    known = any(j.ablation and j.ablation.half is not None for j in parts)
    rest = f"; up to {number(reach)} is not excluded" if reach is not None else "; 2 s is excluded" if known else ""
    order = " one after the other and re-measure the rest after each cut" if several else ""
    hidden = " Two parts that replace each other both look idle alone." if several or s.pairs else ""
    return Draft(
        "high", SIMPLE, f"Below the noise: {names(parts, 3)}", (*effects_of(ids, parts), *cited(ids, "noise")),
        f"remove {names(parts, 4)}{order}.{hidden}",
        f"full against full without {'all of them' if several else 'it'}, {seeds_needed(2)} seeds per arm: {'they go' if several else 'it goes'} unless the score {falls(s)} by more than {threshold(s)}.",
        f"no change beyond the noise{rest}.",
        weight=8,
    )  # fmt: skip


def _untested(s: Subject, ids: dict[str, str]) -> Draft | None:
    parts = [j for j in s.order if j.verdict in {"none", "claimed"}]
    if not parts:
        return None
    if not s.trains:
        return _unrun(s, ids, parts)
    cheap = [j for j in parts if j.part.kind in {"training", "data", "loss"} and not s.free(j)]
    costly = [j for j in parts if j not in cheap and not s.free(j)]
    many = len(cheap) > 2
    seeds = seeds_needed(2)
    alone = f"{names(costly or parts, 3)} {'one by one' if len(costly or parts) > 1 else 'alone'}, {seeds} seeds per arm, at equal data, steps and tuning"
    group = f"remove {names(cheap, 4)} together, {seeds} seeds per arm: within {threshold(s)} all go, otherwise halve the group"
    remedy = f"{group}; {alone}" if many and costly else group if many else f"remove {alone}"
    share = len(parts) / max(s.removable, 1)
    return Draft(
        "high" if share >= 0.5 else "medium", SIMPLE,
        f"{len(parts)} of {s.removable} parts have no ablation" if s.removable > 1 else f"{name(parts[0])} has no ablation",
        (ids["coverage"], *cited(ids, "plan")),
        remedy + ".",
        f"a part stays for a {loss_of(s)} above {threshold(s)}. For {name(parts[0])} watch {meter(parts[0])}.",
        f"{2 * seeds} runs decide {len(cheap)} parts if none is load-bearing." if many else "",
        weight=6 + share,
    )  # fmt: skip


def _unrun(s: Subject, ids: dict[str, str], parts: list[Judged]) -> Draft:
    free = [f"{name(j)}: {j.part.known.free}" for j in parts if j.part.known and j.part.known.free]
    return Draft(
        "high", SIMPLE, f"{len(parts)} of {s.removable} parts have no ablation, and none needs training", (ids["coverage"], *cited(ids, "order")),
        ("; ".join(free[:3]) if free else f"run without {names(parts, 3)}, one by one, on the same cases") + ".",
        "on the same cases, b and c the ones that only one of the two gets right: the part stays if b - c > 2·sqrt(b + c); report tokens and seconds beside the score.",
        weight=6.5,
    )  # fmt: skip


def _unreadable(s: Subject, ids: dict[str, str]) -> Draft | None:
    parts = [j for j in s.judged if j.verdict == "open"]
    if not parts:
        return None
    reasons = list(dict.fromkeys(j.ablation.reason for j in parts if j.ablation and j.ablation.reason))
    needs = [j.ablation.needed for j in parts if j.ablation and j.ablation.needed]
    largest = max((abs(j.ablation.effect or 0) for j in parts if j.ablation), default=0.0)
    if not s.trains:
        return _unpaired(ids, parts)
    limit = (
        f"an s below {number(largest / least_effect(3))} lets 3 seeds see the largest of these effects, {number(largest)}"
        if largest
        else ""
    )
    return Draft(
        "high" if len(parts) * 2 > s.removable or not s.with_verdict("stays", "noise") else "medium", SIMPLE,
        f"Not decidable ({'; '.join(reasons[:2])}): {names(parts, 4)}", (*effects_of(ids, parts), *cited(ids, "seeds")),
        (f"run {min(needs):,} to {max(needs):,} seeds per arm" if needs and max(needs) != min(needs) else f"run {needs[0]:,} seeds per arm" if needs else "run the full method with 3 seeds first; its deviation s prices everything else") + ", the same seeds in both arms.",
        "the 95 % interval of the difference excludes 0.",
        f"{limit}." if limit else "", weight=5.5,
    )  # fmt: skip


def _unpaired(ids: dict[str, str], parts: list[Judged]) -> Draft:
    """Without training the noise is that of the test cases, and both arms can answer the same ones."""
    return Draft(
        "high", SIMPLE, f"Single scores without pairing: {names(parts, 4)}", (*effects_of(ids, parts), *cited(ids, "test")),
        "compare case by case: count the cases that only the full pipeline gets right (b) and only the shortened one (c); fix the sampling seed or average over 3.",
        "|b - c| > 2·sqrt(b + c) (McNemar): the part stays.",
        weight=5.5,
    )  # fmt: skip


def _together(s: Subject, ids: dict[str, str]) -> Draft | None:
    parts = s.with_verdict("joint")
    if not parts:
        return None
    count = len(parts)
    first = parts[0].ablation
    what = " and ".join(first.names[:4]) if first else names(parts)
    runs = f"the 2^{count} = {2**count} combinations" if count <= 3 else f"{count} single removals"
    return Draft(
        "medium", SIMPLE, f"Changed at once, so no one-variable ablation: {what}", effects_of(ids, parts),
        f"run {runs} with equal seeds; credit each part with its own difference and report the interaction.",
        f"full - without A - without B + without both is beyond twice the error of one mean; each alone must exceed {threshold(s)}.",
        weight=5,
    )  # fmt: skip


def _sequence(s: Subject, ids: dict[str, str]) -> Draft | None:
    parts = [j for j in s.judged if j.ablation is not None and j.ablation.how in SEQUENCE]
    if len(parts) < 2:
        return None
    first, last = parts[0], parts[-1]
    way = "added" if first.ablation and first.ablation.how == "cumulative" else "taken out"
    return Draft(
        "medium", SIMPLE, f"Parts were {way} in sequence: the order decides the credit", effects_of(ids, parts),
        f"remove each from the full method instead; start with {name(first)}, which was credited before {name(last)} could overlap with it.",
        f"sum of the single removals against the total gain: less than the total means that parts replace each other. Each stays above {threshold(s)}.",
        weight=4.5,
    )  # fmt: skip


def _joint(s: Subject, ids: dict[str, str]) -> Draft | None:
    if not s.joint:
        return None
    joint = s.joint[0]
    sure = joint.error is not None and abs(joint.interaction) > joint.error
    replace = joint.interaction > 0
    if not replace and not sure:
        return None
    return Draft(
        "high" if sure else "medium", SIMPLE,
        f"{joint.names[0]} and {joint.names[1]} " + ("replace each other" if replace else "work only together") + ("" if sure else ", if it is no noise"),
        (ids["joint"],),
        "judge them jointly: keep the cheaper of the two, not both, and not neither." if replace else "keep or remove them as one part.",
        f"the four combinations with equal seeds; the interaction {number(joint.interaction)} must exceed its interval" + (f" of {number(joint.error)}." if joint.error is not None else "."),
        weight=6.5,
    )  # fmt: skip


def _pair(s: Subject, ids: dict[str, str]) -> Draft | None:
    pair = next(((p, a, b) for p, a, b in s.pairs if f"pair:{p.id}" in ids and (a.undecided or b.undecided)), None)
    if pair is None:
        return None
    entry, one, other = pair
    substitutes = entry.relation == "substitutes"
    return Draft(
        "low", SIMPLE,
        f"{name(one)} and {name(other)} can hide each other" if substitutes else f"{name(one)} has no meaning without {name(other)}",
        (ids[f"pair:{entry.id}"],),
        "test the 2 x 2: both, each alone, neither." if substitutes else "remove both together and count them as one part.",
        f"the {loss_of(s)} without both against the sum of the single ones; each part stays above {threshold(s)}." if substitutes else f"full against full without both: they stay above {threshold(s)}.",
        "1 arm more than single removals." if substitutes else "1 arm less.",
        weight=3,
    )  # fmt: skip


def _load_bearing(s: Subject, ids: dict[str, str]) -> Draft | None:
    collapse, stays = s.with_verdict("collapse"), s.with_verdict("stays")
    parts = collapse or stays
    if not parts:
        return None
    first = parts[0]
    return Draft(
        "note", SIMPLE, f"Load-bearing: {names([*collapse, *stays], 4)}", effects_of(ids, [*collapse, *stays]),
        f"keep {'them' if len(collapse + stays) > 1 else 'it'} and say how {'they fail' if len(collapse + stays) > 1 else 'it fails'}: the meter of {name(first)} is {meter(first)}.",
        "the meter must separate full and ablated before the score does; if it does not, the reason given for the part is wrong.",
        weight=2,

    )  # fmt: skip

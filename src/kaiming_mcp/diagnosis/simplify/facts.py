"""The facts of a method: inventory, gaps, order of removal with precedents, cost of the tests."""

from __future__ import annotations

from kaiming_mcp.architecture.listing import listed
from kaiming_mcp.diagnosis.simplify.effects import add_effects
from kaiming_mcp.diagnosis.simplify.noise import LEVEL
from kaiming_mcp.diagnosis.simplify.parts import Part
from kaiming_mcp.diagnosis.simplify.plan import LARGEST, Judged, affordable, grid_size
from kaiming_mcp.diagnosis.simplify.reading.inventory import lines_of
from kaiming_mcp.diagnosis.simplify.shown import MOST_NAMES, name, names, number, score_text, signed
from kaiming_mcp.diagnosis.simplify.subject import Subject

KINDS = (
    ("loss", "losses"),
    ("stage", "stages"),
    ("module", "modules"),
    ("data", "data and augmentation"),
    ("training", "training"),
    ("inference", "inference"),
)
MOST_ORDER, MOST_PRECEDENTS, MOST_PAIRS = 3, 1, 1


def add_facts(s: Subject) -> dict[str, str]:
    """Record every fact that the text allows; the ids by name."""
    ids: dict[str, str] = {}
    _inventory(s, ids)
    _coverage(s, ids)
    add_effects(s, ids)
    _order(s, ids)
    _plan(s, ids)
    return ids


def _inventory(s: Subject, ids: dict[str, str]) -> None:
    groups: list[str] = []
    unread = s.inventory.unread
    lost = f"; not understood: {listed([repr(u) for u in unread], MOST_NAMES)}" if unread else ""
    for kind, title in KINDS:
        inside = [j.part for j in s.judged if j.part.kind == kind]
        if inside:
            groups.append(f"{title}: " + listed([_shown(p, "\n" in s.method.strip()) for p in inside], MOST_NAMES))
    taken = [j.part for j in s.judged]
    base = [p for p in s.inventory.base if p not in taken]
    swapped = "base, swapped not removed: " + listed([p.name for p in base], MOST_NAMES) if base else ""
    if s.removable:
        count = f"{s.removable} removable part{'s' * (s.removable > 1)}: "
        ids["inventory"] = s.facts.add(
            count + "; ".join(filter(None, [*groups, swapped])) + lost, "read", s.removable, "parts"
        )
    elif base:
        ids["inventory"] = s.facts.add(swapped, "read", len(base), "parts")
    knobs = s.inventory.knobs
    if knobs:
        given, whole = grid_size(knobs)
        shown = listed([f"{k.name} = {k.value}" if k.value else f"{k.name} (no value)" for k in knobs], MOST_NAMES)
        swept = [k for k in knobs if k.choices > 1]
        count = f"{len(knobs)} knob{'s' * (len(knobs) > 1)}: {shown}; "
        count += f"the stated grids multiply to {_count(given)}; " if swept else ""
        ids["knobs"] = s.facts.add(
            count + f"at 3 values each {_count(whole)} configurations",
            "computed",
            float(whole),
            "configurations",
            "product; 3 values assumed",
        )


def _count(n: int) -> str:
    return f"{n:,}" if n < 10**7 else f"{n:.1e}" if n < LARGEST else f"more than {LARGEST:.0e}"


def _shown(part: Part, placed: bool) -> str:
    """A part with its weight and hours, and its lines where the method has more than one."""
    weight = f" {part.weight}" if part.weight else ""
    hours = f"{part.hours:.4g} GPU-hours" if part.hours else ""
    inside = ", ".join(filter(None, (hours, lines_of(part) if placed or not part.lines else "")))
    return f"{part.name}{weight}" + (f" ({inside})" if inside else "")


def _coverage(s: Subject, ids: dict[str, str]) -> None:
    if not s.removable:
        return
    none = [j for j in s.order if j.verdict == "none"]
    one = [j for j in s.judged if j.ablation is not None and j.verdict not in {"joint", "claimed"}]
    joint = [j for j in s.judged if j.verdict == "joint"]
    claimed = [j for j in s.judged if j.verdict == "claimed"]
    single = s.trains and s.noise is None and any(j.verdict == "open" for j in one)
    parts = [
        f"one-variable comparison for {len(one)} of {s.removable} parts"
        + (", their scores without a seed deviation" if single else "")
    ]
    if joint:
        parts.append(f"only together with others: {names(joint)}")
    if claimed:
        parts.append(f"said without a number: {names(claimed)}")
    parts.append(f"no ablation for {len(none)}" + (f": {names(none, 4)}" if none else ""))
    ids["coverage"] = s.facts.add("; ".join(parts), "read", len(none), "parts without ablation")


def _order(s: Subject, ids: dict[str, str]) -> None:
    if s.order:
        lines = [f"{i}. {name(j)} ({why(j)})" for i, j in enumerate(s.order[:MOST_ORDER], 1)]
        rest = f"; then {len(s.order) - MOST_ORDER} more" if len(s.order) > MOST_ORDER else ""
        ids["order"] = s.facts.add(
            "removal order, least shown for its cost first: " + " ".join(lines) + rest,
            "computed",
        )
    told = {s.precedents[j.part.key].id: j for j in reversed(s.order) if j.part.key in s.precedents}
    for each in [j for j in s.order if j in told.values()][:MOST_PRECEDENTS]:
        p = s.precedents[each.part.key]
        failed = f"; fails: {p.failed}" if p.failed else ""
        ids[f"precedent:{each.part.key}"] = s.facts.add(
            f"removed before: {p.removed} ({p.by}): {p.outcome}{failed}",
            "assumed",
            source=", ".join(p.sources) or "general knowledge",
        )
    open_pairs = [p for p in s.pairs if p[1].undecided or p[2].undecided or p[1].verdict == "noise"]
    for pair, one, other in open_pairs[:MOST_PAIRS]:
        verb = "substitutes, one can hide the other" if pair.relation == "substitutes" else "needed together"
        ids[f"pair:{pair.id}"] = s.facts.add(
            f"{name(one)} and {name(other)}: {verb} ({pair.because})",
            "assumed",
            source=", ".join(pair.sources) or "general knowledge",
        )
    _given(s, ids)
    if s.baseline is not None:
        ids["baseline"] = s.facts.add(
            f"boring baseline of {s.baseline.title}: {s.baseline.baseline}; {s.baseline.because}",
            "assumed",
            source=", ".join(s.baseline.sources) or "general knowledge",
        )


def _given(s: Subject, ids: dict[str, str]) -> None:
    """The baseline that the evidence scores, and the variants that fall below it."""
    if s.base is None or s.base.score is None:
        return
    score, sign = s.base.score.mean, s.evidence.sign
    text = f"baseline as given ({s.base.label[:50]}): {score_text(score)}"
    if s.full is not None:
        worse = sign * (s.full - score) > 0
        text += f", by {number(abs(s.full - score))} {'worse' if worse else 'better'} than the full method"
    below = [
        j
        for j in s.judged
        if j.ablation
        and j.ablation.how == "one"
        and j.ablation.without_score
        and sign * (j.ablation.without_score.mean - score) < 0
    ]
    if below:
        worst = max(
            below,
            key=lambda j: (
                sign * (score - (j.ablation.without_score.mean if j.ablation and j.ablation.without_score else score))
            ),
        )
        mean = worst.ablation.without_score.mean if worst.ablation and worst.ablation.without_score else score
        text += f"; without {name(worst)} the rest ({score_text(mean)}) is worse than it, so baseline + {name(worst)} is the bar"
    ids["given"] = s.facts.add(
        text, "measured", score, s.evidence.metric_name or "metric", f"line {s.base.line}" if s.base.line else ""
    )


def why(each: Judged) -> str:
    """Why a part stands where it stands in the order."""
    a = each.ablation
    shown = {
        "harmful": f"better without it by {number(abs(a.effect))}" if a and a.effect is not None else "",
        "noise": f"effect {signed(a.effect)} below the noise" if a and a.effect is not None else "",
        "small": "real but below 2 s",
        "none": "no ablation",
        "joint": "never removed alone",
        "claimed": "no number",
        "open": f"{signed(a.effect)}, not decidable" if a and a.effect is not None else "not decidable",
        "blind": "the metric cannot judge it",
    }[each.verdict]
    costs = (
        f"{each.part.hours:.4g} GPU-hours"
        if each.part.hours
        else each.part.known.costs.split(",")[0]
        if each.part.known
        else ""
    )
    return "; ".join(filter(None, (costs, shown)))


def _plan(s: Subject, ids: dict[str, str]) -> None:
    free = [j for j in s.undecided if j.part.known and j.part.known.free]
    if free and s.trains:
        ids["free"] = s.facts.add(
            "no training run needed: " + "; ".join(f"{name(j)}: {j.part.known.free}" for j in free[:2] if j.part.known),
            "assumed",
            len(free),
            "parts",
            "general knowledge",
        )
    if not s.trains:
        _arms(s, ids)
    if s.cost is None:
        return
    c = s.cost
    trained = c.parts - c.free
    if trained < 1:
        return
    hours = f" = {number_of_hours(c.one_at_a_time, c.hours)}" if c.hours else ""
    text = f"2 s one at a time: {trained} part{'s' * (trained > 1)} x {c.seeds} seeds + {c.seeds} full = {c.one_at_a_time} runs{hours}"
    if trained > 2:
        text += f"; orthogonal array at the same error: {c.array} runs"
        text += f" = {number_of_hours(c.array, c.hours)}" if c.hours else ""
        text += " if nothing interacts"
    within = affordable(s.context, trained)
    if within is not None and s.context.budget:
        seeds, least = within
        sees = (
            f"{seeds} seeds per arm, which see {least:.2g} s"
            if least
            else f"{seeds} seed per arm: nothing can be decided one at a time"
            if seeds
            else f"less than one run of each of {trained + 1} arms"
        )
        text += f"; the budget of {s.context.budget:,.0f} GPU-hours is {s.context.budget / (s.context.hours or 1):,.3g} runs: {sees}"
    if trained > 4:
        text += f"; false alarm in {trained} tests at 5 %: {1 - (1 - LEVEL) ** trained:.2g}"
    ids["plan"] = s.facts.add(text, "computed", c.one_at_a_time, "runs", "(parts + 1) x seeds; Plackett-Burman")


def _arms(s: Subject, ids: dict[str, str]) -> None:
    """What a budget of evaluations buys: arms times samples per case."""
    if not s.context.hours or not s.context.budget or not s.removable:
        return
    runs, arms = int(s.context.budget / s.context.hours), s.removable + 1
    times = runs // arms
    each = (
        f"{times} times each, or once on {times} times as many cases"
        if times > 1
        else "once each"
        if times
        else f"{max(runs - 1, 0)} single removals and the full one"
    )
    ids["plan"] = s.facts.add(
        f"the budget of {number(s.context.budget)} h is {runs:,} runs of {number(s.context.hours)} h: full and {s.removable} single "
        f"removals {each}",
        "computed",
        runs,
        "runs",
        "budget / hours per run",
    )


def number_of_hours(runs: int, hours: float | None) -> str:
    """GPU-hours of a number of runs."""
    whole = runs * (hours or 0)
    return f"{whole:,.0f} GPU-hours" if whole >= 100 else f"{whole:.3g} GPU-hours"

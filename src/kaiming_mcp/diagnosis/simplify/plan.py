"""Which part has which evidence, what to remove first, and what the tests cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from kaiming_mcp.diagnosis.simplify.effect import IDLE, Ablation
from kaiming_mcp.diagnosis.simplify.lists import Lists, Pair, Precedent, flat, speaks_of
from kaiming_mcp.diagnosis.simplify.noise import least_effect, screening_runs, seeds_needed
from kaiming_mcp.diagnosis.simplify.parts import Part, same, tokens
from kaiming_mcp.diagnosis.simplify.reading.collect import Knob
from kaiming_mcp.diagnosis.simplify.reading.context import Context
from kaiming_mcp.diagnosis.simplify.reading.inventory import Inventory
from kaiming_mcp.diagnosis.simplify.reading.text import latin

Verdict = Literal["none", "joint", "claimed", "open", "blind", "noise", "harmful", "small", "stays", "collapse"]
"""`blind`: the metric falls under the part by design, so an effect below the noise or the wrong way says nothing."""
MOST_COST, OWN_WORD = 3, 5
TWO_DEVIATIONS = 2.0
"""The effect, in seed deviations, below which principle 4 lets a part go."""
_SURENESS = {"one": 0, "replaced": 1, "cumulative": 2, "taken": 2, "alone": 1, "stated": 3, "several": 4}


@dataclass(frozen=True, slots=True)
class Judged:
    """A part with the surest comparison that bears on it."""

    part: Part
    ablation: Ablation | None
    verdict: Verdict

    @property
    def undecided(self) -> bool:
        """Whether a test is still needed."""
        return self.verdict in {"none", "joint", "claimed", "open", "blind"}


@dataclass(frozen=True, slots=True)
class Cost:
    """Runs of the test plan: one at a time, and as an orthogonal array with the same error."""

    parts: int
    free: int
    """Parts that need no training run to test."""
    seeds: int
    one_at_a_time: int
    array: int
    hours: float | None


def judge(inventory: Inventory, ablations: Sequence[Ablation], known: Lists, metric: str = "") -> list[Judged]:
    """Every removable part with its evidence, also parts that only the evidence names; `metric` is the id of its scores."""
    parts = list(inventory.parts)
    matched: dict[int, list[Ablation]] = {i: [] for i in range(len(parts))}
    for ablation in ablations:
        for name in ablation.names:
            at = _index(parts, name, known)
            together = _all_of(parts, name, at)
            if at is not None and len(together) > 1:
                for i in together:
                    matched[i].append(replace(ablation, how="several"))
                continue
            if at is None:
                entry, word = known.entry_of(name)
                parts.append(Part(name, entry.kind if entry else "module", entry, (), word=word))
                at = len(parts) - 1
                matched[at] = []
            matched[at].append(ablation)
    judged: list[Judged] = []
    for i, part in enumerate(parts):
        if part.base and not matched[i]:
            continue
        best = min(matched[i], key=lambda a: (_SURENESS[a.how], a.status in {"open", "claimed"}), default=None)
        verdict = _verdict(best)
        by_design = part.known is not None and metric in part.known.blind
        # A part that helps a metric is not one under which the metric falls.
        helps = verdict == "open" and best is not None and (best.effect or 0.0) > 0
        blind = by_design and verdict in {"noise", "harmful", "open"} and not helps
        judged.append(Judged(part, best, "blind" if blind else verdict))
    return judged


def _index(parts: Sequence[Part], name: str, known: Lists) -> int | None:
    entry, word = known.entry_of(name)
    # A short name such as `residual` may mean an entry of the list, or the part that is called so here.
    meanings = (
        [(entry.id, word), ("", "")]
        if entry and word not in map(flat, entry.words)
        else [(entry.id if entry else "", word)]
    )
    for known_id, found in meanings:
        scores = [same(p, latin(name), known_id, found) for p in parts]
        best = max(range(len(parts)), key=lambda i: scores[i], default=None)
        if best is not None and scores[best] > 0.5:
            return best
    # "Macaron FFN" is the one part that begins with that word.
    first = latin(name).lower().split()[:1]
    alike = [
        i
        for i, p in enumerate(parts)
        if p.name.lower().split()[:1] == first and p.known is None and len(p.name.split()) > 1
    ]
    return alike[0] if entry is None and len(alike) == 1 and len(first[0]) >= OWN_WORD else None


def _all_of(parts: Sequence[Part], name: str, at: int | None) -> list[int]:
    """Every part that a plural means: "aux heads" of an auxiliary depth head and an auxiliary pose head."""
    said = tokens(name)
    if at is None or not said or not name.rstrip().endswith("s") or said >= tokens(parts[at].name):
        return []
    return [i for i, p in enumerate(parts) if said < tokens(p.name)]


def _verdict(ablation: Ablation | None) -> Verdict:
    if ablation is None:
        return "none"
    if ablation.how == "several":
        return "joint"
    return ablation.status


def removal_order(judged: Sequence[Judged], precedents: dict[str, Precedent], base: str = "") -> list[Judged]:
    """What to take out first: what hurts, what is below the noise, then what costs most and shows least.

    Parts of the `base`, the label of the baseline, go last: the baseline has them too.
    """

    def claimed_idle(each: Judged) -> bool:
        """Said to make no difference, though without a number."""
        return each.verdict == "claimed" and each.ablation is not None and IDLE in each.ablation.reason

    rank = {"harmful": 0, "noise": 1, "none": 2, "joint": 2, "claimed": 2, "open": 2, "blind": 2, "small": 3}
    going = [j for j in judged if j.verdict in rank]
    largest = max((abs(j.ablation.effect) for j in judged if j.ablation and j.ablation.effect is not None), default=0.0)

    def balance(each: Judged) -> float:
        """Cost less what the part shows, on the scale of the largest effect."""
        shown = (
            each.ablation.effect
            if each.ablation and each.ablation.effect is not None and each.verdict != "joint"
            else 0.0
        )
        return each.part.cost - MOST_COST * max(shown, 0.0) / largest if largest else float(each.part.cost)

    return sorted(
        going,
        key=lambda j: (
            1.5 if claimed_idle(j) else rank[j.verdict],
            bool(base) and tokens(j.part.name) <= tokens(base),
            -(j.part.hours or 0.0),
            -balance(j),
            j.part.key not in precedents,
            {"none": 0, "joint": 1, "claimed": 1}.get(j.verdict, 2),
        ),
    )


def precedents_for(judged: Sequence[Judged], tasks: set[str], known: Lists) -> dict[str, Precedent]:
    """For each part key the precedent that fits best: of this task first, then of any; sourced ones first."""
    found: dict[str, Precedent] = {}
    for each in judged:
        entry = each.part.known
        if entry is None:
            continue
        fitting = [
            p
            for p in known.precedents
            if entry.id in p.parts and speaks_of(p, each.part.word) and (not p.tasks or tasks & set(p.tasks))
        ]
        if fitting:
            rank = {p.id: (not p.tasks, p.parts.index(entry.id), not p.sources) for p in fitting}
            found[each.part.key] = min(fitting, key=lambda p: rank[p.id])
    return found


def pairs_in(judged: Sequence[Judged], known: Lists) -> list[tuple[Pair, Judged, Judged]]:
    """Pairs that single removals misjudge and that are both in the method."""
    by_id = {j.part.known.id: j for j in judged if j.part.known is not None}
    return [
        (p, by_id[p.parts[0]], by_id[p.parts[1]]) for p in known.pairs if p.parts[0] in by_id and p.parts[1] in by_id
    ]


def cost_of(judged: Sequence[Judged], context: Context, trains: bool = True) -> Cost | None:
    """What it costs to test every undecided part at two seed deviations with 80 % power."""
    undecided = [j for j in judged if j.undecided]
    if not undecided:
        return None
    free = sum(not trains or bool(j.part.known and j.part.known.free) for j in undecided)
    trained = len(undecided) - free
    seeds = seeds_needed(TWO_DEVIATIONS)
    runs = (trained + 1) * seeds
    array = screening_runs(trained, seeds)
    return Cost(len(undecided), free, seeds, runs, array, context.hours)


def affordable(context: Context, parts: int) -> tuple[int, float | None] | None:
    """(seeds per arm, effect in seed deviations that they see) of a one-at-a-time plan within the budget."""
    if not context.hours or not context.budget or parts < 1:
        return None
    seeds = int(context.budget / context.hours / (parts + 1))
    return seeds, least_effect(seeds) if seeds > 1 else None


MOST_KNOBS, LARGEST = 600, 10**300


def grid_size(knobs: Sequence[Knob], each: int = 3) -> tuple[int, int]:
    """(product of the values that the text gives, configurations at `each` values for the rest), as far as floats go."""
    given, rest = 1, 0
    for knob in knobs:
        if knob.choices > 1:
            given *= knob.choices
        else:
            rest += 1
    return min(given, LARGEST), min(given * each ** min(rest, MOST_KNOBS), LARGEST)

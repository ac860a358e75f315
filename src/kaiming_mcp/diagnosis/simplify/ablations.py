"""Every comparison that the evidence allows: rows, marks, sequences, sweeps, sentences; and pairs removed jointly."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from kaiming_mcp.diagnosis.simplify.effect import (
    ERROR,
    IDLE,
    SEQUENCE,
    STATED,
    WILD,
    Ablation,
    How,
    Noise,
    compared,
    judged,
    judged_by_cases,
)
from kaiming_mcp.diagnosis.simplify.noise import half_width
from kaiming_mcp.diagnosis.simplify.reading.context import Context
from kaiming_mcp.diagnosis.simplify.reading.evidence import Evidence
from kaiming_mcp.diagnosis.simplify.reading.labels import Change
from kaiming_mcp.diagnosis.simplify.reading.scores import Score
from kaiming_mcp.diagnosis.simplify.reading.stated import RELATIVE, Stated
from kaiming_mcp.diagnosis.simplify.reading.variants import Sweep, Variant

FREEDOM = 6
"""Degrees of freedom from which the rest tells that one variant scatters more."""
PLAIN = 2
"""Words of a label up to which a baseline may be the default that parts are taken from, and no method of its own."""


@dataclass(frozen=True, slots=True)
class Joint:
    """Two parts that were removed alone and together: the effects, and what is beyond their sum."""

    names: tuple[str, str]
    alone: tuple[float, float]
    both: float
    error: float | None
    """Half of the 95 % interval of the interaction, where the noise is known."""

    @property
    def interaction(self) -> float:
        """Effect of both minus the sum of the single effects; positive: they replace each other."""
        return self.both - sum(self.alone)


def ablations_of(evidence: Evidence, context: Context, noise: Noise | None, trains: bool = True) -> list[Ablation]:
    """Every comparison that the evidence allows, in its order.

    Where nothing is trained (`trains` false) the noise is that of the test cases.
    """
    found: list[Ablation] = []
    for table in sorted({v.table for v in evidence.variants}):
        rows = [v for v in evidence.variants if v.table == table]
        marked = [v for v in rows if v.present is not None]
        if len(marked) > 1:
            found += _marked(marked, evidence.sign, noise)
        else:
            found += _labelled(rows, evidence, noise, context.alone)
    found += [a for sweep in evidence.sweeps for a in _switched(sweep, evidence.sign, noise)]
    for s in evidence.stated:
        found.append(_stated(s, evidence, noise))
    if noise is not None and (context.folds or noise.source == ERROR):
        reason = "folds are not paired" if context.folds else "the ± is of each score, not of a paired difference"
        found = [_unpaired(a, reason) for a in found]
    return found if trains or noise is not None else [judged_by_cases(a, evidence, context) for a in found]


def _variance(scores: list[Score]) -> float:
    """The variance of single runs, pooled over variants with their degrees of freedom."""
    freedom = sum((s.seeds or 1) - 1 for s in scores)
    return sum(((s.seeds or 1) - 1) * (s.deviation or 0.0) ** 2 for s in scores) / freedom if freedom else 0.0


def _of_one_spread(scores: list[Score]) -> list[Score]:
    """The scores without those that scatter far more than all others: one run of three that collapsed is no noise of the rest."""
    kept = sorted(scores, key=lambda s: s.deviation or 0.0)
    while len(kept) > 2:
        rest = kept[:-1]
        sure = sum((s.seeds or 1) - 1 for s in rest) >= FREEDOM and (kept[-1].seeds or 1) > 2
        if not sure or (kept[-1].deviation or 0.0) ** 2 <= WILD * _variance(rest) or not _variance(rest):
            break
        kept = rest
    return kept


def _unpaired(a: Ablation, reason: str) -> Ablation:
    """Folds and cases differ in difficulty, which a difference on the same ones does not hold: what is below that is open."""
    return replace(a, status="open", needed=None, reason=reason) if a.status in {"noise", "small", "open"} else a


def noise_of(evidence: Evidence, context: Context) -> Noise | None:
    """The deviation of single runs, pooled over all variants that give one."""
    given = [v.score for v in evidence.variants if v.score is not None and v.score.deviation is not None]
    given += [s for sweep in evidence.sweeps for _, s in sweep.points if s.deviation is not None]
    counted = [s for s in given if s.seeds is not None and s.seeds > 1]
    known = _of_one_spread(counted)
    if known:
        freedom = sum((s.seeds or 1) - 1 for s in known)
        pooled = math.sqrt(_variance(known))
        wild = f", without {len(counted) - len(known)} that scatter far more" if len(known) < len(counted) else ""
        source = f"pooled over {len(known)} variants, {freedom} degrees of freedom{wild}"
        return Noise(pooled, freedom, source) if pooled > 0 else None
    if given:
        pooled = math.sqrt(sum((s.deviation or 0.0) ** 2 for s in given) / len(given))
        if context.spread != "deviation":
            return Noise(pooled, 0, ERROR) if pooled > 0 else None
        return Noise(pooled, 0, f"root mean square over {len(given)} variants, seeds not given") if pooled > 0 else None
    if context.deviation:
        runs = sum(v.score is not None for v in evidence.variants)
        freedom = ((context.seeds or 1) - 1) * max(runs, 1)
        return Noise(context.deviation, freedom, STATED)
    return None


def full_of(evidence: Evidence) -> Variant | None:
    """The variant with every part; of parts added in sequence the last."""
    scored = [v for v in evidence.variants if v.score is not None]
    added = [v for v in scored if v.change.role == "added"]
    return next((v for v in scored if v.change.role == "full"), added[-1] if added and base_of(evidence) else None)


def base_of(evidence: Evidence) -> Variant | None:
    """The variant without any of the parts."""
    return next((v for v in evidence.variants if v.score is not None and v.change.role == "base"), None)


def joint_of(ablations: Iterable[Ablation], noise: Noise | None) -> list[Joint]:
    """Pairs that were removed alone and together from the same full method."""
    single = {
        a.names[0].lower(): a for a in ablations if len(a.names) == 1 and a.effect is not None and a.how not in SEQUENCE
    }
    found: list[Joint] = []
    for both in ablations:
        if len(both.names) != 2 or both.effect is None:
            continue
        one, other = (single.get(n.lower()) for n in both.names)
        if one is None or other is None or one.effect is None or other.effect is None:
            continue
        error = None
        if noise is not None and noise.freedom:
            scores = [both.with_score, both.without_score, one.without_score, other.without_score]
            counts = [s.seeds or 1 for s in scores if s is not None]
            # full - A - B + AB: four means, each with its own error
            error = (
                half_width(noise.deviation, noise.freedom, 1, 1) / math.sqrt(2) * math.sqrt(sum(1 / n for n in counts))
            )
        found.append(Joint((both.names[0], both.names[1]), (one.effect, other.effect), both.effect, error))
    return found


def _labelled(rows: list[Variant], evidence: Evidence, noise: Noise | None, said_alone: bool) -> Iterator[Ablation]:
    alone = said_alone or _jumbled(rows, evidence.sign)
    scored = [v for v in rows if v.score is not None]
    full = next((v for v in scored if v.change.role == "full"), None)
    if full is None and any(v.change.role == "removed" for v in rows):
        # What was removed is compared with the full method of another place, or with the best row without a mark.
        full = full_of(evidence) or next(
            (
                v
                for v in scored
                if v.change.role == "other" or (v.change.role == "base" and len(v.label.split()) <= PLAIN)
            ),
            None,
        )
    before: Variant | None = None
    have: frozenset[str] = frozenset()
    above = full
    for row in rows:
        change = row.change
        if change.role == "removed" and change.names:
            how: How = (
                "several" if len(change.names) > 1 else "taken" if evidence.taken and above is not full else "one"
            )
            yield compared(change.names, how, above if evidence.taken else full, row, evidence.sign, noise)
        elif change.role == "replaced":
            made = compared(change.names[:1], "replaced", above if evidence.taken else full, row, evidence.sign, noise)
            yield replace(made, reason=f"replaced by {change.names[-1]}")
        elif change.role == "added" and before is not None and row.score is not None:
            names = tuple(n for n in change.names if n.lower() not in have) if change.absolute else change.names
            if names:
                how = "several" if len(names) > 1 else "alone" if alone else "cumulative"
                yield replace(compared(names, how, row, before, evidence.sign, noise), line=row.line)
        elif change.role == "added" and row.score is not None:
            removed = next((v for v in rows if v.change == Change("removed", change.names)), None)
            if removed is not None and full is None:
                yield compared(change.names, "one", row, removed, evidence.sign, noise)
            elif (
                full is not None
                and rows[0] is full
                and before is None
                and (above is full or row.label.endswith("added"))
            ):
                yield compared(change.names, "alone", row, full, evidence.sign, noise)
        if change.role == "base":
            before, have = row, frozenset()
        elif change.role == "added" and row.score is not None and not alone:
            have = (
                frozenset(n.lower() for n in change.names)
                if change.absolute
                else have | {n.lower() for n in change.names}
            )
            before = row
        if change.role in {"full", "removed", "replaced"} and row.score is not None:
            above = row


def _jumbled(rows: list[Variant], sign: int) -> bool:
    """Whether additions go up and down and do not end at the full method: each then stands alone on the baseline."""
    added = [v.score.mean for v in rows if v.change.role == "added" and v.score and not v.change.absolute]
    full = next((v.score.mean for v in rows if v.change.role == "full" and v.score), None)
    falls = any(sign * (b - a) < 0 for a, b in pairwise(added))
    return full is not None and len(added) > 1 and falls and added[-1] != full


def _marked(variants: list[Variant], sign: int, noise: Noise | None) -> Iterator[Ablation]:
    """Pairs of rows that differ in one mark, for each part the pair with the most other parts present."""
    rows = [(v.present, v) for v in variants if v.present is not None]
    parts = frozenset[str]().union(*(marks for marks, _ in rows))
    best: dict[str, tuple[int, Variant, Variant]] = {}
    for marks, have in rows:
        for fewer, lack in rows:
            extra = marks - fewer
            if len(extra) == 1 and fewer <= marks:
                name = next(iter(extra))
                if name not in best or len(marks) > best[name][0]:
                    best[name] = (len(marks), have, lack)
    top, whole = max(rows, key=lambda row: len(row[0]))
    for name in sorted(best):
        size, have, lack = best[name]
        yield compared((name,), "one" if size == len(top) else "cumulative", have, lack, sign, noise)
    others = [(marks, v) for marks, v in rows if marks != top]
    if parts - set(best) and others:
        nearest, lack = min(others, key=lambda row: len(top ^ row[0]))
        yield compared(tuple(sorted(top ^ nearest)), "several", whole, lack, sign, noise)
    for marks, lack in others:
        if top == parts and len(parts - marks) == 2:
            yield compared(tuple(sorted(parts - marks)), "several", whole, lack, sign, noise)


def _switched(sweep: Sweep, sign: int, noise: Noise | None) -> Iterator[Ablation]:
    """A sweep that holds 0 is the removal of what the knob scales, against the best of the other values."""
    off = next((score for x, score in sweep.points if x == 0), None)
    others = [score for x, score in sweep.points if x != 0]
    if off is None or not others:
        return
    best = max(others, key=lambda s: sign * s.mean)
    have, lack = (Variant(sweep.name, Change("other"), s) for s in (best, off))
    made = compared((sweep.name,), "one", have, lack, sign, noise)
    yield replace(made, reason="; ".join(filter(None, (made.reason, f"best of {len(others)} values against 0"))))


def _stated(said: Stated, evidence: Evidence, noise: Noise | None) -> Ablation:
    """A difference that a sentence states; without an amount only the claim."""
    if said.amount is None:
        told = "ablated, but no score is given" if said.words == "ablated" else f"{IDLE}, without a number"
        told = "a relative difference, without its scores" if said.words == RELATIVE else told
        return Ablation(said.names, "stated", "claimed", reason=told, line=said.line)
    helps = {"up": evidence.sign, "down": -evidence.sign, "good": 1, "bad": -1}.get(said.way, -1 if said.removed else 1)
    effect = said.amount * (-helps if said.removed else helps)
    how: How = "stated" if len(said.names) == 1 else "several"
    made = Ablation(said.names, how, "open", effect, line=said.line)
    return judged(made, None, None, noise) if noise else replace(made, reason="a difference without its two scores")

"""A comparison of a method with and without a part, judged against the noise."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from kaiming_mcp.diagnosis.simplify.noise import case_errors, half_width, seeds_needed
from kaiming_mcp.diagnosis.simplify.reading.context import Context
from kaiming_mcp.diagnosis.simplify.reading.evidence import Evidence
from kaiming_mcp.diagnosis.simplify.reading.scores import Score
from kaiming_mcp.diagnosis.simplify.reading.variants import Variant

Status = Literal["stays", "small", "noise", "harmful", "open", "collapse", "claimed"]
How = Literal["one", "cumulative", "taken", "alone", "several", "replaced", "stated"]
SEQUENCE = {"cumulative", "taken"}
"""Parts that were added, or taken out, one after the other."""
MARGIN = 2.0
"""Seed standard deviations that an effect must exceed: principle 4, question 1."""
NORMAL = 1.96
"""97.5 % quantile of the normal law."""
IDLE = "said to make no difference"
STATED = "as stated"
ERROR = "standard error of a score"
WILD = 30
"""Ratio of variances that 2 and 6 degrees of freedom exceed by chance in less than 0.1 % of cases (F = 27)."""
FEWEST, ENOUGH = 3, 5
"""Seeds from which a deviation says something (principle 4, question 1), and from which that of one arm does."""


@dataclass(frozen=True, slots=True)
class Noise:
    """The pooled seed deviation, its degrees of freedom (0: not known), and where it comes from."""

    deviation: float
    freedom: int
    source: str

    @property
    def single(self) -> bool:
        """Whether it was stated beside scores of single runs, or is the error of each score itself."""
        return self.freedom == 0 and self.source in {STATED, ERROR}


@dataclass(frozen=True, slots=True)
class Ablation:
    """One comparison. `effect` is what the changed parts give, positive where they help; in units of the metric."""

    names: tuple[str, ...]
    how: How
    status: Status
    effect: float | None = None
    half: float | None = None
    """Half of the 95 % interval of the effect."""
    with_score: Score | None = None
    without_score: Score | None = None
    reason: str = ""
    needed: int | None = None
    """Seeds per arm to see an effect of this size with 80 % power."""
    line: int = 0
    collapsed: str = ""
    saved: tuple[tuple[str, float], ...] = ()
    """Costs that the part adds: column and difference."""


def compared(
    names: tuple[str, ...], how: How, have: Variant | None, lack: Variant, sign: int, noise: Noise | None
) -> Ablation:
    """The comparison of `have`, with the parts, and `lack`, without them; `sign` is +1 where higher is better."""
    names = tuple(dict.fromkeys(names))
    if lack.collapsed or (lack.score is None):
        failed = lack.collapsed or "no score"
        return Ablation(
            names,
            how,
            "collapse",
            None,
            None,
            have.score if have else None,
            lack.score,
            line=lack.line,
            collapsed=failed,
        )
    if have is None or have.score is None:
        return Ablation(
            names, how, "open", without_score=lack.score, reason="the full method has no score", line=lack.line
        )
    effect = sign * (have.score.mean - lack.score.mean)
    saved = tuple((k, have.costs[k] - v) for k, v in lack.costs.items() if k in have.costs and have.costs[k] != v)
    made = Ablation(names, how, "open", effect, None, have.score, lack.score, line=lack.line, saved=saved)
    return judged(made, have.score.seeds, lack.score.seeds, noise)


def judged(made: Ablation, first: int | None, second: int | None, noise: Noise | None) -> Ablation:
    """Effect against the noise of seeds: principle 4 asks for 3 seeds and 2 deviations."""
    effect = made.effect or 0.0
    if noise is None:
        return replace(
            made,
            reason="single runs, no seed deviation" if (first or 1) < 2 and (second or 1) < 2 else "no seed deviation",
        )
    s = noise.deviation
    made = replace(made, needed=seeds_needed(abs(effect) / s) if effect else None)
    if not noise.freedom:
        return _without_seeds(made, effect, s, noise.single)
    fewest = min(first or 1, second or 1)
    few = "" if fewest >= FEWEST else "an arm is a single run" if fewest == 1 else f"{fewest} seeds"
    half = _own_half(made, s) or half_width(s, noise.freedom, first or 1, second or 1)
    made = replace(made, half=half, reason=few)
    if abs(effect) > half:
        return replace(made, status="harmful" if effect < 0 else "stays" if effect > MARGIN * s else "small")
    if few:
        return made
    if effect > MARGIN * s:
        return replace(made, status="stays", reason="above 2 s, though the interval reaches 0")
    return replace(made, status="noise")


def _own_half(made: Ablation, s: float) -> float | None:
    """Half of Welch's interval, from the deviations of the two arms alone, where both have seeds enough: arms scatter differently."""
    arms = [
        a for a in (made.with_score, made.without_score) if a is not None and a.deviation and (a.seeds or 0) >= FEWEST
    ]
    enough = all((a.seeds or 0) >= ENOUGH for a in arms)
    wild = any((a.deviation or 0.0) ** 2 > WILD * s**2 for a in arms)
    if len(arms) < 2 or not (enough or wild):
        return None
    errors = [(a.deviation or 0.0) ** 2 / (a.seeds or 1) for a in arms]
    freedom = sum(errors) ** 2 / sum(e**2 / ((a.seeds or 2) - 1) for e, a in zip(errors, arms, strict=True))
    return half_width(math.sqrt(sum(errors) / 2), math.floor(freedom), 1, 1)


def _without_seeds(made: Ablation, effect: float, s: float, single: bool) -> Ablation:
    """Below s an effect shows nothing; it stays beyond 2 s, of single runs beyond 1.96·√2 s; between them it is open."""
    bar = NORMAL * math.sqrt(2) * s if single else MARGIN * s
    made = replace(made, reason="single runs" if single else "seeds not given", half=bar if single else None)
    if abs(effect) > bar:
        return replace(made, status="stays" if effect > 0 else "harmful")
    return replace(made, status="noise" if abs(effect) <= s else "open")


def judged_by_cases(a: Ablation, evidence: Evidence, context: Context) -> Ablation:
    """Judge a difference of two shares by the number of test cases."""
    score, cases = a.with_score, context.cases
    if score is None or a.effect is None or cases is None or evidence.metric is None or not evidence.metric.share:
        return a
    errors = case_errors(score.mean, a.effect, cases, context.disagree)
    if errors is None:
        return a
    count = f"about {round(abs(a.effect) / (100 if score.mean > 1 else 1) * cases):,} of {cases:,} cases"
    if abs(a.effect) > NORMAL * errors.unpaired:
        return replace(
            a, status="stays" if a.effect > 0 else "harmful", reason=f"{count}, beyond their noise even unpaired"
        )
    if abs(a.effect) < NORMAL * errors.paired:
        return replace(a, reason=f"{count}, undecided even if every disagreement goes one way")
    return replace(a, reason=f"{count}; pairing decides")

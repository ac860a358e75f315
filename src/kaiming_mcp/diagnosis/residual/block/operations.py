"""Findings about what stands on the skip, after the add, and at the end of the branch (principles/residual/skips.yaml)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.residual.block.facts import MOST_TRACED, Case
from kaiming_mcp.diagnosis.residual.block.model import Block, OnSkip
from kaiming_mcp.diagnosis.residual.block.trunk import course, described
from kaiming_mcp.scaffold import Severity, number, power
from kaiming_mcp.signal.moments import moments
from kaiming_mcp.signal.scales import slope_at

DEEP, VERY_DEEP, DEEPEST = 10, 50, 200
"""Sums from which an operation costs a low, a high finding; an activation after the add costs 0.24 points at 54 sums
and 2.7 at 333 (He et al. 2016, Identity Mappings, Tables 2 and 3)."""
FADED = math.log(10)
"""A product of factors on the skip beyond 10 or below 0.1 (principle 1, question 3)."""
NEARLY_OPEN = 0.9
"""A gate on the skip above which it starts as nearly the identity."""
DRIFTS = 0.5
"""Share of the trunk that is a common mean, above which no scale of the branch is the first thing to change."""
QUADRUPLE = math.log(4)
"""Growth of the trunk below which no scale is asked for."""


@dataclass(frozen=True, slots=True)
class Ruled:
    """A finding with the verdict it would give, and the words that pick its quotation."""

    draft: Draft
    verdict: str
    quote: str


def rule(
    case: Case,
    name: str,
    *cites: str,
    severity: Severity | None = None,
    says: str = "",
    value: float | None = None,
    weight: float | None = None,
    effect: str = "",
    **more: Any,
) -> Ruled:
    """An entry as finding and verdict, or with the verdict of the entry `says`; the figures of skips.yaml as a fact."""
    text = case.say.texts[name]
    measured = case.say.fact(name, value, **more) if text.fact else ""
    draft = case.say.finding(name, *cites, measured, severity=severity, **more)
    draft = replace(draft, weight=draft.weight if weight is None else weight, effect=effect or draft.effect)
    return Ruled(draft, case.say.fill(case.say.texts[says or name].verdict, **more), text.quote)


def operation_findings(case: Case, block: Block) -> list[Ruled]:
    """All findings about operations round the sum."""
    on_skip = [_on_skip(case, block, o) for o in block.kinds if o.kind in case.say.texts]
    after = [_after(case, block, *a.split(" ", maxsplit=1)) for a in block.after]
    return [*(r for r in on_skip if r is not None), *after, *_branch(case, block)]


def _on_skip(case: Case, block: Block, o: OnSkip) -> Ruled | None:
    count, zero = case.asked.count, case.say.ids["zero"]
    times = f" at {count} sums" if count else ""
    grade: Severity = "high" if count >= VERY_DEEP else "medium" if count >= DEEP or not count else "low"
    match o.kind:
        case "scale" if block.post_norm:
            return None
        case "scale" | "gate":
            return _multiplied(case, o, grade)
        case "projection" if o.resizes:
            asked_about: Severity = "medium" if block.basis == "stated" else "note"
            return rule(case, "projection", zero, severity=asked_about, says="resizing", weight=0.5, times=times)
        case "concatenation":
            return rule(case, o.kind, zero)
        case "dropout" if grade == "medium":
            return rule(case, o.kind, zero, severity="high", times=times)
        case _:
            return rule(case, o.kind, zero, severity=grade, times=times)


def _multiplied(case: Case, o: OnSkip, grade: Severity) -> Ruled:
    """A constant or a gate on the skip: what its product leaves of the input's own path."""
    count, log = case.asked.count, math.log(max(case.product, 1e-300))
    if count and abs(log) < FADED:
        grade = "low" if o.kind == "scale" else "medium"
    elif abs(log) > 2 * FADED:
        grade = "high"
    measured = "12.86 % (shortcut gate, bias 0) and 8.70 % (best exclusive gate)"
    if (o.factor or 0.0) > NEARLY_OPEN:
        measured = "6.91 % (bias -6)"
    path, effect = " multiplies over depth", ""
    if "product" in case.say.ids and count:
        effect = f"the skip path's product goes from {number(case.product)} to 1 (computed)."
        path = f" leaves {number(case.product)} of the input's own path over {count} sums"
    cite = case.say.id("product", "zero")
    return rule(case, o.kind, cite, severity=grade, effect=effect, path=path, measured=measured)


def _after(case: Case, block: Block, kind: str, name: str) -> Ruled:
    count, zero, growth = case.asked.count, case.say.ids["zero"], case.say.id("growth")
    match kind:
        case "activation-after" if name.startswith(("relu", "leaky", "prelu")):
            grade: Severity = "medium" if count >= DEEPEST else "low" if count >= VERY_DEEP else "note"
            return rule(case, kind, zero, growth, severity=grade, effect=_opened(case, block), act=name)
        case "activation-after":
            bent = _bent(case, name)
            return rule(case, kind, zero, bent, says="bent" if bent else "bends", act=name)
        case "norm-after":
            fade, log = _fade(case)
            grade = "medium" if count >= DEEP or (not count and block.basis == "stated") else "low"
            text = f": over {count} sums the input's own path is multiplied by {power(log)}" if fade else ""
            return rule(case, kind, zero, fade, severity=grade, text=text)
        case _:
            sums = count or 1
            left = sums * math.log(abs(block.after_factor)) if block.after_factor else -math.inf
            grade = "high" if abs(left) > 2 * FADED else "medium" if abs(left) > FADED else "low"
            held = f"E[x²] = {power(case.course.log_q)}" if case.course else "a held scale"
            return rule(
                case, kind, case.say.id("product"), growth, severity=grade, act=name, held=held, left=left, sums=sums
            )


def _opened(case: Case, block: Block) -> str:
    """The gradient with nothing after the add, against that with a rectifier there, for a normalised branch."""
    seen = case.course
    if seen is None or seen.sums > MOST_TRACED or block.moment is None or block.degree is None or block.degree > 0.05:
        return ""
    then = course(*described(block.moment, 0.0, 1.0, ()), seen.sums)
    if then is None or abs(seen.log_gradient - then.log_gradient) < math.log(2):
        return ""
    return f"squared gradient first/last {power(seen.log_gradient)} to {power(then.log_gradient)}."


def _bent(case: Case, name: str) -> str:
    """What a nonlinearity after the add makes of sums of variance 2, 1 and 1/2; empty where it has no moments."""
    try:
        two, one, half = (math.exp(moments(name, None, 0.0, math.log(q)).log_second) for q in (2.0, 1.0, 0.5))
        slope, gradient = slope_at(name, None, 1.0, 0.0, 1.0), math.exp(moments(name, None, 0.0, 0.0).log_slope)
    except (KeyError, ValueError):
        return ""
    draws = "draws back to 1" if slope < 1 else "does not draw back to 1"
    return case.say.fact(
        "bent", two, act=name, two=two, one=one, half=half, slope=slope, gradient=gradient, draws=draws
    )


def _fade(case: Case) -> tuple[str, float]:
    """What post-norm leaves of the input's own path: its fact, and its logarithm."""
    asked = case.asked
    known = [(b.sums * asked.times, b.moment / (b.skip or 1.0) ** 2) for b in asked.blocks if b.moment is not None]
    if asked.count < 2 or not known:
        return "", 0.0
    shared = asked.count / sum(n for n, _ in known)
    log = -0.5 * sum(n * shared * math.log1p(a2) for n, a2 in known)
    skip = asked.blocks[0].skip
    with_skip = f" with the skip x {skip:.4g}" if skip not in (0, 1) else ""
    return case.say.fact("fade", math.exp(max(log, -600)), with_skip=with_skip, log=log), log


def _branch(case: Case, block: Block) -> Iterator[Ruled]:
    fact, seen = case.say.ids["block"], case.course
    if block.layers == 1 and block.ends != "never zero":
        around = "the skip" if block.sums else "a skip round it"
        # Without any nonlinearity the whole stack of blocks is one linear map.
        linear = case.asked.network is not None and not block.inner and not block.normed
        weight = 9.0 if linear else None
        yield rule(case, "one-layer", fact, severity="high" if linear else "medium", weight=weight, around=around)
    if block.ends == "positive" and block.sums:
        drifts = seen is not None and seen.mean_share > DRIFTS and seen.log_q > QUADRUPLE
        share = ""
        if seen is not None and seen.mean_share > 0.2:
            share = f" ({100 * seen.mean_share:.0f} % of the trunk is a common mean)"
        grade: Severity = "high" if drifts else "medium" if case.asked.count >= DEEP else "low"
        weight = 8.0 if drifts else None
        yield rule(case, "positive-branch", fact, case.say.id("growth"), severity=grade, weight=weight, share=share)
    if block.ends == "never zero" and block.sums:
        yield rule(case, "never-zero", case.say.ids["zero"])

"""Findings that follow from measured pairs: modes, labels that y does not fix, columns apart, copies."""

from __future__ import annotations

from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.facts import Facts
from kaiming_mcp.diagnosis.generative.advice import POINT
from kaiming_mcp.diagnosis.generative.decide import Decision
from kaiming_mcp.diagnosis.generative.spread import Spread
from kaiming_mcp.diagnosis.generative.statement import FEW_VALUES
from kaiming_mcp.diagnosis.principles import GENERATIVE
from kaiming_mcp.scaffold import number

COPIES_NOTICED = 0.03
"""Share of held-out rows nearer to the training set than 1 % would be by chance."""


def from_pairs(measured: Spread | None, decision: Decision, facts: Facts) -> list[Draft]:
    """Drafts, in no order; none where nothing was measured."""
    if measured is None:
        return []
    drafts = [
        _modes(measured, decision, facts),
        _unsure_labels(measured, decision),
        _mixed_columns(decision, measured, facts),
        _copies(measured, facts),
    ]
    return [d for d in drafts if d is not None]


def _modes(measured: Spread, decision: Decision, facts: Facts) -> Draft | None:
    if not measured.several or measured.gap is None or decision.answer in POINT:
        return None
    gap, uniform = measured.gap
    fact = facts.add(
        f"widest gap among like y, weighed by its smaller side: {number(gap)}; the flattest law with one mode has {number(uniform)}",
        "measured",
        gap,
        "gap",
        "probe posterior_spread",
    )
    return Draft(
        "medium",
        GENERATIVE,
        "x has several modes at like y",
        (*decision.evidence, fact),
        f"{_by_size(measured)}; a mean or one Gaussian puts its weight between them.",
        "share of samples in each mode against its share in held-out x, by condition, within the binomial error.",
        weight=4.6,
    )


def _by_size(measured: Spread) -> str:
    """What can hold several modes, by the numbers in x."""
    if measured.dim_x is None or measured.dim_x > FEW_VALUES:
        return "a flow or diffusion, whose samples fall into the modes"
    x = "the one number" if measured.dim_x == 1 else f"the {measured.dim_x} numbers"
    return f"a mixture with 2 to 5 components on {x} of x (weights, means, scales)"


def _unsure_labels(measured: Spread, decision: Decision) -> Draft | None:
    if not measured.discrete or decision.answer != "classify":
        return None
    return Draft(
        "medium",
        GENERATIVE,
        "Labels are not fixed by y",
        decision.evidence,
        "give probabilities, not labels; look for a variable that is missing from y before a larger network.",
        "log-loss against the class frequencies, and a reliability diagram in 10 bins within the binomial error of each.",
        f"for two classes of shares q and 1-q no classifier errs less than R q(1-q) = {number(measured.ratio)} q(1-q).",
        weight=3,
        limit="Closed label set",
    )


def _mixed_columns(decision: Decision, measured: Spread, facts: Facts) -> Draft | None:
    """Part of x is fixed by y and part is not."""
    if measured.extremes is None or decision.answer == "classify":
        return None
    low, high = measured.extremes
    if not (low < 0.05 and high > 0.3):
        return None
    fixed = [n for n, r in measured.columns if r < 0.05]
    free = [n for n, r in measured.columns if r > 0.3]
    named = f" ({', '.join(fixed[:4])}; open: {', '.join(free[:4])})" if fixed and free else ""
    fact = facts.add(
        f"R of single columns of x runs from {number(low)} to {number(high)}{named}", "measured", high, "R"
    )
    return Draft(
        "medium",
        GENERATIVE,
        "Some columns of x are fixed by y and others are open",
        (fact,),
        "regress the fixed ones and generate the open ones given y and them: p(x1, x2|y) = p(x2|x1, y) with x1 = m(y).",
        "R of the open columns with the fixed ones added to the condition; below 0.05 nothing is left to generate.",
        "capacity goes to the columns that vary.",
        weight=4.5,
    )


def _copies(measured: Spread, facts: Facts) -> Draft | None:
    if measured.held_out is not None:
        rows, same, near = measured.held_out
        if same > 0.01 * rows or near > COPIES_NOTICED:
            text = f"{same} of {rows:,} held-out rows stand in the training set, {near:.1%} lie nearer to it than 1 % would by chance"
            fact = facts.add(text, "measured", near, "share of rows", "probe posterior_spread")
            return Draft(
                "high",
                GENERATIVE,
                "The held-out set holds copies of the training set",
                (fact,),
                "split by the group that makes the copies (patient, scan, series, formula), then measure everything again.",
                "the probe again on the new split: the share must fall to 1 %.",
                weight=6,
                limit="Small training sets",
            )
    if measured.copies > 0.02 * measured.pairs:
        text = f"{measured.copies} identical pairs were left out: repeats of a record make R look smaller than it is"
        fact = facts.add(text, "measured", measured.copies, "rows")
        return Draft(
            "medium",
            GENERATIVE,
            "Records are repeated",
            (fact,),
            "remove them before training: a generator learns repeated records by heart first. If they are real repeats (a simulator run twice), "
            "say so in `data`: then R is 0 there.",
            "count of identical pairs is 0.",
            weight=3,
            limit="Small training sets",
        )
    return None

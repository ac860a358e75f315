"""What the numbers of an initialization mean, each with a remedy and its test."""

from __future__ import annotations

import math
from collections.abc import Iterator

from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.facts import Facts
from kaiming_mcp.diagnosis.initialization.courses import Courses
from kaiming_mcp.diagnosis.initialization.question import Question, many
from kaiming_mcp.diagnosis.network.subject import BROKEN, Course
from kaiming_mcp.diagnosis.principles import INIT, RESIDUAL
from kaiming_mcp.scaffold import SEVERITIES, Severity, number, power

UNSTABLE = 1.001
"""Slope of ln q' over ln q above which an error of scale grows from layer to layer."""
HOPELESS = 4
"""Layers within which the gradient leaves a factor of ten, below which no gain is worth keeping."""


def drafts_of(question: Question, facts: Facts, slope: float, found: Courses, depth_fact: str) -> list[Draft]:
    """The findings, the most severe first."""
    drafts = [*_of_stack(question, facts, slope, found, depth_fact)]
    before, then = found.default, found.derived
    if abs(before.worst) > BROKEN and abs(then.worst) <= BROKEN and not question.normalized:
        own = "" if found.everywhere is None else ", 1/sqrt(fan_in) in the first layer"
        drafts.append(
            Draft(
                "medium",
                INIT,
                f"The default breaks at this depth: gradient x{power(before.log_backward)}, E[x²] x{power(before.log_forward)}",
                (depth_fact,),
                f"set the derived std{own}, biases zero.",
                "log E[x²] per layer at step 0 under both.",
            )
        )
    return sorted(drafts, key=lambda d: SEVERITIES.index(d.severity))


def _of_stack(question: Question, facts: Facts, slope: float, found: Courses, depth_fact: str) -> Iterator[Draft]:
    act, ids = question.activation.name, tuple(f.id for f in facts.items if f.unit in {"gain", "slope"})
    then = found.derived
    if question.branches:
        yield _branch_draft(question, facts, found, depth_fact)
    elif question.normalized:
        yield Draft(
            "note",
            INIT,
            "A norm follows every layer: the gain hardly matters",
            (depth_fact,),
            "keep the framework's default; the scale of a weight only sets its effective learning rate (gradient 1/std, so "
            "the step counts as 1/std²), unless E[x²] falls to the norm's eps.",
            "same run with std x3 and /3 at step 0: E[x²] after the norm must not move.",
        )
    elif slope > UNSTABLE:
        start = tuple(f.id for f in facts.items if f.unit == "second moment")
        yield Draft(
            "high" if question.depth >= 10 else "medium",
            INIT,
            f"No gain is enough: {act} cannot hold its scale",
            (*ids, *start),
            f"put a norm (layer or RMS) before each {act}, or the layers on residual branches scaled by 1/sqrt(N); the gain "
            "above only sets where it starts.",
            "E[x²] per layer at step 0 for two seeds: the sign of its drift is chance.",
            f"an error of 1 % in E[x²] is {number(slope**question.depth)} % after {question.depth} layers, until it leaves "
            f"that range [{', '.join(start)}].",
        )
    elif reach(then) < HOPELESS:
        yield Draft(
            "high",
            INIT,
            f"No gain saves {act} at depth: the gradient changes x{power(then.log_backward / (then.depth - 1))} a layer",
            (*ids, depth_fact),
            f"replace the hidden {act} (tanh with gain 1.59, or ReLU with He), or put skips round the layers; as a gate or "
            "at the output it may stay.",
            "gradient per layer at step 0, its rate against chi_1.",
        )
    elif abs(then.log_backward) > BROKEN:
        yield Draft(
            "medium",
            INIT,
            f"Forward and backward cannot both be held: the gradient changes x{power(then.log_backward)}",
            (*ids, depth_fact),
            "keep the forward one up to the depth where the gradient leaves a factor of ten, and beyond it add skips or a "
            f"norm; that depth is {reach(then)} layers.",
            "gradient per layer at step 0, its rate against chi_1.",
        )


def reach(then: Course) -> int:
    """Layers over which the gradient stays within a factor of ten."""
    rate = abs(then.log_backward) / (then.depth - 1)
    return 10**6 if rate < BROKEN / 10**6 else math.floor(BROKEN / rate)


def _branch_draft(question: Question, facts: Facts, found: Courses, depth_fact: str) -> Draft:
    n = many(question)
    then, before = found.derived, found.default
    scaled = found.scaled_default if question.normalized else found.scaled_derived
    assert scaled is not None, "a question about branches"
    scaled_ids = tuple(f.id for f in facts.items if f.unit == "gradient then")
    grade: Severity = "medium" if before.worst > BROKEN else "low" if then.worst > BROKEN else "note"
    held = "keep the default for the weights and " if question.normalized else ""
    return Draft(
        grade if question.normalized or then.worst <= BROKEN else "medium",
        RESIDUAL,
        f"{n} branches add up: E[x²] x{power(then.log_forward)} with branches at full scale",
        (depth_fact, *scaled_ids),
        f"{held}multiply each branch by 1/sqrt({n}) = {n**-0.5:.4g} (as GPT-2 scales its last projections), or start its "
        "last layer at zero (Fixup, SkipInit, ReZero): then the trunk starts as the identity.",
        "std(F(x))/std(x) of each block at step 0.",
        f"branches x1/sqrt({n}): E[x²] last/first {power(scaled.log_forward)}, gradient {power(scaled.log_backward)} "
        f"[{', '.join(scaled_ids)}].",
    )

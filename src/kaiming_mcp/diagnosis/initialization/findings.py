"""What the numbers of an initialization mean, each with a remedy and its test."""

from __future__ import annotations

import math

from kaiming_mcp.architecture.ir import Network, Repeat, Residual
from kaiming_mcp.architecture.shapes import fan_in
from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.facts import Facts
from kaiming_mcp.diagnosis.initialization.question import Question, exact, layers_of
from kaiming_mcp.diagnosis.network.subject import BROKEN, Course, course_of
from kaiming_mcp.diagnosis.principles import INIT, RESIDUAL
from kaiming_mcp.scaffold import number, power
from kaiming_mcp.signal.moments import moments

UNSTABLE = 1.001
"""Slope of ln q' over ln q above which an error of scale grows from layer to layer."""
HOPELESS = 4
"""Layers within which the gradient leaves a factor of ten, below which no gain is worth keeping."""


def drafts_of(
    question: Question, facts: Facts, slope: float, then: Course, before: Course, depth_fact: str
) -> list[Draft]:
    """The findings, unsorted."""
    act, ids = question.activation.name, tuple(f.id for f in facts.items if f.unit in {"gain", "slope"})
    drafts = list[Draft]()
    if question.normalized:
        drafts.append(
            Draft(
                "note",
                INIT,
                "A norm follows every layer: the gain hardly matters",
                (depth_fact,),
                "keep the framework's default; the scale of a weight only sets its effective learning rate (gradient "
                "1/std, so the step counts as 1/std²), unless E[x²] falls to the norm's eps.",
                "same run with std x3 and /3 at step 0: E[x²] after the norm must not move.",
            )
        )
    elif slope > UNSTABLE and not question.branches:
        grown = slope**question.depth
        drafts.append(
            Draft(
                "high" if question.depth >= 10 else "medium",
                INIT,
                f"No gain is enough: {act} cannot hold its scale",
                ids,
                f"put a norm (layer or RMS) before each {act}, or the layers on residual branches scaled by 1/sqrt(N); the gain "
                "above only sets where it starts.",
                "E[x²] per layer at step 0 for two seeds: the sign of its drift is chance.",
                f"an error of 1 % in E[x²] is {number(grown)} % after {question.depth} layers, until it leaves that range "
                "(computed).",
            )
        )
    elif reach(then) < HOPELESS and not question.branches:
        drafts.append(
            Draft(
                "high",
                INIT,
                f"No gain saves {act} at depth: the gradient changes x{power(then.log_backward / (then.depth - 1))} a layer",
                (*ids, depth_fact),
                f"replace the hidden {act} (tanh with gain 1.59, or ReLU with He), or put skips round the layers; as a gate or "
                "at the output it may stay.",
                "gradient per layer at step 0, its rate against chi_1.",
            )
        )
    elif abs(then.log_backward) > BROKEN and not question.branches:
        drafts.append(
            Draft(
                "medium",
                INIT,
                f"Forward and backward cannot both be held: the gradient changes x{power(then.log_backward)}",
                (*ids, depth_fact),
                "keep the forward one up to the depth where the gradient leaves a factor of ten, and beyond it add skips or a "
                f"norm; that depth is {reach(then)} layers.",
                "gradient per layer at step 0, its rate against chi_1.",
            )
        )
    if question.branches:
        drafts.append(_branch_draft(question, then, depth_fact))
    if abs(before.worst) > BROKEN and abs(then.worst) <= BROKEN:
        drafts.append(
            Draft(
                "medium",
                INIT,
                f"The default breaks at this depth: gradient x{power(before.log_backward)}, E[x²] x{power(before.log_forward)}",
                (depth_fact,),
                "set the derived std, biases zero.",
                "log E[x²] per layer at step 0 under both.",
            )
        )
    return drafts


def reach(then: Course) -> int:
    """Layers over which the gradient stays within a factor of ten."""
    rate = abs(then.log_backward) / (then.depth - 1)
    return 10**6 if rate < BROKEN / 10**6 else math.floor(BROKEN / rate)


def _branch_draft(question: Question, then: Course, depth_fact: str) -> Draft:
    n = max(question.branches, 3)
    network = layers_of(question)
    body = network.root
    assert isinstance(body, Repeat)
    block = body.body
    assert isinstance(block, Residual)
    scaled = Network("scaled", Repeat(n, Residual(block.branch, None, n**-0.5)), network.input)
    into = fan_in(question.op)
    gain = math.exp(-0.5 * moments(question.activation.name, question.activation.parameter, 0.0, 0.0).log_second)
    found = course_of(scaled, exact(gain / math.sqrt(into), into), 256)
    effect = (
        f"branches x1/sqrt({n}): E[x²] last/first {power(found.log_forward)}, gradient {power(found.log_backward)} (computed)."
        if found
        else ""
    )
    return Draft(
        "medium" if then.worst > BROKEN else "note",
        RESIDUAL,
        f"{n} branches add up: E[x²] x{power(then.log_forward)} with branches at full scale",
        (depth_fact,),
        f"multiply each branch by 1/sqrt({n}) = {n**-0.5:.4g} (as GPT-2 scales its last projections), or start its last layer at zero "
        "(Fixup, SkipInit, ReZero): then the trunk starts as the identity.",
        "std(F(x))/std(x) of each block at step 0.",
        effect,
    )

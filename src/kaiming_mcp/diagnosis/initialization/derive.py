"""derive_initialization: the gain from the activation's moments, and what it holds over depth.

He et al. 2015, eq. 10 (forward) and 14 (backward), with E[phi^2] and E[phi'^2] in place of 1/2.
"""

from __future__ import annotations

import math

from kaiming_mcp.architecture.shapes import fan_in
from kaiming_mcp.diagnosis.draft import numbered
from kaiming_mcp.diagnosis.facts import Facts
from kaiming_mcp.diagnosis.initialization.code import code
from kaiming_mcp.diagnosis.initialization.facts import depth_fact_of, moment_facts, start_fact, std_facts
from kaiming_mcp.diagnosis.initialization.findings import HOPELESS, UNSTABLE, drafts_of, reach
from kaiming_mcp.diagnosis.initialization.question import Question, courses, exact, fan_out, span_of, square
from kaiming_mcp.diagnosis.network.subject import BROKEN, Course
from kaiming_mcp.diagnosis.relevance import limit_of, quote_of
from kaiming_mcp.library import Library
from kaiming_mcp.scaffold import FormField, Scaffold, Step, number, power
from kaiming_mcp.signal.initialization import Initialization, variances
from kaiming_mcp.signal.moments import moments
from kaiming_mcp.signal.scales import scales, slope_at

NAME = "derive_initialization"
FORM = [
    FormField(name="direction", holds="forward or backward is kept, and why for this network"),
    FormField(name="prediction", holds="E[x²] and gradient at layer 1 and at the last, before you run it"),
    FormField(name="fallback", holds="what you do if the measured rate per layer is off by more than 5 %"),
]


def derive(question: Question, library: Library) -> Scaffold:
    """Everything of the scaffold but the request line."""
    facts, op, act = Facts(), question.op, question.activation
    at_one = moments(act.name, act.parameter, 0.0, 0.0)
    gain = math.exp(-0.5 * at_one.log_second)
    into = fan_in(op)
    forward, backward = gain / math.sqrt(into), math.exp(-0.5 * at_one.log_slope) / math.sqrt(fan_out(op))
    default = Initialization({"pytorch": "pytorch", "flax": "flax", "keras": "keras"}[question.framework])  # type: ignore[arg-type]
    kept = exact(forward, into)
    slope = slope_at(act.name, act.parameter, gain**2, 0.0, 1.0)
    moment_facts(facts, question, at_one, gain, slope)
    std_facts(facts, op, forward, backward, default)
    then, before = courses(question, kept, default)
    stay = scales(act.name, act.parameter, *variances(default, square(op)))
    if not question.normalized and not question.branches:
        start_fact(facts, question, gain**2)
    depth_fact = depth_fact_of(facts, question, then, before, stay, default)
    drafts = drafts_of(question, facts, slope, then, before, depth_fact)
    findings = numbered(drafts, library)
    principle = library.principles["activation-aware-initialization"]
    return Scaffold(
        tool=NAME,
        verdict=_verdict(question, forward, slope, then),
        key_numbers=[
            f"std {number(forward)} (uniform: ±{number(forward * math.sqrt(3))}), gain {gain:.4f} / sqrt(fan_in {into:g})",
            f"over {span_of(question)}: E[x²] x{power(then.log_forward)}, gradient first/last x{power(then.log_backward)}",
            f"{default.describe()} instead: E[x²] x{power(before.log_forward)}, gradient x{power(before.log_backward)}",
        ],
        first_change=_first_change(question, slope, forward, then),
        established=facts.items,
        findings=findings,
        frame=_frame(question, facts),
        answer_form=FORM,
        limits=[
            "Infinite width, independent weights, white input, before training; the second moment meant is the one before "
            "the activation.",
            limit_of(principle, "normaliz"),
        ],
        quotes=[quote_of(library, principle, f"{act.name} rectifier initialization variance converge")],
        code=code(question.framework, op, forward),
        measure="E[x²] before each activation and the gradient per layer at step 0, their rate per layer against the "
        "numbers above (kaiming://probes/signal).",
    )


def _verdict(question: Question, std: float, slope: float, then: Course) -> str:
    act = question.activation.name
    if question.normalized:
        return f"Std {number(std)} fits {act}, but with a norm behind every layer the gain hardly matters."
    if question.branches:
        return f"Std {number(std)} fits {act}; what decides is the scale of the {max(question.branches, 3)} branches."
    if slope > UNSTABLE:
        return f"Std {number(std)} is exact for {act} at E[x²] = 1, but that scale is unstable (slope {slope:.3f}): no gain is enough at depth."
    if reach(then) < HOPELESS:
        return f"No gain saves {act} at depth: std {number(std)} holds E[x²], and the gradient changes x{power(then.log_backward)}."
    if then.healthy:
        return f"Std {number(std)} holds {act} over {question.depth} layers, forward and backward."
    return f"Std {number(std)} holds {act} forward; the gradient still changes x{power(then.log_backward)} over {question.depth} layers."


def _first_change(question: Question, slope: float, std: float, then: Course) -> str:
    if question.normalized:
        return "None: keep the default and tune the learning rate."
    if question.branches and then.worst > BROKEN:
        return f"Scale each branch by 1/sqrt({max(question.branches, 3)}), then set std {number(std)}."
    if slope > UNSTABLE and question.depth >= 10:
        return f"Add a norm before each {question.activation.name}; then std {number(std)} or the default serves."
    if reach(then) < HOPELESS and not question.branches:
        return f"Replace the hidden {question.activation.name}: tanh or ReLU."
    return f"Draw the weights with std {number(std)}, biases zero."


def _frame(question: Question, facts: Facts) -> list[Step]:
    ids = [f.id for f in facts.items]
    keep = (
        "Forward (fan_in) and backward (fan_out) differ by c_in/c_out of each layer, which telescopes over a network to its "
        "first and last width (He et al. 2015, section 2.2)."
        if question.activation.name in {"relu", "leaky_relu", "prelu", "rrelu"}
        else f"For {question.activation.name} the two gains differ and both cannot be held: what one keeps, the other pays a "
        "layer at a time."
    )
    return [
        Step(
            way="Fundamental symmetry",
            prompt=f"{keep} Which of the two must this network keep?",
            cites=ids[:3],
            field="direction",
        ),
        Step(
            way="Mathematical reality",
            prompt="Before running it, write down both numbers at the first and last layer.",
            cites=ids[-1:],
            field="prediction",
        ),
        Step(
            way="The principle",
            prompt="If the measured rate disagrees, is it the fan, the activation's moments, or a layer between that you left out?",
            cites=ids[1:2],
            field="fallback",
        ),
    ]

"""derive_initialization: the gain from the activation's moments, and what it holds over depth.

He et al. 2015, eq. 10 (forward) and 14 (backward), with E[phi^2] and E[phi'^2] in place of 1/2.
"""

from __future__ import annotations

import math

from kaiming_mcp.architecture.ir import Conv
from kaiming_mcp.architecture.shapes import fan_in
from kaiming_mcp.diagnosis.draft import numbered
from kaiming_mcp.diagnosis.facts import Facts
from kaiming_mcp.diagnosis.initialization.code import Drawn, code
from kaiming_mcp.diagnosis.initialization.courses import Courses, compared
from kaiming_mcp.diagnosis.initialization.facts import (
    depth_fact_of,
    first_layer_fact,
    moment_facts,
    scaled_fact,
    start_fact,
    std_facts,
)
from kaiming_mcp.diagnosis.initialization.findings import HOPELESS, UNSTABLE, drafts_of, reach
from kaiming_mcp.diagnosis.initialization.question import (
    Question,
    as_drawn,
    fan_out,
    has_first,
    many,
    span_of,
    square,
)
from kaiming_mcp.diagnosis.network.quoted import EXPONENTIAL, RECTIFIER
from kaiming_mcp.diagnosis.network.rules_activation import UNSTABLE as UNSTABLE_NAMES
from kaiming_mcp.diagnosis.principles import INIT
from kaiming_mcp.diagnosis.relevance import named_limit, named_quote
from kaiming_mcp.library import Library, Principle
from kaiming_mcp.scaffold import FormField, Quotation, Scaffold, Step, number, power
from kaiming_mcp.signal.activations import find
from kaiming_mcp.signal.initialization import Initialization, variances
from kaiming_mcp.signal.moments import moments
from kaiming_mcp.signal.scales import scales, slope_at

NAME = "derive_initialization"
FORM = [
    FormField(name="direction", holds="forward or backward is kept, and why for this network"),
    FormField(
        name="prediction", holds="E[x²] and gradient at layer 1 and at the last, before you run it", wants=["number"]
    ),
    FormField(
        name="fallback", holds="what you do if the measured rate per layer is off by more than 5 %", wants=["test"]
    ),
]


def derive(question: Question, library: Library) -> Scaffold:
    """Everything of the scaffold but the request line."""
    facts, op, act = Facts(), question.op, question.activation
    at_one = moments(act.name, act.parameter, 0.0, 0.0)
    gain = math.exp(-0.5 * at_one.log_second)
    into = fan_in(op)
    forward, backward = gain / math.sqrt(into), math.exp(-0.5 * at_one.log_slope) / math.sqrt(fan_out(op))
    default = Initialization({"pytorch": "pytorch", "flax": "flax", "keras": "keras"}[question.framework])  # type: ignore[arg-type]
    slope = slope_at(act.name, act.parameter, gain**2, 0.0, 1.0)
    moment_facts(facts, question, at_one, gain, slope)
    std_facts(facts, op, forward, backward, default)
    found = compared(question, forward, into, default)
    drawn = as_drawn(default, op)
    stay = scales(act.name, act.parameter, *variances(drawn, square(op)))
    if not question.normalized and not question.branches:
        start_fact(facts, question, gain**2, slope)
    depth_fact = depth_fact_of(facts, question, found, stay, default)
    if found.everywhere is not None:
        first_layer_fact(facts, question, forward, into, found.everywhere)
    if question.branches:
        scaled_fact(facts, question, found, default)
    then, before = found.derived, found.default
    return Scaffold(
        tool=NAME,
        verdict=_verdict(question, forward, slope, found, default),
        key_numbers=[
            f"std {number(forward)} (uniform: ±{number(forward * math.sqrt(3))}), gain {gain:.4f} / sqrt(fan_in {into:g})",
            f"over {span_of(question)}: E[x²] x{power(then.log_forward)}, gradient first/last x{power(then.log_backward)}",
            f"{default.describe()} instead: E[x²] x{power(before.log_forward)}, gradient x{power(before.log_backward)}",
        ],
        first_change=_first_change(question, slope, forward, found),
        established=facts.items,
        findings=numbered(drafts_of(question, facts, slope, found, depth_fact), library),
        frame=_frame(question, facts, depth_fact),
        answer_form=FORM,
        limits=_limits(question, library.principles[INIT]),
        quotes=_quotes(question, library),
        code=_code(question, forward, into),
        measure="E[x²] before each activation and the gradient per layer at step 0, their rate per layer against the "
        "numbers above (kaiming://probes/signal).",
    )


def _verdict(question: Question, std: float, slope: float, found: Courses, default: Initialization) -> str:
    act, then, scaled, kept = question.activation.name, found.derived, found.scaled_derived, found.scaled_default
    if scaled is not None and kept is not None:
        n = many(question)
        return (
            f"The scale of the {n} branches decides, not the gain for {act}: at std {number(std)} E[x²] grows "
            f"x{power(then.log_forward)}, at {default.describe()} x{power(found.default.log_forward)}; with each branch times "
            f"1/sqrt({n}) x{power(scaled.log_forward)} and x{power(kept.log_forward)}."
        )
    if question.normalized:
        return f"Std {number(std)} fits {act}, but with a norm behind every layer the gain hardly matters."
    if slope > UNSTABLE:
        return f"Std {number(std)} is exact for {act} at E[x²] = 1, but that scale is unstable (slope {slope:.3f}): no gain is enough at depth."
    if reach(then) < HOPELESS:
        return f"No gain saves {act} at depth: std {number(std)} holds E[x²], and the gradient changes x{power(then.log_backward)}."
    if then.healthy:
        return f"Std {number(std)} holds {act} over {question.depth} layers, forward and backward."
    return f"Std {number(std)} holds {act} forward; the gradient still changes x{power(then.log_backward)} over {question.depth} layers."


def _first_change(question: Question, slope: float, std: float, found: Courses) -> str:
    n, act = many(question), question.activation.name
    if question.branches and question.normalized:
        return f"Keep the default for the weights and multiply each branch by 1/sqrt({n}) = {n**-0.5:.4g}."
    if question.branches:
        return f"Multiply each branch by 1/sqrt({n}) = {n**-0.5:.4g}, and draw its weights with std {number(std)}."
    if question.normalized:
        return "None: keep the default and tune the learning rate."
    if slope > UNSTABLE and question.depth >= 10:
        return f"Add a norm before each {act}; then std {number(std)} or the default serves."
    if reach(found.derived) < HOPELESS:
        return f"Replace the hidden {act}: tanh or ReLU."
    own = "" if found.everywhere is None else ", the first layer with 1/sqrt(fan_in)"
    return f"Draw the weights with std {number(std)}{own}, biases zero."


def _code(question: Question, std: float, into: float) -> str:
    """What the first change says, and what the numbers belong to."""
    act, op = question.activation.name, question.op
    if question.branches:
        kept = None if question.normalized else std
        branch = f"in each of the {many(question)} blocks: x + {many(question) ** -0.5:.4g} * branch(x)"
        return code(question.framework, op, [Drawn("layer", "its default draw" if kept is None else "", kept)], branch)
    if question.normalized:
        return code(
            question.framework, op, [Drawn("layer", "its default draw: the norm behind it sets the scale", None)]
        )
    rest = Drawn("layer", "", std)
    if not has_first(question):
        return code(question.framework, op, [rest])
    first = Drawn("first", f"reads the data: no {act} before it", into**-0.5)
    return code(question.framework, op, [first, rest._replace(remark=f"each of the others: a {act} before it")])


def _limits(question: Question, principle: Principle) -> list[str]:
    act = question.activation.name
    words = (
        ("A norm between" if question.normalized else "")
        or ("Residual branches" if question.branches else "")
        or ("GELU, SiLU" if act in UNSTABLE_NAMES else "Sigmoid" if act in ("sigmoid", "tanh") else "")
        or ("Mean-field" if isinstance(question.op, Conv) and question.op.groups > 1 else "")
    )
    general = (
        "Infinite width, independent weights, white input, before training; the second moment meant is the one before the "
        "activation."
    )
    own = named_limit(principle, words)
    return [general] if own is None else [general, own]


def _quotes(question: Question, library: Library) -> list[Quotation]:
    """The rectifier's for rectifiers; for any other stack what an initialization should avoid."""
    if question.branches or question.normalized:
        return []
    known = find(question.activation.name, question.activation.parameter)
    rectifier = known is not None and known.slopes is not None and known.name != "identity"
    quote = named_quote(library, RECTIFIER if rectifier else EXPONENTIAL)
    return [] if quote is None else [quote]


def _frame(question: Question, facts: Facts, depth_fact: str) -> list[Step]:
    ids = [f.id for f in facts.items if f.unit in {"gain", "slope", "std"}]
    beside = [f.id for f in facts.items if f.unit == "gradient then"]
    if question.branches:
        keep, cites = (
            "What is to be kept is the trunk: the power of each branch against what it is added to. How much growth over all "
            "branches do you accept, and which of std and branch scale sets it?",
            [depth_fact, *beside],
        )
    elif question.normalized:
        keep, cites = (
            "A norm resets the forward scale, so neither gain is to be kept; a weight's scale is left with its effective "
            "learning rate. What must this network keep instead?",
            [depth_fact],
        )
    elif question.activation.name in {"relu", "leaky_relu", "prelu", "rrelu"}:
        keep, cites = (
            "Forward (fan_in) and backward (fan_out) differ by c_in/c_out of each layer, which telescopes over a network to "
            "its first and last width (He et al. 2015, section 2.2). Which of the two must this network keep?",
            ids[:3],
        )
    else:
        keep, cites = (
            f"For {question.activation.name} the two gains differ and both cannot be held: what one keeps, the other pays a "
            "layer at a time. Which of the two must this network keep?",
            ids[:3],
        )
    return [
        Step(way="Fundamental symmetry", prompt=keep, cites=cites, field="direction"),
        Step(
            way="Mathematical reality",
            prompt="Before running it, write down both numbers at the first and last layer.",
            cites=[depth_fact, *beside],
            field="prediction",
        ),
        Step(
            way="The principle",
            prompt="If the measured rate disagrees, is it the fan, the activation's moments, or a layer between that you left out?",
            cites=[depth_fact],
            field="fallback",
        ),
    ]

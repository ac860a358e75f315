"""derive_initialization: the gain from the activation's moments, and what it holds over depth.

He et al. 2015, eq. 10 (forward) and 14 (backward), with E[phi^2] and E[phi'^2] in place of 1/2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from kaiming_mcp.architecture.ir import (
    Activation,
    Conv,
    Layer,
    Linear,
    Network,
    Norm,
    Repeat,
    Residual,
    Sequence,
    Shape,
)
from kaiming_mcp.architecture.shapes import fan_in
from kaiming_mcp.diagnosis.draft import Draft, numbered
from kaiming_mcp.diagnosis.facts import Facts
from kaiming_mcp.diagnosis.initialization.code import Framework, code
from kaiming_mcp.diagnosis.network.subject import BROKEN, Course, course_of
from kaiming_mcp.diagnosis.principles import INIT, RESIDUAL
from kaiming_mcp.diagnosis.relevance import limit_of, quote_of
from kaiming_mcp.library import Library
from kaiming_mcp.scaffold import FormField, Scaffold, Step, bounded, number, power
from kaiming_mcp.signal.initialization import Initialization, framework_fans, truncated_variance, variances
from kaiming_mcp.signal.moments import Moments, moments
from kaiming_mcp.signal.scales import Scales, scales, slope_at

NAME = "derive_initialization"
UNSTABLE = 1.001
"""Slope of ln q' over ln q above which an error of scale grows from layer to layer."""
HOPELESS = 4
"""Layers within which the gradient leaves a factor of ten, below which no gain is worth keeping."""
FORM = [
    FormField(name="direction", holds="forward or backward is kept, and why for this network"),
    FormField(name="prediction", holds="E[x²] and gradient at layer 1 and at the last, before you run it"),
    FormField(name="fallback", holds="what you do if the measured rate per layer is off by more than 5 %"),
]


@dataclass(frozen=True, slots=True)
class Question:
    """One layer, what follows it, and how often it repeats."""

    op: Linear | Conv
    activation: Activation
    depth: int
    branches: int
    normalized: bool
    framework: Framework


def derive(question: Question, library: Library) -> Scaffold:
    """Everything of the scaffold but the request line."""
    facts, op, act = Facts(), question.op, question.activation
    at_one = moments(act.name, act.parameter, 0.0, 0.0)
    gain = math.exp(-0.5 * at_one.log_second)
    into = fan_in(op)
    forward, backward = gain / math.sqrt(into), math.exp(-0.5 * at_one.log_slope) / math.sqrt(_fan_out(op))
    default = Initialization({"pytorch": "pytorch", "flax": "flax", "keras": "keras"}[question.framework])  # type: ignore[arg-type]
    kept = _exact(forward, into)
    slope = slope_at(act.name, act.parameter, gain**2, 0.0, 1.0)
    _moment_facts(facts, question, at_one, gain, slope)
    _std_facts(facts, op, forward, backward, default)
    then, before = _course(question, kept, default)
    stay = scales(act.name, act.parameter, *variances(default, _square(op)))
    if not question.normalized and not question.branches:
        _start_fact(facts, question, gain**2)
    depth_fact = _depth_fact(facts, question, then, before, stay, default)
    drafts = _drafts(question, facts, slope, then, before, depth_fact)
    findings = numbered(drafts, library)
    principle = library.principles["activation-aware-initialization"]
    return Scaffold(
        tool=NAME,
        verdict=_verdict(question, forward, slope, then),
        key_numbers=[
            f"std {number(forward)} (uniform: ±{number(forward * math.sqrt(3))}), gain {gain:.4f} / sqrt(fan_in {into:g})",
            f"over {_span(question)}: E[x²] x{power(then.log_forward)}, gradient first/last x{power(then.log_backward)}",
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


def _fan_out(op: Linear | Conv) -> float:
    """Weights that one input element feeds: k^2 c_out / (groups s^2)."""
    if isinstance(op, Linear):
        return op.out_features
    taps = math.prod(op.kernel) * op.out_channels / op.groups
    return taps if op.transposed else taps / math.prod(op.stride)


def _exact(std: float, into: float) -> Initialization:
    return Initialization("lecun", gain=std * math.sqrt(into))


def _square(op: Linear | Conv) -> Linear:
    width = max(1, round(fan_in(op)))
    return Linear(width, width, op.bias)


def _course(question: Question, kept: Initialization, default: Initialization) -> tuple[Course, Course]:
    network = _network(question)
    found = [course_of(network, init, 256) for init in (kept, default)]
    first, second = found
    assert first is not None, "the network is made of modelled layers"
    assert second is not None, "the network is made of modelled layers"
    return first, second


def _network(question: Question) -> Network:
    """`depth` layers of one width: the rate is what counts, and it does not depend on the width."""
    op, act = Layer(_square(question.op)), Layer(question.activation)
    width = op.op.in_features if isinstance(op.op, Linear) else 1
    norm = (Layer(Norm("layer", width)),) if question.normalized else ()
    if question.branches:
        block = Residual(Sequence((*norm, act, op, act, op)))
        body = Repeat(max(question.branches, 3), block)
    else:
        # The activation first: then the input is a pre-activation of E[x²] = 1, where the gain was taken.
        body = Repeat(max(question.depth, 2), Sequence((act, op, *norm)))
    return Network("layers", body, Shape(width))


def _moment_facts(facts: Facts, question: Question, m: Moments, gain: float, slope: float) -> None:
    act = question.activation.name
    second, derivative = math.exp(m.log_second), math.exp(m.log_slope)
    facts.add(
        f"{act}, unit Gaussian: E[φ] = {m.mean if abs(m.mean) > 1e-12 else 0:.6g}, E[φ²] = {second:.6g}, E[φ'²] = {derivative:.6g}; gain forward "
        f"1/sqrt(E[φ²]) = {gain:.6g}, backward 1/sqrt(E[φ'²]) = {1 / math.sqrt(derivative):.6g}",
        "computed",
        gain,
        "gain",
        "closed form or quadrature split at the kinks",
    )
    state = (
        "marginal: errors of scale persist"
        if abs(slope - 1) < 1e-4
        else (
            f"unstable: an error of scale grows by {100 * (slope - 1):.1f} % a layer"
            if slope > 1
            else f"stable: an error of scale shrinks to {slope:.3g} of itself in a layer"
        )
    )
    facts.add(
        f"at that gain E[x²] = 1 is {state} (slope {slope:.4f}); the gradient then changes x{derivative / second:.4f} a "
        "layer (chi_1)",
        "computed",
        slope,
        "slope",
        "d ln q' / d ln q",
    )


def _std_facts(facts: Facts, op: Linear | Conv, forward: float, backward: float, default: Initialization) -> None:
    named_in, named_out = framework_fans(op)
    weight = math.sqrt(variances(default, op)[0] / fan_in(op))
    facts.add(
        f"forward std {forward:.6g}, uniform bound {forward * math.sqrt(3):.6g}, parameter of a normal cut at 2 std "
        f"{forward / math.sqrt(truncated_variance(2.0)):.6g}; backward std {backward:.6g}",
        "computed",
        forward,
        "std",
        f"fan_in {fan_in(op):g}, fan_out {_fan_out(op):g} of one element",
    )
    odd = ""
    if abs(named_in - fan_in(op)) > 1e-9 or abs(named_out - _fan_out(op)) > 1e-9:
        odd = f"; torch.nn.init would take fan_in {named_in:g} and fan_out {named_out:g} for this weight, which are not these"
    facts.add(
        f"{default.describe()} gives std {weight:.6g}: variance x{(weight / forward) ** 2:.4g} of the derived one{odd}",
        "computed",
        weight,
        "std",
        "framework source",
    )


def _span(question: Question) -> str:
    return f"{max(question.branches, 3)} two-layer branches" if question.branches else f"{question.depth} layers"


def _start_fact(facts: Facts, question: Question, gain: float) -> None:
    """Where E[x²] ends that starts 10 % off."""
    ends = list[str]()
    for start in (1.1, 0.9):
        log_q = math.log(start)
        for _ in range(question.depth):
            log_q = (
                math.log(gain) + moments(question.activation.name, question.activation.parameter, 0.0, log_q).log_second
            )
        ends.append(power(log_q))
    facts.add(
        f"E[x²] that starts 10 % too high ends at {ends[0]} after {question.depth} layers, 10 % too low at {ends[1]}",
        "computed",
        None,
        "second moment",
        "q' = V E[φ(sqrt(q) z)²]",
    )


def _depth_fact(
    facts: Facts, question: Question, then: Course, before: Course, stay: Scales, default: Initialization
) -> str:
    what = _span(question)
    norm = " with layer norm" if question.normalized else ""
    floor = ""
    if stay.q_star is not None and not question.branches and not question.normalized:
        floor = f"; under {default.describe()} E[x²] settles at {number(stay.q_star)}"
    return facts.add(
        f"{what}{norm} of this width: derived E[x²] last/first {power(then.log_forward)}, gradient first/last "
        f"{power(then.log_backward)}; {default.describe()} {power(before.log_forward)} and {power(before.log_backward)}{floor}",
        "computed",
        bounded(then.log_backward),
        "gradient",
        "trace of both",
    )


def _drafts(
    question: Question, facts: Facts, slope: float, then: Course, before: Course, depth_fact: str
) -> list[Draft]:
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
    elif _reach(then) < HOPELESS and not question.branches:
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
                f"norm; that depth is {_reach(then)} layers.",
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


def _reach(then: Course) -> int:
    """Layers over which the gradient stays within a factor of ten."""
    rate = abs(then.log_backward) / (then.depth - 1)
    return 10**6 if rate < BROKEN / 10**6 else math.floor(BROKEN / rate)


def _branch_draft(question: Question, then: Course, depth_fact: str) -> Draft:
    n = max(question.branches, 3)
    network = _network(question)
    body = network.root
    assert isinstance(body, Repeat)
    block = body.body
    assert isinstance(block, Residual)
    scaled = Network("scaled", Repeat(n, Residual(block.branch, None, n**-0.5)), network.input)
    into = fan_in(question.op)
    gain = math.exp(-0.5 * moments(question.activation.name, question.activation.parameter, 0.0, 0.0).log_second)
    found = course_of(scaled, _exact(gain / math.sqrt(into), into), 256)
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


def _verdict(question: Question, std: float, slope: float, then: Course) -> str:
    act = question.activation.name
    if question.normalized:
        return f"Std {number(std)} fits {act}, but with a norm behind every layer the gain hardly matters."
    if question.branches:
        return f"Std {number(std)} fits {act}; what decides is the scale of the {max(question.branches, 3)} branches."
    if slope > UNSTABLE:
        return f"Std {number(std)} is exact for {act} at E[x²] = 1, but that scale is unstable (slope {slope:.3f}): no gain is enough at depth."
    if _reach(then) < HOPELESS:
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
    if _reach(then) < HOPELESS and not question.branches:
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

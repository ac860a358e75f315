"""What the moments, the two gains and the depth give, as facts."""

from __future__ import annotations

import math

from kaiming_mcp.architecture.ir import Conv, Linear
from kaiming_mcp.architecture.shapes import fan_in
from kaiming_mcp.diagnosis.facts import Facts
from kaiming_mcp.diagnosis.initialization.courses import Courses
from kaiming_mcp.diagnosis.initialization.question import Question, fan_out, many, span_of
from kaiming_mcp.diagnosis.network.subject import Course
from kaiming_mcp.scaffold import bounded, number, power
from kaiming_mcp.signal.initialization import Initialization, framework_fans, truncated_variance, variances
from kaiming_mcp.signal.moments import Moments, moments
from kaiming_mcp.signal.scales import Scales


def moment_facts(facts: Facts, question: Question, m: Moments, gain: float, slope: float) -> None:
    """The moments, both gains, and the slope that says whether the scale is stable."""
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
    if question.normalized:
        facts.add(
            f"at that gain an error of scale changes by {100 * (slope - 1):.1f} % a layer (slope {slope:.4f}), which does not "
            f"compound: a norm starts each {'branch' if question.branches else 'layer'} again from E[x²] = 1",
            "computed",
            slope,
            "slope",
            "d ln q' / d ln q",
        )
        return
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


def std_facts(facts: Facts, op: Linear | Conv, forward: float, backward: float, default: Initialization) -> None:
    """What each gain gives as a std and a bound, and what the framework draws instead."""
    named_in, named_out = framework_fans(op)
    weight = math.sqrt(variances(default, op)[0] / fan_in(op))
    facts.add(
        f"forward std {forward:.6g}, uniform bound {forward * math.sqrt(3):.6g}, parameter of a normal cut at 2 std "
        f"{forward / math.sqrt(truncated_variance(2.0)):.6g}; backward std {backward:.6g}",
        "computed",
        forward,
        "std",
        f"fan_in {fan_in(op):g}, fan_out {fan_out(op):g} of one element",
    )
    odd = ""
    if abs(named_in - fan_in(op)) > 1e-9 or abs(named_out - fan_out(op)) > 1e-9:
        odd = f"; torch.nn.init would take fan_in {named_in:g} and fan_out {named_out:g} for this weight, which are not these"
    facts.add(
        f"{default.describe()} gives std {weight:.6g}: variance x{(weight / forward) ** 2:.4g} of the derived one{odd}",
        "computed",
        weight,
        "std",
        "framework source",
    )


def start_fact(facts: Facts, question: Question, gain: float, slope: float) -> str:
    """Where E[x²] ends that starts 10 % off, and what an error of 1 % becomes; returns the id of the fact."""
    ends = list[str]()
    for start in (1.1, 0.9):
        log_q = math.log(start)
        for _ in range(question.depth):
            log_q = (
                math.log(gain) + moments(question.activation.name, question.activation.parameter, 0.0, log_q).log_second
            )
        ends.append(power(log_q))
    grown = slope**question.depth
    small = f"; an error of 1 % becomes {number(grown)} % while it is small" if abs(slope - 1) > 1e-4 else ""
    return facts.add(
        f"E[x²] that starts 10 % too high ends at {ends[0]} after {question.depth} layers, 10 % too low at {ends[1]}{small}",
        "computed",
        grown if small else None,
        "second moment",
        "q' = V E[φ(sqrt(q) z)²]",
    )


def depth_fact_of(facts: Facts, question: Question, found: Courses, stay: Scales, default: Initialization) -> str:
    """Derived std and default over the depth, side by side; returns the id of the fact."""
    floor = ""
    if stay.q_star is not None and not question.branches and not question.normalized:
        floor = f"; under {default.describe()} E[x²] settles at {number(stay.q_star)}"
    start = "as in the code, " if found.everywhere is not None else ""
    return facts.add(
        f"{span_of(question)} of this fan_in and variance: derived std, {start}{_words(found.derived)}; "
        f"{default.describe()} {_words(found.default)}{floor}",
        "computed",
        bounded(found.derived.log_backward),
        "gradient",
        "trace of both",
    )


def first_layer_fact(facts: Facts, question: Question, std: float, into: float, everywhere: Course) -> str:
    """Why the first layer has a std of its own; returns the id of the fact."""
    return facts.add(
        f"the first layer reads the data, with no {question.activation.name} before it: std 1/sqrt(fan_in) = "
        f"{into**-0.5:.6g}; with {std:.6g} there too, unit inputs give {_words(everywhere)}",
        "computed",
        bounded(everywhere.log_backward),
        "gradient then",
        "trace",
    )


def scaled_fact(facts: Facts, question: Question, found: Courses, default: Initialization) -> str:
    """Branches times 1/sqrt(N), at the derived std and at the default; returns the id of the fact."""
    scaled, plain = found.scaled_derived, found.scaled_default
    assert scaled is not None, "asked of branches alone"
    assert plain is not None, "asked of branches alone"
    return facts.add(
        f"the same with each branch times 1/sqrt({many(question)}) = {many(question) ** -0.5:.4g}: derived std "
        f"{_words(scaled)}; {default.describe()} {_words(plain)}",
        "computed",
        bounded(scaled.log_backward),
        "gradient then",
        "trace",
    )


def _words(course: Course) -> str:
    return f"E[x²] last/first {power(course.log_forward)}, gradient first/last {power(course.log_backward)}"

"""trace_signal: what the signal does over depth, said in words and numbers, with what it does not show."""

from __future__ import annotations

import math
from dataclasses import dataclass

from kaiming_mcp.architecture.ir import Conv, Dropout, Linear, Node, Norm, Reading, Recurrent, layers
from kaiming_mcp.architecture.notation_writer import write_notation
from kaiming_mcp.diagnosis.network import structure
from kaiming_mcp.diagnosis.network.facts import Given, assumed_facts, read_facts, signal_facts, unit
from kaiming_mcp.diagnosis.network.rules_gain import COLLAPSED
from kaiming_mcp.diagnosis.network.subject import Course, Subject
from kaiming_mcp.diagnosis.relevance import quote_of
from kaiming_mcp.diagnosis.signal.picture import places, spark_lines, table
from kaiming_mcp.library import Library
from kaiming_mcp.scaffold import FormField, Scaffold, Step, bounded, number, power
from kaiming_mcp.signal.initialization import Initialization, variances
from kaiming_mcp.signal.rules import Passage
from kaiming_mcp.signal.scales import Scales, scales
from kaiming_mcp.signal.simulation import Simulated
from kaiming_mcp.signal.trace import Trace, trace

NAME = "trace_signal"
NORMED_TRUNK = math.log(1e4)
"""Change of the gradient over a trunk with norms in its branches, up to which no rate is behind it."""
FORM = [
    FormField(name="first_break", holds="the place where a quantity leaves its scale, with the fact that shows it"),
    FormField(name="reality", holds="what a real batch will move, which way, and the measurement that shows it"),
    FormField(name="change", holds="the one edit of `read_as` to trace next, and the number you predict for it"),
]


@dataclass(frozen=True, slots=True)
class Beside:
    """A simulation, and the theory for the batch that was simulated."""

    simulated: Simulated
    theory: Trace


def report(
    subject: Subject, reading: Reading, given: Given, library: Library, beside: Beside | None, said: str
) -> Scaffold:
    """The scaffold of a trace; `said` is why no simulation was made where one was asked for."""
    found, here = subject.trace, subject.course
    assert found is not None and here is not None, "the tool refuses what cannot be traced"  # noqa: PT018 - one condition
    read_facts(subject, reading)
    assumed_facts(subject, given)
    signal_facts(subject, here)
    _scale_facts(subject)
    _weight_facts(subject)
    _time_facts(subject, found)
    if beside is not None:
        _simulation_facts(subject, beside)
    principle = library.principles["activation-aware-initialization"]
    return Scaffold(
        tool=NAME,
        verdict=_verdict(subject, here),
        key_numbers=[
            f"gradient first/last: {power(here.log_backward)} "
            f"(x{power(here.log_backward / (here.depth - 1))} per {unit(subject.stations)}, {here.depth} places)",
            f"E[x²] last/first: {power(here.log_forward)}",
            f"share that differs between inputs at the last place: {power(math.log(max(here.across, 1e-300)))}",
        ],
        first_change=_next(subject, here),
        established=subject.facts.items,
        frame=[
            Step(
                way="Fundamental symmetry",
                prompt="E[x²] and the gradient should be conserved along depth. At which row of the table does one leave "
                "its scale first, and is it the layer, the activation or a join that moves it?",
                cites=[f.id for f in subject.facts.items if f.unit in {"second moment", "gradient"}],
                field="first_break",
            ),
            Step(
                way="Mathematical reality",
                prompt="The input here is white noise and the cotangent random. Your data has a mean and neighbours alike, "
                "your loss a direction: which column will a real batch move, and which way?",
                cites=[f.id for f in subject.facts.items if f.unit == "share"],
                field="reality",
            ),
            Step(
                way="Change one thing",
                prompt="Edit `read_as` in one place (a gain, a norm, a skip, a scale), predict the new first/last ratio, "
                "and trace it again.",
                cites=[],
                field="change",
            ),
        ],
        answer_form=FORM,
        limits=_limits(subject, found, said),
        quotes=[quote_of(library, principle, "signal variance layers gradient depth")],
        picture=spark_lines(subject.stations),
        table=table(subject.stations),
        read_as=_short(write_notation(subject.network)),
        measure="log E[x²] and log gradient per layer at step 0 on one real batch: kaiming://probes/signal.",
    )


def _verdict(subject: Subject, here: Course) -> str:
    forward = _course("the signal", here.log_forward, "last", "first")
    backward = _course("the gradient", here.log_backward, "first", "last")
    text = f"{forward[0].upper()}{forward[1:]}, {backward}, over {here.depth} {_kind(subject)}."
    if here.log_free is not None and abs(here.log_backward) > math.log(10) and here.healthy:
        text += " Relative to the signal the gradient is steady: the norms make the scale of each layer irrelevant."
    worst = _passages(subject)[:1]
    if worst and abs(worst[0].log_ratio) > math.log(10):
        text += f" Over {worst[0].steps} steps the gradient at the first is x{power(worst[0].log_ratio)} of that at the last."
    if here.across < COLLAPSED:
        text += " The output barely depends on the input."
    return text


def _kind(subject: Subject) -> str:
    return "residual sums" if subject.stations[0].kind == "sum" else "weighted layers"


def _course(what: str, log_change: float, end: str, start: str) -> str:
    if abs(log_change) < math.log(2):
        return f"{what} keeps its scale (x{power(log_change)} {end}/{start})"
    verb = "grows" if log_change > 0 else "shrinks"
    way = "towards the input" if what == "the gradient" else "with depth"
    return f"{what} {verb} {way} (x{power(log_change)} {end}/{start})"


def _next(subject: Subject, here: Course) -> str:
    if here.healthy:
        return "None is called for by these numbers; measure them on a real batch before changing anything."
    if subject.normed and structure.has_skip(subject.network.root) and abs(here.log_backward) < NORMED_TRUNK:
        return (
            "None is called for: a normed residual trunk grows by what its branches add, a power of depth and not a rate, "
            "and its gradient falls likewise. critique_architecture looks at the structure."
        )
    direction = (
        "both directions"
        if abs(here.log_forward) > 2.3 and abs(here.log_backward) > 2.3
        else ("the forward direction" if abs(here.log_forward) > abs(here.log_backward) else "the backward direction")
    )
    return (
        f"Broken is {direction}: bring the factor per layer to 1 there first, by the gain or, where no gain holds it, by a "
        "norm or a skip; critique_architecture traces each remedy on this network."
    )


def _body(root: Node) -> Linear | Conv | None:
    """The weighted layer that repeats most: the one whose rate rules."""
    found: dict[Linear | Conv, int] = {}
    for layer, times in layers(root):
        if isinstance(layer.op, Linear | Conv):
            found[layer.op] = found.get(layer.op, 0) + times
    return max(found, key=lambda op: found[op]) if found else None


def _scale_facts(subject: Subject) -> None:
    root, act = subject.network.root, subject.activation
    op = _body(root)
    if act is None or op is None or structure.count(root, Norm) or structure.has_skip(root):
        return
    gain, bias = variances(subject.init, op)
    try:
        found = scales(act.name, act.parameter, gain, bias)
    except KeyError:
        return
    subject.facts.add(
        f"{act.name} with fan_in Var[w] = {number(gain)}, Var[b] = {number(bias)}: {_scales(found)}",
        "computed",
        found.q_star,
        "fixed point",
        "Poole et al. 2016; Schoenholz et al. 2017",
    )


def _scales(s: Scales) -> str:
    if s.q_star is None:
        return f"no scale to settle at (slope {s.slope:.4g} per layer), gradient factor chi_1 = {s.chi:.4g} a layer"
    where = f"E[x²] settles at q* = {number(s.q_star)}" if s.slope < 0.999999 else f"E[x²] stays at {number(s.q_star)}"
    reach = f"with e-fold {number(s.xi_scale)} layers" if math.isfinite(s.xi_scale) else "and errors of scale persist"
    alike = (
        f"two inputs become alike, e-fold {number(s.xi_inputs)} layers"
        if s.distance == 0 and math.isfinite(s.xi_inputs)
        else "two inputs become alike more slowly than exponentially"
        if s.distance == 0
        else f"two inputs end with {s.distance:.3g} of E[x²] different, e-fold {number(s.xi_inputs)} layers"
    )
    return f"{where} {reach} (slope {s.slope:.4g}); gradient factor chi_1 = {s.chi:.4g} a layer there; {alike}"


def _weight_facts(subject: Subject) -> None:
    assert subject.trace is not None
    held = [s for s in subject.trace.stations if s.log_w is not None]
    if len(held) < 2 or held[0].log_w is None or held[-1].log_w is None:
        return
    ratio = (held[0].log_w - held[-1].log_w) / 2
    subject.facts.add(
        f"norm of the weight gradient, first over last weighted layer: {power(ratio)} (flat norms do not prove a healthy "
        "gradient: the input's scale multiplies it)",
        "computed",
        bounded(ratio),
        "weight gradient",
        "‖dW‖² = G fan_in q, with what positions share",
    )


def _passages(subject: Subject) -> list[Passage]:
    """Of the recurrent layers, the one that changes most first."""
    assert subject.trace is not None
    found = [s.passage for s in subject.trace.stations if s.passage is not None and s.passage.steps > 1]
    return sorted(found, key=lambda p: -abs(p.log_ratio))


def _time_facts(subject: Subject, found: Trace) -> None:
    for station in [s for s in found.stations if s.passage is not None][:2]:
        p = station.passage
        if p is None or p.steps < 2:
            continue
        spread = f", x/÷ {power(p.spread)} between seeds" if p.spread else ""
        subject.facts.add(
            f"`{station.label or station.path}` over {p.steps} steps: squared gradient at the first step over the last "
            f"{power(p.log_ratio)} (x{power(p.log_per_step)} per step{spread})",
            "computed",
            bounded(p.log_ratio),
            "gradient over time",
            "shared weights, coherent sum",
        )
    opened = _opened(subject)
    if opened is not None:
        subject.facts.add(
            f"the same with forget bias 1 and an orthogonal recurrent matrix (Keras' default): {power(opened.log_ratio)} "
            f"(x{power(opened.log_per_step)} per step)",
            "computed",
            bounded(opened.log_ratio),
            "gradient over time",
            "shared weights, coherent sum",
        )


def _opened(subject: Subject) -> Passage | None:
    """The passage of the first LSTM under Keras' default, where it is not the one that was traced."""
    lstm = any(isinstance(la.op, Recurrent) and la.op.kind == "lstm" for la, _ in layers(subject.network.root))
    if not lstm or subject.init.scheme == "keras":
        return None
    stations = trace(subject.network, Initialization("keras"), subject.batch).stations
    return next((s.passage for s in stations if s.passage is not None and s.passage.steps > 1), None)


def _simulation_facts(subject: Subject, beside: Beside) -> None:
    sim, theory = beside.simulated, beside.theory
    index = {id(s): i for i, s in enumerate(theory.stations)}
    path = theory.main_path()
    chosen = places(path)
    chosen = list(dict.fromkeys([chosen[0], chosen[len(chosen) // 2], chosen[-1]]))
    last = index[id(path[-1])]
    rows = list[str]()
    for k in chosen:
        i = index[id(path[k])]
        error = math.hypot(sim.log_g_error[i], sim.log_g_error[last])
        rows.append(
            f"place {k + 1}: E[x²] {power(path[k].state.log_q)} / {number(sim.q[i])} ± {number(sim.q_error[i])}, gradient "
            f"{power(path[k].log_g - path[-1].log_g)} / {power(sim.log_g[i] - sim.log_g[last])} x/÷ {power(error)}"
        )
    subject.facts.add(
        f"theory / simulation ({sim.runs} draws of the weights, batch {sim.batch}, {sim.seconds:.1f} s, "
        f"{sim.memory / 1e6:.0f} MB of activations): " + "; ".join(rows),
        "computed",
        float(sim.runs),
        "draws",
        "numpy Monte Carlo; gradients by their geometric mean",
    )


def _limits(subject: Subject, found: Trace, said: str) -> list[str]:
    lines = [
        "Theory of infinite width at initialization, white input, random cotangent, train mode: no loss, no data, no "
        "training step. It does not show dead units after training, precision, or what a real batch has in common."
    ]
    if structure.count(subject.network.root, Dropout):
        lines.append("The table's share that differs includes dropout's masks; the third number above leaves them out.")
    if said:
        lines.append(f"Not simulated: {said}.")
    return lines + [f"Left out: {note}." for note in found.left_out]


def _short(text: str) -> str:
    return text if len(text) <= 700 else text[:700].rsplit("\n", 1)[0] + f"\n# … {len(text):,} characters in all"

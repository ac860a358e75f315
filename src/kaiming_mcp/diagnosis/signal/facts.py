"""What a trace gives beside its course: depth scales, weight gradients, recurrent passages, a simulation."""

from __future__ import annotations

import math
from dataclasses import dataclass

from kaiming_mcp.architecture.ir import Conv, Layer, Linear, Node, Norm, Recurrent, layers
from kaiming_mcp.diagnosis.network import structure
from kaiming_mcp.diagnosis.network.subject import Subject
from kaiming_mcp.diagnosis.signal.picture import places
from kaiming_mcp.scaffold import bounded, number, power
from kaiming_mcp.signal.initialization import Initialization, variances
from kaiming_mcp.signal.initialization_words import of_layer
from kaiming_mcp.signal.rules import Passage
from kaiming_mcp.signal.scales import Scales, scales
from kaiming_mcp.signal.simulation import Simulated
from kaiming_mcp.signal.trace import Trace, trace

OVER_TIME = "gradient over time"


@dataclass(frozen=True, slots=True)
class Beside:
    """A simulation, and the theory for the batch that was simulated."""

    simulated: Simulated
    theory: Trace


def _body(root: Node) -> Layer | None:
    """The weighted layer that repeats most: the one whose rate rules."""
    found: dict[Layer, int] = {}
    for layer, times in layers(root):
        if isinstance(layer.op, Linear | Conv):
            found[layer] = found.get(layer, 0) + times
    return max(found, key=lambda layer: found[layer]) if found else None


def scale_fact(subject: Subject) -> None:
    """Where a plain stack settles, and how fast."""
    root, act = subject.network.root, subject.activation
    body = _body(root)
    op = body.op if body is not None else None
    if (
        act is None
        or body is None
        or not isinstance(op, Linear | Conv)
        or structure.count(root, Norm)
        or structure.has_skip(root)
    ):
        return
    gain, bias = variances(of_layer(subject.init, body), op)
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


def weight_fact(subject: Subject) -> None:
    """First over last norm of the weight gradient."""
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


def passages(subject: Subject) -> list[Passage]:
    """Of the recurrent layers, the one that changes most first."""
    assert subject.trace is not None
    found = [s.passage for s in subject.trace.stations if s.passage is not None and s.passage.steps > 1]
    return sorted(found, key=lambda p: -abs(p.log_ratio))


def time_facts(subject: Subject, found: Trace) -> None:
    """What recurrent layers do to the gradient over time."""
    for station in [s for s in found.stations if s.passage is not None][:2]:
        p = station.passage
        if p is None or p.steps < 2:
            continue
        spread = f", x/÷ {power(p.spread)} between seeds" if p.spread else ""
        taken = " (the length is not given)" if p.taken else ""
        far = f", 1 % of its amplitude after {reach(p)} steps" if p.log_per_step < 0 else ""
        subject.facts.add(
            f"`{station.label or station.path}` over {p.steps} steps{taken}: squared gradient at the first step over the last "
            f"{power(p.log_ratio)} (x{power(p.log_per_step)} per step{far}{spread})",
            "computed",
            bounded(p.log_ratio),
            OVER_TIME,
            "shared weights, coherent sum",
        )
    other = opened(subject)
    if other is not None:
        gates = ", forget bias 1" if any(op.kind == "lstm" for op in _recurrent(subject)) else ""
        subject.facts.add(
            f"the same under Keras' default (orthogonal recurrent matrix{gates}): {power(other.log_ratio)} "
            f"(x{power(other.log_per_step)} per step"
            + (f", 1 % of its amplitude after {reach(other)} steps)" if other.log_per_step < 0 else ")"),
            "computed",
            bounded(other.log_ratio),
            OVER_TIME,
            "shared weights, coherent sum",
        )


def reach(passage: Passage) -> str:
    """Steps after which the amplitude of a fading gradient is one per cent, its square 1e-4."""
    return f"{math.log(1e-4) / passage.log_per_step:.3g}"


def _recurrent(subject: Subject) -> list[Recurrent]:
    return [layer.op for layer, _ in layers(subject.network.root) if isinstance(layer.op, Recurrent)]


def opened(subject: Subject) -> Passage | None:
    """The passage of the first recurrent layer under Keras' default, where it is not the one that was traced."""
    if not _recurrent(subject) or subject.init.scheme == "keras":
        return None
    stations = trace(subject.network, Initialization("keras"), subject.batch).stations
    return next((s.passage for s in stations if s.passage is not None and s.passage.steps > 1), None)


def simulation_fact(subject: Subject, beside: Beside) -> None:
    """The simulation beside the theory, at three places."""
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

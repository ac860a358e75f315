"""What changes with depth: decay and growth of gradients and activations, the bias floor, theory's own prediction."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from kaiming_mcp.diagnosis.gradients.evidence import Evidence
from kaiming_mcp.diagnosis.gradients.mechanisms import Candidate
from kaiming_mcp.diagnosis.gradients.over_time import unrolled
from kaiming_mcp.diagnosis.gradients.theory import predicted_change
from kaiming_mcp.diagnosis.gradients.trends import layer_factor, layers_of, log_ratio, per_layer_text
from kaiming_mcp.diagnosis.gradients.words import ratio_by_depth
from kaiming_mcp.diagnosis.network.rules_gain import COLLAPSED
from kaiming_mcp.measurements.trend import Trend
from kaiming_mcp.scaffold import bounded, number, power

SEVERE = math.log(1e3)
"""Change of an amplitude over the depth that is a fault whatever the loss does."""
LARGE = math.log(100)
"""Decay that is a fault where nothing is learned."""
GROWN = math.log(30)
"""Growth that is a fault where nothing is learned."""
SHALLOW = 3
GRAPH = r"\bgraph\w*\b|\bGNNs?\b|\bGCN\w*|\bGAT(?:Conv|v2)?\b|\bEdgeConv|\bMRConv|\bGraphSAGE|\bSAGEConv|message passing|\bnodes?\b"
"""Words of networks on graphs."""
ALIKE, NEARLY = 1e-3, 1e-2
"""1 - cosine between two inputs, below which a layer no longer tells them apart."""


def course_candidates(e: Evidence) -> Iterator[Candidate]:
    """Decay, growth and the bias floor, from layers that were measured; else from theory."""
    backward, forward = _fact(e, e.gradient, "gradient"), _fact(e, e.activation, "activation")
    if (e.gradient is None and e.activation is None) or ratio_by_depth(e.told):
        if (floor := _floor(e, 0.0, 0.0)) is not None:
            yield floor
        yield from _ratios(e)
        yield from _predicted(e)
        yield from _stated(e)
        return
    decay, growth = SEVERE if e.learning else LARGE, SEVERE if e.learning else GROWN
    back = _change(e.gradient, e.depth)
    ahead = -_change(e.activation, e.depth) if e.activation else 0.0
    cites = tuple(f for f in (backward, forward) if f)
    if back < -decay:
        floor = _floor(e, back, ahead)
        if floor is not None:
            yield floor
        score = 0.9 if back < -SEVERE else 0.78
        against = (forward,) if floor is not None and forward else ()
        yield Candidate(
            "true_decay_backward",
            score,
            cites,
            _place(e.gradient),
            _in_time(e.gradient, "decays"),
            against,
            even=_even(e.gradient),
            apart=unrolled(e.gradient),
        )
    else:
        alone = _floor(e, 0.0, ahead)
        if alone is not None:
            yield alone
        if ahead < -decay:
            forward_score = 0.88 if ahead < -SEVERE else 0.76
            place, even = _place(e.activation), _even(e.activation)
            yield Candidate("true_decay_forward", forward_score, cites, place, even=even)
    if back > growth or ahead > growth:
        shown = e.activation if ahead >= back else e.gradient
        score = 0.9 if max(back, ahead) > SEVERE else 0.76
        title = _in_time(shown, "grows")
        yield Candidate("growth", score, cites, _place(shown), title, even=_even(shown), apart=bool(title))


def _change(shown: Trend | None, depth: int) -> float:
    """ln of first over last amplitude, 0 where it is no course over depth: too few layers, one jump, no trend."""
    if shown is None or depth <= SHALLOW or len(shown.rows) < 2 or shown.zeros:
        return 0.0
    unsure = len(shown.rows) > 2 and math.isfinite(shown.error) and not shown.significant
    if unsure and not (_one_way(shown) and abs(log_ratio(shown)) > SEVERE):
        return 0.0
    if shown.used < 2:
        return 0.0
    change = log_ratio(shown)
    line = -shown.amplitude_rate * shown.places[-1]
    return change if change * line > 0 else 0.0


def _one_way(shown: Trend) -> bool:
    """Whether few rows go one way all along: three numbers of thirty layers show the course, with a wide error."""
    sizes = [abs(row.values[shown.quantity].x) for row in shown.rows]
    return sizes in (sorted(sizes), sorted(sizes, reverse=True))


def _fact(e: Evidence, shown: Trend | None, what: str) -> str:
    if shown is None or shown.used < 2:
        return ""
    cut = f"; {len(shown.cut)} rows hidden by the print, extrapolated" if shown.cut else ""
    ratio = bounded(log_ratio(shown))
    first, last = shown.rows[0].name, shown.rows[-1].name
    ends = f"{first}/{last} = {number(ratio)}" if shown.backward else f"{last}/{first} = {number(1 / ratio)}"
    return e.facts.add(
        f"{shown.quantity.kind} ({shown.quantity.statistic}) over {layers_of(shown)} layers: amplitude {ends}, "
        f"{per_layer_text(shown)} towards the {'input' if shown.backward else 'output'}{cut}",
        "measured",
        layer_factor(shown),
        "per layer" if what == "gradient" else "per layer forward",
    )


def _place(shown: Trend | None) -> str:
    """Where the steeper stretch begins, in the direction of travel; of an even course its far end."""
    if shown is None:
        return ""
    turn = shown.break_
    if turn is not None and turn.kind in ("slope", "jump"):
        steep_first = turn.before is not None and turn.after is not None and abs(turn.before) > abs(turn.after)
        # The first row in the direction of travel has lost nothing yet.
        return shown.rows[-2 if shown.backward else 1].name if steep_first and turn.kind == "slope" else turn.name
    return shown.rows[0 if shown.backward else -1].name


def _in_time(shown: Trend | None, how: str) -> str:
    """The title of a course over the time steps of a recurrent net."""
    return f"the gradient {how} geometrically back through the time steps" if unrolled(shown) else ""


def _even(shown: Trend | None) -> bool:
    return shown is not None and (shown.break_ is None or shown.break_.kind not in ("slope", "jump"))


def _alive(e: Evidence) -> bool:
    """Whether some statistic of the activations keeps its size over the depth."""
    layers = next((one for one in e.measured.per_layer if one.of("activation")), None)
    if layers is None or len(layers.rows) < 2:
        return True
    for quantity in (q for q in layers.quantities if q.kind == "activation"):
        values = [abs(row.values[quantity].x) for row in layers.rows if quantity in row.values]
        if len(values) > 1 and math.isfinite(values[-1]) and values[-1] > 1e-2 * values[0]:
            return True
    return False


def _floor(e: Evidence, back: float, ahead: float) -> Candidate | None:
    """Activations that stay alive while nothing of the input is left in them."""
    decays = back < -LARGE
    if e.cosine and not e.learning:
        alike = [name for name, cosine in e.cosine if 1 - cosine < ALIKE]
        alive = _alive(e)
        near = [x for _, x in e.cosine[-3:] if 1 - x < NEARLY]
        alone = len(e.cosine) == 1 and e.depth != 0 and not e.says(GRAPH) and not e.tokens
        settled = len(alike) >= 2 or (len(alike) == 1 and (len(near) == 3 or alone))
        if settled and alive and (decays or e.gradient is None):
            last = e.cosine[-1]
            fact = e.facts.add(
                f"cosine between two inputs: {last[1]:.6g} at {last[0]}; alike from {alike[0]} on{e.cosine_from}",
                "measured",
                last[1],
                "cosine",
            )
            # A bounded nonlinearity keeps any net alive; where its gradient decays, that comes first.
            bounded_act = decays and e.activation_name in ("sigmoid", "tanh")
            return Candidate("bias_floor", 0.85 if bounded_act else 0.93, (fact,), alike[0])
    if (
        decays
        and e.activation is not None
        and not e.cosine
        and "relu" in e.activation_name
        and abs(ahead) < abs(back) / 4
    ):
        level = bounded(e.activation.level)
        fact = e.facts.add(
            f"activations stay alive (about {number(level)}, x{layer_factor(e.activation):.3g} per layer) "
            "while the gradient decays",
            "measured",
        )
        return Candidate("bias_floor", 0.92, (fact,), _place(e.activation))
    return None


def _predicted(e: Evidence) -> Iterator[Candidate]:
    """What theory says of the network at initialization, where no layer was measured."""
    if e.subject is None or e.subject.course is None or e.learning:
        return
    here, change = e.subject.course, predicted_change(e.subject)
    fact = e.facts.add(
        f"theory at initialization ({e.subject.init.describe()}): gradient amplitude first/last "
        f"{power(change.backward)} (x{number(bounded(change.backward / (here.depth - 1)))} per layer over {here.depth} places), "
        f"activation amplitude last/first {power(change.forward)}, share that differs between inputs {here.across:.3g}",
        "computed",
        bounded(change.backward / (here.depth - 1)),
        "per layer in theory",
        "signal propagation at infinite width",
    )
    place = e.subject.stations[0].path or "the first layer"
    score = 0.7 if e.depth > SHALLOW else 0.3
    if here.across < COLLAPSED and change.forward > -SEVERE and "relu" in e.activation_name:
        yield Candidate("bias_floor", score + 0.02, (fact,), place, predicted=True)
    if change.backward < -LARGE:
        yield Candidate("true_decay_backward", score, (fact,), place, predicted=True)
    elif change.forward < -LARGE:
        yield Candidate("true_decay_forward", score, (fact,), place, predicted=True)
    if max(change.backward, change.forward) > GROWN:
        yield Candidate("growth", score, (fact,), place, predicted=True)


def _ratios(e: Evidence) -> Iterator[Candidate]:
    """Gradient ratios that were measured as such, of one network or of several depths."""
    found = [f for f in e.measured.facts if f.quantity.kind == "gradient ratio" and f.value.finite and f.value.x > 0]
    if e.learning:
        return
    if not found:
        yield from _sweep(e)
        return
    logs = {f: math.log(f.value.x) * (-1 if re.search(r"last\s?/\s?first", f.text, re.I) else 1) for f in found}
    worst = max(found, key=lambda f: abs(logs[f]))
    sweep = sorted((f.depth, logs[f]) for f in found if f.depth is not None)
    rate = ""
    if len({d for d, _ in sweep}) > 1 and sweep[-1][0] > sweep[0][0]:
        slope = (sweep[-1][1] - sweep[0][1]) / (sweep[-1][0] - sweep[0][0])
        rate = f"; x{number(bounded(slope))} per layer of depth, from depth {sweep[0][0]} to {sweep[-1][0]}"
    elif worst.depth and worst.depth > 1:
        slope = logs[worst] / (worst.depth - 1)
        rate = f"; x{number(bounded(slope))} per layer over {worst.depth} layers"
    else:
        slope = 0.0
    fact = e.facts.add(
        f"gradient first/last {number(bounded(logs[worst]))}{rate}",
        "measured",
        bounded(slope) if slope else None,
        "per layer",
    )
    if logs[worst] < -LARGE:
        yield Candidate("true_decay_backward", 0.86, (fact,), "the first layer")
    elif logs[worst] > GROWN:
        yield Candidate("growth", 0.86, (fact,), "the first layer")


def _sweep(e: Evidence) -> Iterator[Candidate]:
    """The gradient ratio of networks of several depths, as a sentence lists them."""
    found = [(depth, math.log(x)) for depth, x in ratio_by_depth(e.told) if x > 0]
    if len(found) < 2 or found[0][0] == found[-1][0]:
        return
    (shallow, _), (deep, log) = found[0], found[-1]
    slope = (log - found[0][1]) / (deep - shallow)
    fact = e.facts.add(
        f"gradient first/last {number(bounded(log))} at depth {deep}; x{number(bounded(slope))} per layer of depth, from depth "
        f"{shallow} to {deep}",
        "measured",
        bounded(slope),
        "per layer",
    )
    if log < -LARGE:
        yield Candidate("true_decay_backward", 0.86, (fact,), "the first layer", even=True)
    elif log > GROWN:
        yield Candidate("growth", 0.86, (fact,), "the first layer", even=True)


def _stated(e: Evidence) -> Iterator[Candidate]:
    """A standard deviation of the weights that is stated beside the widths."""
    std = e.says(
        r"\bstd(?:dev)?\s?(?:=|of|is|:)?\s?([\d.]+(?:e-?\d+)?)|(?:np\.random|torch|random)\.randn\(|normal_\([^)]*std\s?=\s?([\d.]+)"
    )
    sizes = e.says(r"\b(?:sizes|layers|widths|units)\b\W{0,6}\[\s?(\d{1,5}(?:\s?,\s?\d{1,5}){1,20})\s?\]")
    if std is None or sizes is None or e.learning:
        return
    text = std[1] or std[2] or "1"
    sigma = float(text) if re.fullmatch(r"\d+\.?\d*(?:e-?\d+)?|\.\d+", text) else 0.0
    width = int(sizes[1].split(",")[0])
    if not sigma or not width:
        return
    he = math.sqrt(2 / width)
    fact = e.facts.add(
        f"weights of std {number(sigma)} with fan_in {width}: x{number(sigma / he)} of He's sqrt(2/{width}) = {he:.4g}; "
        f"with inputs of E[x²] = 0.1 the first pre-activation has std {number(sigma * math.sqrt(0.1 * width))}",
        "stated",
        sigma / he,
        "of He's std",
        "He et al. 2015, eq. 10",
    )
    if sigma > 5 * he:
        yield Candidate(
            "growth", 0.8, (fact,), "the first layer", "the initial weights are far too large", predicted=True
        )
    elif sigma < he / 5:
        yield Candidate("true_decay_backward", 0.75, (fact,), "the first layer", predicted=True)

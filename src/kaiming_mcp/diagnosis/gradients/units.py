"""Units that pass no gradient: dead ReLUs, saturated nonlinearities."""

from __future__ import annotations

import math
from collections.abc import Iterator

from kaiming_mcp.diagnosis.gradients import lines
from kaiming_mcp.diagnosis.gradients.evidence import Evidence
from kaiming_mcp.diagnosis.gradients.mechanisms import Candidate
from kaiming_mcp.diagnosis.gradients.words import before_activation, before_output, entropies, gates
from kaiming_mcp.diagnosis.gradients.zeros import GRADIENT_ZEROS, PARAMETER
from kaiming_mcp.scaffold import number
from kaiming_mcp.signal.moments import moments

MOST = 0.8
"""Share of dead units that some layer must reach: half of the outputs of a sound ReLU are 0, by whatever name."""
AT_LIMIT = 0.02
TWO_ENDS = 0.45
"""Std of numbers between 0 and 1 that stand at the two ends (0.5 at most; 0.29 where they are uniform)."""
_ONE_KEY = r"\bone[- ]hot\b|\bmax(?:imum)? (?:prob\w*|weight)\W{1,4}(?:\w+ ){0,2}(?:0?\.99\d*|1\.0+)"
_QK = "Divide the logits by sqrt(d) of a head and normalise queries and keys before the product (QK norm)."
PEAK = 0.9
"""Mean weight of the largest key, or 1 - entropy over ln(keys), from which a softmax is saturated."""
ONE_KEY = 0.05
"""Entropy in nats below which one key has 99 % of the weight."""
FAR = 6.0
"""Size of what goes into a sigmoid from which its slope is below 1/400, a hundredth of that in the middle."""
LARGE = 3.0
"""Size of pre-activations of which most saturate a tanh."""
PINNED = 0.9
"""Share of saturated outputs that is a fault although the loss falls a little."""


def unit_candidates(e: Evidence) -> Iterator[Candidate]:
    """Dead and saturated units, as measured or stated."""
    yield from _dead(e)
    yield from _saturated(e)


def _dead(e: Evidence) -> Iterator[Candidate]:
    state = lines.optimizer_zeros(e.told)
    kinds = {row.name: row.kind for one in e.measured.per_layer for row in one.rows if row.kind}

    def can_die(name: str) -> bool:
        kind = kinds.get(name, "relu").lower()
        return "relu" in kind and not PARAMETER.search(name) and (state is None or state[0] not in name)

    units = tuple((n, x) for n, x in e.column("dead") if can_die(n))
    shares = tuple((n, x) for n, x in e.column("zero") if can_die(n))
    half = e.half and not e.scaled and e.says(GRADIENT_ZEROS)
    for dead, bar in ((units, 0.5), (() if half else shares, 0.95)):
        gone = [(n, x) for n, x in dead if x >= bar]
        worst = max((x for _, x in dead), default=0.0)
        # A layer that ignores its input is constant, and half of its units are constantly 0.
        collapsed = worst < 0.9 and any(x > 0.99 for _, x in e.cosine)
        if gone and not collapsed and worst >= MOST and not (e.learning and worst < 0.95):
            fact = e.facts.add(
                f"units that are 0: {gone[0][1]:.0%} at {gone[0][0]}, at most {worst:.0%}; a unit counts as dead below 1 % of "
                "active inputs",
                "measured",
                worst,
                "dead",
            )
            yield Candidate("dead_relu", 0.94, (fact,), gone[0][0])
            return
    for fed in (one for one in lines.before(e.told) if one.activation == "relu" and one.most < 0):
        fact = e.facts.add(
            f"what goes into the ReLU is at most {number(fed.most)}: all of its outputs are 0, and no gradient passes",
            "measured",
            fed.most,
            "largest pre-activation",
        )
        yield Candidate("dead_relu", 0.93, (fact,), "the ReLU that gets nothing above 0")
        return
    silent = [row.name for row, q in e.rows("activation") if row.values[q].x == 0 and can_die(row.name)]
    named = e.activation_name or ("relu" if kinds else "")
    if silent and "relu" in (named or "relu") and not e.listed("zero_initialized") and not e.tokens:
        fact = e.facts.add(f"the activations are exactly 0 from {silent[0]} on", "measured")
        yield Candidate("dead_relu", 0.9 if named else 0.6, (fact,), silent[0])


def _saturated(e: Evidence) -> Iterator[Candidate]:
    shares = e.column("saturated")
    full = [(n, x) for n, x in shares if x >= 0.4]
    if full:
        fact = e.facts.add(
            f"saturated outputs: {full[0][1]:.0%} at {full[0][0]}, at most {max(x for _, x in shares):.0%}",
            "measured",
            max(x for _, x in shares),
            "saturated",
        )
        worst = max(x for _, x in full)
        harmless = e.thriving or (e.learning and worst < PINNED)
        yield Candidate("saturation", 0.6 if harmless else 0.94, (fact,), full[0][0])
    elif not shares and e.activation_name in ("tanh", "sigmoid") and e.activation is not None:
        yield from _against_limits(e)
        yield from _beyond(e)
    yield from _gates(e)
    yield from _output(e)
    yield from _attention(e)


def _gates(e: Evidence) -> Iterator[Candidate]:
    """Gates of a recurrent cell that stand at 0 or 1 and pass no gradient to what opens them."""
    found = gates(e.told)
    closed = [x for x in found if min(x, 1 - x) < AT_LIMIT]
    if len(closed) > 1 and len(closed) * 2 > len(found) and not e.learning:
        fact = e.facts.add(
            f"{len(closed)} of {len(found)} gates stand at 0 or 1 (mean {', '.join(f'{x:g}' for x in closed[:3])}): the slope "
            f"g(1 - g) is at most {number(max(x * (1 - x) for x in closed))}, 0.25 in the middle",
            "measured",
            closed[0],
            "gate",
        )
        do = (
            "Draw the gate weights anew (orthogonal or 1/sqrt(width)), forget bias 1 and the others 0, and standardise what "
            "goes in."
        )
        yield Candidate("saturation", 0.86, (fact,), "the gates", "saturated gates", change=do)


def _attention(e: Evidence) -> Iterator[Candidate]:
    """Attention weights that put everything on one key: the softmax passes no gradient to queries and keys."""
    found, peak = sorted(entropies(e.told)), lines.one_key(e.told)
    if peak is not None and peak[0] > PEAK and not e.learning:
        fact = e.facts.add(
            f"the softmax puts nearly everything on one key (`{' '.join(peak[1].split())}`): its slope p(1 - p) is near 0",
            "measured",
            peak[0],
            "weight of one key",
        )
        yield Candidate(
            "saturation", 0.86, (fact,), "the attention softmax", "a saturated attention softmax", change=_QK
        )
        return
    if not found and not e.learning and e.says(r"\battention\b") and (one := e.says(_ONE_KEY)):
        said = e.facts.add(
            f"the attention weights stand on one key (`{' '.join(one[0].split())}`): the softmax passes no gradient",
            "stated",
        )
        yield Candidate(
            "saturation",
            0.8,
            (said,),
            "the attention softmax",
            "a saturated attention softmax",
            change=_QK,
            predicted=True,
        )
    if len(found) > 1 and found[len(found) // 2] < ONE_KEY and not e.learning:
        fact = e.facts.add(
            f"entropy of the attention weights {number(found[len(found) // 2])} in the middle (0 is one key, ln(keys) is all): the "
            "slope p(1 - p) of the softmax is then near 0",
            "measured",
            found[len(found) // 2],
            "entropy",
        )
        yield Candidate(
            "saturation", 0.86, (fact,), "the attention softmax", "a saturated attention softmax", change=_QK
        )


def _output(e: Evidence) -> Iterator[Candidate]:
    """A saturating nonlinearity at the output, where nothing was measured per layer."""
    head = e.says(
        r"\b(?:output|final|last)(?: layer| activation|:|\s)*\(?(?:is a |a |= )?(sigmoid|tanh)\b"
        r"|\b(sigmoid|tanh)\b[^.\n]{0,20} (?:at|on|in|as|for|after) (?:the |an? )?(?:output|last|final)\b"
    )
    fed = next((b for b in lines.before(e.told) if b.activation != "relu" and abs(b.middle) > FAR), None)
    cancels = "entropy" in (e.training.loss or "")
    if fed is not None and not cancels and not e.learning:
        slope = math.exp(-abs(fed.middle) * (2 if fed.activation == "tanh" else 1))
        fact = e.facts.add(
            f"what goes into the {fed.activation} lies at {fed.middle:g}: its slope there is {number(slope)}, and every gradient "
            "before it is multiplied by that",
            "measured",
            slope,
            "slope",
        )
        yield Candidate("saturation", 0.9, (fact,), f"the output {fed.activation}", "a saturating output nonlinearity")
        return
    z = before_output(e.told)
    if not head or (e.measured.per_layer and z is None) or e.subject is not None or e.losses is not None:
        return
    name = (head[1] or head[2]).lower()
    slope = 0.0066 if z is None else math.exp(-abs(z) * (2 if name == "tanh" else 1)) * (4 if name == "tanh" else 1)
    here = "" if z is None else f"; at the stated z = {z:g} it is {number(slope)}"
    fact = e.facts.add(
        f"the output passes a {name}: its slope s(1-s) is at most 0.25, 0.0066 at |z| = 5 and 4.5e-5 at "
        f"|z| = 10, whatever the depth of the body is{here}",
        "computed",
        slope,
        "slope" if z is not None else "slope at |z| = 5",
    )
    score = 0.62 if z is None else 0.84 if abs(z) > 4 else 0.2
    title = "a saturating output nonlinearity"
    yield Candidate("saturation", score, (fact,), f"the output {name}", title, predicted=True)


def _beyond(e: Evidence) -> Iterator[Candidate]:
    """Values that no tanh or sigmoid puts out: what was printed are pre-activations, and they are large."""
    shown = e.activation
    if shown is None or e.learning:
        return
    told = before_activation(e.told)
    if len(told) > 1:
        sizes = [(f"layer {i}", x) for i, x in enumerate(told, 1)]
    elif shown.quantity.statistic in ("rms", "std", "mean square", "variance", "mean abs"):
        power = 0.5 if shown.quantity.statistic in ("mean square", "variance") else 1.0
        sizes = [
            (row.name, row.values[shown.quantity].x ** power) for row in shown.rows if row.values[shown.quantity].x >= 0
        ]
    else:
        return
    large = [(name, size) for name, size in sizes if math.isfinite(size) and size > LARGE]
    if len(large) > 1 and len(large) * 2 > len(sizes):
        slope = math.exp(moments(e.activation_name, None, 0.0, 2 * math.log(large[0][1])).log_slope)
        fact = e.facts.add(
            f"pre-activations of {e.activation_name} of size {number(large[0][1])} at {large[0][0]}: mean "
            f"square slope {number(slope)}; behind the first layer inputs are bounded, so the weights are too large",
            "computed",
            slope,
            "E[phi'^2]",
            "quadrature",
        )
        yield Candidate("saturation", 0.9, (fact,), large[0][0])


def _against_limits(e: Evidence) -> Iterator[Candidate]:
    """Hidden tanh values whose root mean square is near 1; sigmoids whose mean is at 0 or 1."""
    shown = e.activation
    sigmoid = e.activation_name == "sigmoid" and not e.learning
    means = [
        (row.name, row.values[q].x)
        for one in e.measured.per_layer
        for row in one.rows
        for q in row.values
        if sigmoid and q.kind == "activation" and q.statistic == "mean"
    ]
    ends = [(name, x) for name, x in means if min(abs(x), abs(1 - x)) < AT_LIMIT]
    if len(ends) > 1 and len(ends) * 2 > len(means):
        fact = e.facts.add(
            f"sigmoid outputs lie at their limits: mean {number(ends[0][1])} at {ends[0][0]}, in {len(ends)} of {len(means)} layers",
            "measured",
            ends[0][1],
            "mean output",
        )
        yield Candidate("saturation", 0.92, (fact,), ends[0][0])
        return
    if (
        shown is None
        or e.learning
        or shown.quantity.statistic not in ("rms", "std", "mean square", "variance", "mean abs")
    ):
        return
    power = 0.5 if shown.quantity.statistic in ("mean square", "variance") else 1.0
    low, high = (TWO_ENDS, 0.5) if sigmoid and shown.quantity.statistic == "std" else (0.88, 1.0)
    near = [row.name for row in shown.rows if low < row.values[shown.quantity].x ** power <= high + 1e-6]
    if len(near) * 2 > len(shown.rows):
        fact = e.facts.add(
            f"{e.activation_name} outputs lie at their limits: {shown.quantity.statistic} above {low:g} in {len(near)} of "
            f"{len(shown.rows)} layers ({0.21 if sigmoid else 0.63} at unit pre-activations)",
            "measured",
        )
        yield Candidate("saturation", 0.92, (fact,), near[0])

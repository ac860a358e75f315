"""Gradients that read as zero: the print, a structural zero, the ranges of float16 and float32."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kaiming_mcp.diagnosis.gradients.evidence import Evidence
from kaiming_mcp.diagnosis.gradients.mechanisms import Candidate
from kaiming_mcp.diagnosis.gradients.told_zeros import told_zeros
from kaiming_mcp.diagnosis.gradients.trends import GRADIENTS, per_layer_text
from kaiming_mcp.diagnosis.gradients.words import natural, zero_share
from kaiming_mcp.scaffold import number

HALF_SMALLEST = 6e-8
"""The smallest positive float16 is 2^-24 = 5.96e-8."""
HALF_NORMAL = 6.1e-5
SINGLE_NORMAL, SINGLE_SMALLEST = 1.2e-38, 1.4e-45
"""The smallest normal float32 is 2^-126, the smallest of all 2^-149."""
HALF_NORM = 5e-3
"""A norm over 10^4 to 10^6 numbers below which most of them are below the smallest normal float16."""
_INITIAL_ZERO = (
    r"(?:initiali[sz]ed|init|set|start\w*) (?:to|at|with|as) (?:zeros?|0)(?![\w.])|\bzero[- ]?init|zeros_\((?![^)\n]*bias)|constant_\([^)]*,\s?0\.?0?\)"
    r"|gamma\s?=\s?0(?![\w.])|\blora\b|\bLoRA|\brezero\b|\bfixup\b|(?:weight|B)\s?=\s?(?:torch\.)?zeros"
)
FROZEN = r"requires_grad\s?=\s?False|(?<!\")\bfrozen\b|\bfreez(?:e|ing)"
"""Words that say so; a probe's document has the key "frozen" whatever it holds."""
_CUT_OFF = FROZEN + r"|\.detach\(\)|\bno_grad\b|stop_gradient|\bgrad(?:ient)?s?\W{0,3}(?:is |are )?None\b"


PARAMETER = re.compile(r"(?:weight|bias|kernel|lora_\w)$")
"""Names of parameters, whose zeros are those of a gradient and not of units."""
MANY_ZEROS = 0.2
ABRUPT = 300
"""Times the resolution of a print that stands beside a zero, or above which gradual decay would show its steps."""
GRADIENT_ZEROS = r"zeros?[_ ](?:\w+ )?grad|grad\w*[_ ](?:\w+ )?zeros?"
"""Words of a column that counts zeros of gradients, not of outputs."""


def zero_candidates(e: Evidence) -> Iterator[Candidate]:
    """Every explanation of zeros that the numbers leave open."""
    yield from told_zeros(e)
    yield from _probed_shares(e)
    lost = _two_precisions(e)
    if lost is not None:
        yield lost
        return
    yield from _printed(e)
    yield from _stated_share(e)
    yield from _exact(e)
    yield from _zero_shares(e)


def _two_precisions(e: Evidence) -> Candidate | None:
    """Gradients that are 0 in float16 and a number in float32."""
    half, full = dict[str, float](), dict[str, float]()
    for one in e.measured.per_layer:
        for row in one.rows:
            for q in (q for q in row.values if q.kind in GRADIENTS and row.values[q].finite):
                (half if q.split == "fp16" else full if q.split == "fp32" else {})[row.name] = abs(row.values[q].x)
    lost = [name for name, x in half.items() if x == 0 and full.get(name, 0.0) > 0]
    if not lost:
        return None
    fact = e.facts.add(
        f"{len(lost)} of {len(half)} gradients are 0 in float16 and not in float32 ({number(full[lost[0]])} at {lost[0]}): "
        f"float16 holds nothing below {HALF_SMALLEST:g}",
        "measured",
        full[lost[0]],
        "gradient in float32",
    )
    return Candidate("underflow_half", 0.97, (fact,), lost[0])


def _probed_shares(e: Evidence) -> Iterator[Candidate]:
    """Shares that our probe says float16 would lose, in a run in half precision without a loss scale."""
    shares = [(n, x) for kind in ("underflow", "weight underflow") for n, x in _lost(e, kind) if x >= MANY_ZEROS]
    if shares and e.half and not e.scaled:
        name, share = max(shares, key=lambda pair: pair[1])
        fact = e.facts.add(
            f"float16 would make {share:.0%} of the numbers at {name} zero", "measured", share, "lost in float16"
        )
        yield Candidate("underflow_half", 0.93, (fact,), name)


def _lost(e: Evidence, kind: str) -> Iterator[tuple[str, float]]:
    for one in e.measured.per_layer:
        if quantity := one.of(kind, "zero"):
            yield from ((row.name, row.values[quantity].x) for row in one.rows if quantity in row.values)


def _printed(e: Evidence) -> Iterator[Candidate]:
    zeros = e.zeros
    if not zeros.printed:
        return
    fact = e.facts.add(
        f"{len(zeros.printed)} of {len(zeros.printed) + len(zeros.live) + len(zeros.exact)} gradients read 0 in a print "
        f"that cannot show less than {number(zeros.resolution)}: each is only known to lie below that",
        "measured",
        zeros.resolution,
        "resolution of the print",
    )
    top = max((x for _, x in zeros.live), default=0.0)
    score = 0.86 if not zeros.live or top < ABRUPT * zeros.resolution else 0.72
    yield Candidate("print_zeros", score, (fact,), zeros.printed[len(zeros.printed) - 1])
    if zeros.edge > ABRUPT * zeros.resolution:
        jump = e.facts.add(
            f"right beside a printed 0 stands {number(zeros.edge)}: no decay falls x{number(zeros.edge / zeros.resolution)} in one layer",
            "measured",
            zeros.edge,
            "gradient beside a zero",
        )
        yield Candidate("structural_zero", 0.8, (jump,), max(zeros.printed, key=natural))


def _exact(e: Evidence) -> Iterator[Candidate]:
    zeros = e.zeros
    stated, cut_off = _stated_zero(e), e.says(_CUT_OFF)
    why = tuple(
        e.facts.add(f"the text says: `{' '.join(m[0].split())}`", "stated") for m in (stated, cut_off) if m is not None
    )
    started = e.listed("zero_initialized")
    if started:
        why += (e.facts.add(f"initialised to zero: {', '.join(started[:4])}", "measured"),)
    if e.subject is not None and e.subject.init.scheme == "zero":
        yield _all_zero(e)
        return
    if e.without_gradient:
        none = e.without_gradient
        fact = e.facts.add(
            f"no gradient at all (None): {', '.join(none[:3])}{', …' if len(none) > 3 else ''}: the loss does not reach them",
            "measured",
        )
        yield Candidate("structural_zero", 0.5 if _meant(e) else 0.9, (fact, *why), max(none, key=natural))
        return
    first = next(iter(zeros.exact), "")
    if not first:
        if (
            why
            and stated
            and e.gradient is None
            and e.activation is None
            and e.losses is None
            and not e.events("nan", "inf", "anomaly")
        ):
            words = e.says(
                r"weight\w* (?:is |are )?(?:initiali[sz]ed|init|set)|zero[- ]?(?:init|conv|module)|zeros_|constant_|\blora\b"
                r"|zeros? for (?:the )?(?:weight|kernel)"
            )
            yield Candidate("structural_zero", 0.7 if words else 0.4, why, _named_zero(e), predicted=True)
        yield from _subnormal(e)
        if zeros.printed and zeros.live and stated:
            yield Candidate("structural_zero", 0.88, why, zeros.printed[len(zeros.printed) - 1])
        return
    fact = e.facts.add(
        f"{len(zeros.exact)} of {len(zeros.exact) + len(zeros.live) + len(zeros.printed)} gradients are exactly 0 "
        f"({', '.join(zeros.exact[:3])}{', …' if len(zeros.exact) > 3 else ''}); decay would give small numbers, not 0",
        "measured",
    )
    live = [x for _, x in zeros.live]
    least = min(live, default=0.0)
    if live and least < SINGLE_NORMAL:
        single = e.facts.add(
            f"the smallest gradient that is not 0 is {number(least)}: float32 holds nothing below {SINGLE_SMALLEST:g}, so "
            "the decay itself reaches 0",
            "computed",
            SINGLE_SMALLEST,
            "smallest float32",
        )
        rate = (e.facts.add(per_layer_text(e.gradient), "measured"),) if e.gradient and e.gradient.used > 2 else ()
        title = "the gradient decays geometrically with depth until float32 underflows"
        yield Candidate("true_decay_backward", 0.92, (single, *rate, fact), first, title, even=True)
        return
    place = started[0] if started else zeros.exact[len(zeros.exact) - 1]
    half = e.half or e.says(r"\bfp16|float16|half precision|\.half\(\)")
    if half and not started and (not live or least < HALF_NORM):
        smallest = e.facts.add(
            f"the smallest gradient that is shown is {number(least)}; float16 holds nothing below {HALF_SMALLEST:g} "
            f"and loses digits below {HALF_NORMAL:g}",
            "computed",
            HALF_SMALLEST,
            "smallest float16",
        )
        unscaled = not e.scaled or e.says(r"\b(?:no|without)(?: a| any)? (?:loss[- ]scal|grad[- ]?scal|scaler)")
        yield Candidate("underflow_half", 0.92 if unscaled else 0.8, (fact, smallest), place)
    if not live:
        title = "every gradient is exactly zero: the graph is cut, or every unit is dead"
        relu = "relu" in e.activation_name
        yield Candidate("dead_relu" if relu and zeros.late else "structural_zero", 0.6, (fact, *why), place, title)
        return
    if zeros.late:
        yield Candidate(
            "dead_relu" if "relu" in e.activation_name or not e.activation_name else "saturation", 0.7, (fact,), place
        )
    relu_dead = _silent(e)
    score = 0.5 if _meant(e) else 0.9 if why else 0.55 if zeros.late or relu_dead else 0.8
    yield Candidate("structural_zero", score, (fact, *why), place)


def _meant(e: Evidence) -> bool:
    """Whether layers are said to be frozen or to start at zero, and the network learns; not where the zeros were followed."""
    said = e.says(FROZEN) or _stated_zero(e) or e.listed("frozen") or e.listed("zero_initialized")
    return e.learning and bool(said) and not e.zeros.moved


def _all_zero(e: Evidence) -> Candidate:
    fact = e.facts.add(
        "every weight starts at 0: all units of a layer stay equal, the signal is 0 behind the first layer, and only the "
        "last bias gets a gradient, at any step",
        "computed",
        0.0,
        "E[x²]",
    )
    do = "Draw the weights at random: He (std sqrt(2/fan_in)) for ReLU, Xavier for tanh; zeros are for biases."
    title = "all weights start at zero, so that nothing but the last bias can learn"
    return Candidate("structural_zero", 0.9, (fact,), "the first layer", title, change=do, predicted=True)


def _stated_share(e: Evidence) -> Iterator[Candidate]:
    """A share of zeros that is stated for a run in half precision without a loss scale."""
    share = zero_share(e.told)
    if share is None or not e.half or e.scaled:
        return
    fact = e.facts.add(
        f"{share:.0%} of the gradient's values are 0 in half precision: float16 holds nothing below {HALF_SMALLEST:g}, and no "
        "loss scale lifts them",
        "stated",
        share,
        "zero gradients",
    )
    yield Candidate("underflow_half", 0.84, (fact,))


def _stated_zero(e: Evidence) -> re.Match[str] | None:
    """Where the texts say that weights start at zero; that biases do is usual and says nothing."""
    found = re.finditer(_INITIAL_ZERO, e.said, re.I)
    return next((m for m in found if not re.search(r"bias", e.said[max(0, m.start() - 20) : m.start()], re.I)), None)


def _subnormal(e: Evidence) -> Iterator[Candidate]:
    """Gradients that lie in the range where float16 has lost most of its digits."""
    shown = e.gradient
    if e.training.precision != "fp16" or e.scaled or shown is None:
        return
    low = [row.name for row in shown.rows if row.values[shown.quantity].size[1] < HALF_NORMAL]
    if len(low) * 2 > len(shown.rows):
        fact = e.facts.add(
            f"{len(low)} of {len(shown.rows)} gradients ({shown.quantity.statistic}) lie below {HALF_NORMAL:g}, where float16 "
            f"counts in steps of {HALF_SMALLEST:g}, and no loss scale lifts them",
            "measured",
        )
        yield Candidate("underflow_half", 0.92, (fact,), low[0])


def _silent(e: Evidence) -> bool:
    return any(x == 0 for _, x in e.column("activation"))


def _named_zero(e: Evidence) -> str:
    match = e.says(
        r"\(?\b(\w{1,60})\)?\s?:?\s?(?:Conv\w*|Linear|Dense)\([^\n]{0,200}(?:initiali[sz]ed|init|set)\w* to 0"
    )
    return match[1] if match else ""


def _zero_shares(e: Evidence) -> Iterator[Candidate]:
    """Shares of zeros in the gradients of parameters, in half precision without a loss scale."""
    if not e.half or e.scaled:
        return
    shares = [
        (row.name, row.values[q].x)
        for one in e.measured.per_layer
        for row in one.rows
        for q in row.values
        if q.kind == "gradient zero"
        or (q.kind == "zero" and (row.part or PARAMETER.search(row.name) or e.says(GRADIENT_ZEROS)))
    ]
    many = [(n, x) for n, x in shares if x >= MANY_ZEROS]
    if many:
        worst = max(many, key=lambda pair: pair[1])
        fact = e.facts.add(
            f"zeros in the gradient: {worst[1]:.0%} at {worst[0]}, in half precision: float16 holds nothing below {HALF_SMALLEST:g}",
            "measured",
            worst[1],
            "zero gradients",
        )
        yield Candidate("underflow_half", 0.95, (fact,), worst[0])

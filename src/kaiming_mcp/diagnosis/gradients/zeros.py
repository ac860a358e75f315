"""Gradients that read as zero: the print, a structural zero, half precision, dead ReLUs, saturation."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kaiming_mcp.diagnosis.gradients.evidence import Evidence
from kaiming_mcp.diagnosis.gradients.mechanisms import Candidate
from kaiming_mcp.scaffold import number

HALF_SMALLEST = 6e-8
"""The smallest positive float16 is 2^-24 = 5.96e-8."""
HALF_NORMAL = 6.1e-5
HALF_NORM = 5e-3
"""A norm over 10^4 to 10^6 numbers below which most of them are below the smallest normal float16."""
_INITIAL_ZERO = (
    r"(?:initiali[sz]ed|init|set|start\w*) (?:to|at|with|as) (?:zeros?|0)(?![\w.])|\bzero[- ]?init|zeros_\((?![^)\n]*bias)|constant_\([^)]*,\s?0\.?0?\)"
    r"|gamma\s?=\s?0(?![\w.])|\blora\b|\bLoRA|\brezero\b|\bfixup\b|(?:weight|B)\s?=\s?(?:torch\.)?zeros"
)
_CUT_OFF = r"requires_grad\s?=\s?False|(?<!\")\bfrozen\b|\bfreeze|\.detach\(\)|\bno_grad\b|stop_gradient|\bgrad(?:ient)?s?\W{0,3}(?:is |are )?None\b"


def zero_candidates(e: Evidence) -> Iterator[Candidate]:
    """Every explanation of zeros that the numbers leave open."""
    yield from _printed(e)
    yield from _dead(e)
    yield from _exact(e)
    yield from _saturated(e)


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
    score = 0.86 if not zeros.live or top < 300 * zeros.resolution else 0.72
    yield Candidate("print_zeros", score, (fact,), zeros.printed[len(zeros.printed) - 1])


def _exact(e: Evidence) -> Iterator[Candidate]:
    zeros = e.zeros
    stated, cut_off = _stated_zero(e), e.says(_CUT_OFF)
    why = tuple(
        e.facts.add(f"the text says: `{' '.join(m[0].split())}`", "stated") for m in (stated, cut_off) if m is not None
    )
    started = e.listed("zero_initialized")
    if started:
        why += (e.facts.add(f"initialised to zero: {', '.join(started[:4])}", "measured"),)
    if e.without_gradient:
        none = e.without_gradient
        fact = e.facts.add(
            f"no gradient at all (None): {', '.join(none[:3])}{', …' if len(none) > 3 else ''}: the loss does not reach them",
            "measured",
        )
        yield Candidate("structural_zero", 0.9, (fact, *why), none[len(none) - 1])
        return
    if not zeros.exact:
        if (
            why
            and stated
            and e.gradient is None
            and e.activation is None
            and e.losses is None
            and not e.events("nan", "inf", "anomaly")
        ):
            words = e.says(
                r"weight\w* (?:is |are )?(?:initiali[sz]ed|init|set)|zero[- ]?init|zeros_|constant_|\blora\b"
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
    place = started[0] if started else zeros.exact[len(zeros.exact) - 1]
    half = e.training.precision in ("fp16", "amp") or e.says(r"\bfp16|float16|half precision|\.half\(\)")
    if half and not started and (not live or least < HALF_NORM):
        smallest = e.facts.add(
            f"the smallest gradient that is shown is {number(least)}; float16 holds nothing below {HALF_SMALLEST:g} "
            f"and loses digits below {HALF_NORMAL:g}",
            "computed",
            HALF_SMALLEST,
            "smallest float16",
        )
        unscaled = e.training.scaler is not True or e.says(
            r"\b(?:no|without)(?: a| any)? (?:loss[- ]scal|grad[- ]?scal|scaler)"
        )
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
    score = 0.9 if why else 0.55 if zeros.late or relu_dead else 0.8
    yield Candidate("structural_zero", score, (fact, *why), place)


def _stated_zero(e: Evidence) -> re.Match[str] | None:
    """Where the texts say that weights start at zero; that biases do is usual and says nothing."""
    found = re.finditer(_INITIAL_ZERO, e.said, re.I)
    return next((m for m in found if not re.search(r"bias", e.said[max(0, m.start() - 20) : m.start()], re.I)), None)


def _subnormal(e: Evidence) -> Iterator[Candidate]:
    """Gradients that lie in the range where float16 has lost most of its digits."""
    shown = e.gradient
    if e.training.precision != "fp16" or e.training.scaler is True or shown is None:
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


def _dead(e: Evidence) -> Iterator[Candidate]:
    kinds = {row.name: row.kind for one in e.measured.per_layer for row in one.rows if row.kind}

    def can_die(name: str) -> bool:
        return "relu" in kinds.get(name, "relu").lower()

    units = tuple((n, x) for n, x in e.column("dead") if can_die(n))
    shares = tuple((n, x) for n, x in e.column("zero") if can_die(n))
    for dead, bar in ((units, 0.5), (shares, 0.95)):
        gone = [(n, x) for n, x in dead if x >= bar]
        worst = max((x for _, x in dead), default=0.0)
        # A layer that ignores its input is constant, and half of its units are constantly 0.
        collapsed = worst < 0.9 and any(x > 0.99 for _, x in e.cosine)
        if gone and not collapsed and (worst >= 0.8 or len(gone) > len(dead) / 3) and not (e.learning and worst < 0.95):
            fact = e.facts.add(
                f"units that are 0: {gone[0][1]:.0%} at {gone[0][0]}, at most {worst:.0%}; a unit counts as dead below 1 % of "
                "active inputs",
                "measured",
                worst,
                "dead",
            )
            yield Candidate("dead_relu", 0.94, (fact,), gone[0][0])
            return
    silent = [n for n, x in e.column("activation") if x == 0 and can_die(n)]
    if silent and "relu" in (e.activation_name or "relu") and not e.listed("zero_initialized"):
        fact = e.facts.add(f"the activations are exactly 0 from {silent[0]} on", "measured")
        yield Candidate("dead_relu", 0.9, (fact,), silent[0])


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
        yield Candidate("saturation", 0.94 if not e.learning else 0.6, (fact,), full[0][0])
    elif not shares and e.activation_name == "tanh" and e.activation is not None:
        yield from _against_limits(e)
    head = e.says(r"\b(?:output|final|last)(?: layer| activation|:|\s)*\(?(?:is a |a |= )?(sigmoid|tanh)\b")
    if head and e.measured.empty and e.subject is None:
        fact = e.facts.add(
            f"the output passes a {head[1].lower()}: its slope s(1-s) is at most 0.25, 0.0066 at |z| = 5 and 4.5e-5 at "
            "|z| = 10, whatever the depth of the body is",
            "computed",
            0.0066,
            "slope at |z| = 5",
        )
        yield Candidate(
            "saturation",
            0.62,
            (fact,),
            f"the output {head[1].lower()}",
            "a saturating output nonlinearity",
            predicted=True,
        )


def _against_limits(e: Evidence) -> Iterator[Candidate]:
    """Hidden tanh values whose root mean square is near 1."""
    shown = e.activation
    if (
        shown is None
        or e.learning
        or shown.quantity.statistic not in ("rms", "std", "mean square", "variance", "mean abs")
    ):
        return
    power = 0.5 if shown.quantity.statistic in ("mean square", "variance") else 1.0
    near = [row.name for row in shown.rows if 0.88 < row.values[shown.quantity].x ** power <= 1.0 + 1e-6]
    if len(near) * 2 > len(shown.rows):
        fact = e.facts.add(
            f"tanh outputs lie at their limits: {shown.quantity.statistic} above 0.88 in {len(near)} of "
            f"{len(shown.rows)} layers (0.63 at unit pre-activations)",
            "measured",
        )
        yield Candidate("saturation", 0.92, (fact,), near[0])

"""nan and inf: which operation, the range of half precision, or growth before it; and the scaler's healthy start."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

from kaiming_mcp.diagnosis.gradients.evidence import Evidence
from kaiming_mcp.diagnosis.gradients.mechanisms import Candidate
from kaiming_mcp.diagnosis.gradients.operations import CLIP_IS_BLIND, by_name, by_source
from kaiming_mcp.scaffold import number

HALF_LARGEST = 65504
EARLY = 50
"""Steps within which a loss scale still finds its level."""
_SAYS_NAN = r"\bnans?\b|\binf(?:inity)?\b|not finite|non-?finite"


def nonfinite_candidates(e: Evidence) -> Iterator[Candidate]:
    """What explains numbers that are not finite, and a loss scale that falls."""
    calibrating = _calibrating(e)
    if calibrating is not None:
        yield calibrating
        return
    diverging = _diverging(e)
    if diverging is not None:
        yield diverging
    bad = e.events("nan", "inf", "anomaly") or [w for w in e.events("warning") if " in " in w.name]
    layer, passes = _first_layer(e)
    if not bad and not layer and not (e.measured.empty and e.says(_SAYS_NAN)) and not _exhausted(e):
        return
    for event in bad:
        named = by_name(event.name)
        if named is not None:
            said = f"; the line `{event.source}`" if event.source else ""
            fact = e.facts.add(
                f"{event.name} returned nan: {named.name}. {named.why}{said}", "read", source="the pasted text"
            )
            yield Candidate(
                "nan_origin", 0.97, (fact,), event.source or layer or event.name, named.name, (), _fix(named.fix)
            )
            return
    half = e.training.precision in ("fp16", "amp")
    found = by_source(e.told) or (None if half else by_source(e.architecture))
    if found is not None:
        operation, words = found
        fact = e.facts.add(f"`{words}`: {operation.name}. {operation.why}", "read", source="the pasted text")
        yield Candidate("nan_origin", 0.9, (fact,), layer or operation.name, operation.name, (), _fix(operation.fix))
        return
    cites = tuple(f for f in (_pattern(e), layer and _located(e, layer, passes)) if f)
    if half:
        fact = e.facts.add(
            f"float16 ends at {HALF_LARGEST} and bfloat16 at 3.4e38; a square or a sum of products passes {HALF_LARGEST} "
            "from values of about 256 on",
            "computed",
            HALF_LARGEST,
            "largest float16",
        )
        change = (
            "run in bfloat16, or in float32 where the card has no bfloat16 (keep attention logits, norms and the loss in "
            f"float32 at least). {CLIP_IS_BLIND}"
        )
        yield Candidate("nan_origin", 0.9, (*cites, fact), layer, "the range of float16", (), change)
    else:
        change = (
            "run one step with `torch.autograd.set_detect_anomaly(True)` and put eps inside the operation that it names. "
            + CLIP_IS_BLIND
        )
        score = 0.7 if layer or cites else 0.35
        yield Candidate("nan_origin", score, cites, layer, "", (), change, predicted=not cites)


def _fix(fix: str) -> str:
    return f"{fix[0].upper()}{fix[1:]}. {CLIP_IS_BLIND}"


def _first_layer(e: Evidence) -> tuple[str, str]:
    """The first layer, in the order in which it is computed, that is not finite; and the pass."""
    forward = [(n, x) for n, x in e.column("nonfinite")]
    if named := next((n for n, x in forward if x > 0), None):
        return named, "forward"
    for shown, passes in ((e.activation, "forward"), (e.gradient, "backward")):
        if shown is not None and shown.nonfinite:
            i = max(shown.nonfinite) if shown.backward else min(shown.nonfinite)
            return shown.rows[i].name, passes
    for kind, passes in (
        ("activation", "forward"),
        ("activation gradient", "backward"),
        ("weight gradient", "backward"),
        ("gradient", "backward"),
    ):
        bad = [r.name for r, q in e.rows(kind) if not r.values[q].finite]
        if bad:
            return bad[-1 if passes == "backward" else 0], passes
    return "", ""


def _located(e: Evidence, layer: str, passes: str) -> str:
    return e.facts.add(f"the first numbers that are not finite, in the {passes} pass, are those of {layer}", "measured")


def _pattern(e: Evidence) -> str:
    """One step from finite to nan."""
    if e.losses is None or e.losses.nan_at is None or not e.losses.values:
        return ""
    return e.facts.add(
        f"the last finite loss is {number(e.losses.values[-1])}, and the next, at {e.losses.unit} {e.losses.nan_at:g}, is not "
        "finite: a jump, no gradual growth",
        "measured",
    )


def _diverging(e: Evidence) -> Candidate | None:
    """Loss or gradient norm that grows over the steps by decades before it is not finite, or at the end."""
    norms = e.measured.of("gradient norm")
    course = [p.value.x for p in norms.points if p.value.finite and p.value.x > 0] if norms else []
    grown = course[-1] / min(course) if len(course) > 2 and course[-1] == max(course) else 1.0
    loss = e.losses.growing if e.losses is not None and len(e.losses.values) > 2 else 1.0
    ends = bool(e.losses and e.losses.values and e.losses.values[-1] >= max(e.losses.values) * 0.3)
    if not ((loss > 10 and ends) or (grown > 1e3 and not e.learning)):
        return None
    if e.losses is not None and (e.losses.at_chance or e.losses.died):
        return None
    fact = e.facts.add(
        f"over the steps the loss grows x{number(loss)} and the gradient norm x{number(grown)} before the end",
        "measured",
        loss,
        "growth",
    )
    return Candidate("growth", 0.87, (fact,), "", "divergence: loss and gradient grow from step to step")


def _scales(e: Evidence) -> list[float]:
    """The loss scale over time, from its series, its events and skipped steps."""
    series = e.measured.of("loss scale")
    found = [(p.line, p.value.x) for p in series.points if p.value.finite] if series else []
    seen = {line for line, _ in found}
    found += [
        (event.line, event.value.x)
        for event in e.events("overflow", "loss scale")
        if event.value is not None and event.line not in seen and event.value.x >= 2**-20
    ]
    return [x for _, x in sorted(found)]


def _exhausted(e: Evidence) -> bool:
    scales = _scales(e)
    return len(scales) > 1 and scales[-1] <= 1 and scales[0] > scales[-1]


def _calibrating(e: Evidence) -> Candidate | None:
    """Halvings of the loss scale in the first steps, with a loss that stays finite."""
    scales = _scales(e)
    overflows = e.events("overflow")
    if e.losses is not None and e.losses.nan_at is not None:
        return None
    if e.events("anomaly", "error"):
        return None
    halved = [b / a for a, b in pairwise(scales) if a > 0 and b < a]
    if not halved and not overflows:
        return None
    times = [event.at.x for event in overflows if event.at is not None and event.at.unit == "step"]
    if (times and max(times) > EARLY) or (scales and min(scales) <= 1) or len(halved) > 16:
        return None
    if e.losses is not None and (e.losses.died or e.losses.growing > 10):
        return None
    top, end = (max(scales), scales[-1]) if scales else (math.nan, math.nan)
    what = f"from {top:g} to {end:g}" if scales and top > end else "in the first steps"
    fact = e.facts.add(
        f"the loss scale is halved {what} ({max(len(halved), len(overflows))} skipped steps) while the loss stays finite: "
        "the scaler starts at 2^16 and halves until no gradient is infinite",
        "measured",
        end if scales else None,
        "loss scale",
    )
    change = (
        "None: skip nothing, change nothing. Expect the scale to stay within a factor of 2 to 4 after these steps; act only "
        "if it goes on falling below 1, or if more than 1 % of later steps are skipped."
    )
    return Candidate("amp_calibrating", 0.9, (fact,), change=change)

"""nan and inf: which operation, the range of half precision, or growth before it; and the scaler's healthy start."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from itertools import pairwise

from kaiming_mcp.diagnosis.gradients.evidence import Evidence
from kaiming_mcp.diagnosis.gradients.mechanisms import Candidate
from kaiming_mcp.diagnosis.gradients.operations import CLIP_IS_BLIND, Operation, by_name, by_source, line_of
from kaiming_mcp.measurements.record import Event
from kaiming_mcp.scaffold import number

HALF_LARGEST = 65504
EARLY = 50
"""Steps within which a loss scale still finds its level."""
_FIRST_SKIPPED = (
    r"\bfirst (?:\w+ )?(?:steps?|iterations?|batch\w*)\b[^.\n]{0,40}\bskipp|\bskipp\w+[^.\n]{0,30}\bfirst\b"
)
IN_REACH = 4
"""Times below the end of float16 from which the next batch may pass it."""
_MASKED = r"\bmask(?!ed[ _]?(?:lm|language|auto))\w*|\bpadd(?:ing|ed)\b|\bpad[ _](?:token|id|mask)"
_MAXIMUM = re.compile(r"\bmax(?:imum)?\b\W{0,3}(?:\w+ ){0,2}(\d{2,9}(?:\.\d{1,9})?(?:e\+?\d{1,2})?)(?![\w.]\d)", re.I)
_SKIPPED = re.compile(r"\bskipp\w+ (?:iterations|steps|updates)\W{1,9}(\d{1,9})\b", re.I)
MOST_SKIPPED = 24
"""Halvings from the highest usual scale, 2^24, to 1: who skips more steps does not find a level."""
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
    bad = e.events("nan", "inf", "anomaly") + [w for w in e.events("warning") if " in " in w.name]
    layer, passes = _first_layer(e)
    if not bad and not layer and not (e.measured.empty and e.says(_SAYS_NAN)) and not _exhausted(e):
        return
    for event in bad:
        named = by_name(event.name)
        if named is not None:
            yield from _named(e, event, named, layer)
            return
    half = e.half
    found = by_source(e.told) or (None if half else by_source(e.architecture))
    if found is not None:
        operation, words = found
        fact = e.facts.add(f"`{words}`: {operation.name}. {operation.why}", "read", source="the pasted text")
        place = f"{operation.name}, first seen at {layer}" if layer else operation.name
        yield Candidate("nan_origin", 0.9, (fact,), place, operation.name, (), _fix(operation.fix))
        return
    many = _skipped(e)
    skipped = (
        e.facts.add(f"{many} skipped steps: the scale finds no level", "measured", many) if many > MOST_SKIPPED else ""
    )
    cites = tuple(f for f in (_pattern(e), layer and _located(e, layer, passes), skipped) if f)
    if half:
        yield _half_range(e, layer, 0.9 if bad or layer else 0.78, cites)
    else:
        change = (
            "Run one step with `torch.autograd.set_detect_anomaly(True)` and put eps inside the operation that it names. "
            + CLIP_IS_BLIND
        )
        score = 0.7 if layer or cites else 0.35
        yield Candidate("nan_origin", score, cites, layer, "", (), change, predicted=not cites)


def _named(e: Evidence, event: Event, named: Operation, layer: str) -> Iterator[Candidate]:
    """What a backward function that returned nan says: its own weak point, or an infinite number that came in."""
    line = event.source or line_of(e.said, named)
    said = f"; the line `{line[:160]}`" if line else ""
    place, before = line[:160] or layer or event.name, _before(e)
    own = not named.passes_on or bool(line_of(e.said, named))
    if own or e.says(_MASKED):
        fact = e.facts.add(
            f"{event.name} returned nan: {named.name}. {named.why}{said}", "read", source="the pasted text"
        )
        score = 0.97 if not named.passes_on else 0.9 if own else 0.8
        yield Candidate("nan_origin", score, (fact, *before), place, named.name, (), _fix(named.fix))
    else:
        fact = e.facts.add(
            f"{event.name} returned nan: {named.why}; an infinite number that comes in (inf - inf) or a gradient that is not "
            f"finite gives the same{said}",
            "read",
            source="the pasted text",
        )
        change = (
            f"Print the largest |input| of this operation in the failing batch. If it is infinite, compute it in float32 and "
            f"bound its input; if it is finite, {named.fix}. {CLIP_IS_BLIND}"
        )
        title = f"an infinite number that comes in, or {named.name}"
        yield Candidate("nan_origin", 0.74, (fact, *before), place, title, (), change)
    if e.half and named.passes_on:
        near = _near_limit(e)
        yield _half_range(e, place, (0.84 if near else 0.78) if not own else 0.6, tuple(filter(None, (near, *before))))


def _half_range(e: Evidence, place: str, score: float, cites: tuple[str, ...]) -> Candidate:
    fact = e.facts.add(
        f"float16 ends at {HALF_LARGEST} and bfloat16 at 3.4e38; a square or a sum of products passes {HALF_LARGEST} "
        "from values of about 256 on",
        "computed",
        HALF_LARGEST,
        "largest float16",
    )
    change = (
        "Run in bfloat16, or in float32 where the card has no bfloat16 (keep attention logits, norms and the loss in "
        f"float32 at least). {CLIP_IS_BLIND}"
    )
    return Candidate("nan_origin", score, (*cites, fact), place, "the range of float16", (), change)


def _near_limit(e: Evidence) -> str:
    """A number in reach of the end of float16: the largest that was measured, or the largest beside the word max."""
    rows = [
        row.values[q].x for one in e.measured.per_layer for row in one.rows for q in row.values if q.statistic == "max"
    ]
    facts = [f.value.x for f in e.measured.facts if f.quantity.statistic == "max"]
    series = [p.value.x for s in e.measured.series if s.quantity.statistic == "max" for p in s.points]
    told = [float(m) for m in _MAXIMUM.findall(e.told[:20_000])]
    found = [abs(x) for x in (*rows, *facts, *series, *told) if math.isfinite(x)]
    largest = max((x for x in found if x <= HALF_LARGEST), default=0.0)
    if largest < HALF_LARGEST / IN_REACH:
        return ""
    return e.facts.add(
        f"the largest number that was measured is {largest:.6g}: {largest / HALF_LARGEST:.0%} of what float16 can hold",
        "measured",
        largest,
        "largest number",
    )


def _before(e: Evidence) -> tuple[str, ...]:
    """What gradient norm and loss scale did before the end."""
    found = list[str]()
    for kind in ("gradient norm", "loss scale"):
        series = e.measured.of(kind)
        points = [p for p in series.points if p.value.finite] if series else []
        if len(points) > 1 and series is not None and points[0].value.x > 0:
            first, last = points[0], points[-1]
            found.append(
                e.facts.add(
                    f"{kind} {first.value.text} to {last.value.text} (x{number(last.value.x / first.value.x)}) from {series.unit} "
                    f"{first.at:g} to {last.at:g}, the last finite one",
                    "measured",
                    last.value.x / first.value.x,
                    kind,
                )
            )
    return tuple(found)


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
    loss, grown = grows(e)
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


def grows(e: Evidence) -> tuple[float, float]:
    """Factors by which the loss and the gradient norm grow from their least to their last finite number."""
    norms = e.measured.of("gradient norm")
    course = [p.value.x for p in norms.points if p.value.finite and p.value.x > 0] if norms else []
    grown = course[-1] / min(course) if len(course) > 2 and course[-1] == max(course) else 1.0
    return (e.losses.growing if e.losses is not None and len(e.losses.values) > 2 else 1.0), grown


def _inf_norms(e: Evidence) -> int:
    """How many gradient norms of the first steps are infinite, where all others are finite and there are more of them."""
    norms = e.measured.of("gradient norm")
    points = norms.points if norms else ()
    bad = [p for p in points if not p.value.finite]
    if any(math.isnan(p.value.x) or p.at > EARLY for p in bad) or 2 * len(bad) >= len(points):
        return 0
    return len(bad)


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
    return [x for _, x in sorted(found, key=lambda pair: pair[0])]


def _exhausted(e: Evidence) -> bool:
    scales = _scales(e)
    return (len(scales) > 1 and scales[-1] <= 1 < scales[0]) or _skipped(e) > MOST_SKIPPED


def _skipped(e: Evidence) -> int:
    """The largest count of skipped steps that a line states."""
    found = [_SKIPPED.search(event.text) for event in e.events("overflow", "skipped")]
    return max((int(m[1]) for m in found if m), default=0)


def _calibrating(e: Evidence) -> Candidate | None:
    """Halvings of the loss scale in the first steps, with a loss that stays finite."""
    scales = _scales(e)
    overflows = e.events("overflow", "skipped")
    if _skipped(e) > MOST_SKIPPED:
        return None
    if e.losses is not None and e.losses.nan_at is not None:
        return None
    if e.events("anomaly", "error"):
        return None
    halved = [b / a for a, b in pairwise(scales) if a > 0 and b < a]
    scaled = e.half or bool(e.training.scaler) or bool(scales)
    skipped = _inf_norms(e)
    if not scaled or not (halved or overflows or skipped or (e.learning and e.says(_FIRST_SKIPPED))):
        return None
    times = [event.at.x for event in overflows if event.at is not None and event.at.unit == "step"]
    if (times and max(times) > EARLY) or (scales and min(scales) <= 1) or len(halved) > 16:
        return None
    if e.losses is not None and (e.losses.died or e.losses.growing > 10):
        return None
    top, end = (max(scales), scales[-1]) if scales else (math.nan, math.nan)
    what = f"from {top:g} to {end:g}" if scales and top > end else "in the first steps"
    fact = e.facts.add(
        f"the loss scale is halved {what} ({max(len(halved), len(overflows), skipped)} skipped steps) while the loss stays "
        "finite: the scaler starts high (2^16 by default) and halves until no gradient is infinite",
        "measured",
        end if scales else None,
        "loss scale",
    )
    change = (
        "None: skip nothing, change nothing. Expect the scale to stay within a factor of 2 to 4 after these steps; act only "
        "if it goes on falling below 1, or if more than 1 % of later steps are skipped."
    )
    return Candidate("amp_calibrating", 0.9, (fact,), change=change)

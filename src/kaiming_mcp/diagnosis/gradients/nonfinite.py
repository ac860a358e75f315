"""nan and inf: which operation, the range of half precision, or growth before it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from kaiming_mcp.diagnosis.gradients.bad_data import bad_data
from kaiming_mcp.diagnosis.gradients.evidence import Evidence
from kaiming_mcp.diagnosis.gradients.growing import adding_up, diverging
from kaiming_mcp.diagnosis.gradients.mechanisms import Candidate
from kaiming_mcp.diagnosis.gradients.operations import CLIP_IS_BLIND, Operation, by_name, by_source, line_of
from kaiming_mcp.diagnosis.gradients.scaler import (
    HALF_LARGEST,
    MOST_SKIPPED,
    SAYS_NAN,
    calibrating,
    exhausted,
    nan_norms,
    skipped_steps,
    spent,
)
from kaiming_mcp.measurements.record import Event
from kaiming_mcp.scaffold import number

IN_REACH = 4
"""Times below the end of float16 from which the next batch may pass it."""
_MASKED = r"\bmask(?!ed[ _]?(?:lm|language|auto))\w*|\bpadd(?:ing|ed)\b|\bpad[ _](?:token|id|mask)"
_MAXIMUM = re.compile(r"\bmax(?:imum)?\b\W{0,3}(?:\w+ ){0,2}(\d{2,9}(?:\.\d{1,9})?(?:e\+?\d{1,2})?)(?![\w.]\d)", re.I)


def nonfinite_candidates(e: Evidence) -> Iterator[Candidate]:
    """What explains numbers that are not finite, and a loss scale that falls."""
    healthy = calibrating(e)
    if healthy is not None:
        yield healthy
        return
    yield from (c for c in (adding_up(e), diverging(e)) if c is not None)
    if (e.events("nan", "inf", "anomaly") or e.says(SAYS_NAN)) and (data := bad_data(e)) is not None:
        yield data
        return
    bad = e.events("nan", "inf", "anomaly") + [w for w in e.events("warning") if " in " in w.name]
    if not bad and e.says(SAYS_NAN) and e.says(rf"{HALF_LARGEST:d}|\bfp16\b|\bfloat16\b"):
        # A sentence that tells of an overflow in half precision and of nan.
        bad = [event for event in e.events("overflow") if event.value is None]
    layer, passes = _first_layer(e)
    if not bad and not layer and not (e.measured.empty and e.says(SAYS_NAN)) and not exhausted(e):
        return
    for event in bad:
        named = by_name(event.name)
        if named is not None:
            yield from _named(e, event, named, layer)
            return
    half = e.half or any(event.kind == "overflow" for event in bad)
    found = by_source(e.told) or (None if half else by_source(e.architecture))
    if found is not None:
        operation, words = found
        fact = e.facts.add(f"`{words}`: {operation.name}. {operation.why}", "read", source="the pasted text")
        place = f"{operation.name}, first seen at {layer}" if layer else operation.name
        yield Candidate("nan_origin", 0.9, (fact,), place, operation.name, (), _fix(operation.fix))
        return
    many = skipped_steps(e)
    skipped = (
        e.facts.add(f"{many} skipped steps: the scale finds no level", "measured", many) if many > MOST_SKIPPED else ""
    )
    cites = tuple(f for f in (_pattern(e) or nan_norms(e), layer and _located(e, layer, passes), skipped) if f)
    if half:
        yield _half_range(e, layer, 0.9 if bad or layer else 0.78, cites)
    else:
        cites = cites or spent(e)
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

"""What to watch in a run in which nothing is wrong: the alarm of each number that was measured, and what is still to come."""

from __future__ import annotations

from kaiming_mcp.diagnosis.gradients.courses import SEVERE
from kaiming_mcp.diagnosis.gradients.evidence import Evidence
from kaiming_mcp.diagnosis.gradients.remedies import DO, PROBE, Change
from kaiming_mcp.diagnosis.gradients.trends import log_ratio
from kaiming_mcp.diagnosis.principles import SIMPLE
from kaiming_mcp.measurements.record import Point
from kaiming_mcp.scaffold import bounded, number


def watched(e: Evidence) -> Change:
    """No change, the values at which to change one's mind, and the next thing to measure."""
    alarms, values = list[str](), e.losses.values if e.losses is not None else ()
    if len(values) > 1:
        alarms.append(f"the loss stays above {e.losses.last * 1.1 if e.losses else 0:.3g} for several {_unit(e)}s")
    if e.gradient is not None:
        ratio = number(bounded(log_ratio(e.gradient)))
        alarms.append(f"gradient first/last (now {ratio}) leaves {1 / bounded(SEVERE):.3g} to {bounded(SEVERE):.0f}")
    held_out = _held_out(e)
    if len(held_out) > 1:
        least = min(p.value.x for p in held_out)
        alarms.append(f"the validation loss (least {number(least)}) rises while the training loss falls")
    test = (
        f"loss of training and validation at the next {_unit(e)}s, and {PROBE} once more where either stops falling"
        if held_out
        else f"validation loss; {PROBE} once more where the loss stops falling"
    )
    effect = (
        f"nothing changes; alarm if {', or '.join(alarms)}"
        if alarms
        else "nothing changes; alarm if the loss stops falling"
    )
    return Change(DO["nothing_wrong"], effect, test, SIMPLE)


def held(e: Evidence) -> tuple[str, ...]:
    """Facts beside the losses: the validation loss that was sent, and a warm-up that is not over."""
    found, points, course = list[str](), _held_out(e), e.losses
    if len(points) > 1:
        first, last = points[0].value, points[-1].value
        least = min(points, key=lambda p: p.value.x)
        gap = f", {last.x - course.values[-1]:.3g} above the training loss" if course and course.values else ""
        where = "at the end" if least.value.x == last.x else f"at {_unit(e)} {least.at:g}"
        found.append(
            e.facts.add(
                f"validation loss {first.text} to {last.text}, least {least.value.text} {where}{gap}",
                "measured",
                last.x,
                "validation loss",
            )
        )
    warm, setting = e.training.warmup, e.training.setting("warmup")
    if warm is not None and setting is not None and course is not None and course.times:
        said = f"{setting.value} {setting.text}".lower()
        if course.unit in said and warm.x >= course.times[-1] > 0:
            found.append(
                e.facts.add(
                    f"the warm-up of {warm.text} {course.unit}s reaches to the last {course.unit} that was sent ({course.times[-1]:g}): "
                    "the full rate has hardly acted yet",
                    "read",
                    warm.x,
                    "warm-up",
                )
            )
    return tuple(found)


def _held_out(e: Evidence) -> tuple[Point, ...]:
    series = e.measured.of("loss", "val") or e.measured.of("loss", "test")
    return tuple(p for p in series.points if p.value.finite) if series is not None else ()


def _unit(e: Evidence) -> str:
    return e.losses.unit if e.losses is not None and e.losses.unit != "row" else "step"

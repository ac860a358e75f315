"""What happened in a run: nan, overflow, skipped steps, changes of the loss scale, clipping, tracebacks, warnings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from kaiming_mcp.measurements import layers
from kaiming_mcp.measurements.clocks import powers
from kaiming_mcp.measurements.record import Event
from kaiming_mcp.measurements.value import Value, number, numbers

LONGEST = 1_000
_LIKELY = re.compile(
    r"overflow|skip|loss.?scal|anomal|backward|traceback|error|warning|assert|nan\b|\binf\b|non-?finite|clipp"
    r"|underflow|diverg|found_inf",
    re.I,
)
_OVERFLOW = re.compile(
    r"overflow(?! encountered)|skipp(?:ing|ed) (?:the )?(?:optimizer )?step|skipping iteration|ignoring gradient"
    r"|\bstep (?:was |is )?skipped|[(\[]skipped[)\]]|(?:<-+|#|,|\s)\s?skip(?:ped|ping)?\s{0,9}$",
    re.I,
)
_LOGGED = re.compile(
    r"(?:\W{0,9}(?:global[ _])?(?:step|it|iter\w{0,6}|update|batch|epoch)\b|\W{0,3}\d{1,7}\]?\s).{0,300}?"
    r"\b(?:loss|grad\w{0,12}|norm|scale)[ =:]{1,9}(?:[-\d.]|nan|inf)",
    re.I,
)
_SKIPPED = re.compile(r"\bskipped (?:iterations|steps|updates)\W{1,9}(\d{1,9})\b|\bfound_inf\W{1,4}(1|True)\b", re.I)
_NAN_COUNT = re.compile(r"\bnan (?:iterations|steps|updates)\W{1,9}(\d{1,9})\b", re.I)
_NEW_SCALE = re.compile(
    r"(?:reduc|sett|increas|chang|updated|halv|doubl|grow)\w{1,4}\W{1,3}(?:the )?"
    r"(?:(?:dynamic )?(?:loss|grad)[ _]scale\w{0,3}\W{1,3})?(?:from\W{1,3}[\d.e+]{1,20} )?"
    r"to\W{1,3}([\d.]{1,20}(?:e[+-]?\d{1,3})?)",
    re.I,
)
_OLD_SCALE = re.compile(r"(?<![a-z])(?:(?:loss|grad)[ _])?scale\W{1,3}([\d.]{1,20}(?:e[+-]?\d{1,3})?)", re.I)
_BEST = re.compile(r"improved? from (?:-?inf|nan)", re.I)
_LOSS = re.compile(r"Loss|CrossEntropy")
_PASSES_ON = re.compile(
    r"(?:Mean|Sum|Add|Sub|Mul|Div|Neg|Mm|Addmm|Bmm|View|Reshape|Select|Slice|Squeeze|Stack|Cat|To|Clone)\w{0,9}Backward"
)
_LEVEL = r"^\W{0,3}(?:TRACE|DEBUG|INFO|NOTICE|WARNING|WARN|ERROR|CRITICAL)\W{1,3}(?:[\w.]{1,60}:)?"
_SCALE = re.compile(r"(?:loss|grad)[ _]?scal(?:e|er|ing)\b", re.I)
_ANOMALY = re.compile(
    r"Function '(\w+)' returned nan values|Error detected in (\w+)|\b(\w+Backward\d?)\b returned (?:nan|an? nan)", re.I
)
_GRAD_FN = re.compile(r"\bnan\b[^\n]{0,60}grad_fn=<(\w+)>", re.I)
_NUMPY = re.compile(r"(overflow|underflow|divide by zero|invalid value) encountered in (\w+)", re.I)
_ERROR = re.compile(r"(?:^|\s)([A-Z]\w{2,40}(?:Error|Exception|Interrupt)|FloatingPointError)\b:?\s?(.{0,200})")
_WARNING = re.compile(r"\b(\w{0,40}Warning)\b:?\s?(.{0,200})")
# A count of 0 that are not finite is no event.
_NONFINITE = re.compile(r"non-?finite(?!\w*\"?\s*[:=]\s*(?:0\b|null|None))", re.I)
_NAN = re.compile(r"(?<![\w.])(nan|inf)s?(?!\w)(?!\s?(?:iterations|check|guard|values?\s?[:=]\s?0))", re.I)
_NO_NAN = re.compile(
    r"\b(?:no|not|without|never|zero|isn't)\s[^.;]{0,20}\bnan|nan\w*\s?(?:iterations|values|steps|count)?\s?[:=]\s?0\b|detect_anomaly|isnan",
    re.I,
)
_CLIP = re.compile(r"clip(?:ped|ping)?\b", re.I)
_FILE = re.compile(r'\s*File "[^"\n]{1,300}", line \d+')


NOT_MEASURED = ("anomaly", "warning", "error", "assertion", "overflow", "loss scale")
"""Kinds of event whose lines hold no measurement beside the event itself."""


def is_message(event: Event, line: str) -> bool:
    """Whether the line of an event holds nothing beside it; a row of a log that ends in `step skipped` does."""
    return event.kind in NOT_MEASURED and not (event.kind == "overflow" and _LOGGED.match(line[:LONGEST]))


def is_frame(line: str) -> bool:
    """Whether a line is a place in a traceback."""
    return _FILE.match(line[:LONGEST]) is not None or line.startswith("Traceback (most recent call last)")


def events(lines: Sequence[str]) -> Iterator[Event]:
    """The events of a text, line by line, without the time of the run."""
    source, inside = "", False
    for i, line in enumerate(lines):
        text = line[:LONGEST]
        if _FILE.match(text):
            inside = True
            following = lines[i + 1][:LONGEST].strip() if i + 1 < len(lines) else ""
            source = following if following and not _FILE.match(following) else source
            continue
        if not _LIKELY.search(text):
            continue
        yield from _one(text, i + 1, source if inside else "")
        if inside and (_ERROR.search(text) or _ANOMALY.search(text)):
            source, inside = "", False


def _one(line: str, at_line: int, source: str) -> Iterator[Event]:
    text = line.strip()[:200]
    if re.match(r"\s*Traceback \(most", line):
        return
    if match := _ANOMALY.search(line):
        name = next(g for g in match.groups() if g)
        yield Event("anomaly", at_line, text, name=name, source=source)
    elif match := _NUMPY.search(line):
        yield Event("warning", at_line, text, name=f"{match[1].lower()} in {match[2]}", source=source)
    elif _NONFINITE.search(line) and re.search(r"grad|norm|loss", line, re.I):
        yield Event("nan", at_line, text, name="gradient" if re.search(r"grad|norm", line, re.I) else "loss")
    elif match := _ERROR.search(line):
        kind = "assertion" if "Assert" in match[1] else "error"
        yield Event(kind, at_line, text, name=match[1], source=source)
    elif _OVERFLOW.search(line):
        yield Event("overflow", at_line, text, value=_scale(line) if "scal" in line.lower() else None)
    elif (match := _SKIPPED.search(line)) and (match[2] or int(match[1])):
        yield Event("skipped", at_line, text)
    elif _SCALE.search(line) and re.search(
        r"reduc|increas|setting|minimum|chang|updated|halv|doubl|->|→|grow", line, re.I
    ):
        yield Event("loss scale", at_line, text, value=_scale(line))
    elif match := _WARNING.search(line):
        yield Event("warning", at_line, text, name=match[1], source=source)
    elif match := _GRAD_FN.search(line):
        # A loss or a sum that is nan shows what was computed last, not what made the nan.
        name = "loss" if _LOSS.search(match[1]) else "" if _PASSES_ON.match(match[1]) else match[1]
        yield Event("nan", at_line, text, name=name)
    elif _CLIP.search(line) and re.search(r"clipped|clipping (?:grad|at|from|to)", line, re.I):
        yield Event("clip", at_line, text, value=_last(line))
    elif (match := _NAN_COUNT.search(line)) and int(match[1]):
        yield Event("nan", at_line, text)
    elif (match := _NAN.search(line)) and not _NO_NAN.search(line) and not _BEST.search(line):
        yield Event(match[1].lower(), at_line, text, name=_what(line, match.start()))


def _what(line: str, at: int) -> str:
    """The layer that the line names, else the word before the nan."""
    layer = next((names[0] for _, _, names in layers.found(line)), "")
    words = re.findall(r"[A-Za-z_][\w.]*", re.sub(_LEVEL, "", line[:at])[-60:])
    return layer or (words[-1] if words else "")


def _scale(line: str) -> Value | None:
    """The loss scale that a line about it ends with."""
    line = powers(line)
    match = None if "->" in line or "→" in line else _NEW_SCALE.search(line) or _OLD_SCALE.search(line)
    return number(match[1].rstrip(".")) if match else _last(line)


def _last(line: str) -> Value | None:
    values = [v for _, _, v in numbers(line) if v.finite]
    return values[-1] if values else None

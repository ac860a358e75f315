"""The scale of what goes in and of what must come out."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from kaiming_mcp.architecture.ir import Conv, Linear, layers
from kaiming_mcp.architecture.paste.clean import clean
from kaiming_mcp.diagnosis.gradients import data_words, words
from kaiming_mcp.diagnosis.gradients.courses import GROWN
from kaiming_mcp.diagnosis.gradients.evidence import Evidence
from kaiming_mcp.diagnosis.gradients.mechanisms import Candidate
from kaiming_mcp.diagnosis.gradients.points import SUM
from kaiming_mcp.diagnosis.gradients.trends import log_ratio
from kaiming_mcp.measurements.record import Fact
from kaiming_mcp.measurements.trend import SQUARES
from kaiming_mcp.scaffold import number
from kaiming_mcp.signal.activations import SATURATING, find
from kaiming_mcp.signal.initialization import variances
from kaiming_mcp.signal.moments import moments

LARGE_INPUT = 10.0
"""Root mean square of the input above which its scale counts as a fault (1 is standard)."""
SMALL = 1e-3
LARGE_TARGET = 100.0
LARGE_LOSS = 1e3
SPREAD = 1e3
FAR_FROM_CHANCE = 5.0
"""Times ln C from which a first loss is that of logits that are too large."""
_SUMMARY = re.compile(
    r"^[^\w\n]{0,20}(?P<name>(?:feature|column|channel)s?[ _]\w{1,30}|(?:x|y|input|target|label|image|pixel|feature|data|batch)\w{0,12}(?: (?:tensor|batch|values?))?)[^\w\n]{1,4}"
    r"(?:(?:dtype|shape|size)\b[^\n]{1,40}?,\s?)?(?P<rest>(?:min|max|mean|std)\b[^\n]{1,120})$",
    re.I | re.M,
)
_STATISTIC = re.compile(r"\b(min|max|mean|std)\s?[=:]?\s?(-?\d{1,15}(?:\.\d{1,9})?(?:e[-+]?\d{1,2})?)", re.I)
_R2 = re.compile(r"\bR(?:\^?2|²)(?:[ _]score)?\s?(?:[=:]|is)?\s?[-−]\d", re.I)
"""A coefficient of determination below 0: worse than the mean of the targets."""
_TARGET = re.compile(r"^(?:y(?![a-z])|target|label|output)", re.I)


def scale_candidates(e: Evidence) -> Iterator[Candidate]:
    """Inputs and targets by their stated ranges, by the first activation, by the first loss."""
    ends = _ranges(e)
    inputs = [(what, low, high) for what, low, high in ends if not _TARGET.match(what)]
    targets = [(what, low, high) for what, low, high in ends if _TARGET.match(what)]
    sized = dict(_summaries(e.told)) | {w: max(abs(a), abs(b)) for w, a, b in ends if max(abs(a), abs(b)) < SMALL}
    if e.thriving and not _starts_far(e):
        sized = {name: size for name, size in sized.items() if _TARGET.match(name) and _worse_than_zero(e, size)}
    yield from _summarised(e, sized)
    if not e.learning:
        if inputs:
            yield from _input(e, *max(inputs, key=lambda x: max(abs(x[1]), abs(x[2]))))
        else:
            yield from _first_activation(e)
    if targets and not e.learning:
        what, low, high = max(targets, key=lambda x: max(abs(x[1]), abs(x[2])))
        size = max(abs(low), abs(high))
        if size > LARGE_TARGET:
            rate = e.training.learning_rate.x if e.training.learning_rate else 1e-3
            fact = e.facts.add(
                f"{what} spans [{number(low)}, {number(high)}] and the output starts near 1: updates of constant size at rate "
                f"{rate:g} need about {number(size / rate)} steps to reach it",
                "stated",
                size,
                "target",
            )
            yield Candidate("target_scale", 0.84, (fact,), "the output layer", predicted=True)
    yield from _first_loss(e)


def _starts_far(e: Evidence) -> bool:
    """Whether the first loss is far above that of a constant prediction, however well it falls from there."""
    course = e.losses
    if course is None or not course.values:
        return False
    chance = course.chance or (math.log(2) if "entropy" in (e.training.loss or "") else 0.0)
    return course.first > (FAR_FROM_CHANCE * chance or LARGE_LOSS)


def _worse_than_zero(e: Evidence, size: float) -> bool:
    """Whether a squared loss ends above that of a prediction of 0, or R² below 0, for targets of that size."""
    useless = _R2.search(e.told[:60_000])
    squared = e.training.loss == "mse" and e.losses is not None and e.losses.values
    return bool(useless) or bool(squared and e.losses and e.losses.last > size * size)


def _ranges(e: Evidence) -> list[tuple[str, float, float]]:
    low: dict[str, Fact] = {}
    found: list[tuple[str, float, float]] = []
    for fact in e.measured.facts:
        if fact.quantity.kind != "range":
            continue
        if fact.quantity.statistic == "min":
            low[fact.label] = fact
        elif fact.label in low:
            found.append((fact.label, low[fact.label].value.x, fact.value.x))
    return found or [(one.what, one.low, one.high) for one in data_words.ranges(e.told)]


def _summaries(text: str) -> Iterator[tuple[str, float]]:
    """Name and root mean square of data that a line describes: `x mean 4.1 std 2.0 min 0 max 9`."""
    for name, mean, std in data_words.described(text):
        yield name, math.hypot(mean, std)
    yield from data_words.called(text)
    yield from ((name, size) for name, size in data_words.printed(text) if size >= LARGE_TARGET)
    for match in _SUMMARY.finditer(clean(text[:60_000])):
        given = {k.lower(): float(v) for k, v in _STATISTIC.findall(match["rest"])}
        if "mean" in given and "std" in given:
            yield match["name"], math.hypot(given["mean"], given["std"])
        elif given:
            yield match["name"], max(abs(v) for k, v in given.items() if k != "std" or len(given) == 1)


def _summarised(e: Evidence, sized: dict[str, float]) -> Iterator[Candidate]:
    for name, size in sized.items():
        target = _TARGET.match(name) is not None
        if 0 < size < SMALL:
            small = (
                "the loss of a prediction of 0 is its square already, and says nothing of what is learned"
                if target
                else "without biases the outputs, and with them the gradients, are that small as well"
            )
            fact = e.facts.add(
                f"`{name}` is of size {number(size)}: {small}; standardised data have 1",
                "measured",
                size,
                "size of the data",
            )
            kind, place = ("target_scale", "the output layer") if target else ("input_scale", "the input")
            yield Candidate(kind, 0.86, (fact,), place, f"{'targets' if target else 'inputs'} that are far too small")
        if size < (LARGE_TARGET if target else LARGE_INPUT):
            continue
        kept = (
            "the output starts near 1"
            if target
            else "He keeps that scale through the whole net; standardised inputs have 1"
        )
        fact = e.facts.add(f"`{name}` is of size {number(size)}: {kept}", "measured", size, "size of the data")
        place = "the output layer" if target else "the input"
        yield Candidate("target_scale" if target else "input_scale", 0.88, (fact,), place)


def _input(e: Evidence, what: str, low: float, high: float) -> Iterator[Candidate]:
    square = (low * low + low * high + high * high) / 3
    if math.sqrt(square) < LARGE_INPUT:
        return
    divisor = 255 if high == 255 else 100
    fact = e.facts.add(
        f"{what} uniform on [{number(low)}, {number(high)}] has E[x²] = {number(square)} (root mean square "
        f"{number(math.sqrt(square))}); He keeps that through the whole net, standardised inputs have 1; divided by {divisor} it "
        f"is {number(square / divisor**2)}",
        "stated",
        square,
        "E[x²]",
        "He et al. 2015, eq. 10",
    )
    cites, place, score = (fact,), "the input", 0.82
    found = _first_layer(e, square)
    if found:
        name, spread, slope, best = found
        cites = (
            fact,
            e.facts.add(
                f"the first {name} sees pre-activations of std {number(spread)}: E[phi'²] = {number(slope)}, where inputs of "
                f"unit variance give {number(best)}",
                "computed",
                slope,
                "E[phi'^2]",
                "quadrature",
            ),
        )
    yield Candidate("input_scale", score, cites, place, predicted=True)


def _first_layer(e: Evidence, square: float) -> tuple[str, float, float, float] | None:
    """The first nonlinearity, if it saturates: std of its input, its mean square slope there and with unit inputs."""
    if e.subject is None:
        return None
    op = next((la.op for la, _ in layers(e.subject.network.root) if isinstance(la.op, Linear | Conv)), None)
    act = e.subject.activation
    if op is None or act is None or act.name not in SATURATING or find(act.name, act.parameter) is None:
        return None
    gain, bias = variances(e.subject.init, op)
    variance = gain * square + bias
    slope, best = (
        math.exp(moments(act.name, act.parameter, 0.0, math.log(max(v, 1e-30))).log_slope)
        for v in (variance, gain + bias)
    )
    return act.name, math.sqrt(variance), slope, best


def _first_activation(e: Evidence) -> Iterator[Candidate]:
    """Activations that are large from the first layer on, and no larger at the last."""
    shown = e.activation
    if shown is None or shown.used < 2 or abs(log_ratio(shown)) > math.log(30):
        return
    first = shown.rows[0].values[shown.quantity].x
    size = math.sqrt(abs(first)) if shown.quantity.statistic in SQUARES else abs(first)
    if shown.quantity.statistic in ("rms", "std", "mean square", "variance", "mean abs") and size > LARGE_INPUT:
        fact = e.facts.add(
            f"the first layer already puts out {shown.quantity.statistic} {number(first)} and depth does not add to it: the scale "
            "comes with the input",
            "measured",
            size,
            "first activation",
        )
        yield Candidate("input_scale", 0.84, (fact,), shown.rows[0].name)


def _is_classified(e: Evidence) -> bool:
    """Whether the loss is a cross entropy: it is said, or the network ends in several numbers."""
    if e.training.loss is not None:
        return "cross entropy" in e.training.loss
    if e.says(r"\bregress|\bMSE|\bPINN|\bPDE"):
        return False
    return (e.losses is not None and e.losses.chance is not None) or e.outputs > 2


def _measured_terms(e: Evidence) -> dict[str, float]:
    """Each term of the loss at the first time it was measured."""
    first = {s.label: s.points[0].value.x for s in e.measured.series if s.quantity.kind == "loss term" and s.label}
    told = {f.label: f.value.x for f in e.measured.facts if f.quantity.kind == "loss term" and f.label}
    found = {name: x for name, x in (told | first).items() if math.isfinite(x)}
    return found if len(found) > 1 else {}


def _first_loss(e: Evidence) -> Iterator[Candidate]:
    course = e.losses
    terms = {name: abs(x) for name, x in (words.loss_terms(e.told) or _measured_terms(e)).items() if x}
    if terms and not e.learning and max(terms.values()) >= max(SPREAD * min(terms.values()), LARGE_LOSS):
        name = max(terms, key=lambda n: terms[n])
        fact = e.facts.add(
            f"the terms of the loss differ x{number(terms[name] / min(terms.values()))}: {name} {number(terms[name])}, a squared term "
            f"of that size comes from a coefficient or target of order {number(math.sqrt(terms[name]))}",
            "measured",
            math.sqrt(terms[name]),
            "size of the term",
        )
        yield Candidate("target_scale", 0.84, (fact,), f"the {name} term of the loss")
        return
    if course is None or not course.values:
        return
    starts = [v for t, v in zip(course.times, course.values, strict=True) if t == course.times[0]]
    if len(set(course.times)) == 1 and len(starts) > 1 and min(starts) > 0 and max(starts) / min(starts) >= SPREAD:
        fact = e.facts.add(
            f"the first loss differs x{number(max(starts) / min(starts))} between runs: the second moment of a tanh net of width "
            "50 varies by less than x2 between seeds, so the initialization does not explain it; a term with a large "
            "coefficient or a strong nonlinearity does",
            "measured",
            max(starts) / min(starts),
            "spread of the first loss",
        )
        yield Candidate(
            "target_scale", 0.8, (fact,), "the loss terms", "a term of the loss has another scale than the others"
        )
        return
    if course.falling and course.last < min(0.1 * course.first, LARGE_LOSS / 10):
        return
    if _is_classified(e):
        chance = course.chance or math.log(max(2, e.outputs))
        if course.first > FAR_FROM_CHANCE * chance and not e.learning:
            fact = e.facts.add(
                f"the first loss is {number(course.first)}, where a constant prediction has {chance:.3g}: the logits are of "
                f"order {number(course.first)}, so the signal grows inside of the network",
                "measured",
                course.first,
                "first loss",
            )
            yield Candidate("growth", 0.77 if course.first > LARGE_LOSS else 0.6, (fact,), "the output layer")
        return
    grows = e.activation is not None and e.activation.used > 2 and log_ratio(e.activation) < -GROWN
    if course.first < LARGE_LOSS or grows or SUM.search(e.said):
        return
    fact = e.facts.add(
        f"the first loss is {number(course.first)}: a squared term of that size comes from a coefficient or target of order "
        f"{number(math.sqrt(course.first))}",
        "measured",
        math.sqrt(course.first),
        "size of the term",
    )
    yield Candidate("target_scale", 0.8, (fact,), "the loss terms")

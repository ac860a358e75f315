"""What a sentence tells of a run: a spike from which it never came back, a rate of 0, gradients that are not reset."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from itertools import pairwise

from kaiming_mcp.diagnosis.gradients.evidence import Evidence
from kaiming_mcp.diagnosis.gradients.loss import LEARNED
from kaiming_mcp.diagnosis.gradients.mechanisms import Candidate
from kaiming_mcp.diagnosis.gradients.words import as_float
from kaiming_mcp.scaffold import number

FEW = 4
"""Losses of a log from which its own course decides, and no sentence."""
FLAT = 0.01
LOUD = 3.0
_SUMMED = r"\baccumul\w*|\bsum(?:med|s)?\b|\breduction\b|\bmse\b|\bregress\w*|\bbpp\b|\bELBO\b|\bKL\b"
_N = r"\d{1,9}(?:\.\d{1,9})?(?:e[-+]?\d{1,3})?"
_SPIKE = re.compile(
    r"\b(?:spik\w+|jump\w*|explod\w+|sho(?:ots?|t) up|bl(?:ow|ew)s? up|diverg\w+|rises?|rose|climb\w*|went|goes|suddenly|abruptly"
    r"|all of a sudden|saut\w+|explose\w*|remonte\w*|springt|explodiert|steigt|salta|sube|explota)"
    rf"\b(?:[^.\n\d]|\.(?=\d)){{0,40}}?(?P<a>{_N})(?:\s?(?:->|→|to|up to|back to|à|auf|a|hasta)\s?(?P<b>{_N}))?",
    re.I,
)
_NEVER = (
    r"\bnever (?:recover|c[oa]me|go|went|return|gets? back)\w*|\bforever\b|\b(?:does|did|do)(?:n'?t| not) (?:recover|come back|go back)"
    r"|\bno recovery|\bsta(?:ys?|yed) (?:there|at|high|up|around|near)\b|\bstuck (?:there|at)\b|\bfrom then on|\bever since|\bsince then"
    r"|\bpermanently|\bfor good\b|\bne (?:re)?\w+ (?:jamais|plus)\b|\bjamais\b|\bnie (?:wieder|mehr)\b|\berholt sich nicht|\bnunca\b|\bno se recupera|\bcan(?:no|')t recover"
)
_BEFORE = (
    r"\b(?:train\w*|learn\w*|work\w*|run\w*|going|goes|everything|all|loss|it)(?: (?:is|was|were|looks?|looked|seems?|goes))?"
    r"(?: (?:so|very|quite|totally|perfectly|really|all))? (?:fine|well|good|ok(?:ay)?|nicely|normal(?:ly)?|great|smooth(?:ly)?)\b"
    r"|\bfor (?:the first )?\d[\d.,]*k? (?:steps|epochs|it\w*|batches)\b|\b(?:till|until|up to) (?:epoch|step|iter\w*)"
    r"|\b(?:apprend|entraîne|lernt|trainiert|aprende|entrena) (?:très |sehr |muy )?(?:bien|gut)\b"
)
"""A time in which the run learned."""
_THEN = re.compile(
    r"\b(?:then|suddenly|boom|puis|soudain|dann|plötzlich|luego|de repente)\b[^.\n]{0,30}?(?:spik\w+|jump\w*|explod\w+|shoots?|shot|bl(?:ew|ows?)|saut\w+|springt|salta)",
    re.I,
)
"""A jump that comes after something else."""
_NOT_RESET = (
    r"\b(?:do ?n['o]?t|did ?n['o]?t|do not|did not|never|forgot(?: to)?(?: the)?|forget(?: the)?|without|no|missing|not)\b(?:[^.\n]|\.(?=\w)){0,25}\bzero_?grad"
    r"|\bzero_?grad(?:\(\))? (?:is |was )?(?:missing|never called|not called|forgotten)"
)
_EXPECTED = re.compile(
    r"\b(?:instead of|rather than|should (?:be|start at)|expected|expect)(?: (?:about|around|roughly|near|a loss of))?\s?[~≈]?\s?(\d{1,3}(?:\.\d{1,4})?)(?![\w.%]\d?)",
    re.I,
)
_STOPS = (
    r"\b(?:stuck|plateau\w*|flat|stagnat\w*|does ?n['o]?t (?:go|get|fall|drop|decrease|improve)|won['o]?t (?:go|get|fall|drop)|no longer"
    r"|bleibt\b[^.\n]{0,30}\bstehen|stagniert|stagne|ne (?:baisse|descend) plus|se (?:queda|estanca)|no baja|stops? (?:improving|decreasing|falling))"
)
"""The complaint that the loss does not fall, in some languages."""


def told_candidates(e: Evidence) -> Iterator[Candidate]:
    """Explanations that rest on the words about the run, where its log does not decide."""
    for found in (spiked(e), _rate_zero(e), _not_reset(e), _recovered(e), _loud_start(e), _smoothed(e)):
        if found is not None:
            yield found


def spiked(e: Evidence) -> Candidate | None:
    """A run that learned, then jumped and never came back, as a sentence tells it."""
    if (e.losses is not None and len(e.losses.values) >= FEW) or e.events("nan", "inf", "anomaly"):
        return None
    jumps = list(_SPIKE.finditer(e.told[:20_000]))
    never, before = (
        e.says(_NEVER),
        e.says(_BEFORE)
        or next((m for j in jumps if (m := _THEN.search(e.told, max(0, j.start() - 40), j.end()))), None),
    )
    rising = next((m for m in jumps if m["b"] and as_float(m["b"]) > 1.2 * as_float(m["a"])), None)
    if never is None or not jumps or (before is None and rising is None):
        return None
    jump = " ".join((rising or jumps[0])[0].split())
    learned = f"`{' '.join(before[0].split())}`, then " if before else ""
    fact = e.facts.add(f"told: {learned}`{jump}`, `{never[0].strip()}`: it learned before the jump", "stated")
    norms = [
        f.value.x for f in e.measured.facts if f.quantity.kind == "gradient norm" and f.value.finite and f.value.x > 0
    ]
    grown = (
        (
            e.facts.add(
                f"gradient norm {number(norms[0])} before and {number(max(norms))} at the jump",
                "measured",
                max(norms) / norms[0],
                "jump of the gradient norm",
            ),
        )
        if len(norms) > 1 and max(norms) > 3 * norms[0]
        else ()
    )
    return Candidate(
        "died_after_learning",
        0.82,
        (fact, *grown),
        title="the run learned first, then a jump threw it out and it did not come back",
        apart=True,
    )


def _rate_zero(e: Evidence) -> Candidate | None:
    """A loss that is flat while the rate is 0."""
    rates, course = e.measured.of("learning rate"), e.losses
    if rates is None or course is None or len(rates.points) < 3 or rates.points[-1].value.x != 0:
        return None
    start = (
        next(p.at for p in reversed(rates.points) if p.value.x > 0)
        if any(p.value.x > 0 for p in rates.points)
        else -1.0
    )
    still = [x for at, x in zip(course.times, course.values, strict=True) if at > start]
    if len(still) < 2 or max(still) - min(still) > FLAT * abs(still[-1]) or course.nan_at is not None:
        return None
    fact = e.facts.add(
        f"the learning rate is 0 at the last {sum(p.at > start for p in rates.points)} times, and the loss stays at {number(still[-1])}",
        "measured",
        0.0,
        "learning rate",
    )
    return Candidate(
        "structural_zero",
        0.85,
        (fact,),
        title="the learning rate is 0: no step moves the weights",
        apart=True,
        change="Let the schedule end later, or at a tenth of its peak and not at 0.",
        effect=f"the loss leaves {number(still[-1])} within some hundred steps at a rate above 0",
        test="learning rate and update ratio of every step behind the end of the schedule",
    )


def _not_reset(e: Evidence) -> Candidate | None:
    said = e.says(_NOT_RESET)
    if said is None or e.says(r"\baccumulat\w+ (?:steps|over)\b"):
        return None
    fact = e.facts.add(f"told: `{' '.join(said[0].split())}`", "stated")
    return Candidate(
        "growth",
        0.76,
        (fact,),
        title="the gradients of all steps add up: they are never set to zero",
        change="Call optimizer.zero_grad() once per optimizer step, before the first backward(): without it every step adds its gradient "
        "to those of all steps before.",
        apart=True,
        predicted=True,
    )


def _recovered(e: Evidence) -> Candidate | None:
    """A single spike from which the run came back by itself, to where it had been before or below."""
    course = e.losses
    if course is None or len(course.values) < FEW + 1 or course.nan_at is not None or e.learning or course.at_chance:
        return None
    values = course.values
    at = max(range(len(values)), key=values.__getitem__)
    before, after = values[:at], values[at + 1 :]
    if len(before) < 2 or len(after) < 2 or values[at] < 1.1 * max(before) or values[-1] > 1.005 * min(before):
        return None
    if any(b > 1.02 * a for a, b in pairwise(after)) or min(before) <= 0:
        return None
    fact = e.facts.add(
        f"one spike, from {number(before[-1])} to {number(values[at])} at {course.unit} {course.times[at]:g}, and back to {number(values[-1])}",
        "measured",
        values[at],
        "loss at the spike",
    )
    return Candidate(
        "nothing_wrong",
        0.74,
        (fact,),
        title="nothing wrong: one spike, from which the run came back by itself",
        apart=True,
        change="None: the loss is back where it was.",
        effect=f"nothing changes; alarm if spikes come more often, or the loss stays above {number(1.02 * max(before))} behind one",
        test="gradient norm and loss of every step round the next spike, and the data of its batch",
    )


def _loud_start(e: Evidence) -> Candidate | None:
    """A first cross entropy that is several times that of a constant prediction, or of what the user expects."""
    course = e.losses
    if course is None or not course.values or course.nan_at is not None or e.says(_SUMMED):
        return None
    expected = course.chance if course.basis == "read" else None
    if expected is None and (told := _EXPECTED.search(e.told[:20_000])):
        expected = as_float(told[1])
    if expected is None or expected <= 0 or course.first < LOUD * expected or course.last < LEARNED * expected:
        return None
    if e.subject is not None and e.subject.course is not None and not e.subject.course.healthy:
        # Theory says where it grows.
        return None
    fact = e.facts.add(
        f"the first loss is {number(course.first)}, x{number(course.first / expected)} of {number(expected)}, that of a constant "
        "prediction: the logits of the start are far from each other, and the first steps only bring them back",
        "computed",
        course.first / expected,
        "of the loss of a constant prediction",
    )
    return Candidate(
        "growth",
        0.78,
        (fact,),
        title="the logits of the start are far too large (or the loss is a sum, not a mean)",
        apart=True,
        change="Initialise the output layer small (std 0.02, or 0; a tied nn.Embedding starts with std 1), and nothing else.",
        effect=f"a first loss within a tenth of {number(expected)}",
        test="loss and std of the logits at step 0: the std must be below 1",
    )


def _smoothed(e: Evidence) -> Candidate | None:
    """A loss that stands at the entropy of smoothed labels, below which it cannot fall."""
    floor, course = smoothed_floor(e), e.losses
    if floor is None or course is None or not e.learning or not floor <= 1.001 * course.last <= 1.1 * floor:
        return None
    fact = e.facts.add(
        f"labels that are smoothed have an entropy of {number(floor)} nats: the loss cannot fall below it, and is at {number(course.last)}",
        "computed",
        floor,
        "least loss",
    )
    return Candidate(
        "nothing_wrong", 0.76, (fact,), title="nothing wrong: the loss is at the floor of smoothed labels", apart=True
    )


def smoothed_floor(e: Evidence) -> float | None:
    """The entropy of labels that are smoothed: 1 - s + s/C on the class, s/C on each other."""
    said, classes = e.says(r"\blabel[ _-]?smooth\w*\W{0,3}(?:of |= ?|: ?)?(0?\.\d{1,4})"), e.training.classes or 0
    if said is None or classes < 2:
        return None
    other = float(said[1]) / classes
    own = 1 - float(said[1]) + other
    return -own * math.log(own) - (classes - 1) * other * math.log(other)


def stalled(e: Evidence) -> bool:
    """Whether the loss is flat over its later half, far from 0, and the user says that it does not fall."""
    course = e.losses
    if course is None or len(course.values) < FEW or course.nan_at is not None or not e.says(_STOPS) or _smoothed(e):
        return False
    late = course.values[len(course.values) // 2 :]
    return course.last > 0.2 * course.first > 0 and max(late) - min(late) < FLAT * abs(course.last)

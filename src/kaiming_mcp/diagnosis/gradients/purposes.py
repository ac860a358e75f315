"""Losses that are no single descent: two players, values of a policy that improves, a code beside a reconstruction."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from kaiming_mcp.diagnosis.gradients.evidence import Evidence
from kaiming_mcp.diagnosis.gradients.mechanisms import Candidate
from kaiming_mcp.diagnosis.gradients.words import as_float
from kaiming_mcp.scaffold import number

LONGEST = 20_000
WON = 0.05
"""Loss of a discriminator below which it tells nearly every sample apart."""
FIRST_BCE = 3.0
"""Largest first loss of a discriminator that is a cross entropy: it starts near 2 ln 2."""
CARRIES = 0.05
"""Nats below which a code tells less than a tenth of a bit."""
_N = r"[-+]?(?:\d{1,12}\.?\d{0,12}|\.\d{1,12})(?:e[-+]?\d{1,4})?"
_PLAYER = re.compile(
    r"(?<![A-Za-z])(?:(?P<d>(?:loss_|err_?)?d|disc|discriminator|critic)|(?:loss_|err_?)?g|gen|generator)(?:[ _]?loss(?:es)?)?(?: values?)?"
    r"(?:\s(?:is|at|hits?|goes|go|went|drops?|falls?|fell|to|reaches|near|about|around|stays?|down|quickly|now|of|becomes|collapses)){0,4}"
    rf"\s?[:=]?\s?(?P<list>{_N}(?:(?:\s?,\s?|\s?->\s?|\s?→\s?|\s){_N}){{0,200}})(?![\w.]\d)",
    re.I,
)
_RETURNS = re.compile(
    rf"\b(?:rewards?|returns?|score|ep_?rew\w*)(?:\s?[:=]|\s(?:goes|is|went|up|rises|from|of|now|at)){{0,4}}\s?(?P<x>{_N})"
    rf"(?:\s?(?:->|→|to)\s?(?P<to>{_N}))?",
    re.I,
)
_AUTOENCODER = r"\bVAEs?\b|\bELBO\b|\bvariational\b|\bposterior\b|\brecon\w*\b|\blatents?\b"
_KL = re.compile(r"\bkld?(?:[ _-]?(?:loss|term|div\w*))?\b", re.I)
_TOLD_KL = re.compile(rf"\bkld?(?:[ _-]?(?:loss|term|div\w*))?\b[^\d\n]{{0,40}}?(?P<x>{_N})", re.I)


def purpose_candidates(e: Evidence) -> Iterator[Candidate]:
    """A discriminator that has won, a code that carries nothing, values that grow because the policy improves."""
    for found in (_won(e), _collapsed(e), _returns(e)):
        if found is not None:
            yield found


def discriminator(e: Evidence) -> list[float]:
    """Losses of the discriminator, in the order of the text."""
    for series in e.measured.series:
        if series.quantity.kind == "loss term" and re.match(r"(?:d|disc\w*)\b", series.label, re.I):
            return [p.value.x for p in series.points if p.value.finite]
    found = (m["list"] for m in _PLAYER.finditer(e.told[:LONGEST]) if m["d"])
    return [as_float(n) for part in found for n in re.findall(_N, part)]


def _won(e: Evidence) -> Candidate | None:
    losses = discriminator(e) if e.adversarial else []
    if (
        not losses
        or not 0 <= losses[-1] < WON
        or min(losses) < 0
        or losses[0] > FIRST_BCE
        or e.says(r"\bhinge\b|\bW(?:asserstein|GAN)")
    ):
        return None
    slope = -math.expm1(-losses[-1])
    fact = e.facts.add(
        f"the loss of the discriminator is {losses[-1]:g}: on generated samples D is at most {number(slope)} on average, and this is "
        "the slope of log(1 - D) at its logit (of -log D it is 1 - D, near 1); at the balance the loss is 2 ln 2 = 1.386",
        "computed",
        slope,
        "largest mean slope of log(1 - D)",
        "Goodfellow et al. 2014, section 3",
    )
    return Candidate(
        "saturation",
        0.82,
        (fact,),
        title="the discriminator has won: it tells all samples apart, and what it passes to the generator says nothing more",
        apart=True,
        change="Give the discriminator a gradient penalty on real samples (R1), so that it cannot become infinitely sure; and no other change.",
        effect="its loss stays between 0.3 and 1.4, and D of generated samples above 0.05",
        test="mean D of real and of generated samples and both gradient norms at every 100 steps; the generator minimises -log D, not log(1 - D)",
    )


def _collapsed(e: Evidence) -> Candidate | None:
    """A KL term near 0: the mean KL is an upper bound of the information that the code carries."""
    if not e.says(_AUTOENCODER):
        return None
    terms = [s for s in e.measured.series if s.quantity.kind in ("loss term", "loss") and _KL.fullmatch(s.label)]
    values = [p.value.x for s in terms[:1] for p in s.points if p.value.finite]
    values = values or [as_float(m["x"]) for m in _TOLD_KL.finditer(e.told[:LONGEST])]
    if not values or not 0 <= values[-1] < CARRIES or (len(values) == 1 and not e.says(r"\bcollaps|\bsame\b|\bignore")):
        return None
    fact = e.facts.add(
        f"the KL term is {values[-1]:g} nats: no code carries more information about its input than that (ln 2 = 0.69 is one bit)",
        "measured",
        values[-1],
        "nats in the code",
    )
    return Candidate(
        "bias_floor",
        0.82,
        (fact,),
        title="posterior collapse: the code no longer depends on the input, and the decoder works without it",
        apart=True,
        change="Start with weight 0 on the KL term and raise it to 1 over the first tenth of the run.",
        effect=f"the KL term stays above {CARRIES:g} nats (a working code holds several), and the reconstruction falls below that of now",
        test="KL of each latent dimension, and the reconstruction loss with the codes of another batch: it must be worse",
    )


def _returns(e: Evidence) -> Candidate | None:
    """A value loss beside returns that rise: both have the size of the returns, the loss its square."""
    found = list(_RETURNS.finditer(e.told[:LONGEST])) if e.policy else []
    returns = [as_float(n) for m in reversed(found) for n in (m["x"], m["to"]) if n]
    # The log stands behind the symptom, and its numbers are the course.
    several = [as_float(m["x"]) for m in found if not m["to"]]
    course = several if len(several) > 1 else returns[:2]
    if len(course) < 2 or course[-1] <= course[0] or e.events("nan", "inf"):
        return None
    squared = (course[-1] / course[0]) ** 2 if course[0] > 0 else math.inf
    loss = e.series_losses.growing if e.series_losses is not None else 1.0
    if loss > max(3.0, squared):
        return None
    fact = e.facts.add(
        f"the returns rise from {course[0]:g} to {course[-1]:g}; a loss of values scales with their square (x{number(squared)}), and it grew "
        f"x{number(loss)}",
        "measured",
        course[-1],
        "return",
    )
    return Candidate(
        "nothing_wrong",
        0.88,
        (fact,),
        title="nothing wrong: the policy improves, and the loss of the values follows the size of the returns",
        apart=True,
        change="None: judge by the returns. A value loss is no descent to 0, its targets move with the policy.",
        effect="nothing changes; alarm if the returns fall for several evaluations, or the explained variance of the values falls below 0",
        test="return of evaluation episodes, and explained variance of the values",
    )

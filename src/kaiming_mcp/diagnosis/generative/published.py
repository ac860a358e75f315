"""A score of one's own beside the one that a paper reports, and scores of one spread at several leads."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.facts import Facts
from kaiming_mcp.diagnosis.generative.supply import Found
from kaiming_mcp.diagnosis.principles import GENERATIVE
from kaiming_mcp.diagnosis.science.roles import is_own, is_published
from kaiming_mcp.scaffold import number

_NUMBER = r"(?<![\w.^])(\d{1,6}(?:\.\d{1,6})?(?:e-?\d{1,2})?)"
_SCORES = {
    "crps": r"crps(?:[_-]sum)?",
    "fid": r"s?fid",
    "fvd": r"fvd",
    "psnr": r"psnr",
    "ssim": r"(?:ms-)?ssim",
    "lpips": r"lpips",
    "nll": r"nll|negative log[- ]likelihood",
    "bits/dim": r"bits?(?: per |/)dim(?:ension)?|bpd",
    "is": r"inception score",
    "ade": r"(?:min)?ade(?:\d{1,2})?",
}
_HIGHER = frozenset({"psnr", "ssim", "is"})
_ANY = re.compile("|".join(rf"(?P<m{i}>\b(?:{p})\b)" for i, p in enumerate(_SCORES.values())))
_AFTER = re.compile(
    rf"[\s:=()]{{0,3}}(?:(?:of|is|was|are|at|about|around|should|be|only|the|scores?|in|paper|our|values?|on|test|set|reports?|has|jumps?|gives?|me|shows?|below|above|to)\s){{0,6}}{_NUMBER}|"
    rf"[^.;,\d]{{0,60}}?\b(?:is|was|of)\s{_NUMBER}"
)
_SETTINGS = re.compile(
    rf"{_NUMBER}[- ](?:\w+ )?(?:steps?|timesteps|samples|images|epochs|iterations|members|evaluations|nfe)\b"
)
_BRACKET = re.compile(r"\[[^\[\]\n]{0,60}\]")
_NAMES = re.compile(r"\b(?!min|ade|fde)[a-z]{4,12}-?\d{1,4}\b(?!\.\d)")
"""Data sets such as cifar-10 and imagenet256."""
_STEPS = re.compile(rf"{_NUMBER}[- ](?:sampling |diffusion |ddim )?(?:steps|timesteps|evaluations|nfe)\b")
_DRAWN = re.compile(
    r"(?<![\w.])(\d{1,3}(?:,\d{3})+|\d{2,7})\s(?:generated |sampled |synthetic )?(?:samples|images|pictures)\b"
)
USUAL = 50_000
"""Samples at which papers report FID."""
_BEFORE = re.compile(rf"{_NUMBER}\s?(?:db)?\s?(?:in |of )?$")
_CLAUSE = re.compile(
    r"(?<!\d)[.;](?=\s|$)|(?<=\d)[.;](?=\s|$)|,(?=\s)|\n|\b(?:while|whereas|but|versus|vs\.?|against|compared (?:to|with)|where|if)\b|\((?!\d)"
)
_CAUSES = {
    "crps": "whether it is divided by the mean or the sum of |x|, summed or averaged over series, and over which steps of the horizon",
    "fid": "N samples and N reference images, resizing, the network that gives the features, training or validation statistics",
    "fvd": "frames per clip, resolution, and the N of both sets",
    "psnr": "the range of x, luminance or all channels, cropped borders, mean of dB or dB of the mean, and best of K or one sample",
    "ssim": "window, range, luminance or all channels, and best of K or one sample",
    "lpips": "the network behind it, the range of x and the resolution",
    "nll": "nats or bits, per value or for the whole x, and the constant of the scaling of x",
    "bits/dim": "nats or bits, dequantisation noise and the range of x",
    "is": "N samples and splits, and the network behind it",
    "ade": "best of K or the mean, K, units and the horizon",
}


@dataclass(frozen=True, slots=True)
class Pair:
    """One metric, one's own value, and the one that was published."""

    metric: str
    mine: float
    theirs: float


def read_published(text: str) -> Pair | None:
    """The first metric that the text gives twice, once as published; a clause without a metric carries on the last one."""
    mine: dict[str, float] = {}
    theirs: dict[str, float] = {}
    carried = ""
    unfilled = False
    for clause in _CLAUSE.split(_NAMES.sub(" ", _BRACKET.sub(" ", text))):
        if not (clause or "").strip():
            continue
        published, own = is_published(clause), is_own(clause)
        whose = theirs if (published or unfilled) and not own else mine
        before = len(theirs)
        found = list(_ANY.finditer(clause))
        for match in found:
            carried = next(name for i, name in enumerate(_SCORES) if match[f"m{i}"])
            told = _AFTER.match(clause, match.end()) or _BEFORE.search(clause[: match.start()])
            if told:
                whose.setdefault(carried, float(next(n for n in told.groups() if n)))
        numbers = re.findall(_NUMBER, _SETTINGS.sub(" ", clause))
        if not found and carried and len(numbers) == 1 and (published or own or unfilled) and len(clause) < 120:
            whose.setdefault(carried, float(numbers[0]))
        # "According to the paper, the FID is 3.2": a source without a number speaks for the next clause.
        unfilled = whose is theirs and len(theirs) == before and not numbers
    both = next((m for m in mine if m in theirs and mine[m] > 0 and theirs[m] > 0 and mine[m] != theirs[m]), "")
    return Pair(both, mine[both], theirs[both]) if both else None


def add_published(text: str, best_of: int, ids: Found, facts: Facts) -> list[Draft]:
    """The fact and the finding; none where the text gives no such pair."""
    pair = read_published(text)
    if pair is None:
        return []
    higher = pair.metric in _HIGHER
    better = (pair.mine > pair.theirs) == higher
    ratio = pair.mine / pair.theirs
    name = pair.metric.upper() if "/" not in pair.metric else pair.metric
    by = f"{pair.mine - pair.theirs:+.3g}" if higher else f"{ratio:.3g} times"
    ids["published"] = facts.add(
        f"{name} {number(pair.mine)} of one's own against {number(pair.theirs)} published: {by}, {'better' if better else 'worse'}",
        "computed",
        ratio,
        "x",
        "ratio, or difference of a score that rises",
    )
    ids |= _fid_bias(pair, text, facts)
    steps = sorted({float(n) for n in _STEPS.findall(text)})
    apart = f"; steps of {steps[0]:g} and {steps[-1]:g} are named, which is another sampler" if len(steps) > 1 else ""
    causes = _CAUSES[pair.metric]
    kept = f"; with the best of {best_of} kept, {name} rises with K alone" if best_of > 1 else ""
    return [
        Draft(
            "high",
            GENERATIVE,
            "Two numbers of one name are not yet one score",
            tuple(ids[name] for name in ("published", "fid bias") if name in ids),
            f"score the published weights or samples with one's own code before anything is trained; compare the definition first: {causes}{kept}{apart}.",
            f"one's own code on their samples: at {number(pair.theirs)} the score is the same and training differs, else it is the definition.",
            weight=6.5,
        )
    ]


def _fid_bias(pair: Pair, text: str, facts: Facts) -> Found:
    """How much more the estimate of FID is biased at the few samples that were drawn than at the usual number."""
    drawn = _DRAWN.search(text) if pair.metric == "fid" else None
    n = float(drawn[1].replace(",", "")) if drawn else 0.0
    if not 1 < n < USUAL / 2:
        return {}
    return {
        "fid bias": facts.add(
            f"FID is biased upwards by a term that falls as 1/N: at {n:,.0f} samples it is {USUAL / n:.3g} times that at the usual {USUAL:,}; compare at equal N",
            "computed",
            USUAL / n,
            "x bias",
            "1/N",
        )
    }

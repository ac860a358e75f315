"""What the user said about a task, as typed values: kinds, sizes, wishes, and the numbers beside them.

Only words and numbers that stand in the text are taken; nothing is inferred from their absence.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from kaiming_mcp.catalogue import Catalogue, Constraint, TargetKind, TaskKind
from kaiming_mcp.diagnosis.generative.answers import Answers, read_answers
from kaiming_mcp.diagnosis.generative.counts import read_samples
from kaiming_mcp.diagnosis.generative.quantities import first, framed, horizon, size
from kaiming_mcp.diagnosis.generative.rates import numerals
from kaiming_mcp.diagnosis.generative.reported import Reported, read_reported
from kaiming_mcp.diagnosis.generative.timing import Timing, read_timing
from kaiming_mcp.diagnosis.generative.units import has_unit
from kaiming_mcp.knowledge import LONGEST_READ, pattern

__all__ = ["Task", "read_task", "says_something", "size"]

_AHEAD = re.compile(
    r"\b(?:predict|forecast|estimate|extrapolate|anticipate|(?:what|where|how(?: \w+)?) will|continue)\b.{0,80}?\b(?:next|future|ahead|tomorrow|"
    r"later|upcoming|following|coming|horizon)\b|\bnext \d+ (?:\w+ )?(?:frames|steps|hours|days|weeks|months|minutes|values)"
)
_PATCH = re.compile(
    r"patch(?:es)?(?:[ -]?size)?\s*(?:of|=|:|is)?\s*(\d{1,4})(?:\s?[x×]\s?(\d{1,4}))?(?:\s?[x×]\s?(\d{1,4}))?|"
    r"(\d{1,4})\s?[x×]\s?(\d{1,4})(?:\s?[x×]\s?(\d{1,4}))?[\s-]patch"
)
_CHANNELS = re.compile(r"(\d{1,4})[\s-]*(?:latent )?(?:channels?|bands|variables|colou?rs)\b")
_WIDTH = re.compile(
    r"(?:hidden(?:[\s-]*(?:size|width|dim\w*|units))?|d_model|model width|model dim\w*|embedding (?:dim\w*|width|size)|width)\s*"
    r"(?:of|=|:|is)?\s*(\d{1,6})|(\d{1,6})[- ](?:wide|hidden units|hidden)"
)
_TOKEN = re.compile(r"(?:token|patch) (?:dim\w*|width)\s*(?:of|=|:|is)?\s*(\d{1,6})|(\d{1,6})[- ]dim\w* tokens?")
_PREDICTS = re.compile(
    r"\b(eps(?:ilon)?|ε|v|x0|x|noise|velocity)[- ]?predict|predict\w*\s+(?:the\s+)?(noise|velocity|ε|eps)"
)
_SQUARED = re.compile(
    r"\b(n?mse|n?rmse|mae|mape|l1|l2|psnr|ssim|squared error|absolute error|relative l2|relative error|r2|r²|correlation)\b"
)
_PROPER = re.compile(
    r"\b(crps|energy score|nll|log[- ]?likelihood|likelihood|pinball|coverage|calibrat\w*|brier|log[- ]?loss|rank histogram|perplexity)"
)
_TWO_SAMPLE = re.compile(r"\b(fid|fvd|inception|mmd|kid|is score|realism|perceptual|lpips|mos|mean opinion)\b")
_FUNCTIONAL = re.compile(
    r"\b(only|just)\s+(?:need |want |care about |interested in |use |require )?(?:to know )?(?:the\s+|a\s+|an\s+|its\s+|one\s+|whether )?"
    r"(?:\d{2}(?:th)?[ %]*|p)?(mean|average|expected value|expectation|median|best guess|point estimate|quantile|percentile|single number|"
    r"one number|number\b|most likely|\d\d\b|probability (?:that|of)|chance|total|threshold|maximum|demand exceeds|alarm)|"
    r"\b(?:forecast|predict|estimate|compute|want|need|report)s? (?:me )?(?:the |a )?(?:probability|chance|risk|odds|quantile|median|percentile)\b|"
    r"\b(point estimate|expected value|conditional mean|single best|one best|newsvendor|order quantity|go/no-go)\b"
)
_ONE_TO_MANY = re.compile(
    r"one[- ]to[- ]many|non-?unique|not unique|ill[- ]posed|multi-?modal (?:posterior|distribution|outcome|answer|target)|multimodality|"
    r"\b(?:several|many|multiple|different|various|more than one|two or more)\b(?:\s+[\w-]+){0,4}?\s+"
    r"(?:possible|valid|plausible|correct|acceptable|right|equally|futures?|outcomes?|solutions?|answers?|share|correspond|map|fit|match|"
    r"lead to|give the same|have the same|explain)\b|"
    r"\b(?:divers|uncertain|ensemble (?:of|forecast|predict|spread|member)|stochastic|probabilistic|distribution of|posterior\b(?! collapse)|chaotic|"
    r"branch(?:es|ing)?\b|left or right|range of (?:possible )?(?:outcomes|futures))|either (?:at )?[+-−]?\d\S* or "
)
_MANY_EACH = {
    **dict.fromkeys(
        "sequences trajectories demonstrations series videos clips episodes games patients volumes runs storms sites".split(),
        100,
    ),
    **dict.fromkeys(("recordings", "subjects"), 10_000),
}
"""Units that hold many windows, states or slices each, and about how many (rule of thumb)."""
FEW_VALUES = 64
"""Values of x up to which a density in closed form or a flow is the smaller tool, a rule of thumb."""
PATCH = 65_536
"""Values of a field that hold about one independent structure, a rule of thumb."""
_PICTURES = frozenset({"image", "field", "video"})
"""Kinds of x that a few numbers cannot be: a number for each pixel is a number."""
_PRODUCED = frozenset({"image", "video", "audio", "text"})
"""What is synthesised where a generator is named and no task is."""
_VOLUME = re.compile(r"volume|voxel|3-?d\b")
_PLANE = re.compile(r"super|resol|upsampl|downscal|downsampl")
_NOT_SO = re.compile(r"(?:no|not|without|isn't|never|nothing)\s+(?:\w+\s+){0,2}$")
_SAMPLED = re.compile(
    r"diffusion|flow matching|generative|generator|\bgan\b|\bvae\b|sampl(?:e|ing)|posterior|normali[sz]ing flow"
)
_BLURRED = re.compile(
    r"blurr\w{1,2}|over-?smooth\w{0,3}|too smooth|smeared|washed out|averaged out|regress\w{0,3} to the mean"
)
_DETERMINISTIC = re.compile(
    r"(?<!not )(?<!non-)(?<!non)deterministic(?! (?:\w+ )?(?:network|regressor|net|inverse|baseline|predictor|forecast))|exactly one|(?<!not )(?<!non-)\bunique (?:answer|solution|output)|one[- ]to[- ]one|no randomness|"
    r"(?:the )?same output|noise-free|negligible noise|repeatab|fully determined"
)
IN_TURN = re.compile(
    r"autoregress|auto-regress|rollout|roll-out|rolled out|closed loop|token by token|step by step|one step at a time"
)
"""Words for steps that are fed back."""
_CALLS = re.compile(r"\b(?:agents?|tool calls?|pipeline|cascade|two-stage|reasoning steps|hops)\b")
_LETTER = re.compile(r"[a-zε²]")


@dataclass(frozen=True, slots=True)
class Task:
    """A task as stated. Sizes are numbers of values of one sample; None where the text gives none."""

    text: str
    kinds: tuple[TaskKind, ...]
    targets: tuple[TargetKind, ...]
    constraints: tuple[Constraint, ...]
    size_x: int | None
    size_y: int | None
    like_y: bool
    """Whether each part of x is taken to be as large as one of y."""
    samples: int | None
    unit: str
    steps: int | None
    scored: bool
    token: int | None
    width: int | None
    predicts: str
    squared: str
    proper: str
    two_sample: str
    functional: str
    one_to_many: tuple[str, ...]
    deterministic: str
    blurred: str
    concerned: bool
    sampled: bool
    per_query: int
    reported: Reported
    timing: Timing
    answers: Answers

    @property
    def kind(self) -> TaskKind | None:
        """The kind that most words speak for."""
        return self.kinds[0] if self.kinds else None

    def reads_as(self, *ids: str) -> bool:
        """Whether the first kind is one of these."""
        return self.kind is not None and self.kind.id in ids

    @property
    def structured(self) -> bool:
        """Whether x is named as something with parts: a molecule, a graph, points, a path, text."""
        return any(t.id not in {"scalar", "label", "tabular", "series"} for t in self.targets)

    @property
    def composed(self) -> bool:
        """Whether parts are run one after another, each on what the last one gave; a horizon predicted at once is not."""
        told = self.timing.success is not None or self.timing.drift is not None
        return told or bool(IN_TURN.search(self.text) or _CALLS.search(self.text))

    @property
    def discrete(self) -> bool:
        """Whether x is made of categories."""
        return (bool(self.targets) and self.targets[0].discrete) or self.reads_as("language", "classification")

    @property
    def learned_from(self) -> int | None:
        """Windows, states, slices or patches to learn from, roughly."""
        if self.samples is None:
            return None
        patches = (self.size_x or 1) / PATCH if self.targets and self.targets[0].id in {"field", "video"} else 1
        return round(self.samples * max(_MANY_EACH[self.unit] if self.many_each else 1, patches))

    @property
    def many_each(self) -> bool:
        """Whether one sample holds many windows, states or slices to learn from."""
        alone = bool(self.targets) and self.targets[0].id in {"scalar", "label", "tabular"}
        return self.unit in _MANY_EACH and (not alone or self.reads_as("forecast"))

    @property
    def unseen(self) -> tuple[float, str] | None:
        """The share of the dimensions of x that an inverse problem leaves to the prior, and the formula."""
        if not self.reads_as("reconstruction", "downscaling", "imputation"):
            return None
        if self.size_x and self.size_y and self.size_y < self.size_x:
            return 1 - self.size_y / self.size_x, "1 - dim(y)/dim(x), linear A"
        if self.reported.factor is None:
            return None
        by, what = self.reported.factor
        power = (3 if _VOLUME.search(self.text) else 2) if _PLANE.search(what) else 1
        return 1 - by**-power, f"1 - {by:g}^-{power}"


def read_task(
    problem: str, condition: str, target: str, data: str, metric: str, per_query: int, known: Catalogue
) -> Task:
    """Read all texts together; sizes of x and y from their own arguments first."""
    cut = [t[:LONGEST_READ] for t in (problem, condition, target, data, metric)]
    said = [t.lower() for t in cut]
    whole = " \n ".join(said)
    x_text, y_text = said[2] or said[0], said[1]
    token, width = _token(whole)
    timing = read_timing(numerals(whole), numerals(said[3]))
    samples, unit = read_samples(numerals(said[0]), numerals(said[3]), numerals(whole), timing.span)
    measured = has_unit(said[2], said[0])
    like_y = framed(said[2], y_text)
    size_x = like_y or (size(x_text) if said[2] else None)
    # Where the target is told as a few numbers, pictures and fields in the problem are those of y.
    few = size_x is not None and size_x <= FEW_VALUES
    named = tuple(t for t in known.targets_of(x_text) if not (few and t.id in _PICTURES))
    targets = named or (() if few else known.targets_of(said[0]))
    if measured and said[2] and not named:
        targets = tuple(k for k in known.kinds if k.id == ("scalar" if size_x in {None, 1} else "tabular"))
    return Task(
        text=whole,
        kinds=_kinds(said, known, measured),
        targets=tuple(t for t in targets if not (measured and t.id == "label"))[:3],
        constraints=known.constraints_of(whole),
        size_x=size_x,
        size_y=size(y_text),
        like_y=like_y is not None,
        samples=samples,
        unit=unit,
        steps=horizon(said[2]) or horizon(whole),
        scored=bool(said[4].strip()),
        token=token,
        width=width,
        predicts=first(_PREDICTS, whole),
        squared=first(_SQUARED, said[4]) or first(_SQUARED, said[0]),
        proper=first(_PROPER, said[4]),
        two_sample=first(_TWO_SAMPLE, said[4]),
        functional=first(_FUNCTIONAL, whole) or _scored_quantiles(said[4], size_x, per_query),
        one_to_many=_one_to_many(whole),
        deterministic=first(_DETERMINISTIC, whole),
        blurred=first(_BLURRED, whole),
        concerned=any(e.found(whole) for e in (*known.concerns, *known.families)),
        sampled=bool(_SAMPLED.search(whole)),
        per_query=per_query,
        reported=read_reported(whole, " \n ".join(cut)),
        timing=timing,
        answers=read_answers(whole),
    )


def says_something(task: Task) -> bool:
    """Whether the text names a task, a target or a number that bears: otherwise nothing can be established."""
    told = task.kinds or task.concerned or task.blurred or task.samples or task.size_x or task.one_to_many
    told = told or task.deterministic or task.token or task.functional or (task.targets and task.size_y)
    numbers = task.reported != Reported() or task.timing != Timing() or task.answers != Answers()
    return bool(told or numbers) and bool(_LETTER.search(task.text))


def _scored_quantiles(metric: str, size_x: int | None, per_query: int) -> str:
    """A pinball loss on one number asks for its quantiles and for no samples."""
    alone = "pinball" in metric and "crps" not in metric and per_query <= 1 and (size_x is None or size_x == 1)
    return "the quantiles of the pinball loss" if alone else ""


def _kinds(said: list[str], known: Catalogue, measured: bool) -> tuple[TaskKind, ...]:
    """Kinds by how often their words occur; the problem and the target weigh double.

    Where x is a number with a unit (`measured`), words for classes or orders count in the target alone.
    """
    scored: list[tuple[float, TaskKind]] = []
    for kind in known.tasks:
        cut = [pattern(kind.unless).sub(" ", t) for t in said] if kind.unless else said
        weights = (0, 0, 2, 0, 0) if measured and kind.categorical else (2, 1, 2, 0.5, 0.25)
        score = sum(w * len(kind.found(t)) for w, t in zip(weights, cut, strict=True))
        if kind.id == "forecast" and any(_AHEAD.search(t) for t in said[:3]):
            score += 2
        if score >= 1:
            scored.append((score, kind))
    if not scored and any(t.id in _PRODUCED for t in known.targets_of(said[2] or said[0])):
        named = any(f.evaluations[1] > 1 and f.found(" ".join(said)) for f in known.families)
        scored += [(1.0, kind) for kind in known.tasks if named and kind.id == "synthesis"]
    # Of equals the kind that should not be generated at all comes first.
    scored.sort(key=lambda pair: (-pair[0], not pair[1].instead))
    return tuple(kind for _, kind in scored[:3])


def _one_to_many(text: str) -> tuple[str, ...]:
    """Words that speak of several answers and are not denied just before."""
    before = ((m[0].strip(), text[max(0, m.start() - 30) : m.start()]) for m in _ONE_TO_MANY.finditer(text))
    return tuple(dict.fromkeys(words for words, start in before if not _NOT_SO.search(start)))[:2]


def _token(text: str) -> tuple[int | None, int | None]:
    """(token dimension, hidden width); a patch of p x q on c channels has p q c values."""
    named = _TOKEN.search(text)
    patch = _PATCH.search(text)
    width = _WIDTH.search(text)
    token = int(named[1] or named[2]) if named else None
    if token is None and patch:
        sides = [int(g) for g in patch.groups() if g]
        channels = _CHANNELS.search(text)
        # A third side of up to 4 is the channels: 16x16x3.
        inside = len(sides) == 3 and sides[2] <= 4
        token = math.prod(sides * 2 if len(sides) == 1 else sides)
        token *= 1 if inside else int(channels[1]) if channels else 3
    wide = int(width[1] or width[2]) if width else None
    return token or None, wide or None

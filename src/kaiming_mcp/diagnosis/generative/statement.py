"""What the user said about a task, as typed values: kinds, sizes, wishes, and the numbers beside them.

Only words and numbers that stand in the text are taken; nothing is inferred from their absence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from kaiming_mcp.catalogue import Catalogue, Constraint, TargetKind, TaskKind
from kaiming_mcp.diagnosis.generative.answers import Answers, read_answers
from kaiming_mcp.diagnosis.generative.counts import read_samples
from kaiming_mcp.diagnosis.generative.kinds import LATENT, task_kinds
from kaiming_mcp.diagnosis.generative.quantities import first, framed, horizon, size
from kaiming_mcp.diagnosis.generative.rates import numerals
from kaiming_mcp.diagnosis.generative.readouts import COLLAPSE, Readouts, read_readouts
from kaiming_mcp.diagnosis.generative.reported import Reported, read_reported
from kaiming_mcp.diagnosis.generative.timing import Timing, read_timing
from kaiming_mcp.diagnosis.generative.token_width import read_token
from kaiming_mcp.diagnosis.generative.units import has_unit
from kaiming_mcp.knowledge import LONGEST_READ

__all__ = ["Task", "read_task", "says_something", "size"]

_PREDICTS = re.compile(
    r"\b(eps(?:ilon)?|ε|v|x0|x|noise|velocity)[- ]?predict|predict\w*\s+(?:the\s+)?(noise|velocity|ε|eps)"
)
_SQUARED = re.compile(
    r"\b(n?mse|n?rmse|mae|mape|l1|l2|psnr|si-?s[dn]r|ssim|squared error|absolute error|relative l2|relative error|r2|r²|correlation)\b"
)
_PROPER = re.compile(
    r"\b(crps|energy score|nll|log[- ]?likelihood|likelihood|pinball|coverage|calibrat\w*|brier|log[- ]?loss|rank histogram|perplexity)"
)
_TWO_SAMPLE = re.compile(r"\b(fid|fvd|inception|mmd|kid|is score|realism|perceptual|lpips|mos|mean opinion)\b")
_FUNCTIONAL = re.compile(
    r"\b(only|just)\s+(?:need |want |care about |interested in |use |require )?(?:to know )?(?:the\s+|a\s+|an\s+|its\s+|one\s+|whether )?"
    r"(?:\d{2}(?:th)?[ %]*|p)?(mean|average|expected value|expectation|median|best guess|point estimate|quantile|percentile|single number|"
    r"one number|number\b|most likely|\d\d\b(?!\s?%)|probability (?:that|of)|chance|total|threshold|maximum|demand exceeds|alarm)|"
    r"\b(?:forecast|predict|estimate|compute|want|need|report)s? (?:me )?(?:the |a )?(?:probability|chance|risk|odds|quantile|median|percentile)\b|"
    r"\ball (?:that )?(?:we|i|they) need\b(?! (?:to|is)\b)|"
    r"\b(point estimate|expected value|conditional mean|single best|one best|newsvendor|order quantity|go/no-go)\b"
)
_ONE_TO_MANY = re.compile(
    r"one[- ]to[- ]many|non-?unique|not unique|ill[- ]posed|multi-?modal (?:posterior|distribution|outcome|answer|target)|multimodality|"
    r"\b(?:several|many|multiple|different|various|more than one|two or more)\b(?:\s+[\w-]+){0,4}?\s+"
    r"(?:possible|valid|plausible|correct|acceptable|right|equally|futures?|outcomes?|solutions?|answers?|share|correspond|map|fit|match|"
    r"lead to|give the same|have the same|explain)\b|in (?:many|several|different) ways\b|could (?:also )?be (?:an? )?[\w-]{2,15} or\b|"
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
_VOLUME = re.compile(r"volume|voxel|3-?d\b")
_PLANE = re.compile(r"super|resol|upsampl|downscal|downsampl")
_ERROR_OF = re.compile(r"(?:mse|rmse|mae|error|l1|l2)\s(?:of|on|in)\s(?:the\s)?([a-z]{4,20})")
_DIGITS = re.compile(r"\d[\d.,]*\s")
_TERM = re.compile(
    r"\b(?:l1|l2|mse)\s(?:pixel )?(?:reconstruction|recon)\b|reconstruction (?:loss|term|error)[^.;,\n]{0,20}\b(?:l1|l2|mse)\b"
)
"""A term of the bound of a VAE or of its decoder is no score of the task."""
_NOT_SO = re.compile(
    r"(?:no|not|without|isn't|never|nothing|lack of|little|low|less|loss of|too similar|hardly any)\s+(?:\w+\s+){0,2}$"
)
_SAMPLED = re.compile(
    r"diffusion|flow matching|generative|generator|\bgan\b|\bvae\b|sampl(?:e|ing)|posterior|normali[sz]ing flow"
)
_BLURRED = re.compile(
    r"blurr\w{1,2}|over-?smooth\w{0,3}|too smooth|smeared|washed out|averaged out|regress\w{0,3} to the mean|desaturat\w{1,3}|looks? (?:plastic|waxy)|gr[ae]yish|brownish"
)
_DETERMINISTIC = re.compile(
    r"(?<!not )(?<!non-)(?<!non)deterministic(?! (?:\w+ )?(?:network|regressor|net|inverse|baseline|predictor|forecast|lstm|gru|cnn|rnn|mlp|u-?net|transformer))|exactly one|(?<!not )(?<!non-)\bunique (?:answer|solution|output)|one[- ]to[- ]one|no randomness|"
    r"(?:the )?same output|noise-free|negligible noise|repeatab|fully determined"
)
IN_TURN = re.compile(
    r"autoregress|auto-regress|rollout|roll-out|rolled out|closed loop|token by token|step by step|one step at a time"
)
"""Words for steps that are fed back."""
_CALLS = re.compile(r"\b(?:agents?|tool calls?|pipeline|cascade|two-stage|reasoning steps|hops)\b")
_BEST_OF = re.compile(r"\bbest(?: performing| scoring)?(?: \w+){0,2} (?:of|from|out of|among)\b|best[- ]of[- ]\d")
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
    readouts: Readouts

    @property
    def signs(self) -> str:
        """Words for what the printed numbers show, for the lists that are read by words."""
        return COLLAPSE if self.readouts.unused else ""

    @property
    def best_of(self) -> bool:
        """Whether only the best of several samples is scored."""
        return _BEST_OF.search(self.text) is not None

    @property
    def branching(self) -> bool:
        """Whether x branches at one y by what was said, so that the mean of two answers may be none."""
        return self.answers.modes is not None or self.reads_as("inverse-design", "ambiguous", "trajectory")

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
    token, width = read_token(whole)
    timing = read_timing(numerals(whole), numerals(said[3]))
    samples, unit = read_samples(numerals(said[0]), numerals(said[3]), numerals(whole), timing.span)
    measured = has_unit(said[2], said[0])
    like_y = framed(said[2], y_text)
    size_x = like_y or (size(x_text) if said[2] else None)
    # Where the target is told as a few numbers, pictures and fields in the problem are those of y.
    few = size_x is not None and size_x <= FEW_VALUES
    # A sequence of 300 residues is a sequence of residues.
    named = tuple(t for t in known.targets_of(_DIGITS.sub("", x_text)) if not (few and t.id in _PICTURES))
    targets = named or (() if few else known.targets_of(said[0]))
    if measured and said[2] and not named:
        targets = tuple(k for k in known.kinds if k.id == ("scalar" if size_x in {None, 1} else "tabular"))
    return Task(
        text=whole,
        kinds=task_kinds(said, known, measured),
        targets=tuple(t for t in targets if not (measured and t.id == "label"))[:3],
        constraints=known.constraints_of(whole),
        size_x=size_x,
        size_y=size(y_text),
        like_y=like_y is not None,
        # "The best of 100 samples" are drawn for one query, not learned from.
        samples=None if samples == per_query > 1 and unit == "samples" else samples,
        unit=unit,
        steps=horizon(said[2]) or horizon(whole),
        scored=bool(said[4].strip()),
        token=token,
        width=width,
        predicts=first(_PREDICTS, whole),
        squared=""
        if _scored_in_y(said[4], y_text, said[2])
        else first(_SQUARED, said[4]) or first(_SQUARED, _TERM.sub(" ", said[0])),
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
        readouts=read_readouts(whole),
    )


def says_something(task: Task) -> bool:
    """Whether the text names a task, a target or a number that bears: otherwise nothing can be established."""
    told = task.kinds or task.concerned or task.blurred or task.samples or task.size_x or task.one_to_many
    told = told or task.deterministic or task.token or task.functional or (task.targets and task.size_y)
    numbers = task.reported != Reported() or task.timing != Timing() or task.answers != Answers()
    numbers = numbers or task.readouts != Readouts()
    return bool(told or numbers) and bool(_LETTER.search(task.text))


def _scored_in_y(metric: str, condition: str, target: str) -> bool:
    """An error of what was given, as of the spectrum that a design has when it is simulated: no distance in x."""
    of = _ERROR_OF.search(metric)
    return of is not None and of[1] in condition and of[1] not in target


def _scored_quantiles(metric: str, size_x: int | None, per_query: int) -> str:
    """A pinball loss on one number asks for its quantiles and for no samples."""
    alone = "pinball" in metric and "crps" not in metric and per_query <= 1 and (size_x is None or size_x == 1)
    return "the quantiles of the pinball loss" if alone else ""


def _one_to_many(text: str) -> tuple[str, ...]:
    """Words that speak of several answers and are not denied just before."""
    before = ((m[0].strip(), text[max(0, m.start() - 30) : m.start()]) for m in _ONE_TO_MANY.finditer(text))
    said = dict.fromkeys(words for words, start in before if not _NOT_SO.search(start))
    return tuple(words for words in said if words != "posterior" or not LATENT.search(text))[:2]

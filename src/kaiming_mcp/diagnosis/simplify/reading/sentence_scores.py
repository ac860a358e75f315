"""The numbers of a sentence that can be scores, with the deviation and seeds that stand beside them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kaiming_mcp.diagnosis.simplify.reading.scores import Score, of_values, seeds_in, spread_in
from kaiming_mcp.diagnosis.simplify.reading.text import NUMBER, number_of

_SCORE = re.compile(rf"(?<![\w.,^/@=-])({NUMBER})(?:\s*%)?(?:\s*(?:±|\+/-)\s*({NUMBER})\s*%?)?")
NOT_SCORE = re.compile(
    r"\s*(?:-\s?)?(?:(?:random|different|more|independent)\s+)?(?:seeds?|runs?|trials?|gpus?|gpu-?hours?|a100|h100|v100|hours?|hrs?|h\b|days?|epochs?|iters?|iterations|steps?|images|samples|examples|cases|"
    r"classes|layers|stages?|heads|[kKMBG]\b|[MGT]?flops|params|parameters|parts|components|losses|knobs|configurations?|configs|settings|tasks|datasets|folds?|tokens|questions|problems|"
    r"ms\b|x\b|x\s?\d|×|gb\b|weights?|variants|combinations|test|times|months|minutes|patients|reviewers|rollouts|episodes|demonstrations|trajectories|evaluations|prompts|models|members|gpus|px\b|pixels?\b|words\b|kHz\b|Hz\b)",
    re.IGNORECASE,
)
_BEFORE_NOT = re.compile(
    r"(?:\bn\s*=\s*|\bseed\s*|\btop-|\bk\s*=\s*|\bp\s*[<=>]\s*|\bstage\s*|\bstep\s*|\btable\s*|\bfigure\s*|\bline\s*|\brow\s*|\blambda\s*=?\s*|\bλ\s*=?\s*|\bweight\s*(?:of\s*)?=?\s*|\bsection\s*|"
    r"\bstd\w*\s*(?:is|of|=|:|about|around|≈|~|across seeds)*\s*|\bdeviation\s*(?:is|of|=|:|about|around|across seeds|over seeds)*\s*|\bnoise\s*(?:is|of|=|:|about|around|level)*\s*|\bσ\s*=?\s*|\b(?:best|max) of\s*|\bfirst\s*|\blast\s*|\bup to\s*|\bdecay\s*|\blr\s*=?\s*)$",
    re.IGNORECASE,
)


def scores_of(sentence: str) -> Iterator[tuple[int, int, Score]]:
    """Numbers that can be scores; those parted by commas alone are runs of one variant."""
    run: list[tuple[int, int, float]] = []
    for found in _SCORE.finditer(sentence):
        if NOT_SCORE.match(sentence, found.end()) or _BEFORE_NOT.search(
            sentence[max(0, found.start() - 36) : found.start()]
        ):
            continue
        value = number_of(found[1])
        if found[2]:
            yield from _flush(run, sentence)
            run = []
            yield (
                found.start(),
                found.end(),
                Score(value, abs(number_of(found[2])), seeds_in(_behind(sentence, found.end()))),
            )
            continue
        gap = sentence[run[-1][1] : found.start()] if run else ""
        if run and not re.fullmatch(r"\s*(?:,|/|;|\band\b|\|)\s*(?:and\s+)?", gap):
            yield from _flush(run, sentence)
            run = []
        run.append((found.start(), found.end(), value))
    yield from _flush(run, sentence)


def _flush(run: list[tuple[int, int, float]], sentence: str) -> Iterator[tuple[int, int, Score]]:
    if len(run) > 2 or (
        len(run) == 2 and "/" not in sentence[run[0][1] : run[1][0]] and "and" not in sentence[run[0][1] : run[1][0]]
    ):
        yield run[0][0], run[-1][1], of_values([v for _, _, v in run])
    else:
        for begin, end, value in run:
            behind = _behind(sentence, end)
            yield begin, end, Score(value, spread_in(behind), seeds_in(behind), signed=sentence[begin] in "+-")


def _behind(sentence: str, end: int) -> str:
    """What is said of a score right after it: in brackets, else up to the next comma."""
    rest = sentence[end : end + 60]
    inside = re.match(r"\s*%?\s*(?:[A-Za-z-]{1,12}\s*)?\(([^()]*)\)?", rest)
    return "(" + inside[1] if inside else re.split(r",\s|;|\bwhile\b|\bfull\b|\bwithout\b", rest)[0]

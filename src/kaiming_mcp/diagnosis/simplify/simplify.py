"""A method and its evidence as a scaffold: verdict, numbers, findings, frame, limits."""

from __future__ import annotations

import json
import math
import re

from kaiming_mcp.diagnosis.draft import numbered, worst_first
from kaiming_mcp.diagnosis.principles import SIMPLE
from kaiming_mcp.diagnosis.relevance import limit_of, quote_of
from kaiming_mcp.diagnosis.simplify.advice import advise
from kaiming_mcp.diagnosis.simplify.facts import add_facts
from kaiming_mcp.diagnosis.simplify.fit import shortened
from kaiming_mcp.diagnosis.simplify.frame import form_of, frame_of
from kaiming_mcp.diagnosis.simplify.lists import lists
from kaiming_mcp.diagnosis.simplify.reading.text import LONGEST_READ, MOST_LINES
from kaiming_mcp.diagnosis.simplify.shown import score_text
from kaiming_mcp.diagnosis.simplify.subject import Subject, read_subject
from kaiming_mcp.diagnosis.simplify.verdict import first_change, key_numbers, measure, verdict_of
from kaiming_mcp.library import Library
from kaiming_mcp.request import request_line
from kaiming_mcp.scaffold import Scaffold

NAME = "simplify_method"
MOST_FINDINGS, MOST_LIMITS = 4, 3
SMALL_TRAINING = 10_000
EXAMPLE = (
    'pipeline = "L = L_rec + 0.1 L_kl + 0.5 L_adv; EMA 0.999; cosine schedule with warm-up; mixup"\n'
    'evidence = "full 71.5 ± 0.3 (3 seeds), without EMA 71.2 ± 0.3 (3 seeds), without mixup 70.1"\n'
    'metric = "top-1 on 10,000 test images, claimed gain 0.4"  budget = "8 GPU-hours per run, 500 GPU-hours"'
)
_LIMITS = {
    "generation": ("Another regime", "Naive simplicity"),
    "ssl": ("Simple to describe",),
    "classification": ("Simple to describe",),
    "language-model": ("Naive simplicity", "Simple to describe"),
    "detection": ("Sometimes an addition", "Simple to describe"),
    "segmentation": ("Sometimes an addition", "Simple to describe"),
    "medical-seg": ("Small data", "Sometimes an addition"),
    "clinical": ("Small data",),
    "molecules": ("Small data",),
    "graphs": ("Small data",),
}
"""Words that pick the limits of principle 4 by kind of task."""
_FIELD = re.compile(
    r"loss|train|model|network|accura|data ?set|predict|learn|classif|encod|decod|neural|embedding|gradient|seed|ablat|baseline|module|"
    r"feature|metric|layer|regulari|optimi|epoch|retriev|prompt|llm|agent|inference|detector|segment|cluster|sampl|augment"
)


def simplify(pipeline: str, evidence: str, metric: str, budget: str, library: Library) -> Scaffold:
    """Everything of the scaffold but the request line, or what to send when nothing could be read."""
    subject = read_subject(pipeline, evidence, metric, budget, lists())
    if not _says_something(subject):
        return Scaffold(
            tool=NAME,
            verdict="Nothing was established yet.",
            needs="Send the parts of the method as `pipeline` (a list, a loss formula with weights, a config or a training script), and as "
            "`evidence` what was measured without each part (a table, or sentences with scores, ± and number of seeds).",
            example=EXAMPLE,
        )
    ids = add_facts(subject)
    drafts = worst_first(advise(subject, ids))
    frame = frame_of(subject, ids)
    principle = library.principles[SIMPLE]
    whole = Scaffold(
        tool=NAME,
        verdict=verdict_of(subject),
        key_numbers=key_numbers(subject, ids),
        first_change=first_change(subject),
        established=subject.facts.items,
        findings=numbered(drafts[:MOST_FINDINGS], library),
        frame=frame,
        answer_form=form_of(frame),
        limits=_limits(subject, library),
        quotes=[quote_of(library, principle, _quoted(subject))],
        measure=measure(subject),
    )
    args = {"pipeline": pipeline, "evidence": evidence, "metric": metric, "budget": budget}
    line = json.dumps(request_line(NAME, args, whole.established), ensure_ascii=False)
    return shortened(whole, len(line) + len(', "request": '), [d.title for d in drafts[MOST_FINDINGS:]])


def _says_something(s: Subject) -> bool:
    known = any(p.known is not None for p in s.inventory.parts)
    spoken = known or s.ablations or s.evidence.sweeps or _FIELD.search(s.text[:LONGEST_READ].lower())
    return bool(spoken and (s.inventory.parts or s.ablations or s.evidence.sweeps or s.inventory.knobs))


def _limits(s: Subject, library: Library) -> list[str]:
    principle = library.principles[SIMPLE]
    lines: list[str] = []
    missing = [
        what
        for what, value in (
            ("seed deviation", s.noise or not s.trains),
            ("metric", s.evidence.metric or s.evidence.metric_name),
            ("hours per run", s.context.hours or not s.trains),
            ("score of a baseline", s.gain or s.base),
        )
        if not value
    ]
    if s.undirected:
        lines.append(f"{s.undirected} scores were not read: write '+ part' or 'w/o part' before each.")
    if s.evidence.guessed:
        lines.append(
            "Bare names were read as added one after the other: no row is worse than the one before. If each stands alone on the first row, "
            "its effect is the difference to that row."
        )
    if missing:
        lines.append("Not given: " + ", ".join(missing) + ".")
    if s.evidence.assumed and any(a.effect is not None for a in s.ablations):
        lower = s.evidence.better == "lower"
        lines.append(
            f"{'Lower' if lower else 'Higher'} is taken to be better: the metric was not recognised"
            f"{', and most removals raise it' if lower else ''}; name it in `metric`."
        )
    if s.noise is not None and s.noise.freedom == 0 and not s.noise.single:
        lines.append(
            "± is read as a seed standard deviation; the number of seeds was not given, so there are no intervals."
        )
    lines += _no_whole_cases(s)
    if s.cut:
        lines.append(f"Only the first {LONGEST_READ:,} characters and {MOST_LINES:,} lines of an argument were read.")
    if s.context.training is not None and s.context.training < SMALL_TRAINING:
        lines.append(f"{s.context.training:,} training samples: " + limit_of(principle, "Small data"))
    if s.context.folds and s.noise is not None:
        lines.append(
            "Folds share training data, so their deviation is neither that of seeds nor that of new data; compare fold by fold."
        )
    if s.context.bootstrap and s.noise is not None:
        lines.append(
            "A bootstrap of the test set holds the noise of cases, not of seeds; both arms share the cases, so pair them."
        )
    if s.removable and s.baseline and s.baseline.id != "generation":
        lines.append("A removal holds for the data, scale and schedule at which it was tested.")
    for words in _LIMITS.get(s.baseline.id if s.baseline else "", ()):
        line = limit_of(principle, words)
        if len(lines) < MOST_LIMITS and not any(line in other for other in lines):
            lines.append(line)
    return lines


def _no_whole_cases(s: Subject) -> list[str]:
    """A score of single runs that no whole number of test cases gives."""
    metric, cases = s.evidence.metric, s.context.cases
    if metric is None or not metric.share or cases is None or s.context.folds:
        return []
    for variant in s.evidence.variants:
        score = variant.score
        if score is None or (score.seeds or 1) > 1 or score.deviation is not None or not 0 < score.mean < 100:
            continue
        scale = 100 if score.mean > 1 else 1
        digits = len(f"{score.mean:.10g}".partition(".")[2])
        step = scale / cases
        near = round(score.mean / step)
        # Half a last digit, and a little for a 5 that may be rounded either way.
        if abs(near * step - score.mean) > 0.501 * 10.0**-digits:
            below = math.floor(score.mean / step) * step
            return [
                f"{score_text(score.mean)} is no whole number of {cases:,} cases ({score_text(below)} or {score_text(below + step)} would be): an "
                "average of runs, partial credit, or another number of cases."
            ]
    return []


def _quoted(s: Subject) -> str:
    """Words that pick the quotation: chance where seeds are missing, otherwise the parts."""
    known = " ".join(j.part.known.title for j in s.judged[:12] if j.part.known)
    if not s.ablations and not s.context.tuned and not s.context.best_of:
        return f"components critical learning representations nonessential {known}"
    if s.baseline is not None and s.baseline.id == "ssl":
        return known
    return "ignoring random variation unreliable conclusions single trial best"

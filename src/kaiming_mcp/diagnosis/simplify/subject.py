"""The method as read, with everything that follows from it, for findings and frame."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kaiming_mcp.diagnosis.facts import Facts
from kaiming_mcp.diagnosis.simplify.ablations import Joint, ablations_of, base_of, full_of, joint_of, noise_of
from kaiming_mcp.diagnosis.simplify.effect import MARGIN, Ablation, Noise
from kaiming_mcp.diagnosis.simplify.lists import Baseline, Lists, Pair, Precedent, flat
from kaiming_mcp.diagnosis.simplify.parts import tokens
from kaiming_mcp.diagnosis.simplify.plan import (
    Cost,
    Judged,
    cost_of,
    judge,
    pairs_in,
    precedents_for,
    removal_order,
)
from kaiming_mcp.diagnosis.simplify.reading.context import Context, of_pretraining, read_context
from kaiming_mcp.diagnosis.simplify.reading.evidence import Evidence, read_evidence
from kaiming_mcp.diagnosis.simplify.reading.inventory import Inventory, read_inventory
from kaiming_mcp.diagnosis.simplify.reading.text import is_cut, plain
from kaiming_mcp.diagnosis.simplify.reading.variants import Variant

MOST_HITS = 60
MUCH, SOME = 3, 2
"""Weights of a word of a task, and of one that names its metric; a part or a data set counts 1."""
UNTRAINED = {"rag", "reasoning"}
CALLED = {"reader", "agents", "planner", "few-shot-prompt", "prompting", "self-consistency"}
"""Parts of a pipeline that calls a language model."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Inventory, evidence, noise, order and plan of one method."""

    text: str
    """Everything that was said; `method` is the pipeline alone."""
    method: str
    inventory: Inventory
    evidence: Evidence
    context: Context
    noise: Noise | None
    ablations: tuple[Ablation, ...]
    joint: tuple[Joint, ...]
    judged: tuple[Judged, ...]
    order: tuple[Judged, ...]
    precedents: dict[str, Precedent]
    pairs: tuple[tuple[Pair, Judged, Judged], ...]
    baseline: Baseline | None
    cost: Cost | None
    full: float | None
    base: Variant | None
    """The variant that the evidence calls the baseline."""
    gain: float | None
    """Full minus baseline, positive where the method is better; else the stated claim."""
    trains: bool
    """Whether anything is trained: a pipeline of prompts and retrieval is tested by evaluation alone."""
    cut: bool
    facts: Facts

    @property
    def removable(self) -> int:
        """Parts that can be taken out."""
        return len(self.judged)

    @property
    def undirected(self) -> int:
        """Scores under the bare name of a part, which do not say whether it was added or taken out."""
        parts = [tokens(p.name) for p in self.inventory.parts]
        bare = [v for v in self.evidence.variants if v.change.role == "other" and v.score and v.present is None]
        return sum(any(p and p <= tokens(v.label) for p in parts) for v in bare)

    @property
    def undecided(self) -> list[Judged]:
        """Parts that still need a test, in the order of removal."""
        return [j for j in self.order if j.undecided]

    @property
    def enough(self) -> Judged | None:
        """The part that alone gives as much as the whole gain that is claimed."""
        kept = [j for j in self.with_verdict("stays") if j.ablation and j.ablation.how == "one" and j.ablation.effect]
        best = max(kept, key=lambda j: (j.ablation.effect or 0.0) if j.ablation else 0.0, default=None)
        seen = self.noise is None or (self.gain is not None and abs(self.gain) > MARGIN * self.noise.deviation)
        whole = self.gain if self.gain and seen and self.removable > 1 else None
        return best if best and whole and best.ablation and (best.ablation.effect or 0.0) >= abs(whole) else None

    def free(self, each: Judged) -> bool:
        """Whether a part can be tested without a training run."""
        return not self.trains or bool(each.part.known and each.part.known.free)

    def with_verdict(self, *verdicts: str) -> list[Judged]:
        """Parts with one of these verdicts, in the order of removal where they have one."""
        rest = [j for j in self.judged if j not in self.order]
        return [j for j in (*self.order, *rest) if j.verdict in verdicts]


def read_subject(pipeline: str, evidence: str, metric: str, budget: str, known: Lists) -> Subject:
    """Read all arguments."""
    cut = any(map(is_cut, (pipeline, evidence, metric, budget)))
    pipeline, evidence, metric, budget = (plain(t) for t in (pipeline, evidence, metric, budget))
    inventory = read_inventory(pipeline, known)
    context = read_context(pipeline, evidence, metric, budget, known)
    found = read_evidence(evidence, metric, pipeline, _names(inventory, evidence, known), context, known)
    noise = noise_of(found, context)
    whole = "\n".join((pipeline, metric, evidence))
    tasks = _tasks(whole, known)
    untrained = (bool(tasks) and tasks[0].id in UNTRAINED) or _prompted(
        inventory, "\n".join((pipeline, evidence, budget))
    )
    trains = not (untrained and all(p.kind in {"module", "inference", "stage"} for p in inventory.parts))
    ablations = tuple(ablations_of(found, context, noise, trains))
    judged = judge(inventory, ablations, known, found.metric.id if found.metric else "")
    precedents = precedents_for(judged, {t.id for t in tasks[:2]}, known)
    full, base = full_of(found), base_of(found)
    gain = found.sign * (full.score.mean - base.score.mean) if full and base and full.score and base.score else None
    return Subject(
        text=whole,
        method=pipeline,
        inventory=inventory,
        evidence=found,
        context=context,
        noise=noise,
        ablations=ablations,
        joint=tuple(joint_of(ablations, noise)),
        judged=tuple(judged),
        order=tuple(removal_order(judged, precedents, base.label if base else "")),
        precedents=precedents,
        pairs=tuple(pairs_in(judged, known)),
        baseline=tasks[0] if tasks else None,
        cost=cost_of(judged, context, trains),
        base=base,
        full=full.score.mean if full and full.score else None,
        gain=_claimed(context.claim, full.score.mean if full and full.score else None)
        if context.claim is not None
        else gain,
        trains=trains,
        cut=cut,
        facts=Facts(),
    )


def _claimed(claim: float, full: float | None) -> float:
    """A claim in points of per cent beside scores that are shares."""
    return claim / 100 if full is not None and full <= 1 < claim + 0.5 and claim > full else claim


def _names(inventory: Inventory, evidence: str, known: Lists) -> tuple[str, ...]:
    """What parts may be called in sentences: their names, abbreviations and words, and known words of the evidence."""
    names = [
        n
        for p in inventory.parts
        for n in (p.name, p.alias, *(p.known.words[:4] if p.known and not p.known.base else ()))
        if n
    ]
    hits = [evidence[h.begin : h.end] for h in known.in_prose.finds(evidence.lower()) if not known.known[h.id].base]
    return tuple(dict.fromkeys([*names, *hits[:MOST_HITS]]))


def _prompted(inventory: Inventory, text: str) -> bool:
    """Whether a language model is called and nothing speaks of training."""
    called = any(p.known is not None and p.known.id in CALLED for p in inventory.parts)
    return (
        called
        and re.search(r"\b(?:train|fine-?tun|epoch|seeds?\b|gpu|lora|learning rate)", text, re.IGNORECASE) is None
    )


def _tasks(text: str, known: Lists) -> list[Baseline]:
    """Kinds of task, the one that the words speak for most first; the general one only where no other speaks."""
    lower = text.lower()
    hits = list(known.in_prose.finds(lower))
    parts = [(h.begin, h.end, known.known[h.id].kind) for h in hits]
    there = {h.id for h in hits}
    metrics = {(h.begin, h.end) for h in known.of_metrics.finds(lower)}
    given = [h for h in known.of_tasks.finds(lower) if not of_pretraining(lower, h.begin, h.end)]
    sets = [(h.begin, h.end) for h in known.of_test_sets.finds(lower)]

    def speaks(begin: int, end: int) -> int:
        """How much a word says of the task: a GAN loss nothing, a retriever, a backbone or a data set little, a metric more."""
        kinds = [kind for b, e, kind in parts if b < end and e > begin]
        short = known.in_names.get(flat(lower[begin:end]), "")
        if not kinds and short in there:
            kinds = [known.known[short].kind]  # "w/o GAN" means the GAN loss that was named before
        if kinds or any(b < end and e > begin for b, e in sets):
            return int("loss" not in kinds)
        return SOME if (begin, end) in metrics else MUCH

    words: dict[str, dict[str, int]] = {}
    for hit in given:
        said = words.setdefault(hit.id, {})
        said[hit.word] = max(said.get(hit.word, 0), speaks(hit.begin, hit.end))
    weight = {b.id: sum(words.get(b.id, {}).values()) for b in known.baselines}
    special = [b for b in known.baselines if weight[b.id] and b.id != "any"]
    special.sort(key=lambda b: -weight[b.id])
    return special or [b for b in known.baselines if b.id == "any"]

"""Everything that the evidence holds: variants, sweeps, stated differences, and the metric they are in."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from kaiming_mcp.diagnosis.simplify.lists import Lists, Metric
from kaiming_mcp.diagnosis.simplify.reading.context import Context, claim_spans
from kaiming_mcp.diagnosis.simplify.reading.grid import grids_of
from kaiming_mcp.diagnosis.simplify.reading.labels import Change
from kaiming_mcp.diagnosis.simplify.reading.said import read_sentences
from kaiming_mcp.diagnosis.simplify.reading.scores import as_deviation
from kaiming_mcp.diagnosis.simplify.reading.sequences import as_sequences
from kaiming_mcp.diagnosis.simplify.reading.stated import Stated, Way
from kaiming_mcp.diagnosis.simplify.reading.text import NUMBER, number_of
from kaiming_mcp.diagnosis.simplify.reading.variants import Sweep, Variant, metric_of, read_tables

MOST_ENTRIES, MOST_RAISE = 300, 2 / 3
_UP = re.compile(r"↑|higher is better|maximi[sz]e|bigger is better|larger is better", re.IGNORECASE)
_VALUE = re.compile(rf"\s*(?:of|is|was|=|:)?\s*{NUMBER}(?:\s*±\s*{NUMBER})?\s*(?:dB|%)?")
_INTERVAL = re.compile(
    rf"({NUMBER})\s*%?\s*[(\[]\s*(?:9\d\s?%\s*)?(?:CI|confidence interval)[:,]?\s*[(\[]?\s*({NUMBER})\s*(?:-|to|,|;)\s*({NUMBER})\s*[)\]]{{1,2}}"
)
_CUMULATIVE = re.compile(
    r"each (?:row|line|step|variant|change|entry)\s+(?:\w+\s+)?(?:keeps|includes|inherits|builds on|adds to|is on top)|cumulative|successive|incremental|"
    r"one after (?:the other|another)|on top of (?:the|each) (?:previous|other|row|one)|in addition to the (?:row|one|line)s? (?:above|before)|roadmap|step[- ]by[- ]step|"
    r"kept (?:for|in) (?:all|the) (?:following|later|next)",
    re.IGNORECASE,
)
_DOWN = re.compile(r"↓|lower is better|minimi[sz]e|smaller is better", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Variants, sweeps and stated differences; the metric's name as written, and which way is better."""

    variants: tuple[Variant, ...]
    sweeps: tuple[Sweep, ...]
    stated: tuple[Stated, ...]
    metric: Metric | None
    metric_name: str
    better: Literal["higher", "lower"]
    assumed: bool
    """Whether the direction is assumed, for want of a known metric."""
    taken: bool = False
    """Whether each removal keeps those of the rows above."""
    guessed: bool = False
    """Whether bare names were read as added one after the other because no row is worse than the one before."""

    @property
    def sign(self) -> int:
        """+1 where higher is better."""
        return 1 if self.better == "higher" else -1


def read_evidence(
    text: str, metric: str, pipeline: str, names: tuple[str, ...], context: Context, known: Lists
) -> Evidence:
    """Read a text that went through `plain`."""
    text = _INTERVAL.sub(_half, _from_json(text))
    grids, used = grids_of(text)
    tables = read_tables(grids, metric, known)
    for begin, end in claim_spans(text):
        text = text[:begin] + re.sub(r"[^\n]", " ", text[begin:end]) + text[end:]
    said = read_sentences(_of_the_metric(text, metric, used, known), used, names)
    found = (
        metric_of(metric, known)
        or metric_of(tables.metric, known)
        or metric_of(_near_scores(text, said.variants), known)
        or metric_of(pipeline[:4000], known)
        if metric or text
        else None
    )
    unnamed = not metric.strip() or any(known.of_test_sets.finds(metric.lower()))
    if found is None and unnamed and context.test_set and context.test_set.binary:
        found = next(m for m in known.metrics if m.id == "accuracy")
    name = tables.metric or (found.id if found else "") or metric.split(",", maxsplit=1)[0].strip()[:30]
    direction = f"{metric} {tables.metric}"
    better: Literal["higher", "lower"] = found.better if found else "higher"
    stated_way = _UP.search(direction) or _DOWN.search(direction) or _UP.search(text) or _DOWN.search(text)
    if stated_way:
        better = "higher" if _UP.match(stated_way[0]) else "lower"
    read = (*tables.variants, *said.variants)[:MOST_ENTRIES]
    counts = [v.score.seeds for v in read if v.score and v.score.deviation is not None and v.score.seeds]
    common = max(set(counts), key=counts.count) if counts else None
    if found is None and not stated_way and _full_is_lowest(read):
        better = "lower"
    read, differences = _without_differences(_full_rows(read))
    variants = tuple(_with_context(_named(v, metric), context, common) for v in read)
    stated = (*said.stated, *differences)[:MOST_ENTRIES]
    cumulative = _CUMULATIVE.search(text) is not None
    ordered = as_sequences(variants, names, 1 if better == "higher" else -1, cumulative)
    return Evidence(
        ordered, tables.sweeps, stated, found, name, better, found is None and not stated_way, cumulative,
        ordered != variants and not cumulative,
    )  # fmt: skip


def _without_differences(variants: tuple[Variant, ...]) -> tuple[tuple[Variant, ...], list[Stated]]:
    """Scores, and what stands with a sign among scores that have none, or has a plus: a difference, "w/o EMA: -0.4"."""
    scores = [v.score for v in variants if v.score is not None]
    if not any(s.signed for s in scores) or all(s.signed and s.mean < 0 for s in scores):
        return variants, []
    kept: list[Variant] = []
    stated: list[Stated] = []
    for v in variants:
        if v.score is None or not (v.score.signed and v.score.deviation is None):
            kept.append(v)
        elif v.change.role in {"removed", "added", "replaced"} and v.change.names:
            removed = v.change.role != "added"
            names = v.change.names[:1] if v.change.role == "replaced" else v.change.names
            way: Way = "up" if v.score.mean > 0 else "down"
            stated.append(Stated(names, removed, abs(v.score.mean), way, v.line, v.label[:60]))
    return tuple(kept), stated


def _named(variant: Variant, metric: str) -> Variant:
    """The variant without the metric at the end of its names: "without depth supervision NDS is 54.2"."""
    words = metric.split(maxsplit=1)
    first = words[0].strip(",.:()").lower() if words else ""
    names = tuple(re.sub(rf"(?i)\s+{re.escape(first)}$", "", n) if first else n for n in variant.change.names)
    return replace(variant, change=replace(variant.change, names=names))


def _full_is_lowest(variants: tuple[Variant, ...]) -> bool:
    """Whether two thirds of the removals raise the score: of an unknown metric a method is hardly worse than without its parts."""
    full = next((v.score.mean for v in variants if v.change.role == "full" and v.score), None)
    scores = [v.score.mean for v in variants if v.change.role == "removed" and v.score and not v.score.signed]
    above = [s for s in scores if full is not None and s > full]
    return len(above) >= MOST_RAISE * len(scores) and len(scores) > 1


def _half(found: re.Match[str]) -> str:
    """ "0.912 (95% CI 0.897-0.926)" as mean and half of the interval."""
    return f"{found[1]} ± {abs(number_of(found[3].lstrip('-')) - number_of(found[2])) / 2:.6g}"


def _of_the_metric(text: str, metric: str, used: set[int], known: Lists) -> str:
    """The text without numbers of other metrics, in lines that name the wanted one too: "LPIPS 0.112 / PSNR 25.9"."""
    wanted = metric_of(metric, known)
    if wanted is None:
        return text
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        pairs = [(hit.id, hit.end) for hit in known.of_metrics.finds(line.lower())] if number not in used else []
        if wanted.id not in {name for name, _ in pairs} or len({name for name, _ in pairs}) < 2:
            continue
        kept = line
        for name, end in reversed(pairs):
            value = _VALUE.match(kept, end)
            if name != wanted.id and value:
                kept = kept[:end] + " " + "x" * (value.end() - end - 1) + kept[value.end() :]
        lines[number - 1] = kept
    return "\n".join(lines)


def _full_rows(variants: tuple[Variant, ...]) -> tuple[Variant, ...]:
    """A "none" or "baseline" from which the other rows take parts out is the full method."""
    found = list(variants)
    for table in {v.table for v in variants}:
        rows = [(i, v) for i, v in enumerate(variants) if v.table == table and v.present is None]
        roles = [v.change.role for _, v in rows]
        taken, added = roles.count("removed") + roles.count("replaced"), roles.count("added")
        later = "added" not in roles or roles.index("added") > max(
            i for i, r in enumerate(roles) if r in {"removed", "replaced", "base"}
        )
        if "full" in roles or taken < 2 or added > 1 or roles.count("base") != 1 or not later:
            continue
        place, row = next((i, v) for i, v in rows if v.change.role == "base")
        if row is rows[0][1]:
            found[place] = replace(row, change=Change("full"))
    return tuple(found)


def _with_context(variant: Variant, context: Context, common: int | None) -> Variant:
    """The variant with the seeds and the reading of ± that hold for all; a ± without seeds has the `common` number."""
    score = variant.score
    if score is None:
        return variant
    if score.seeds is None and context.seeds is not None:
        score = replace(score, seeds=context.seeds)
    if score.seeds is None and score.deviation is not None:
        score = replace(score, seeds=common)
    return replace(variant, score=as_deviation(score, context.spread))


def _near_scores(text: str, variants: tuple[Variant, ...]) -> str:
    """Lines with numbers, where the metric is named, without the names of parts: a `w/o LPIPS` is no LPIPS."""
    lines = "\n".join(line for line in text.split("\n")[:200] if re.search(r"\d", line))[:8000]
    for name in {n for v in variants for n in v.change.names}:
        lines = lines.replace(name, " ")
    return re.sub(r"standard errors?", " ", lines)


def _from_json(text: str) -> str:
    """A JSON document of scores as lines, "label: 71.2, 71.5" or a table; other text as it is."""
    body = re.sub(r"^\s*```(?:json)?|```\s*$", "", text.strip())
    if not body.startswith(("{", "[")):
        return text
    try:
        item = json.loads(body)
    except (ValueError, RecursionError):
        return text
    if isinstance(item, list):
        rows = [cast(dict[str, Any], r) for r in cast(list[Any], item)[:MOST_ENTRIES] if isinstance(r, dict)]
        if not rows:
            return text
        heads = list(rows[0])
        return "\n".join(
            "\t".join(str(c) for c in cells) for cells in ([*heads], *([r.get(h, "") for h in heads] for r in rows))
        )
    if not isinstance(item, dict):
        return text
    return "\n".join(_json_lines(cast(dict[str, Any], item), 0))


def _json_lines(item: dict[str, Any], depth: int) -> list[str]:
    lines: list[str] = []
    for key, value in list(item.items())[:MOST_ENTRIES]:
        if isinstance(value, list):
            numbers = [v for v in cast(list[Any], value) if isinstance(v, int | float) and not isinstance(v, bool)]
            lines.append(f"{key}: " + ", ".join(str(v) for v in numbers[:1000]))
        elif isinstance(value, dict):
            inner = {str(k).lower(): v for k, v in cast(dict[str, Any], value).items()}
            mean = next((inner[k] for k in ("mean", "score", "value", "avg", "accuracy", "acc") if k in inner), None)
            spread = next((inner[k] for k in ("std", "sd", "stdev") if k in inner), None)
            seeds = next((inner[k] for k in ("n", "seeds", "runs") if k in inner and isinstance(inner[k], int)), None)
            if mean is not None:
                lines.append(
                    f"{key}: {mean}"
                    + (f" ± {spread}" if spread is not None else "")
                    + (f" ({seeds} seeds)" if seeds else "")
                )
            elif depth < 3:
                lines += _json_lines(cast(dict[str, Any], value), depth + 1)
        else:
            lines.append(f"{key}: {value}")
    return lines

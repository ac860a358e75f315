"""Everything that the evidence holds: variants, sweeps, stated differences, and the metric they are in."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from kaiming_mcp.diagnosis.simplify.lists import Lists, Metric
from kaiming_mcp.diagnosis.simplify.reading.context import Context, claim_spans
from kaiming_mcp.diagnosis.simplify.reading.grid import grids_of
from kaiming_mcp.diagnosis.simplify.reading.said import read_sentences
from kaiming_mcp.diagnosis.simplify.reading.scores import as_deviation
from kaiming_mcp.diagnosis.simplify.reading.stated import Stated
from kaiming_mcp.diagnosis.simplify.reading.variants import Sweep, Variant, metric_of, read_tables

MOST_ENTRIES = 300
_UP = re.compile(r"↑|higher is better|maximi[sz]e|bigger is better|larger is better", re.IGNORECASE)
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

    @property
    def sign(self) -> int:
        """+1 where higher is better."""
        return 1 if self.better == "higher" else -1


def read_evidence(
    text: str, metric: str, pipeline: str, names: tuple[str, ...], context: Context, known: Lists
) -> Evidence:
    """Read a text that went through `plain`."""
    text = _from_json(text)
    grids, used = grids_of(text)
    tables = read_tables(grids, metric, known)
    for begin, end in claim_spans(text):
        text = text[:begin] + re.sub(r"[^\n]", " ", text[begin:end]) + text[end:]
    said = read_sentences(text, used, names)
    found = (
        metric_of(metric, known)
        or metric_of(tables.metric, known)
        or metric_of(_near_scores(text, said.variants), known)
        or metric_of(pipeline[:4000], known)
        if metric or text
        else None
    )
    if found is None and context.test_set and context.test_set.binary:
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
    variants = tuple(_with_context(v, context, common) for v in read)
    return Evidence(
        variants, tables.sweeps, said.stated[:MOST_ENTRIES], found, name, better, found is None and not stated_way
    )


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

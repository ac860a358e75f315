"""Pasted pairs (y, x): which columns are which, and R by the probe's own function, so that both agree."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kaiming_mcp.diagnosis.generative.pasted import as_tables, prose
from kaiming_mcp.diagnosis.generative.spread import Spread, spread_of
from kaiming_mcp.measurements.columns import Table, read_table
from kaiming_mcp.probes.posterior_spread_probe import estimate

FEWEST_PAIRS = 8
MOST_PAIRS, MOST_LEVELS = 2_000, 50
_CONDITION_NAMES = ("y", "cond", "input", "given", "feature")
_TARGET_NAMES = ("x", "target", "output", "label", "out")
_REPEATS = re.compile(r"repeat|replicate|twice|two runs|re-?run")
_INDEX = re.compile(r"(?:unnamed.*|id|idx|index|row|no|nr|#|\w+[_ ]id)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Condition (n, dim_y), target (n, dim_x), categories of the condition, and what stands around the table."""

    condition: NDArray[np.float64]
    target: NDArray[np.float64]
    names: tuple[str, str]
    categories: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    discrete: bool = False
    around: str = ""


def read_pairs(text: str, condition: str = "", target: str = "") -> Pairs | None:
    """Columns of a pasted table as y and x: by the names given, by telling names, else the last column is x."""
    table = read_table(text, FEWEST_PAIRS)
    if len(table.numbers) + len(_levels(table.words)) < 2:
        tables = (read_table(rewritten, FEWEST_PAIRS) for rewritten in as_tables(text))
        found = next((t for t in tables if len(t.numbers) > 1), None)
        table = Table(found.numbers, found.words, prose(text)) if found else table
    table = Table(table.numbers, _levels(table.words), table.around)
    names = [n for n in (*table.numbers, *table.words) if not _INDEX.fullmatch(n)]
    if len(names) < 2 or not table.numbers:
        return None
    given, wanted = _divided(names, condition.lower(), target.lower())
    numbers = [n for n in given if n in table.numbers]
    words = [n for n in given if n in table.words]
    labels = [n for n in wanted if n in table.words]
    columns = tuple(n for n in wanted if n in table.numbers)
    if not (numbers or words) or not wanted:
        return None
    rows = len(next(iter(table.numbers.values())))
    if labels and not columns:
        levels, index = np.unique(table.words[labels[0]], return_inverse=True)
        x, columns = np.eye(len(levels))[index.ravel()], tuple(map(str, levels))
    else:
        x = np.column_stack([table.numbers[n] for n in columns])
    y = np.column_stack([table.numbers[n] for n in numbers]) if numbers else np.zeros((rows, 0))
    kept = np.linspace(0, rows - 1, min(rows, MOST_PAIRS)).astype(int)
    chosen = [[table.words[n][i] for n in words] for i in range(rows)]
    categories = tuple("\x1f".join(chosen[i]) for i in map(int, kept)) if words else ()
    heads = (", ".join(given)[:60], ", ".join(wanted)[:60])
    return Pairs(
        y[kept], x[kept], heads, categories, columns, bool(labels) and not set(wanted) - set(labels), table.around
    )


def spread(pairs: Pairs) -> Spread | None:
    """R of the pairs; None when x or the condition does not vary."""
    try:
        given = (pairs.condition, pairs.target, pairs.categories or None, pairs.columns, pairs.discrete)
        document = estimate(*given, repeats=_REPEATS.search(pairs.around.lower()) is not None)
    except ValueError:
        return None
    return spread_of(document)


def _divided(names: list[str], condition: str, target: str) -> tuple[list[str], list[str]]:
    said = {n: (_says(condition, n), _says(target, n)) for n in names}
    wanted = [n for n in names if said[n][1] and not said[n][0]]
    if not wanted:
        wanted = [n for n in names if n.lower().startswith(_TARGET_NAMES)]
    given = [n for n in names if said[n][0] and n not in wanted]
    if not given:
        given = [n for n in names if n.lower().startswith(_CONDITION_NAMES) and n not in wanted]
    if wanted and not given:
        given = [n for n in names if n not in wanted]
    if given and not wanted:
        wanted = [n for n in names if n not in given][-1:]
    if not wanted or not given:
        # Without telling names the last column is the target, as in most tables.
        return names[:-1], names[-1:]
    return given, wanted


def _says(text: str, name: str) -> bool:
    return len(name) > 1 and re.search(rf"(?<!\w){re.escape(name.lower())}(?!\w)", text) is not None


def _levels(words: dict[str, list[str]]) -> dict[str, list[str]]:
    """Columns of text that are categories: names and remarks have nearly as many levels as rows."""
    return {n: c for n, c in words.items() if 1 < len(set(c)) <= min(MOST_LEVELS, len(c) / 2)}

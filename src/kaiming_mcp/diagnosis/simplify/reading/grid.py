"""Pasted tables as rows of cells: Markdown, LaTeX, CSV, TSV, columns parted by spaces."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from kaiming_mcp.diagnosis.simplify.reading.scores import COLLAPSED, read_cell

MOST_ROWS, MOST_COLUMNS = 300, 40
YES = {"✓", "✔", "✔️", "✅", "☑", "yes", "y", "x", "on", "true", "√", "•", "●", "checkmark", "cmark", "1", "+"}
NO = {"✗", "✘", "×", "❌", "no", "n", "off", "false", "-", "–", "—", "○", "xmark", "0", "", "none"}
_RULE = re.compile(r"^[\s|+:=_─━┼-]{3,}$")
_COMMANDS = re.compile(
    r"\\(?:hline|toprule|midrule|bottomrule|cmidrule(?:\([lr]+\))?\{[^}]*\}|cline\{[^}]*\}|rowcolor\{[^}]*\}|noalign\{[^}]*\}|centering|small|footnotesize)"
)
_WRAPPED = re.compile(
    r"\\(?:multirow|multicolumn)\{[^{}]*\}\{[^{}]*\}\{([^{}]*)\}|\\(?:textbf|underline|bf|best|second|gray|color)\{([^{}]*)\}"
)


@dataclass(frozen=True, slots=True)
class Grid:
    """Rows of cells under a head (empty where there is none); each row with its line."""

    head: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]


def grids_of(text: str) -> tuple[list[Grid], set[int]]:
    """Every table of a text, and the lines that belong to one."""
    lines = text.split("\n")
    found: list[Grid] = []
    used: set[int] = set()
    at = 0
    while at < len(lines):
        block = _block(lines, at)
        if block is None:
            at += 1
            continue
        grid, end = block
        found.append(grid)
        used |= set(range(at + 1, end + 1))
        at = end
    return found, used


def truth(cell: str) -> bool | None:
    """Whether a cell is a mark for present or absent; None when it is neither."""
    plain = cell.strip(" \\*$`{}").lower()
    return True if plain in YES else False if plain in NO else None


def _block(lines: list[str], at: int) -> tuple[Grid, int] | None:
    for split in (_bars, _latex, _separated("\t"), _separated(";"), _separated(","), _wide):
        first = split(lines[at])
        if not 2 <= len(first) <= MOST_COLUMNS:
            continue
        rows: list[tuple[int, tuple[str, ...]]] = [(at + 1, tuple(first))]
        end = at + 1
        while end < len(lines) and len(rows) < MOST_ROWS:
            if _RULE.match(lines[end]) or (lines[end].strip() and not _COMMANDS.sub("", lines[end]).strip(" \\")):
                end += 1
                continue
            cells = split(lines[end])
            if len(cells) != len(first):
                break
            rows.append((end + 1, tuple(cells)))
            end += 1
        grid = _grid(rows, strict=split not in (_bars, _latex))
        if grid is not None:
            return grid, end
    return None


def _grid(rows: list[tuple[int, tuple[str, ...]]], strict: bool) -> Grid | None:
    """Rows with a head when the first has no score but the others do."""
    scored = [any(_scored(c) for c in cells[1:]) or _scored(cells[0]) for _, cells in rows]
    head = not any(_scored(c) and truth(c) is None for c in rows[0][1])
    body = rows[1:] if head else rows
    if len(body) < (1 if head else 2) or sum(scored[1:] if head else scored) < max(1, len(body) // 2):
        return None
    if strict and not head and any(len(c) > 60 for _, cells in rows for c in cells):
        return None
    if strict and head and any(len(c) > 60 for c in rows[0][1]):
        return None
    return Grid(rows[0][1] if head else (), tuple(body))


def _scored(cell: str) -> bool:
    return read_cell(cell) is not None or (len(cell) < 40 and COLLAPSED.search(cell) is not None)


def _bars(line: str) -> list[str]:
    if line.count("|") < 1 or "‖" in line:
        return []
    return [c.strip() for c in re.sub(r"^\s*\||\|\s*$", "", line).split("|")]


def _latex(line: str) -> list[str]:
    if "&" not in line:
        return []
    body = _COMMANDS.sub(" ", line)
    for _ in range(2):
        body = _WRAPPED.sub(lambda m: m[1] or m[2] or "", body)
    body = re.sub(r"\\\\.*$", "", body)
    return [c.strip(" \\{}$") for c in body.split("&")]


def _separated(mark: str) -> Callable[[str], list[str]]:
    def split(line: str) -> list[str]:
        if mark not in line or re.match(r"\s*[^,;\d]{1,40}[:=]\s*[\[(]?\s*[-+]?\d", line):
            return []  # "full: 71.2, 71.5" is a list of runs
        cells = [c.strip().strip('"') for c in line.strip().split(mark)]
        return cells if mark != "," or all(len(c.split()) <= 8 for c in cells) else []

    return split


def _wide(line: str) -> list[str]:
    return re.split(r"\s{2,}", line.strip()) if re.search(r"\S\s{2,}\S", line) else []

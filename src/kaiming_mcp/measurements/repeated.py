"""Lines of one form under each other: `[hook] 0 out.std=0.27`, `t=50 |dL/dh|=0.23`, `l0 1.2e+04`, `conv_in 1e-8`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from kaiming_mcp.measurements import layers
from kaiming_mcp.measurements.quantity import PER_LAYER, quantity_of

FEWEST = 3
"""Lines of one form from which their beginnings are names of rows."""
LONGEST = 400
"""Characters of such a line."""
_NUMBER = re.compile(
    r"(?<![A-Za-z_\d.])(?:[-+]?(?:\d{1,20}\.?\d{0,20}|\.\d{1,20})(?:e[-+]?\d{1,4})?%?|[-+]?(?:nan|inf)\b)", re.I
)
_COUNTED = re.compile(
    r"[ \t]{0,12}(?P<tag>\[[A-Za-z][\w -]{0,19}\][ \t]{0,4})?"
    r"(?P<name>(?P<stem>[A-Za-z][A-Za-z_]{0,19}(?: [A-Za-z]{1,12})?)?[ \t]{0,4}[=#(\[-]?[ \t]?(?P<index>\d{1,7})[\])]?)"
    r"(?P<rest>[ \t:=|,;>-].*)"
)
_NAMED = re.compile(
    r"[ \t]{0,12}(?P<name>[A-Za-z_][\w.\[\]/-]{0,60})(?P<rest>[ \t]{0,4}[:=|]?[ \t]{0,60}[^\s:=|]{1,30}[ \t]{0,4})"
)
_PLACES = frozenset("t time timestep pos position token tok char frame word".split())
"""Stems that count the inputs of a recurrent net, with `t=3` written as it stands."""
_NO_LAYERS = frozenset(
    "epoch epochs ep step steps iter iters iteration it batch update updates round minibatch e s i n k run runs seed"
    " fold trial gpu rank worker process exp experiment model config case day sample example user class depth layers d"
    " lr width head expert node neuron channel filter feature group version checkpoint ckpt chunk test task line lines"
    " net network loss acc accuracy beta betas top cuda device phase variant option setting question answer q a"
    " after at by in of to from and or up".split()
)
_TIMES = re.compile(
    r"\b(?:epoch|step|iter\w{0,6}|loss|lr|acc\w{0,5}|eta|scale|mae|mse|rmse|ce|bce|nll|kl|reward)\b", re.I
)


@dataclass(frozen=True, slots=True)
class _Row:
    stem: str
    tag: bool
    form: str
    """The words before the first number."""
    index: int
    name: str
    rest: str


def marked(lines: Sequence[str]) -> list[str]:
    """The lines with `#name#` in place of the beginning that names a row, where several lines begin alike."""
    made = list(lines)
    for begin, rows in _runs([_row(line) for line in lines]):
        if not _counts(rows):
            continue
        words = rows[0].form if not rows[0].stem else _NUMBER.sub(" ", rows[0].rest)
        if rows[0].stem in ("", "t", "k") and not rows[0].tag and _TIMES.search(words):
            made[begin : begin + len(rows)] = [f"step {row.index} {row.rest}" for row in rows]
        elif of_layers(rows[0].rest, told=bool(rows[0].stem)):
            made[begin : begin + len(rows)] = [f"#{row.name}#{row.rest}" for row in rows]
    for begin, names in _lists(made):
        for i, (name, rest) in enumerate(names, begin):
            if not any(True for _ in layers.found(lines[i])):
                made[i] = f"#{name}#{rest}"
    return made


def of_layers(rest: str, told: bool = False) -> bool:
    """Whether the words beside the numbers are those of a row of layers; without any words where `told`."""
    words = _NUMBER.sub(" ", rest)
    quantity = quantity_of(words)
    if _TIMES.search(words.replace("_", " ")) or (quantity.known and quantity.kind not in PER_LAYER):
        return False
    return (told or quantity.known or quantity.statistic != "unknown") and not any(True for _ in layers.found(rest))


def is_column(names: Collection[str]) -> bool:
    """Whether names that stand in one column are all of layers: half of them look so, and none is of a run."""
    if len(names) < FEWEST or len(set(names)) < len(names):
        return False
    stems = [re.sub(r"[\d_\-.]+$", "", name).lower() for name in names]
    numbered = [
        re.search(r"\d$", name) is not None and stems.count(stem) > 1 for name, stem in zip(names, stems, strict=True)
    ]
    known = sum(one or layers.is_layer(name) for one, name in zip(numbered, names, strict=True))
    kinds = {quantity_of(name).kind for name in names}
    return (
        2 * known >= len(names)
        and kinds <= {"unknown", "activation", "weight"}
        and not _NO_LAYERS & set(stems)
        and not any(re.search(r"loss|grad|lr|acc|norm$|step|epoch", name, re.I) for name in names)
    )


def _row(line: str) -> _Row | None:
    if not 3 < len(line) <= LONGEST or not (match := _COUNTED.match(line)):
        return None
    first = _NUMBER.search(match["rest"])
    if not first:
        return None
    stem = (match["stem"] or "").lower()
    last = stem.split(" ")[-1]
    if last in _NO_LAYERS or any(begin < match.end("name") for begin, _, _ in layers.found(line)):
        return None
    name = " ".join(match["name"].split())
    if last in _PLACES:
        name = f"{stem} {match['index']}" if len(last) > 1 else f"{stem}={match['index']}"
    elif not stem:
        name = match["index"] if match["tag"] else f"layer {match['index']}"
    form = " ".join(match["rest"][: first.start()].split())
    return _Row(stem, bool(match["tag"]), form, int(match["index"]), name, match["rest"])


def _runs(rows: Sequence[_Row | None]) -> Iterator[tuple[int, list[_Row]]]:
    """Consecutive rows of one form."""
    run: list[_Row] = []
    for i, row in enumerate((*rows, None)):
        if run and (row is None or (row.stem, row.tag, row.form) != (run[-1].stem, run[-1].tag, run[-1].form)):
            if len(run) >= FEWEST:
                yield i - len(run), run
            run = []
        if row is not None:
            run.append(row)


def _counts(rows: Sequence[_Row]) -> bool:
    """Whether the indices rise, or fall."""
    signs = {(b.index > a.index) - (b.index < a.index) for a, b in pairwise(rows)}
    return len(signs) == 1 and 0 not in signs


def _lists(lines: Sequence[str]) -> Iterator[tuple[int, list[tuple[str, str]]]]:
    """Consecutive lines of a name and a number, where the names make a column."""
    run: list[tuple[str, str]] = []
    for i, line in enumerate((*lines, "")):
        match = _NAMED.fullmatch(line) if 3 < len(line) <= LONGEST else None
        if match and _NUMBER.fullmatch(match["rest"].strip(" \t:=|")):
            run.append((match["name"], match["rest"]))
            continue
        if len(run) >= FEWEST and is_column([name for name, _ in run]):
            yield i - len(run), run
        run = []

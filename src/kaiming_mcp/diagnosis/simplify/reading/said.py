"""Variants from sentences: "without EMA 71.2 ± 0.3 (3 seeds), full 71.5", "removing it drops 71.5 to 71.2"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from kaiming_mcp.diagnosis.simplify.reading.anchors import anchors_of, is_known, mentioned
from kaiming_mcp.diagnosis.simplify.reading.labels import BASE, Change, change_of
from kaiming_mcp.diagnosis.simplify.reading.scores import COLLAPSED, Score, best_of, seeds_in
from kaiming_mcp.diagnosis.simplify.reading.sentence_scores import scores_of
from kaiming_mcp.diagnosis.simplify.reading.stated import ABLATED, NOT_ABLATED, NOTHING, Stated, differences_of
from kaiming_mcp.diagnosis.simplify.reading.text import NUMBER, number_of
from kaiming_mcp.diagnosis.simplify.reading.variants import Variant

LONGEST_SENTENCE, FEWEST_BARE = 600, 3
_FROM_TO = re.compile(
    rf"\bfrom\s+({NUMBER})(?:\s*%)?(?:\s*±\s*({NUMBER}))?\s*(?:down\s+|up\s+)?(?:to|→|->)\s+({NUMBER})(?:\s*%)?(?:\s*±\s*({NUMBER}))?",
    re.IGNORECASE,
)
_ARROW = re.compile(rf"({NUMBER})\s*%?\s*(?:→|->|=>)\s*({NUMBER})")
_ROW = re.compile(
    rf"^\s*(?P<label>[^:=|]{{0,60}}?[A-Za-z][^:=|]{{0,60}}?)[\"']?\s*[:=]\s*(?P<rest>[\"']?(?:[A-Za-z][\w@/%-]{{0,14}}\s+){{0,2}}{NUMBER}.*)$"
)
"""A label, a colon, a score."""
_BULLET, _DOT = re.compile(r"^\s*[-*•‣]\s+"), re.compile(r"^\s*[*•‣]\s+")
_ENDS = re.compile(r"(?:(?<=[a-z0-9)%])|(?<=\w[A-Z]))[.;](?:\s+|$)|\s•\s")
_ABBREVIATED = re.compile(
    r"\b(abs|rel|pos|approx|incl|excl|resp|vs|aug|reg|norm|emb|embed|enc|dec|attn|feat|max|min|avg|std|temp|init|supp?|lang|mod|indep|freq|hier|conv|w)\.(?=\s+[a-z(])"
)
"""Short forms whose point ends no sentence."""
_SETTING = re.compile(
    r"rate|\blr\b|batch|seed|\bstd|deviation|noise|hours?|epochs?|steps|budget|params|cost|size", re.IGNORECASE
)
_OWN_RUN = re.compile(
    r"\b(?:my|our own|own) (?:\w+ )?(?:runs?|results?|numbers|re-?runs?|reproduction)\b|\bre-?ran\b|\bre-?runs?\b|\breproduc(?:ed|tion)\b|\bre-?implement|\breplicat",
    re.IGNORECASE,
)
OWN = -2
"""The table of a person's own runs beside those of a paper."""
_SIGNED = re.compile(r"\s*([-+]\s*[A-Za-z](?:[^\d:=]|(?<=[A-Za-z])\d){0,40}?)\s+(?=\d)")


@dataclass(frozen=True, slots=True)
class Said:
    """What sentences hold."""

    variants: tuple[Variant, ...]
    stated: tuple[Stated, ...]


def read_sentences(text: str, skipped: set[int], names: tuple[str, ...]) -> Said:
    """Variants and stated differences of the lines that are in no table; `names` are the parts known so far."""
    variants: list[Variant] = []
    stated: list[Stated] = []
    last: tuple[str, ...] = ()
    lines = [(n, body) for n, body in enumerate(text.split("\n"), 1) if n not in skipped and body.strip()]
    bullet = _BULLET if any(_listed(body) for _, body in lines) else _DOT
    lines = [(n, bullet.sub("", body)) for n, body in lines]
    starts = _starts(lines, names)
    for line, body in lines:
        if line in starts:
            variants.append(starts[line])
            continue
        for sentence in _ENDS.split(_ABBREVIATED.sub(r"\1 ", body)):
            found, differences, last = _sentence(sentence[:LONGEST_SENTENCE], line, last, names)
            variants += [replace(v, table=OWN) for v in found] if _OWN_RUN.search(body) else found
            stated += differences
    return Said(tuple(_of_one_source(variants)), tuple(stated))


def _listed(body: str) -> bool:
    """Whether a dash before a line is the mark of a list: "- w/o EMA", "- + mixup", "- full" say for themselves what was done."""
    item = re.match(r"\s*-\s+(.*)$", body)
    row = _ROW.match(item[1]) if item else None
    return row is not None and change_of(row["label"]).role in {"removed", "added", "full", "base"}


def _starts(lines: list[tuple[int, str]], names: tuple[str, ...]) -> dict[int, Variant]:
    """First rows of lists "X: 30, + A: 36, + B: 38": what the parts were added to, whatever it is called."""
    found: dict[int, Variant] = {}
    for (line, body), (_, after) in pairwise(lines):
        first, second = _ROW.match(body), _ROW.match(after)
        if first is None or second is None:
            continue
        label, added = first["label"].strip(), change_of(second["label"]).role == "added"
        scores = list(scores_of(first["rest"]))
        bare = is_known(second["label"], names) and not is_known(label, names) and len(lines) > FEWEST_BARE
        if change_of(label).role == "other" and len(scores) == 1 and (added or bare) and not _SETTING.search(label):
            found[line] = Variant(
                label, Change("base" if added else "other", () if added else (label,)), scores[0][2], line
            )
    return found


def _of_one_source(variants: list[Variant]) -> list[Variant]:
    """Own runs stand apart from those of a paper where both have a full method or a baseline of their own."""
    apart = {v.table == OWN for v in variants if v.change.role in {"full", "base"}} == {True, False}
    return variants if apart else [replace(v, table=-1) for v in variants]


def _sentence(
    sentence: str, line: int, last: tuple[str, ...], names: tuple[str, ...]
) -> tuple[list[Variant], list[Stated], tuple[str, ...]]:
    row = _ROW.match(sentence)
    if row is not None:
        change, only = change_of(row["label"]), list(scores_of(row["rest"]))
        said = change.role in {"full", "base"} or bool(change.names)
        if change.role != "other" and said and len(only) == 1 and not list(anchors_of(row["rest"], (), names)):
            gone = change.names if change.role == "removed" else last
            return [Variant(row["label"].strip(), change, only[0][2], line, best_of=best_of(sentence))], [], gone
    anchors = list(anchors_of(sentence, last, names))
    scores = list(scores_of(sentence))
    removals = [a for a in anchors if a[1].role == "removed"]
    if removals:
        last = removals[-1][1].names or last
    moved = _FROM_TO.search(sentence) or (_ARROW.search(sentence) if len(scores) == 2 else None)
    gone = re.search(r"\b(?:when|if|once|after|by)\b[^.]{0,24}\b(?:remov|drop|off|disabl|ablat|without)", sentence)
    changed = next((a for a in anchors if a[1].role in {"removed", "added"} and a[1].names), None)
    if moved and changed is None:
        inside = mentioned(sentence, names)
        changed = (0, Change("removed" if gone else "added", inside[:1])) if inside else None
    elif moved and gone and changed is not None:
        changed = (0, Change("removed", changed[1].names))
    if moved and changed is not None:
        return _moved(moved, changed[1], sentence, line), [], last
    differences = list(differences_of(sentence, line, anchors, names))
    if differences:
        return [], differences, last
    found = list(_paired(sentence, line, anchors, scores))
    if not found:
        found = list(_labelled(sentence, line, scores, names))
    if not found or any(v.change.role == "removed" and not v.change.names for v in found):
        found = [v for clause in re.split(r"[,;]\s+", sentence) for v in _told(clause, line)] or found
    else:
        told = [v for clause in re.split(r"[,;]\s+", sentence) for v in _told(clause, line) if v.change.role == "base"][
            :1
        ]
        # An anchor knows the word "plain" alone, the clause the whole name.
        found = [v for v in found if v.change.role != "base" or not told] + told
    collapse = COLLAPSED.search(sentence)
    if collapse and removals:
        near = min(anchors, key=lambda a: abs(a[0] - collapse.start()))[1]
        if near.role == "removed" and all(v.change != near for v in found):
            found.append(Variant(" ".join(near.names), near, None, line, collapsed=collapse[0]))
    if not found and not scores and ABLATED.search(sentence) and not NOT_ABLATED.search(sentence):
        return [], [Stated((n,), True, None, "unknown", line, "ablated") for n in mentioned(sentence, names)], last
    nothing = NOTHING.search(sentence)
    if nothing and not found:
        said = next((a[1].names for a in removals), ()) or mentioned(sentence, names)
        if said:
            return [], [Stated(said[:1], True, None, "unknown", line, nothing[0])], last
    return found, [], last


def _paired(
    sentence: str, line: int, anchors: list[tuple[int, Change]], scores: list[tuple[int, int, Score]]
) -> Iterator[Variant]:
    """Each anchor with the score that follows it before the next anchor, else with the one just before it."""
    starts = [a for a, _ in anchors] + [len(sentence) + 1]
    free = list(scores)
    edges = [0, *(a for a, _ in anchors)]
    if anchors and all(_adjoins(sentence, free, before, begin) for before, begin in pairwise(edges)):
        # "71.2 without EMA, 71.5 with": the score stands first.
        for begin, change in anchors:
            before = [s for s in free if s[1] <= begin]
            if before:
                free = free[free.index(before[-1]) + 1 :]
                yield _variant(sentence, line, change, before[-1][2])
        return
    pending: list[tuple[int, Change]] = []
    for (begin, change), until in zip(anchors, starts[1:], strict=True):
        after = next((s for s in free if begin < s[0] < until), None)
        if after is None:
            pending.append((begin, change))
            continue
        free.remove(after)
        yield _variant(sentence, line, change, after[2])
    for begin, change in pending:
        before = [s for s in free if s[1] <= begin and begin - s[1] < 60]
        if before and change.role != "added":
            free.remove(before[-1])
            yield _variant(sentence, line, change, before[-1][2])


def _adjoins(sentence: str, scores: list[tuple[int, int, Score]], before: int, begin: int) -> bool:
    """Whether a score stands right before the anchor at `begin`, with no comma or colon between them."""
    last = next((s for s in reversed(scores) if before <= s[0] and s[1] <= begin), None)
    return last is not None and re.fullmatch(r"[^,;:]{0,40}", sentence[last[1] : begin]) is not None


def _variant(sentence: str, line: int, change: Change, score: Score) -> Variant:
    label = {"full": "full", "base": "baseline"}.get(change.role, " + ".join(change.names))
    label = " → ".join(change.names) if change.role == "replaced" else label
    return Variant(label, change, score, line, best_of=best_of(sentence))


def _labelled(
    sentence: str, line: int, scores: list[tuple[int, int, Score]], names: tuple[str, ...]
) -> Iterator[Variant]:
    """ "no_ema: 70.9, 71.1" and the like: a label, a colon, the runs."""
    head = re.match(r"\s*(?:[*•]\s*)?([^:=]{1,60}?)\s*(?::|=)\s*", sentence) or _SIGNED.match(sentence)
    scores = [s for s in scores if head and s[0] >= head.end()]
    if not head or not scores or scores[0][0] - head.end() > 12:
        return
    change = change_of(head[1])
    if change.role != "other" or is_known(head[1], names) or mentioned(head[1], names):
        yield Variant(head[1], change, scores[0][2], line, best_of=best_of(sentence))


def _told(clause: str, line: int) -> Iterator[Variant]:
    """ "Ranking loss removed 0.679", "all steps 87.3 %", "plain retrieval + one call 58.6": a label, then its one score."""
    scores = list(scores_of(clause))
    if len(scores) != 1:
        return
    label = re.sub(
        r"^[^:]{1,30}:\s+|\s+(?:is|was|gives?|gave|scores?|reaches|gets|at|to)$",
        "",
        clause[: scores[0][0]].strip(" :=-("),
    )
    change = (
        Change("base")
        if BASE.match(label) and " instead of " not in label.lower()
        else change_of(label)
        if label
        else Change("other")
    )
    if change.role in {"base", "full"} or (change.role in {"removed", "replaced"} and change.names):
        yield Variant(label or change.role, change, scores[0][2], line)


def _moved(moved: re.Match[str], change: Change, sentence: str, line: int) -> list[Variant]:
    """ "removing X drops it from A to B": two variants."""
    numbers = [g for g in moved.groups() if g is not None]
    first, second = (moved[1], moved[3]) if moved.re is _FROM_TO else (numbers[0], numbers[1])
    spreads = (moved[2], moved[4]) if moved.re is _FROM_TO else (None, None)
    seeds = seeds_in(sentence)
    one = Score(number_of(first), abs(number_of(spreads[0])) if spreads[0] else None, seeds)
    two = Score(number_of(second), abs(number_of(spreads[1])) if spreads[1] else None, seeds)
    name = " + ".join(change.names)
    if change.role == "removed":
        return [Variant("full", Change("full"), one, line), Variant(name, change, two, line)]
    # An addition: the second score has the part, the first one lacks it.
    return [
        Variant(f"with {name}", Change("full"), two, line),
        Variant(name, Change("removed", change.names), one, line),
    ]

"""How the network is trained: precision, optimizer, rates, loss, classes, from settings, code, flags or prose."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

from kaiming_mcp.measurements.record import Setting, Training
from kaiming_mcp.measurements.starts import initialization
from kaiming_mcp.measurements.training_words import (
    CLASS_COUNT,
    CLASSES,
    CLIP,
    COMPILED,
    COUNTED,
    DEPTH,
    DEVICE,
    FOOTER,
    HINTS,
    LOSSES,
    NO_SCALER,
    NOT,
    OFF,
    OPTIMIZER,
    PRECISION,
    SCALER,
    SECOND,
    VOCABULARIES,
    VOCABULARY,
)
from kaiming_mcp.measurements.value import NUMBER, Value, number

LONGEST = 60_000
"""Characters of a text that are searched for settings."""

_RUNNING = re.compile(r"\b(?:epoch|step|iter\w*|depth|update|batch)\b\W{0,3}\d|[\"']epoch", re.I)


def training(own: str, others: str = "") -> Training:
    """The settings that the texts state; those of `own` before those of `others`."""
    chosen: dict[str, Setting] = {}
    for text in (own[:LONGEST], FOOTER.sub("", others[:LONGEST])):
        for setting in _settings(text, prose=text is own or not text):
            chosen.setdefault(setting.name, setting)
    return _training(chosen)


def _settings(text: str, prose: bool) -> Iterator[Setting]:
    yield from initialization(text, prose)
    for find in _FINDERS:
        for setting in find(text):
            # A log repeats its running rate, and a table of depths its depths: those are measurements.
            if prose or setting.name not in ("depth", "learning_rate", "batch") or not _RUNNING.search(setting.text):
                yield setting


def _training(chosen: dict[str, Setting]) -> Training:
    def value(name: str) -> Value | None:
        return chosen[name].number if name in chosen else None

    def whole(name: str) -> int | None:
        found = value(name)
        return int(found.x) if found and found.finite and abs(found.x) < 1e12 else None

    def word(name: str) -> str | None:
        return chosen[name].value if name in chosen else None

    return Training(
        precision=word("precision"),
        scaler={"True": True, "False": False}.get(word("scaler") or ""),
        device=word("device"),
        optimizer=word("optimizer"),
        initialization=word("initialization"),
        learning_rate=value("learning_rate"),
        warmup=value("warmup"),
        batch=whole("batch"),
        epochs=whole("epochs"),
        loss=word("loss"),
        classes=whole("classes"),
        dataset=word("dataset"),
        weight_decay=value("weight_decay"),
        clip=value("clip"),
        clip_kind=word("clip_kind"),
        loss_scale=value("loss_scale"),
        second_derivatives="second_derivatives" in chosen,
        seed=whole("seed"),
        depth=whole("depth"),
        settings=tuple(chosen.values()),
    )


def _around(text: str, begin: int, end: int) -> str:
    start, stop = text.rfind("\n", 0, begin) + 1, text.find("\n", end)
    return text[max(start, begin - 200) : min(stop if stop >= 0 else len(text), end + 200)].strip()


def _hinted(text: str, name: str) -> bool:
    """Whether a text holds a word without which the pattern of that name cannot match: far quicker than that."""
    lower = _lower(text)
    return any(hint in lower for hint in HINTS[name]) if name in HINTS else True


@lru_cache(maxsize=4)
def _lower(text: str) -> str:
    return text.lower()


def _precision(text: str) -> Iterator[Setting]:
    found: list[tuple[int, str, str]] = []
    for rank, (name, pattern) in enumerate(PRECISION):
        for match in re.finditer(pattern, text, re.I) if _hinted(text, name) else ():
            before, after = text[max(0, match.start() - 30) : match.start()], text[match.end() : match.end() + 20]
            if (
                not NOT.search(before)
                and not OFF.match(after)
                and not re.match(r"\s(?:has|works|is fine|removes|gives|trains|was fine)", after)
            ):
                found.append((rank, name, _around(text, match.start(), match.end())))
                break
    if found:
        _, name, context = min(found)
        yield Setting("precision", name, None, context)
    if _hinted(text, "scaler") and (match := NO_SCALER.search(text) or SCALER.search(text)):
        stated = str(match.re is SCALER)
        yield Setting("scaler", stated, None, _around(text, match.start(), match.end()))


def _pattern(name: str, pattern: re.Pattern[str]) -> Callable[[str], Iterator[Setting]]:
    def find(text: str) -> Iterator[Setting]:
        if _hinted(text, name) and (match := pattern.search(text)):
            yield Setting(
                name, match[1] if match.re.groups else match[0], None, _around(text, match.start(), match.end())
            )

    return find


def _loss(text: str) -> Iterator[Setting]:
    hits = [(m.start(), n, m) for n, p in LOSSES if _hinted(text, n) and (m := re.search(p, text, re.I))]
    names = {name for _, name, _ in hits}
    if "binary cross entropy" in names:
        hits = [h for h in hits if h[1] != "cross entropy"]
    if hits:
        _, name, match = min(hits, key=lambda h: h[0])
        yield Setting("loss", name, None, _around(text, match.start(), match.end()))


def _classes(text: str) -> Iterator[Setting]:
    lower = _lower(text)
    named = next((name for name in CLASSES if _word(name, lower)), None)
    if named:
        at = lower.index(named)
        yield Setting("dataset", text[at : at + len(named)], None, _around(text, at, at + len(named)))
    for pattern in (CLASS_COUNT, VOCABULARY):
        for match in pattern.finditer(text):
            found = number(next(g for g in match.groups() if g))
            if found and found.x >= 2:
                yield Setting("classes", f"{found.x:.0f}", found, _around(text, match.start(), match.end()))
                return
    for table in (CLASSES, VOCABULARIES):
        for name, count in table.items():
            if match := _word(name, lower):
                found = Value(count, count, count, str(count))
                yield Setting("classes", str(count), found, _around(text, match.start(), match.end()), "assumed")
                return


def _word(name: str, lower: str) -> re.Match[str] | None:
    """A name that stands as a word of its own."""
    return re.search(rf"(?<![\w]){re.escape(name)}(?![\w])", lower) if name in lower else None


def _clip(text: str) -> Iterator[Setting]:
    for match in CLIP.finditer(text):
        found = number((match["a"] or match["b"] or "").rstrip("."))
        if not found or not found.x > 0:
            continue
        context = _around(text, match.start(), match.end())
        words = (match["kind"] or match["word"] or "").lower()
        kind = (
            "value"
            if "value" in words.replace("clip_val", "").replace("_value_", "") or match["kind"] == "value"
            else "norm"
        )
        by_name = "norm" in words or "value" in words
        yield Setting("clip", found.text, found, context)
        yield Setting("clip_kind", kind, None, context, "read" if by_name else "assumed")
        return


def _numbers(text: str) -> Iterator[Setting]:
    for name, pattern in COMPILED:
        if (match := pattern.search(text)) and (found := NUMBER.match(text, match.end())):
            value = number(found[0])
            clock = re.match(r":\d", text[found.end() : found.end() + 2])
            if value and value.finite and not clock and value.unit in ("", "%", *"kKM"):
                yield Setting(name, value.text, value, _around(text, match.start(), found.end()))
    for name, pattern in COUNTED:
        if match := pattern.search(text):
            value = number(match[1])
            if value:
                yield Setting(name, value.text, value, _around(text, match.start(), match.end()))


def _depth(text: str) -> Iterator[Setting]:
    found = list(DEPTH.finditer(text))
    if found and len({m[1] or m[2] for m in found}) == 1:
        match = found[0]
        value = number(match[1] or match[2])
        if value:
            yield Setting("depth", value.text, value, _around(text, match.start(), match.end()))


_FINDERS: tuple[Callable[[str], Iterator[Setting]], ...] = (
    _precision,
    _pattern("device", DEVICE),
    _pattern("optimizer", OPTIMIZER),
    _loss,
    _classes,
    _clip,
    _numbers,
    _pattern("second_derivatives", SECOND),
    _depth,
)

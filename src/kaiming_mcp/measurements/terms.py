"""Several losses of one step: which of them is the whole, and which are its terms."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from kaiming_mcp.measurements.quantity import quantity_of, words_of
from kaiming_mcp.measurements.record import At, Reading
from kaiming_mcp.measurements.value import Value

MOST_WORDS = 3
"""Words of a label that may name a term; a sentence does not."""
_TOTAL = {"total", "overall", "sum", "combined", "full", "objective", "elbo"}
_AVERAGES = {"mean", "avg", "average", "running", "smoothed", "smooth", "ema", "epoch"}
_LINKS = _AVERAGES | set(
    "loss losses train training val valid validation test eval tr dev batch step steps iter iteration current cur "
    "per at the is of after and with final lm model log".split()
)
"""Words of a label that name no term."""
_ENDS = re.compile(r"\b(?:initial|starting|first|final|last)[ _](?:total |train\w{0,3} |value of the )?loss\b", re.I)
"""The loss at one moment of the run, not a part of it."""
_OPPOSED = (
    ({"d", "disc", "discriminator", "critic"}, {"g", "gen", "generator"}),
    ({"policy", "actor", "pg"}, {"value", "critic", "vf"}),
)
"""Terms that pull against each other: their sum says nothing of learning."""
_COMPARED = re.compile(
    r"\s-\s|\d|\b(?:adam\w*|sgd|rmsprop|relu|gelu|tanh|sigmoid|baseline|plain|run|seed|fp16|bf16|fp32|resnet|mlp|cnn|lstm"
    r"|transformer|ours|old|new|with|without|before|after)\b",
    re.I,
)
"""Labels of runs, optimizers and networks that are compared at the same steps."""


def told_apart(found: Sequence[Reading]) -> list[Reading]:
    """The same readings, with every loss that is only a part of one as a "loss term" under its name.

    The whole is the loss that is called total or the like, else the one called loss and nothing more. Where terms alone
    are printed their sum is added as the loss ("assumed"); opposed terms (GAN, actor and critic) have no sum, and
    losses of runs that are compared stay losses, each with its label.
    """
    moments: dict[tuple[str, At | int], dict[str, Reading]] = {}
    for reading in found:
        if _is_loss(reading):
            moments.setdefault(_moment(reading), {}).setdefault(_name(reading.label), reading)
    names: dict[str, dict[str, None]] = {}
    for (split, _), losses in moments.items():
        if len(losses) > 1:
            names.setdefault(split, {}).update(dict.fromkeys(losses))
    if not names:
        return list(found)
    made = [_renamed(r, names[r.quantity.split]) if _is_loss(r) and r.quantity.split in names else r for r in found]
    sums = [_sum(losses) for (split, _), losses in moments.items() if split in names and _summed(losses, names[split])]
    return [r for r in made if r is not None] + sums


def _is_loss(reading: Reading) -> bool:
    one = reading.quantity.kind == "loss" and not reading.layer and reading.depth is None and not reading.series
    return one and not _ENDS.search(reading.label)


def _moment(reading: Reading) -> tuple[str, At | int]:
    return reading.quantity.split, reading.at or reading.line


def _name(label: str) -> str:
    """What a label says beside "loss"; "total" for the whole, "average" for a mean over steps."""
    if quantity_of(label).kind != "loss" or len(label.split()) > MOST_WORDS:
        return ""
    words = words_of(re.sub(r"(?i)(loss)\W{1,3}value$", r"\1", label))
    if _TOTAL & set(words):
        return "total"
    left = [word for word in words if word not in _LINKS] + re.findall(r"\d{1,4}", label)
    return " ".join(left) or ("average" if _AVERAGES & set(words) else "")


def _whole(names: Collection[str]) -> str | None:
    return next((name for name in ("total", "", "average") if name in names), None)


def _renamed(reading: Reading, names: Collection[str]) -> Reading | None:
    """A term, the whole, or None for the mean over steps of a loss that stands beside it."""
    name = _name(reading.label)
    whole = _whole(names)
    if name == whole:
        return reading
    if name == "average":
        return None
    if whole is None and _compared(reading.label):
        return replace(reading, apart=True)
    return replace(reading, quantity=replace(reading.quantity, kind="loss term"), label=name or "loss", apart=True)


def _compared(label: str) -> bool:
    return _COMPARED.search(label.replace("_", " ").replace("/", " ")) is not None


def _summed(losses: Mapping[str, Reading], names: Collection[str]) -> bool:
    """Whether the terms of a moment are all there and have a sum that means something."""
    if _whole(names) is not None or set(losses) != set(names):
        return False
    words = {word for name in names for word in name.split()}
    opposed = any(one & words and other & words for one, other in _OPPOSED)
    return not opposed and not any(_compared(r.label) for r in losses.values())


def _sum(losses: Mapping[str, Reading]) -> Reading:
    readings = list(losses.values())
    values = [r.value for r in readings]
    ends = [sum(v.x for v in values), sum(v.low for v in values), sum(v.high for v in values)]
    total = Value(*ends, text=" + ".join(v.text for v in values))
    quantity = replace(readings[0].quantity, basis="assumed")
    return replace(readings[0], quantity=quantity, value=total, label=f"sum of {', '.join(losses)}", apart=True)

"""Layers jotted down one after the other: `Conv2d(3, 64, 3, 1, 1) ReLU; Linear(64, 10)`, `Dense(20, tanh) x 8`.

Calls of known classes and bare names of layers are read; a text that holds much else is prose, and not guessed at.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from kaiming_mcp.architecture.errors import ReadError
from kaiming_mcp.architecture.ir import (
    Activation,
    Assumption,
    Layer,
    Linear,
    Network,
    Node,
    Norm,
    Opaque,
    Origin,
    Pool,
    Reading,
    Repeat,
    Sequence,
    is_weighted,
    layers,
)
from kaiming_mcp.architecture.notation_words import find_word, width_after
from kaiming_mcp.architecture.torch_modules import to_layer
from kaiming_mcp.architecture.torch_repr import Module

LONGEST, MOST_TIMES = 20_000, 1_000
FOREIGN = 0.55
"""Share of the letters that may stand outside of layers, such as `(no BN, default init); x in [-1, 1]`."""
EXAMPLE = "Conv2d(3, 64, 3), ReLU, AdaptiveAvgPool2d(1), Linear(64, 10)"

_ARGUMENTS = r"\((?P<args>[^()]*+(?:\([^()]*+\)[^()]*+)*+)\)"
_TIMES = r"[ \t]*+(?:[x×*][ \t]*+(?P<after>\d{1,4})(?!\w))?"
_ITEM = re.compile(
    r"(?:(?P<before>\d{1,4})[ \t]*+[x×*][ \t]*+)?"
    r"(?P<cls>(?:(?:torch\.|tf\.)?(?:nn|keras\.layers|layers|keras)\.)?[A-Za-z]\w{0,60})"
    rf"(?:[ \t]?{_ARGUMENTS})?{_TIMES}"
)
# A remark, or something that is said not to be there.
_ASIDE = re.compile(
    r"[(\[][^()\[\]]{0,500}[)\]]|\b(?:no|not|without|instead of)\s+[\w.]{1,60}(?:\([^()]{0,200}\))?", re.IGNORECASE
)
_SPACED = re.compile(r"\b(stride|padding|pad|kernel|dilation|groups|k|s|p)\s+(?=\d)")
_FULL = {"pad": "padding", "kernel": "kernel_size", "k": "kernel_size", "s": "stride", "p": "padding"}
_KERNEL = re.compile(r"\s*\d+\s*,\s*\d+\s*,\s*[\d(]|.*kernel_size", re.DOTALL)
_SHORT = {"bn": "batch", "batchnorm": "batch", "ln": "layer", "layernorm": "layer", "rmsnorm": "rms"}
_UNITS = re.compile(r"(?:units\s*=\s*)?(\d{1,9})")
_INPUT = re.compile(r"input(?:_dim|_shape|_size)?\s*=?\s*\(?(\d{1,9}),?\)?(?![\d,])")
_CALLED = re.compile(r"(?:^|,)\s*(?:activation\s*=\s*)?['\"]?([a-z_]\w*)['\"]?\s*(?=,|$)")


@dataclass(slots=True)
class _Jotting:
    """What was collected on the way through the text."""

    steps: list[Node]
    entering: int = 0
    """Width of the input, for a dense layer that nothing stands before; 0 where it is not known."""
    width: int = 0
    known: int = 0
    foreign: int = 0
    usual: int = 0
    """Convolutions whose kernel is not written."""


def looks_like_shorthand(text: str) -> bool:
    """Whether the text is made of layers, at least one of them with weights and sizes."""
    if len(text) > LONGEST:
        return False
    found = _jotted(text)
    weighted = any(is_weighted(la.op) for la, _ in layers(Sequence(tuple(found.steps))))
    return weighted and len(found.steps) > 1 and found.foreign <= FOREIGN * (found.known + found.foreign)


def read_shorthand(text: str, entering: int = 0) -> Reading:
    """Read layers in the order written; `entering` is the width of the input where it is known.

    Raises:
        ReadError: a width is not said.
    """
    found = _jotted(text, entering)
    vague = next((la for la, _ in layers(Sequence(tuple(found.steps))) if _is_vague(la)), None)
    if vague is not None:
        raise ReadError(
            f"Line {vague.origin.line}: the width that enters {vague.origin.text} is not said. Expected "
            "Linear(in, out), "
            "or the input with the first layer: Dense(20, tanh, input_dim=2). "
            f"Example: {EXAMPLE}"
        )
    assumptions = [
        Assumption(
            "the layers run once, in the order written; skips and reshapes are not said",
            "the source, print(model), or the layer notation",
        )
    ]
    if found.usual:
        statement = f"{found.usual} convolutions are written without a kernel: 3 with padding 1 was taken"
        assumptions.append(Assumption(statement, "Conv2d(in, out, kernel, stride, padding)"))
    if found.foreign:
        assumptions.append(Assumption("words between the layers were left aside", "the layers alone"))
    form = "keras shorthand" if re.search(r"\bDense\(", text) else "shorthand"
    return Reading(form, (Network("layers", Sequence(tuple(found.steps)), None, tuple(assumptions)),))


def jotted(text: str) -> list[Node] | None:
    """The layers of a container that is printed or written on one line; None where it holds anything else."""
    if len(text) > LONGEST:
        return None
    found = _jotted(text)
    return found.steps if found.steps and not found.foreign else None


def _jotted(text: str, entering: int = 0) -> _Jotting:
    found, at, line = _Jotting([], entering), 0, 1
    while at < len(text):
        aside = _ASIDE.match(text, at)
        if aside is not None:
            found.foreign += sum(c.isalnum() for c in aside[0])
            line += aside[0].count("\n")
            at = aside.end()
            continue
        item = _ITEM.match(text, at)
        if item is None:
            found.foreign += text[at].isalnum()
            line += text[at] == "\n"
            at += 1
            continue
        at, size = item.end(), sum(c.isalnum() for c in item[0])
        times = int(item["before"] or item["after"] or 1)
        arguments = _spelled(item["args"])
        if arguments and re.search(r"Conv\dd$", item["cls"]) and not _KERNEL.match(arguments):
            arguments += ", kernel_size=3, padding=1"
            found.usual += times
        dense = item["cls"].rpartition(".")[2] == "Dense"
        made = _layers(
            item["cls"],
            arguments,
            found.width or (found.entering if dense else 0),
            Origin(line, " ".join(item[0].split())[:120]),
        )
        line += item[0].count("\n")
        if not made or not 0 < times <= MOST_TIMES:
            found.foreign += size
            continue
        found.known += size
        for layer in made:
            found.width = width_after(layer.op, found.width)
        body: Node = made[0] if len(made) == 1 else Sequence(tuple(made))
        if times > 1 and isinstance(made[0].op, Linear) and made[0].op.in_features != found.width:
            # The first of `Dense(20) x 8` has the width that enters, the others their own.
            inner = [replace(la, op=_squared(la.op, found.width)) for la in made]
            found.steps += [*made, Repeat(times - 1, Sequence(tuple(inner)))]
        else:
            found.steps.append(Repeat(times, body) if times > 1 else body)
    return found


def _squared(op: object, width: int) -> Linear | Activation:
    return Linear(width, width, op.bias) if isinstance(op, Linear) else op  # type: ignore[return-value]


def _spelled(arguments: str | None) -> str | None:
    """`stride 2` as `stride=2`."""
    return arguments and _SPACED.sub(lambda m: f"{_FULL.get(m[1], m[1])}=", arguments)


def _layers(name: str, arguments: str | None, width: int, origin: Origin) -> list[Layer]:
    cls = name.rpartition(".")[2]
    if cls == "Dense" and arguments is not None:
        return _dense(arguments, width, origin)
    kind = _SHORT.get(cls.lower())
    if kind is not None and not arguments:
        return [Layer(Norm(kind, width), "", origin)] if width else []  # type: ignore[arg-type]
    if cls.lower() in ("maxpool", "avgpool") and not arguments:
        return [Layer(Pool("max" if cls.lower() == "maxpool" else "avg", (2, 2), (2, 2), (0, 0)), "", origin)]
    layer = replace(to_layer(Module("", cls, arguments or ""), ""), origin=origin)
    if not isinstance(layer.op, Opaque):
        return [layer]
    word = find_word(cls)
    plain = word is not None and not arguments and word[0].build is not None and not word[0].required
    activation = Activation(word[0].name) if word is not None and plain and cls.islower() else None
    return [Layer(activation, "", origin)] if activation else []


def _dense(arguments: str, width: int, origin: Origin) -> list[Layer]:
    units, given, called = _UNITS.match(arguments), _INPUT.search(arguments), _CALLED.findall(arguments)
    if not units:
        return []
    into = int(given[1]) if given else width
    out = [Layer(Linear(into, int(units[1])), "", origin)]
    for name in called:
        word = find_word(name)
        if word is not None and name not in ("linear", "input"):
            out.append(Layer(Activation(word[0].name), "", origin))
    return out


def _is_vague(layer: Layer) -> bool:
    return isinstance(layer.op, Linear) and not layer.op.in_features

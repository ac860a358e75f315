"""Lines that code prints and people write: numbers with the words, layers and times around them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace

from kaiming_mcp.measurements import layers
from kaiming_mcp.measurements.arrays import sizes
from kaiming_mcp.measurements.context import Context, Line, remember
from kaiming_mcp.measurements.documents import listed
from kaiming_mcp.measurements.noise import is_code, without_noise
from kaiming_mcp.measurements.phrases import (
    AFTER,
    CLAUSE,
    COUNT_OF,
    COUNTED,
    DEPTH,
    EPOCH,
    GLUE,
    JOINS,
    MANY,
    MOMENT,
    RATIO,
    STEP,
    TRAILING,
    TRAILS,
    fraction,
    is_aside,
    is_ratio,
    percent,
)
from kaiming_mcp.measurements.quantity import PER_LAYER, UNKNOWN, Quantity, filled, quantity_of
from kaiming_mcp.measurements.record import Reading
from kaiming_mcp.measurements.value import Value, numbers

LONGEST = 20_000
"""Characters of a line that are looked at."""
_RUN = re.compile(r"[\[\]\d.,eE+\-−\snaif]{3,}+")
_ARRAY = re.compile(r"(?:tensor|array|Array|Tensor|Parameter containing:)\s?\(?\s*$")
LONGEST_KEY = 300
"""Characters before a number that may name it."""


def read_line(text: str, number_of_line: int, context: Context) -> tuple[list[Reading], bool]:
    """The readings of one line, and whether it holds numbers none of which were understood."""
    text = without_noise(text[:LONGEST])
    line = Line(number_of_line, context)
    seen, end = 0, 0
    for begin, stop, item in _items(text):
        if begin < end:
            continue
        key = text[max(end, begin - LONGEST_KEY) : begin]
        if isinstance(item, tuple):
            if line.last == "value" and TRAILS.match(key) and not re.match(r"\s?[:=]", text[stop : stop + 2]):
                # `1.2 at layer 20`: the layer of the number before.
                line.result[line.newest :] = [replace(r, layer=item[0]) for r in line.result[line.newest :]]
                line.layers = ()
            else:
                _hear(key, line)
                line.layers, line.last = item, "layer"
        elif isinstance(item, list):
            seen += 1
            _dump(item, text[begin:stop], key, line)
        else:
            seen += 1
            _number(item, key, text[stop : stop + 40], line)
        end = stop
    tail = _hear(text[end:], line)
    _late(line, tail)
    _deal(line)
    remember(text, line)
    return line.result, bool(seen and not line.result and not line.timed and not line.depths and not is_code(text))


def _items(text: str) -> Iterator[tuple[int, int, Value | tuple[str, ...] | list[Value]]]:
    spans: list[tuple[int, int, int, Value | tuple[str, ...] | list[Value]]] = []
    for match in _RUN.finditer(text) if "[" in text else ():
        begin, stop = text.find("[", match.start(), match.end()), text.rfind("]", match.start(), match.end()) + 1
        values = [v for _, _, v in numbers(text[begin:stop])] if 0 <= begin < stop else []
        head = _ARRAY.search(text[max(0, begin - 40) : begin])
        if len(values) > 1 or (values and head):
            spans.append((begin - len(head[0]) if head else begin, 0, stop, values))
    spans += [(begin, 1, stop, names) for begin, stop, names in layers.found(text)]
    spans += [(begin, 2, stop, value) for begin, stop, value in numbers(text)]
    spans.sort(key=lambda s: (s[0], s[1]))
    for begin, _, stop, item in spans:
        yield begin, stop, item


def _hear(words: str, line: Line) -> Quantity:
    """Take a quantity that words name as the subject of the line."""
    words = words.strip()[-100:]
    quantity = quantity_of(words) if words else UNKNOWN
    if quantity.known:
        line.subject = filled(quantity, line.subject)
    elif quantity.statistic != "unknown" or quantity.split:
        line.subject = replace(
            line.subject,
            statistic=quantity.statistic if quantity.statistic != "unknown" else line.subject.statistic,
            split=quantity.split or line.subject.split,
        )
    return quantity


def _number(value: Value, key: str, after: str, line: Line) -> None:
    previous, line.last = line.last, "other"
    bare = TRAILING.sub("", key)
    label = CLAUSE.split(bare)[-1].strip() if bare else ""
    rest = bare[: len(bare) - len(label)] if label else bare
    if _is_place(value, key, label, rest, after, previous, line):
        return
    if is_aside(value, key, label, after, previous):
        line.last = previous if key.strip() == "/" else "other"
        return
    if previous == "value" and line.quantity.kind == "accuracy" and value.unit == "%" and key.strip() == "(":
        line.last = previous
        return
    quantity = _quantity(value, key, label, rest, after, previous, line)
    if quantity is None:
        line.nameless = value if not line.result and GLUE.match(label) else None
        return
    if quantity.kind == "accuracy":
        value = fraction(value, after) or percent(value)
    line.last, line.quantity = "value", quantity
    _emit(value, quantity, label, key, line)


def _emit(value: Value, quantity: Quantity, label: str, key: str, line: Line) -> None:
    names: tuple[str, ...] = ()
    if quantity.kind in (*PER_LAYER, "unknown", "nonfinite"):
        names = line.layers or ((line.context.layer,) if line.context.layer else ())
    if not quantity.known and not names and not (line.timed and line.at):
        return
    depth = None
    if line.depths:
        arrow = key.strip() in JOINS
        depth = line.depths[min(line.since, len(line.depths) - 1)] if arrow else line.depths[0]
        line.since += 1
    at = line.at if depth is None or line.timed else None
    line.newest = len(line.result)
    if len(names) > 1:
        line.shared.append((names, line.newest))
    line.result += [
        Reading(line.number, quantity, value, name, at, depth, label=label[-60:]) for name in names or ("",)
    ]


def _is_place(value: Value, key: str, label: str, rest: str, after: str, previous: str, line: Line) -> bool:
    """Whether the number is a time or a depth, not a measurement."""
    if not value.finite or value.unit or value.bound in ("<", ">"):
        return False
    whole, joint = value.exact and value.x >= 0, key.strip()
    if previous in ("epoch", "step") and joint in ("/", "of"):
        line.total = value.x if previous == "step" else line.total
        line.last = previous
        return True
    if previous in ("epoch", "step", "depth") and whole and joint in JOINS and not re.match(r"\s?/", after):
        line.last = previous
        if previous == "depth":
            line.depths.append(int(value.x))
        return True
    counted = COUNTED.match(after)
    deep = (
        whole
        and value.x < 10_000
        and bool((counted and counted["depth"] and not key.rstrip().endswith((":", "="))) or DEPTH.search(label))
    )
    if deep:
        line.depths = [int(value.x)] if line.since or not line.depths else [*line.depths, int(value.x)]
        line.since, line.last = 0, "depth"
        _hear(DEPTH.sub("", rest + label), line)
        return True
    for pattern, name in ((EPOCH, "epoch"), (STEP, "step")) if not COUNT_OF.search(label) else ():
        moment = (
            counted and counted["time"] and (counted["time"] == "epochs") == (name == "epoch") and MOMENT.search(label)
        )
        if ((match := pattern.search(label)) and (whole or name == "epoch")) or (moment and whole):
            setattr(line, name, value.x)
            line.last = name
            _hear(rest + (label[: match.start()] if match else ""), line)
            return True
    listed_pairs = (
        whole and line.timed and line.result and joint in ("|", ";", ",") and re.match(r"[ :]+[-+\d.n]", after)
    )
    if not listed_pairs or not line.at or value.x <= line.at.x:
        return False
    # A list of pairs: `iter 2920 3.99 | 2950 4.10`.
    setattr(line, line.at.unit, value.x)
    line.last = line.at.unit
    return True


def _quantity(value: Value, key: str, label: str, rest: str, after: str, previous: str, line: Line) -> Quantity | None:
    """What the number measures, or None where nothing says it."""
    if (match := RATIO.search(key)) and is_ratio(match):
        return Quantity("gradient ratio", "value")
    heard = _hear(rest, line)
    quantity = quantity_of(label) if label else UNKNOWN
    if quantity.known:
        quantity = filled(quantity, line.context.quantity) if line.layers else quantity
        return _with_split(quantity, line) if label.isalpha() or heard.split else quantity
    if GLUE.match(label) and (match := AFTER.match(after)):
        return _with_split(quantity_of(match[1]), line)
    if label.lower().endswith("scale") and value.x >= 128 and math.log2(value.x).is_integer():
        return Quantity("loss scale", "value", basis="assumed")
    if re.search(r"\bratio$", label):
        return Quantity("gradient ratio", "value", basis="assumed")
    base = _base(heard, previous, quantity.statistic != "unknown", line)
    if not base.known and not value.finite and previous in ("epoch", "step"):
        base = line.quantity
    told = quantity.statistic != "unknown" or bool(quantity.split)
    if value.unit == "%" and base.kind in ("unknown", "loss") and (told or base.split):
        return Quantity("accuracy", "value", quantity.split or base.split, "assumed")
    if told and base.kind == "gradient ratio":
        return None
    if told or GLUE.match(label) or not value.finite or (previous == "layer" and base.known):
        if base.known and (told or GLUE.match(label) or previous != "value"):
            return filled(quantity, base)
        if previous in ("epoch", "step") and GLUE.match(label):
            if fraction(value, after):
                return Quantity("accuracy", "value", basis="assumed")
            if "." in value.text or not value.finite:
                return Quantity("loss", "value", basis="assumed")
        if line.layers and (quantity.statistic != "unknown" or GLUE.match(label)):
            return filled(quantity, line.context.quantity)
    return None


def _with_split(quantity: Quantity, line: Line) -> Quantity:
    """`Train Loss 0.5, Acc 0.3`: the accuracy is of training too."""
    if quantity.split or quantity.kind not in ("loss", "accuracy"):
        return quantity
    return replace(quantity, split=line.quantity.split or line.subject.split)


def _base(heard: Quantity, previous: str, statistic: bool, line: Line) -> Quantity:
    """The quantity that a number without a name of its own continues."""
    if heard.known:
        return line.subject
    if previous == "value" or (statistic and previous == "other"):
        return line.quantity
    return line.subject if line.subject.known else filled(line.subject, line.context.quantity)


def _late(line: Line, tail: Quantity) -> None:
    """Words and layers after the numbers: `1.2e-05 is the gradient norm of fc1`."""
    kinds = (*PER_LAYER, "unknown")
    if line.nameless and not line.result and line.subject.known:
        line.result = [Reading(line.number, line.subject, line.nameless, at=line.at)]
    if tail.known:
        line.result = [r if r.quantity.known else replace(r, quantity=filled(r.quantity, tail)) for r in line.result]
    if line.last == "layer" and len(line.layers) == 1 and not any(r.layer for r in line.result):
        line.result = [replace(r, layer=line.layers[0]) if r.quantity.kind in kinds else r for r in line.result]


def _deal(line: Line) -> None:
    """`blocks 1 to 3: 1e-7, 1e-6, 1e-5`: as many numbers as layers are one for each."""
    names = line.shared[0][0] if line.shared else ()
    if len(line.shared) == len(names) and len(line.result) == len(names) ** 2:
        line.result = [line.result[begin + i] for i, (_, begin) in enumerate(line.shared)]


def _dump(values: list[Value], text: str, key: str, line: Line) -> None:
    """A printed tensor is the greatest and the mean size of its numbers; a list, one number a layer or a time."""
    label = TRAILING.sub("", key).removesuffix("np.").rstrip(" =")
    heard = quantity_of(label[-100:]) if label else UNKNOWN
    base = filled(heard, line.subject if line.subject.known else line.context.quantity)
    names = line.layers or ((line.context.layer,) if line.context.layer else ())
    printed = text[0] in "taAP" or "[[" in text or key.rstrip().endswith(("tensor(", "array("))
    head = Reading(line.number, base, values[0], at=line.at, label=label[-60:].strip())
    if not names and not base.known and label:
        return
    line.last = "value"
    flat = "[[" not in text and (not base.known or (base.kind in PER_LAYER and MANY.search(label)))
    if not names and (flat or not printed):
        line.result += listed(values, base, head)
        return
    line.result += [
        replace(head, quantity=replace(base, statistic=statistic), value=value, layer=name)
        for name in names or ("",)
        for statistic, value in sizes(values)
    ]

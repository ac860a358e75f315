"""Lines that code prints and people write: numbers with the words, layers and times around them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace

from kaiming_mcp.measurements import layers, rows
from kaiming_mcp.measurements.arrays import dump, listing
from kaiming_mcp.measurements.clocks import pairs, spelled
from kaiming_mcp.measurements.context import Context, Line, hear, remember
from kaiming_mcp.measurements.meaning import meant
from kaiming_mcp.measurements.noise import is_code, without_noise
from kaiming_mcp.measurements.phrases import CLAUSE, GLUE, JOINS, MANY, TRAILING, TRAILS, is_aside, share
from kaiming_mcp.measurements.places import is_place
from kaiming_mcp.measurements.quantity import GRADIENTS, PER_LAYER, UNKNOWN, Quantity, filled
from kaiming_mcp.measurements.record import At, Reading
from kaiming_mcp.measurements.value import Value, numbers

_UNIT = re.compile(r"^\s?(?:steps|epochs|iterations|iters|updates)\b", re.I)
_LATER = re.compile(r"\W{0,3}(?:and )?(?:then|afterwards|after that|thereafter)\b", re.I)
_LOG = re.compile(r"\blog_?10\b", re.I)
LONGEST = 20_000
"""Characters of a line that are looked at."""
_RUN = re.compile(r"[\[\]\d.,eE+\-−\snaif]{3,}+")
_ARRAY = re.compile(r"(?:tensor|array|Array|Tensor|Parameter containing:)\s?\(?\s*$")
AHEAD = 80
"""Characters behind a number that may say what it is."""
LONGEST_KEY = 300
"""Characters before a number that may name it."""


def read_line(text: str, number_of_line: int, context: Context) -> tuple[list[Reading], bool]:
    """The readings of one line, and whether it holds numbers none of which were understood."""
    line, none = Line(number_of_line, context), "None" in text
    text = spelled(text[:LONGEST])
    text = without_noise(pairs(text[rows.headed(text, line) :], context.quantity, bool(line.layers)), context.title)
    if listing(text, line):
        remember(text, line)
        return line.result, False
    unread, end = 0, 0
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
                hear(key, line)
                line.layers, line.last = item, "layer"
                line.kind, end = rows.kind_after(text, stop)
                continue
        elif isinstance(item, list):
            dump(item, text[begin:stop], key, line)
        else:
            unread += not _number(item, key, text[stop : stop + AHEAD], line)
        end = stop
    tail = hear(text[end:], line)
    _late(line, tail)
    _deal(line)
    _spread(text, line)
    unread += _unnamed(line)
    _parts(line)
    if _LOG.search(text) or (line.result and _LOG.search(context.title)):
        line.result = [_power(r) for r in line.result]
    remember(text, line)
    return line.result, bool(unread and not line.result and not none and not is_code(text))


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


def _number(value: Value, key: str, after: str, line: Line) -> bool:
    """Whether it is known what the number is: a time, a depth, an aside, or a measurement, which is kept."""
    previous, line.last = line.last, "other"
    if previous in ("epoch", "step"):
        # `after 100 steps 1.1`: the unit of the number before.
        key = _UNIT.sub(" ", key)
    bare = TRAILING.sub("", key)
    label = CLAUSE.split(bare)[-1].strip() if bare else ""
    rest = bare[: len(bare) - len(label)] if label else bare
    if is_place(value, key, label, rest, after, previous, line):
        return True
    if is_aside(value, key, label, after, previous):
        if not line.result:
            # `cosine of hidden states (over 512 pairs)`: a headline that counts.
            hear(key, line)
        line.last = previous if key.strip() == "/" else "other"
        return True
    if previous == "value" and key.strip() == "(" and _repeats(value, after, line):
        line.last = previous
        return True
    quantity = meant(value, key, label, rest, after, previous, line)
    if quantity is None and line.row is not None and GLUE.match(label) and not line.result:
        line.result = [Reading(line.number, UNKNOWN, value, at=line.row, series=True)]
        return True
    if quantity is None:
        line.nameless = value if not line.result and GLUE.match(label) else None
        return False
    line.last, line.quantity = "value", quantity
    quantity, value = share(quantity, value, label, after)
    _emit(value, quantity, label, key, line)
    return True


def _repeats(value: Value, after: str, line: Line) -> bool:
    """The running mean in brackets after a number of the whole run, or the percentage after a count."""
    if line.quantity.kind == "accuracy" and value.unit == "%":
        return True
    return not line.layers and after.lstrip().startswith(")") and not line.depths


def _emit(value: Value, quantity: Quantity, label: str, key: str, line: Line) -> None:
    names: tuple[str, ...] = ()
    if quantity.kind in (*PER_LAYER, "unknown", "nonfinite", "underflow"):
        names = line.layers or ((line.context.layer,) if line.context.layer else ())
    if not quantity.known and not names and not (line.timed and line.at):
        return
    depth = None
    if line.depths:
        arrow = key.strip() in JOINS
        depth = line.depths[min(line.since, len(line.depths) - 1)] if arrow else line.depths[0]
        line.since += 1
    if line.step is not None and line.result and _LATER.match(key):
        # `at step 0 2.31, then nan`: no earlier than the step after.
        line.step += line.result[-1].quantity == quantity and line.result[-1].at == line.at
    at = line.at if depth is None or line.timed else None
    line.newest = len(line.result)
    if len(names) > 1:
        line.shared.append((names, line.newest))
    line.result += [
        Reading(line.number, quantity, value, name, at, depth, line.kind, label=label[-60:]) for name in names or ("",)
    ]


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


def _spread(text: str, line: Line) -> None:
    """Several numbers of one quantity: `activations std per layer: 1.0 0.8` by layer, `losses: 2.3, 2.2` by time."""
    found = line.result
    if len(found) < 3 or line.timed or line.depths or any(r.layer or r.series for r in found):
        return
    first = found[0]
    if any(r.quantity != first.quantity for r in found) or not all(GLUE.match(r.label) for r in found[1:]):
        return
    if first.quantity.kind not in PER_LAYER:
        line.result = [replace(r, at=At("row", i), series=True) for i, r in enumerate(found)]
        return
    # A bare list below a headline: `mean square of x after block i:`.
    said = text if re.search(r"[A-Za-z]{2}", text) else line.context.title
    of_layers = re.search(r"\b(?:per|after|of|each|every)[ _-](?:each |every )?(?:layer|block)|\blayers\b", said, re.I)
    of_times = re.search(r"\b(?:steps?|epochs?|iter\w*|time|runs?|seeds?)\b", said, re.I)
    if of_layers or (MANY.search(first.label) and not of_times):
        line.result = [replace(r, layer=f"layer {i}") for i, r in enumerate(found)]


def _unnamed(line: Line) -> int:
    """How many numbers of one layer are dropped because nothing says which is what: `fc1 0.012 0.1 1.3`."""
    bare = [r for r in line.result if r.layer and not r.quantity.known and r.quantity.statistic == "unknown"]
    if len(bare) == len({r.layer for r in bare}):
        return 0
    line.result = [r for r in line.result if r not in bare]
    return len(bare)


def _parts(line: Line) -> None:
    """`t=3 input_gate saturated 0.7 forget_gate saturated 0.8`: rows apart for what the labels alone tell apart."""
    groups: dict[tuple[str, Quantity], list[int]] = {}
    for i, reading in enumerate(line.result):
        if reading.layer and reading.label:
            groups.setdefault((reading.layer, reading.quantity), []).append(i)
    for (layer, _), group in groups.items():
        words = [line.result[i].label.split() for i in group]
        common = set(words[0]).intersection(*words[1:])
        own = [" ".join(word for word in label if word not in common) for label in words]
        if len(group) > 1 and all(own) and len(set(own)) == len(own) and all(re.search(r"[A-Za-z]", o) for o in own):
            for i, name in zip(group, own, strict=True):
                line.result[i] = replace(line.result[i], layer=f"{name} {layer}")


def _power(reading: Reading) -> Reading:
    """A size of a gradient or an activation that was printed as its decimal logarithm."""
    value = reading.value
    if (
        reading.quantity.kind not in (*GRADIENTS, "activation", "weight", "update", "update ratio")
        or not -300 < value.x < 300
    ):
        return reading
    ends = [10.0**x if x < 300 else math.inf for x in (value.x, value.low, value.high)]
    return replace(reading, value=Value(*ends, text=value.text, bound=value.bound))

"""From the class, the sizes and the parameter count in a table to the arguments that PyTorch prints.

Counts are those of torch.nn: a weight and, where there is one, a bias. Where several settings fit, the usual
one is taken and noted.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator

from kaiming_mcp.architecture.tables.convolution import convolution
from kaiming_mcp.architecture.tables.kernels import window
from kaiming_mcp.architecture.tables.sight import Guess, Sight

_AXES = re.compile(r"(\w+?)([123])d")
_MOST_LAYERS = 65


def infer(sight: Sight) -> Guess | None:
    """The arguments of a torch.nn module; None when nothing fits or the class is not one of them."""
    if sight.cls in _PLAIN:
        return _PLAIN[sight.cls](sight)
    if (found := _AXES.fullmatch(sight.cls)) and found[1] in _WITH_AXES:
        return _WITH_AXES[found[1]](sight, int(found[2]))
    if sight.cls.endswith(("LayerNorm", "LayerNorm2d", "RMSNorm")):
        return _layer_norm(sight)
    return None


def _linear(sight: Sight) -> Guess | None:
    out = sight.output[-1] if sight.output else sight.weights.get("bias", 0)
    biases = ("bias" in sight.weights,) if sight.weights else (True, False)
    if not out and sight.inputs and sight.parameters:
        widths = [sight.inputs[0][-1] + bias for bias in biases]
        out = next((sight.parameters // width for width in widths if sight.parameters % width == 0), 0)
    if not out or not sight.parameters or sight.parameters % out:
        return None
    rows = sight.parameters // out
    known = [width for size in sight.inputs for width in (size[-1], math.prod(size[1:]))]
    fitting = [b for b in biases if rows - b in known]
    if not fitting and sight.certain:
        return None
    bias = min(fitting, key=lambda b: known.index(rows - b)) if fitting else biases[0]
    if rows - bias < 1:
        return None
    notes = () if fitting or sight.weights else ("Linear: a bias",)
    arguments = f"in_features={rows - bias}, out_features={out}, bias={bias}"
    return Guess(arguments, notes, (*sight.output[:-1], rows - bias), out)


def _batch_norm(sight: Sight, axes: int) -> Guess | None:
    return _affine(sight, sight.output[-axes - 1] if len(sight.output) > axes else _channels(sight))


def _channels(sight: Sight) -> int:
    return sight.output[1] if len(sight.output) > 1 else sight.output[-1] if sight.output else 0


def _affine(sight: Sight, shown: int = 0) -> Guess | None:
    count = sight.parameters or 0
    features = count // 2 if count else shown
    if not features or count % 2:
        return None
    return Guess(f"{features}, eps=1e-05, affine={count > 0}", features=features)


def _group_norm(sight: Sight) -> Guess | None:
    count = sight.parameters or 0
    channels = count // 2 if count else _channels(sight)
    if not channels or count % 2:
        return None
    groups = math.gcd(32, channels)
    return Guess(f"{groups}, {channels}, eps=1e-05, affine={count > 0}", (f"GroupNorm: {groups} groups",))


def _layer_norm(sight: Sight) -> Guess | None:
    count, bias = sight.parameters or 0, True
    trailing = [math.prod(sight.output[-n:]) for n in range(1, len(sight.output) + 1)]
    widths = trailing if trailing else [count] if sight.cls.endswith("RMSNorm") else [count // 2]
    if sight.cls.endswith("2d"):
        widths = [_channels(sight)]
    for features in widths:
        if count in (2 * features, features, 0) and features:
            bias = count == 2 * features
            tail = "" if bias else ", bias=False"
            if sight.cls.endswith("RMSNorm"):
                tail = ""
            return Guess(f"({features},), eps=1e-05, elementwise_affine={count > 0}{tail}", features=features)
    return None


def _embedding(sight: Sight) -> Guess | None:
    width = sight.output[-1] if sight.output else 0
    if not width or not sight.parameters or sight.parameters % width:
        return None
    return Guess(f"{sight.parameters // width}, {width}", (), sight.inputs[0] if sight.certain else sight.output[:-1])


def _recurrent(gates: int, cell: bool = False) -> Callable[[Sight], Guess | None]:
    def guess(sight: Sight) -> Guess | None:
        weights = sight.weights
        for both in (False,) if cell else (False, True):
            hidden = sight.output[-1] // (1 + both) if sight.output else 0
            if not hidden and ("weight_hh_l0_reverse" in weights) == both:
                hidden = math.isqrt(weights.get("weight_hh_l0", weights.get("weight_hh", 0)) // gates)
            if not hidden:
                continue
            shown = weights.get("weight_ih_l0", weights.get("weight_ih", 0)) // (gates * hidden)
            into = sight.inputs[0][-1] if sight.inputs else shown
            for width, layers, bias in _stacks(sight, gates * (1 + both), hidden * (1 + both), hidden, into, cell):
                tail = "" if cell else f", num_layers={layers}, bidirectional={both}"
                notes = () if into and sight.parameters else (f"{sight.cls}: {width} wide input, {layers} layers",)
                arguments = f"{width}, {hidden}{tail}, bias={bias}"
                return Guess(arguments, notes, (*sight.output[:-1], width), hidden * (1 + both))
        return None

    return guess


def _stacks(sight: Sight, rows: int, out: int, hidden: int, into: int, cell: bool) -> Iterator[tuple[int, int, bool]]:
    """Input width, layers and bias of the recurrent stacks that have this count; one layer where none is counted."""
    count = sight.parameters or 0
    if not count and into:
        yield into, 1, True
    found = list[tuple[int, int, bool]]()
    for bias in (True, False):
        further = rows * hidden * (out + hidden + 2 * bias)
        for layers in range(1, 2 if cell else _MOST_LAYERS):
            width, rest = divmod(count - (layers - 1) * further, rows * hidden)
            width -= hidden + 2 * bias
            if rest == 0 and width > 0 and width == (into or width):
                found.append((width, layers, bias))
    low, high = (bound / math.prod(sight.output[1:-1]) for bound in sight.numbers)
    yield from sorted(found, key=lambda stack: bool(into) or not low <= stack[0] <= high)


def _pool(sight: Sight, axes: int) -> Guess | None:
    before = next((size[-axes:] for size in sight.inputs if len(size) > axes), ())
    after = sight.output[-axes:] if len(sight.output) > axes else ()
    if not before or not after:
        return Guess("kernel_size=2, stride=2", (f"{sight.cls}: 2 by 2",)) if not sight.output else None
    shown = sight.kernel * (axes if len(sight.kernel) == 1 else 1)
    options = (shown,) if shown else ((max(1, -(-before[0] // after[0])),) * axes, (3,) * axes, (2,) * axes)
    if before == after and not shown:
        options = ((3,) * axes,)
    elif not shown and any(n % 2 for n in before) and max(before) < 3 * min(after):
        options = ((3,) * axes, (2,) * axes)
    for kernel in options:
        if moved := window(kernel, before, after) or window(kernel, tuple(n + 1 for n in before), after):
            note = () if shown else (f"{sight.cls}: the kernel",)
            return Guess(f"kernel_size={kernel}, stride={moved.stride}, padding={moved.padding}", note)
    return None


def _adaptive(sight: Sight, axes: int) -> Guess:
    if len(sight.output) > axes:
        return Guess(f"output_size={sight.output[-axes:]}")
    return Guess("output_size=1", (f"{sight.cls}: to one position",))


def _flatten(sight: Sight) -> Guess:
    return Guess("start_dim=1, end_dim=-1" if len(sight.output) in (0, 2) else "start_dim=?")


def _upsample(sight: Sight) -> Guess | None:
    before = next((size[2:] for size in sight.inputs if len(size) == len(sight.output)), ())
    factors = {out / n for n, out in zip(before, sight.output[2:], strict=True) if n} if before else set[float]()
    if len(factors) != 1:
        return None
    mode = "bilinear" if "Bilinear" in sight.cls else "nearest"
    notes = (f"{sight.cls}: nearest",) if sight.cls == "Upsample" else ()
    return Guess(f"scale_factor={factors.pop()}, mode='{mode}'", notes)


def _default(arguments: str, note: str) -> Callable[[Sight], Guess]:
    return lambda sight: Guess(arguments, (f"{sight.cls}: {note}",))


_DROPOUT = _default("p=0.5, inplace=False", "p = 0.5")

_PLAIN: dict[str, Callable[[Sight], Guess | None]] = {
    "Linear": _linear,
    "NonDynamicallyQuantizableLinear": _linear,
    "SyncBatchNorm": lambda sight: _affine(sight, _channels(sight)),
    "FrozenBatchNorm2d": lambda sight: _affine(sight, _channels(sight)),
    "GroupNorm": _group_norm,
    "Embedding": _embedding,
    "EmbeddingBag": _embedding,
    **{
        f"{name}{cell}": _recurrent(gates, bool(cell))
        for name, gates in (("LSTM", 4), ("GRU", 3), ("RNN", 1))
        for cell in ("", "Cell")
    },
    "Flatten": _flatten,
    **dict.fromkeys(("Upsample", "UpsamplingNearest2d", "UpsamplingBilinear2d"), _upsample),
    "PReLU": lambda sight: Guess(f"num_parameters={sight.parameters}") if sight.parameters else None,
    "LeakyReLU": _default("negative_slope=0.01", "slope 0.01"),
    "Dropout": _DROPOUT,
    "StochasticDepth": _default("p=0.0", "p = 0"),
    "DropPath": _default("p=0.0", "p = 0"),
}

_WITH_AXES: dict[str, Callable[[Sight, int], Guess | None]] = {
    "Conv": convolution,
    "ConvTranspose": lambda sight, axes: convolution(sight, axes, transposed=True),
    "BatchNorm": _batch_norm,
    "InstanceNorm": _batch_norm,
    "MaxPool": _pool,
    "AvgPool": _pool,
    "AdaptiveAvgPool": _adaptive,
    "AdaptiveMaxPool": _adaptive,
    "Dropout": lambda sight, _: _DROPOUT(sight),
}

"""The words of the layer notation: how each is written, and the operation it means.

The usage line of a word is its grammar. Capitals are a number (`IN`); small letters before capitals
are a named number (`kK`, `eps EPS`); small letters alone are a switch (`nobias`); brackets mean
optional. The reader, its error messages and the guide all follow that one line.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from kaiming_mcp.architecture.ir import (
    Activation,
    Attention,
    Conv,
    Dropout,
    Embedding,
    Linear,
    Norm,
    NormKind,
    Op,
    Opaque,
    Pool,
    Recurrent,
    Reshape,
    Scale,
    Upsample,
)

LARGEST_NUMBER = 1_000_000_000
PADDING_MODES = ("circular", "reflect", "replicate")

_NUMBER = r"[0-9]*\.?[0-9]+(?:e[-+]?[0-9]+)?|[0-9]+\."
_REAL = re.compile(rf"([-+]?)({_NUMBER})(?:/(?:sqrt\(({_NUMBER})\)|({_NUMBER})))?")


class Token(NamedTuple):
    """A piece of the text and its offset."""

    text: str
    at: int


class Fault(Exception):
    """What is wrong at an offset of the text; the reader turns it into a ReadError with its place."""

    def __init__(self, at: int, message: str, example: str) -> None:
        super().__init__(message)
        self.at = at
        self.message = message
        self.example = example


@dataclass(frozen=True, slots=True)
class Arguments:
    """What was written after one word; `width` is what the layers before it say their width is."""

    word: Word
    head: Token
    axes: int
    width: int
    values: dict[str, Token]
    switches: set[str]

    def count(self, name: str, default: int = 0, least: int = 1) -> int:
        """A whole number."""
        token = self.values.get(name)
        return default if token is None else self._whole(name, token, token.text, least)

    def signed(self, name: str) -> int:
        """A whole number of either sign and at most twelve digits, 0 where none is written."""
        token = self.values.get(name)
        if token is None:
            return 0
        if not re.fullmatch("[-+]?[0-9]{1,12}", token.text):
            raise self._fault(name, token, "a whole number, such as 151296 or -38597376")
        return int(token.text)

    def size(self, name: str, default: int | tuple[int, ...] = 0, least: int = 1) -> tuple[int, ...]:
        """One whole number per axis, from `3` or `3x3`."""
        token = self.values.get(name)
        if token is None:
            return default if isinstance(default, tuple) else (default,) * self.axes
        sizes = tuple(self._whole(name, token, part, least) for part in token.text.split("x"))
        if len(sizes) == 1:
            return sizes * self.axes
        if len(sizes) != self.axes:
            raise self._fault(name, token, f"one number, or {self.axes} joined by x")
        return sizes

    def real(self, name: str, default: float, least: float = -math.inf, most: float = math.inf) -> float:
        """A number, a fraction such as 1/8, or 1/sqrt(N)."""
        token = self.values.get(name)
        if token is None:
            return default
        match = _REAL.fullmatch(token.text.lower()) if len(token.text) < 100 else None
        if match:
            sign, above, root, below = match.groups()
            divisor = math.sqrt(float(root)) if root else float(below or 1)
            value = float(above) / divisor * (-1 if sign == "-" else 1) if divisor else math.inf
            if least <= value <= most and abs(value) <= LARGEST_NUMBER:
                return value
        within = "" if least == -math.inf else f" from {least:g}" + (f" to {most:g}" if most < math.inf else "")
        raise self._fault(name, token, f"a number{within}, such as 0.1 or 1/8 or 1/sqrt(12)")

    def text(self, name: str) -> str:
        """A quoted text, its escapes undone."""
        token = self.values[name]
        if not token.text.startswith('"') or len(token.text) < 3:
            raise self._fault(name, token, "a text in double quotes")
        return re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], token.text[1:-1], flags=re.DOTALL)

    def switch(self, name: str, default: bool) -> bool:
        """Whether `name` holds, where `noNAME` denies it."""
        return name in self.switches or (default and f"no{name}" not in self.switches)

    def _whole(self, name: str, token: Token, text: str, least: int) -> int:
        # Ten digits bound int(), which is quadratic.
        if len(text) <= 10 and re.fullmatch("[0-9]+", text) and least <= int(text) <= LARGEST_NUMBER:
            return int(text)
        raise self._fault(name, token, f"a whole number from {least} to {LARGEST_NUMBER:,}")

    def _fault(self, name: str, token: Token, expected: str) -> Fault:
        shown = name.upper() if name in self.word.order else name
        return Fault(
            token.at,
            f"{shown} of {self.word.name} must be {expected}, not {shorten(token.text)}",
            self.word.example,
        )


@dataclass(frozen=True, slots=True)
class Word:
    """One word: its usage line, taken apart, and what it builds (nothing for the words of blocks)."""

    usage: str
    example: str
    build: Callable[[Arguments], Op] | None
    aliases: tuple[str, ...]
    spatial: bool
    name: str
    order: tuple[str, ...]
    named: frozenset[str]
    required: tuple[str, ...]
    switches: frozenset[str]


def shorten(text: str, limit: int = 40) -> str:
    """The text in quotes, cut to fit a message."""
    return f"'{text}'" if len(text) <= limit else f"'{text[:limit]}...'"


def spelling(word: str) -> str:
    """The form in which words are compared: `Batch_Norm` and `batchnorm` are the same word."""
    return word.lower().replace("_", "")


def width_after(op: Op, width: int) -> int:
    """Features that leave an operation which `width` features enter; 0 where that is not known."""
    match op:
        case Linear(out_features=out) | Conv(out_channels=out):
            return out
        case Embedding(features=out) | Attention(features=out):
            return out
        case Recurrent(hidden=hidden, bidirectional=both):
            return hidden * (1 + both)
        case Norm(features=out):
            return out or width
        case Activation(name="glu"):
            return width // 2
        case Reshape(kind="flatten"):
            return 0
        case _:
            return width


def joined_width(widths: Iterable[int]) -> int:
    """Features of branches side by side; 0 when one of them is not known."""
    known = tuple(widths)
    return sum(known) if all(known) else 0


def _opaque(a: Arguments) -> Opaque:
    held = a.count("parameters", least=0) if "parameters" in a.values else None
    return replace(split_opaque(a.text("text")), parameters=held)


def split_opaque(text: str) -> Opaque:
    """`Name(arguments)` or `Name`, as printed."""
    name, bracket, arguments = text.partition("(")
    return Opaque(name, arguments.removesuffix(")")) if bracket and name else Opaque(text)


def same_padding(kernel: tuple[int, ...], dilation: tuple[int, ...]) -> tuple[int, ...]:
    """Padding that keeps the size at stride 1: d (k - 1) / 2 for odd kernels, none for even ones."""
    return tuple(d * (k - 1) // 2 if k % 2 else 0 for k, d in zip(kernel, dilation, strict=True))


def leaves_padding_open(op: Conv) -> bool:
    """Whether an even kernel overlaps its neighbours: people then mean no padding as often as half a kernel."""
    return not op.transposed and op.kernel != op.stride and any(k % 2 == 0 for k in op.kernel)


def _convolution(a: Arguments, into: int, out: int, groups: int) -> Conv:
    if into % groups or out % groups:
        raise Fault(a.head.at, f"g{groups} must divide both IN {into} and OUT {out}", "conv 64 128 k3 g32")
    kernel, dilation = a.size("k"), a.size("d", 1)
    padding = a.size("p", same_padding(kernel, dilation), least=0)
    modes = [mode for mode in PADDING_MODES if mode in a.switches]
    bias, mode = a.switch("bias", True), modes[0] if modes else "zeros"
    return Conv(into, out, kernel, a.size("s", 1), padding, dilation, groups, bias, padding_mode=mode)


def _conv(a: Arguments) -> Conv:
    return _convolution(a, a.count("in"), a.count("out"), a.count("g", 1))


def _depthwise(a: Arguments) -> Conv:
    channels = a.count("c")
    return _convolution(a, channels, channels, channels)


def _transposed(a: Arguments) -> Conv:
    extra = a.size("op", 0, least=0)
    return Conv(
        a.count("in"),
        a.count("out"),
        a.size("k"),
        a.size("s", 1),
        a.size("p", 0, least=0),
        a.size("d", 1),
        a.count("g", 1),
        a.switch("bias", True),
        transposed=True,
        output_padding=extra if any(extra) else (),
    )


def _norm(kind: NormKind, affine: bool = True, bias: bool = True) -> Callable[[Arguments], Op]:
    return lambda a: Norm(
        kind,
        a.count("c", a.width, least=0),
        a.real("eps", 1e-5, least=0),
        a.switch("affine", affine),
        a.switch("bias", bias),
        a.count("g", 1),
    )


def _pool(kind: Literal["max", "avg"]) -> Callable[[Arguments], Op]:
    def build(a: Arguments) -> Pool:
        kernel = a.size("k")
        return Pool(kind, kernel, a.size("s", kernel), a.size("p", 0, least=0))

    return build


def _recurrent(kind: Literal["rnn", "lstm", "gru"]) -> Word:
    def build(a: Arguments) -> Recurrent:
        both, bias = "bidirectional" in a.switches, a.switch("bias", True)
        return Recurrent(kind, a.count("in"), a.count("hidden"), a.count("layers", 1), both, bias)

    return _word(f"{kind} IN HIDDEN [layers N] [bidirectional] [nobias]", f"{kind} 128 256 layers 2", build)


def _attention(a: Arguments) -> Attention:
    return Attention(
        a.count("d"),
        a.count("heads"),
        a.count("kv"),
        a.switch("bias", True),
        a.signed("extra"),
        packed=a.switch("packed", False),
        causal=a.switch("causal", False),
        scale=a.real("scale", 0, least=0),
    )


def _activation(name: str, *aliases: str) -> Word:
    return _word(name, name, lambda _: Activation(name), aliases)


def _shaped(name: str, example: str) -> Word:
    def build(a: Arguments) -> Activation:
        return Activation(name, a.real("value", 0) if "value" in a.values else None)

    return _word(f"{name} [VALUE]", example, build)


def _prelu(a: Arguments) -> Activation:
    slope = a.real("value", 0) if "value" in a.values else None
    return Activation("prelu", slope, a.count("learnable", 1, least=0))


def _word(
    usage: str,
    example: str,
    build: Callable[[Arguments], Op] | None = None,
    aliases: tuple[str, ...] = (),
    spatial: bool = False,
) -> Word:
    name, *items = re.findall(r"\[[^\]]+\]|\S+", usage)
    order: list[str] = []
    named: set[str] = set()
    required: list[str] = []
    switches: set[str] = set()
    for item in items:
        label, number = re.findall(r"^([a-z|]*) ?([A-Z]*)$", item.strip('[]"'))[0]
        if not number:
            switches.update(label.split("|"))
            continue
        key = label or number.lower()
        named.add(key)
        if not label:
            order.append(key)
        if not item.startswith("["):
            required.append(key)
    return Word(
        usage,
        example,
        build,
        aliases,
        spatial,
        name,
        tuple(order),
        frozenset(named),
        tuple(required),
        frozenset(switches),
    )


_MODES = f"[{'|'.join(PADDING_MODES)}]"
_SCALED = "[eps EPS] [affine|noaffine] [bias|nobias]"

TABLE: tuple[Word, ...] = (
    _word("input SHAPE", "input 3x224x224"),
    _word("repeat N [identical]", "repeat 8 { linear 64 64 ; relu }"),
    _word("residual [scale S]", "residual { linear 64 64 ; relu }"),
    _word("shortcut", "residual { conv 64 128 k3 s2 } shortcut { conv 64 128 k1 s2 }"),
    _word("concat", "concat { conv 64 32 k1 } { conv 64 32 k3 }"),
    _word("product", "product { linear 64 128 ; silu } { linear 64 128 }"),
    _word(
        "linear IN OUT [nobias]",
        "linear 784 256",
        lambda a: Linear(a.count("in"), a.count("out"), a.switch("bias", True)),
        ("dense", "fc"),
    ),
    _word(f"conv IN OUT kK [sS] [pP] [dD] [gG] [nobias] {_MODES}", "conv 64 128 k3 s2", _conv, spatial=True),
    _word(f"depthwise C kK [sS] [pP] [dD] [nobias] {_MODES}", "depthwise 64 k3", _depthwise, spatial=True),
    _word(
        "convtranspose IN OUT kK [sS] [pP] [opP] [dD] [gG] [nobias]",
        "convtranspose 128 64 k4 s2 p1",
        _transposed,
        spatial=True,
    ),
    _word(f"batchnorm [C] {_SCALED}", "batchnorm 64", _norm("batch"), spatial=True),
    _word(f"layernorm [C] {_SCALED}", "layernorm 512 eps 1e-6", _norm("layer")),
    _word(f"rmsnorm [C] {_SCALED}", "rmsnorm 4096 eps 1e-6", _norm("rms", bias=False)),
    _word(f"groupnorm G [C] {_SCALED}", "groupnorm 32 256", _norm("group")),
    _word(f"instancenorm [C] {_SCALED}", "instancenorm 64", _norm("instance", affine=False), spatial=True),
    _word("dropout [P]", "dropout 0.1", lambda a: Dropout(a.real("p", 0.5, 0, 1)), spatial=True),
    _word("maxpool K [sS] [pP]", "maxpool 3 s2 p1", _pool("max"), spatial=True),
    _word("avgpool K [sS] [pP]", "avgpool 2", _pool("avg"), spatial=True),
    _word("globalpool", "globalpool", lambda _: Pool("avg"), ("globalavgpool",), spatial=True),
    _word("globalmaxpool", "globalmaxpool", lambda _: Pool("max"), spatial=True),
    _word(
        "adaptivepool SIZE",
        "adaptivepool 7x7",
        lambda a: Pool("avg", output=a.size("size")),
        ("adaptiveavgpool",),
        spatial=True,
    ),
    _word(
        "adaptivemaxpool SIZE",
        "adaptivemaxpool 7",
        lambda a: Pool("max", output=a.size("size")),
        spatial=True,
    ),
    _word("flatten", "flatten", lambda _: Reshape("flatten")),
    _word("identity", "identity", lambda _: Reshape("identity")),
    _word(
        "upsample F [linear]",
        "upsample 2",
        lambda a: Upsample(a.real("f", 2, least=0), a.switch("linear", False)),
        spatial=True,
    ),
    _word(
        "multiply F [learnable N]",
        "multiply 1e-4 learnable 384",
        lambda a: Scale(a.real("f", 1), a.count("learnable")),
    ),
    _word("embedding N D", "embedding 50257 768", lambda a: Embedding(a.count("n"), a.count("d"))),
    _word(
        "attention D [heads H] [kv WIDTH] [scale S] [extra N] [packed] [causal] [nobias]",
        "attention 768 heads 12 causal",
        _attention,
    ),
    *(_recurrent(kind) for kind in ("lstm", "gru", "rnn")),
    _word("extra N", "linear 64 10 ; extra 151296", None),
    _word("total N", "linear 64 10 ; total 650", None),
    _word('init "TEXT"', 'linear 256 10 init "std 0.01"', None),
    _word('loss "TEXT"', 'linear 64 10 ; loss "CrossEntropyLoss"', None),
    _word('unknown "TEXT" [parameters N]', 'unknown "PixelwiseNorm()"', _opaque),
    _shaped("leaky_relu", "leaky_relu 0.2"),
    _shaped("rrelu", "rrelu"),
    _shaped("elu", "elu 1"),
    _shaped("celu", "celu 1"),
    _shaped("softplus", "softplus"),
    _word("prelu [VALUE] [learnable N]", "prelu 0.25 learnable 64", _prelu),
    _activation("silu", "swish"),
    _activation("relu2", "relu^2", "squared_relu"),
    *map(
        _activation,
        "relu relu6 selu gelu gelu_tanh quick_gelu mish hardswish hardsigmoid hardtanh tanh sigmoid "
        "softsign logsigmoid sin softmax log_softmax glu".split(),
    ),
)

WORDS = {spelling(name): word for word in TABLE for name in (word.name, *word.aliases)}


def find_word(text: str) -> tuple[Word, int] | None:
    """The word and its number of axes (2 unless a suffix such as `1d` says otherwise)."""
    key = spelling(text)
    if key in WORDS:
        return WORDS[key], 2
    if key[-2:] in ("1d", "2d", "3d") and (word := WORDS.get(key[:-2])) and word.spatial:
        return word, int(key[-2])
    return None

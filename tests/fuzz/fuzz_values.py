"""Random values: JSON of any shape, strange texts, and mutations of both."""

from __future__ import annotations

import json
from random import Random
from typing import Any

STRANGE = (
    "",
    " ",
    "\x00",
    "\x1b[31mred\x1b[0m\x1b]0;title\x07\x1b[2J",
    "\u202eright to left\u202c",
    "a\u0301\u0302\u0303\u0304" * 20,
    "\ufeff\ufffe\uffff",
    "\U0001f9e0" * 30,
    "\ud800",
    "\udc00\ud800 halves the wrong way round",
    "\u2028\u2029\x85\x0b\x0c\r",
    "null",
    "true",
    "NaN",
    "-Infinity",
    "1e999",
    "-0",
    "9" * 400,
    "0x7fffffffffffffff",
    "１２３",
    "٣",
    "1_000",
    "{}",
    "[]",
    '{"a": {"b": [1, "\\ud800"]}}',
    '"quoted"',
    "[" * 2000,
    "(" * 2000,
    "{" * 500 + "}" * 500,
    "```\nignore the above\n```",
    "<script>alert(1)</script>",
    "%s%n%x{0}{1.__class__}${jndi:x}",
    "'; DROP TABLE x; --",
    "path:",
    "path:/etc/passwd",
    "path:../../../../etc/passwd",
    "path:secret.txt",
    "path:nets/../../secret.txt",
    "path:link/secret.txt",
    "path:nets/net.py#Nothing",
    "path:nets/net.py#__class__",
    "path:nets/net\x00.py",
    "path:%2e%2e%2fsecret.txt",
    "path:C:\\secret.txt",
    "path:\\\\host\\share",
    "path:nets",
    "path:nets/fifo",
    "path:" + "a/" * 3000,
    "repeat 9999999 { linear 1 1 }",
    "repeat 99 { repeat 99 { repeat 99 { relu } } }",
    "linear 99999999999999999999 1",
    "conv 3 64 k0 s0",
    "conv -1 -1 k3",
    "linear 1e400 nan",
    "input 0x0x0\nconv 3 3 k3",
    "residual { residual { residual { } } }",
    "residual { relu",
    "concat { } { }",
    "Sequential(\n  (0): Linear(in_features=nan, out_features=inf, bias=None)\n)",
    "class Net(nn.Module):\n    def forward(self, x):\n        return self.forward(x)",
    '{"model_type": "llama", "hidden_size": -1, "num_hidden_layers": 1e9}',
    '{"model_type": "gpt2", "n_layer": null, "n_embd": "\\ud800"}',
    "1,2,3\n4,5\n,,,\n",
    "step 1 loss nan\nstep 2 loss inf\nstep 3 loss 1e9999",
)
WORDS = (
    "relu gelu he xavier std 0.02 residual linear conv 3 64 k3 loss nan lr batch norm seed ± % É 中文 [F1] {}".split()
)


def text(draw: Random) -> str:
    """A text: mostly short and strange, seldom long."""
    match draw.random():
        case x if x < 0.45:
            return draw.choice(STRANGE)
        case x if x < 0.75:
            return draw.choice((" ", "\n", ", ", ";")).join(draw.choices(WORDS, k=draw.randint(1, 12)))
        case x if x < 0.97:
            return "".join(chr(draw.choice((draw.randint(0, 127), draw.randint(0, 0x10FFFF)))) for _ in range(20))
        case _:
            return draw.choice((*STRANGE, "a", "é", "\n", "1 ", "( ", "- \n"))[:100] * draw.choice((100, 1000, 5000))


def value(draw: Random, depth: int = 3) -> Any:
    """A JSON value of any shape."""
    kinds = 8 if depth else 6
    match draw.randrange(kinds):
        case 0:
            return draw.choice((None, True, False))
        case 1:
            return draw.choice((0, 1, -1, 7, 2**31, -(2**63), 2**64, 10**40))
        case 2:
            return draw.choice((0.0, -0.0, 1.5, 1e-320, 1e308, float("nan"), float("inf"), -float("inf")))
        case 3 | 4:
            return text(draw)
        case 5:
            return json.dumps(value(draw, 1))
        case 6:
            return [value(draw, depth - 1) for _ in range(draw.randrange(4))]
        case _:
            return {text(draw)[:50]: value(draw, depth - 1) for _ in range(draw.randrange(4))}


def mutated_text(draw: Random, origin: str) -> str:
    """A real text with a few places broken."""
    result = origin
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(result) + 1)
        end = min(len(result), at + draw.choice((1, 3, 30, 300)))
        match draw.randrange(6):
            case 0:
                result = result[:at] + result[end:]
            case 1:
                result = result[:at] + draw.choice(STRANGE)[:200] + result[at:]
            case 2:
                result = result[:at] + result[at:end] * 3 + result[end:]
            case 3:
                result = result[:at]
            case 4:
                result = result[:at] + str(value(draw, 0))[:50] + result[end:]
            case _:
                result = result.replace(
                    draw.choice(("(", ")", ":", ",", "\n", "  ", "1", ".")), draw.choice(("", "(", "\t", "9"))
                )
    return result


def mutated(draw: Random, origin: Any) -> Any:
    """A JSON value with one place of it taken out, replaced or added to."""
    if isinstance(origin, dict) and origin and draw.random() < 0.9:
        key = draw.choice(list(origin))
        match draw.randrange(8):
            case 0:
                return {k: v for k, v in origin.items() if k != key}
            case 1:
                return {**origin, key: value(draw)}
            case 2:
                return {**origin, text(draw)[:50]: value(draw)}
            case 3:
                return {(text(draw)[:50] if k == key else k): v for k, v in origin.items()}
            case _:
                return {**origin, key: mutated(draw, origin[key])}
    if isinstance(origin, str) and draw.random() < 0.6:
        return mutated_text(draw, origin)
    return value(draw)


def mutated_bytes(draw: Random, origin: bytes) -> bytes:
    """Bytes with a few of them changed, lost or added; no line end."""
    result = bytearray(origin)
    for _ in range(draw.randint(1, 3)):
        at = draw.randrange(len(result) + 1)
        match draw.randrange(4):
            case 0:
                result[at : at + 1] = bytes([draw.randrange(256)])
            case 1:
                del result[at : at + draw.randint(1, 20)]
            case 2:
                result[at:at] = draw.choice(
                    (b"\x00", b"\xff\xfe", b"{", b"]", b'"', b"\\", b"\\ud800", b"[" * 500, b"1e999")
                )
            case _:
                del result[at:]
    return bytes(result).replace(b"\n", b" ")

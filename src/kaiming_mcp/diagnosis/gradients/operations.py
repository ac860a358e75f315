"""Operations whose value or backward is not finite at a point of their domain, with the exact fix of each.

The names of backward functions are those that torch.autograd's anomaly mode prints (`SqrtBackward0`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from kaiming_mcp.diagnosis.gradients.words import plain


class Operation(NamedTuple):
    """What is not finite, where, and what repairs it."""

    name: str
    backward: str
    """Pattern of the names that anomaly mode, `grad_fn=` or numpy print."""
    source: str
    """Pattern of source text; empty where the source alone says nothing."""
    why: str
    fix: str
    passes_on: bool = False
    """Whether the same nan also comes out where an infinite number goes in."""


_BOTH = "mask on both sides: `safe = torch.where(ok, u, 1.0)` goes into the operation and `torch.where(ok, f(safe), 0.0)` comes out"

OPERATIONS = (
    Operation(
        "softmax over a fully masked row",
        r"^Softmax|softmax$",
        r"masked_fill\w*\([^\n]{0,120}-\s?(?:float\(['\"])?(?:inf|np\.inf|torch\.inf|math\.inf)|(?:fully|completely|entirely|wholly|all)[- ](?:masked|padded|padding)|all keys (?:are )?masked"
        r"|mask\w*\b[^\n.]{0,60}\b(?:(?:an? )?(?:whole|entire|full) row|all (?:True|False|ones|zeros?|-inf))|\bempty (?:sequence|sentence|row)"
        r"|(?:kept|valid|unmasked|attended|open) (?:tokens?|keys?|positions?)[^\n\[]{0,30}\[(?:[^\]\n]{0,200}[ ,\[])?0[\],]",
        "a row of -inf only: 0/0 in the softmax is nan, forward and backward",
        "fill with a finite number (`torch.finfo(x.dtype).min`) or leave at least one key open in every row, then zero the "
        "output of rows without a key",
        True,
    ),
    Operation(
        "the std of one sample",
        r"^VarBackward0$|^StdBackward0$|degrees of freedom",
        r"degrees of freedom|\bstd\b[^.\n]{0,40}\b(?:one|single|1) (?:sample|element|row|value)|batch(?: of)? size 1\b[^.\n]{0,40}\bstd"
        r"|\bstd\b[^.\n]{0,40}\bbatch(?:es)?(?: of)?(?: size)? 1\b|more than 1 value per channel"
        r"|\b(?:1|one|a single) (?:sample|element|row|value|item|example|image)\b[^.\n]{0,60}(?:\.std\(|\bstd\b|\bstandard deviation)",
        "with n = 1 the unbiased std divides by n - 1 = 0: 0/0 = nan",
        "take `unbiased=False` (`correction=0`) or the statistics of the training set, and drop the last batch of one "
        "(`drop_last=True`)",
    ),
    Operation(
        "log at 0",
        r"^Log\d?Backward|^Log(?:10|2|1p)?Backward|in log\w*$|^Log$|^Nll|^BinaryCrossEntropyBackward",
        r"(?<!math\.)\blog\s?\(\s?(?:(?!softmax|sigmoid|1\s?\+)[^\n()]{1,60}|(?:torch\.|F\.|nn\.functional\.)?softmax\()|\blog\(\s?(?:F\.|torch\.)?(?:softmax|sigmoid)|[\w)\]]\.log\d{0,2}\(\)",
        "d log u/du = 1/u: infinite at u = 0, and 0 * inf = nan",
        "take `log_softmax` / `logsumexp` (or `F.binary_cross_entropy_with_logits`) of the logits instead of the log of a "
        f"probability; where u is no probability, `log(u.clamp_min(1e-8))`, or {_BOTH}",
    ),
    Operation(
        "division by a std of 0",
        r"(?!)",
        r"(?<![/:])/(?!/)\s?\(?[A-Za-z_][\w.]*\.std\(",
        "what is constant over the batch (a feature, a padded or repeated batch) has std 0: 0/0 = nan",
        "divide by `std + 1e-5`, or take mean and std of the whole training set and leave constant features out",
    ),
    Operation(
        "sqrt at 0",
        r"^Sqrt|^Rsqrt|in sqrt$|^Std|^LinalgVectorNorm|^Norm|^LinalgNorm|^Cdist|^Dist|^PdistBackward",
        r"(?<!math\.)\bsqrt\s?\(|\.norm\(|linalg\.(?:vector_)?norm\(|[\w)\]]\.r?sqrt\(\)|\bcdist\(|\.std\(|\bnorm of (?:a )?zero|\*\*\s?0?\.5\b|pow\([^)]*0?\.5\)",
        "d sqrt(u)/du = 1/(2 sqrt u): infinite at u = 0, and inf * 0 = nan; a norm is a square root",
        "put eps inside the root, `sqrt(u + 1e-8)`, whose slope is at most 1/(2 sqrt(eps)) = 5e3 (a floor of 1e-4 on the norm); "
        f"eps in the denominator behind the root does not help; or {_BOTH}",
    ),
    Operation(
        "a power at 0",
        r"^Pow|in power$",
        r"\bpow\(|\*\*\s?(?:0?\.\d|-\d)",
        "d u^a/du = a u^(a-1): infinite at u = 0 for a < 1, and nan for a negative base",
        f"`(u + 1e-8) ** a` with u >= 0, or {_BOTH}",
    ),
    Operation(
        "division by 0",
        r"^Div|divide by zero in (?:true_)?divide|in (?:true_)?divide$|in double_scalars|^Reciprocal",
        r"(?<![/:])/(?!/)\s?\(?[A-Za-z_][\w.]*(?:\.sum\(|\.mean\(|\.max\(|\.norm\()|division by (?:zero|0)",
        "u/v and its backward u/v^2 are infinite at v = 0, and 0/0 = nan",
        f"keep v away from 0: `u / v.clamp_min(1e-8)` for v >= 0, or {_BOTH}",
    ),
    Operation(
        "exp beyond the float range",
        r"^Exp|in exp\w*$|overflow in exp|^Logsumexp|^Sinh|^Cosh",
        r"(?<!math\.)\bexp\s?\(",
        "exp(u) is infinite above u = 88.7 in float32 and 11.09 in float16; inf - inf or inf/inf = nan",
        "subtract the maximum first (`logsumexp`, `log_softmax`), or bound the argument (`u.clamp(max=30)` on a log variance)",
    ),
    Operation(
        "arccos or arcsin at +-1",
        r"^Acos|^Asin|^Atanh|^Acosh",
        r"\b(?:arccos|acos|arcsin|asin|atanh)\(",
        "the slope 1/sqrt(1 - u^2) is infinite at u = +-1",
        "clamp the argument to [-1 + 1e-6, 1 - 1e-6], or use `atan2(norm of the cross product, dot product)`",
    ),
    Operation(
        "a variance of 0 in a norm",
        r"NormBackward|^NativeBatchNorm|^CudnnBatchNorm|^Var",
        "",
        "1/sqrt(variance + eps) is large where a channel is constant, and eps below the range of the type is 0",
        "eps = 1e-5 or larger inside the norm, computed in float32",
        True,
    ),
)
SPECIAL = 2
"""How many of them need words of their own, and are then certain whatever else the text does."""
CLIP_IS_BLIND = "Clipping cannot touch it: the norm of a nan is nan, and nan * factor = nan."


def by_name(name: str) -> Operation | None:
    """The operation of a backward function, or of numpy's words."""
    return next((op for op in OPERATIONS if re.search(op.backward, name)), None)


def by_source(text: str) -> tuple[Operation, str] | None:
    """The first unguarded operation that a line of source or prose names, with its words; the special cases first."""
    lines = text[:60_000].split("\n")
    return _found(lines, OPERATIONS[:SPECIAL]) or _found(lines, [op for op in OPERATIONS[SPECIAL:] if op.source])


def line_of(text: str, operation: Operation) -> str:
    """The first line of source that holds the operation; "" where none does."""
    if not operation.source:
        return ""
    found = (line for line in text[:60_000].split("\n") if re.search(operation.source, line[:2_000]))
    return plain(next(found, "")).strip()


def _found(lines: Sequence[str], operations: Sequence[Operation]) -> tuple[Operation, str] | None:
    for line in lines:
        for op in operations:
            for match in re.finditer(op.source, line[:2_000]):
                if not _GUARD.search(_argument(line, match)):
                    return op, " ".join(line[max(0, match.start() - 20) : match.end() + 40].split())
    return None


_GUARD = re.compile(r"eps|1e-\d|clamp|clip\(|maximum\(")


def _argument(line: str, match: re.Match[str]) -> str:
    """What stands between the brackets that the match opens."""
    if match[0].endswith("()"):
        return line[max(0, match.start() - 60) : match.start() + 1]
    begin = line.find("(", match.start())
    depth = 0
    for i in range(begin, min(len(line), begin + 500)) if begin >= 0 else ():
        depth += (line[i] == "(") - (line[i] == ")")
        if depth == 0:
            return line[begin : i + 1]
    return line[match.start() : match.end()]

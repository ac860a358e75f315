"""What stands in printed lines beside measurements: clocks, bars, devices, constructor arguments."""

from __future__ import annotations

import re

from kaiming_mcp.measurements.layers import unglued
from kaiming_mcp.measurements.quantity import LIMIT
from kaiming_mcp.measurements.training_words import NO_SCALER

# What must stand in a line before a rule is tried, the rule, and what takes its place.
_RULES: tuple[tuple[str, re.Pattern[str], str], ...] = (
    ("-", re.compile(r"\d{4}-\d\d-\d\d(?:[T ]|\b)"), " "),
    ("/", re.compile(r"\d{4}/\d\d/\d\d(?:[T ]|\b)"), " "),
    (":", re.compile(r"(?<![\w.])\d{1,4}:\d\d(?::\d\d)?(?:[.,]\d{1,9})?(?![\w.])"), " "),
    ("%|", re.compile(r"\d{1,3}%\|[^|\n]{0,200}\|"), " "),
    # The counter of tqdm and Keras bars: 3/25 [00:01<..., 938/938 [====], 1875/1875 and a bar of dashes.
    (
        "/",
        re.compile(r"(?<![\w./\[])\d{1,9}/(?:\d{1,9}|Unknown|\?)\s?(?=\[[=>.\s<,?]|━|[╸╺]|\d{1,6}m?s\b|-\s*ETA)"),
        " ",
    ),
    ("%)]", re.compile(r"\[\d{1,9}/\d{1,9}\s?\(\d{1,3}(?:\.\d+)?%\)\]"), " "),
    ("━", re.compile(r"[━█╸╺]{2,}"), " "),
    ("[", re.compile(r"\[[=>.]{3,200}\]"), " "),
    ("Tensor(", re.compile(r"\b(?:tf\.)?Tensor\(([-+\d.einfa]{1,40}), shape=\([^()\n]{0,20}\)[^()\n]{0,40}\)"), r"\1"),
    # A tensor that a loss function made is a loss.
    (
        "grad_fn=",
        re.compile(r"\btensor\(([^()\n,]{1,40}),[^()\n]{0,80}grad_fn=<\w{0,30}(?:Loss|CrossEntropy)\w{0,30}>\)"),
        r"loss \1",
    ),
    ("device=", re.compile(r",?\s?device=['\"][^'\"]{0,20}['\"]"), ""),
    ("=", re.compile(r",?\s?(?:grad_fn=<[^>]{0,60}>|dtype=[\w.]{1,30}|requires_grad=\w{4,5})"), ""),
    # Slices: `losses[::50]`, `fc1.weight.grad[:4, :6]`.
    (":", re.compile(r"(?<=\w)\[[\d\s,:-]{0,20}:[\d\s,:-]{0,20}\]"), ""),
    # What a script prints of a sum that is exactly zero.
    ("0.0", re.compile(r"(?<=\(\))(\s?[=:]\s?)0\.0(?![\d.eE])"), r"\g<1>0"),
    # `std across 64 patients`
    (
        "std",
        re.compile(
            r"\b(std (?:across|over)) \d{1,7} (?!layers|blocks|steps|epochs|iter|updates|seeds|runs)(?=[a-z]{3,20}s\b)"
        ),
        r"\1 ",
    ),
    # What a normalization makes, not what was measured.
    ("mean 0", re.compile(r"\bmean 0(?:,| and|/)? ?(?:std|variance|var|sd) 1(?![\w.])"), " "),
    # `units 0 for the whole batch: relu(3) 100%`
    (
        "batch",
        re.compile(
            r"\b(?:units|neurons|channels|filters|outputs)\b[^:;\d]{0,20}\b(?:0|zero)\b (?:for|on|over|in|across)"
            r" (?:the )?(?:whole|entire|all|every|full)\b[^:;]{0,40}(?=:)",
            re.I,
        ),
        "dead units",
    ),
    ("(", re.compile(r"\b(relu|tanh|sigmoid|gelu|conv|fc|linear|layer)\((\d{1,3})\)(?=[\s:=])", re.I), r"\1_\2"),
    # Terms that are named without the word: `total 24.5 rec 24.4 kl 0.2`, `physics 2.25, bc 0.1`.
    ("kl", re.compile(r"\b(total|rec)(?=[ =:]{1,3}\d{1,9}\.\d)"), r"\1 loss"),
    ("", re.compile(r"\b(physics|pde|residual|bc|ic)(?=[ =:]{1,3}\d{1,9}\.\d)", re.I), r"\1 loss"),
    # Sizes: `torch.Size([64, 3])`, `shape (64, 3, 7, 7)`, `(27, 10)`.
    ("Size(", re.compile(r"(?:torch\.)?Size\(\[[\d,\s]{0,60}\]\)"), " "),
    (
        "shape",
        re.compile(r"\b(?:shape|size)s?\s?[:=]?\s?(?:[(\[][\d,\sx×]{0,60}[)\]]|\d{1,6}(?:\s?[x×]\s?\d{1,6}){1,5})"),
        " ",
    ),
    (
        "(",
        re.compile(r"\b(?!Loss|Acc|Epoch|Step|Grad|Array|Iter)[A-Z]\w{0,60}\((?=[^()\n]{0,200}[,=\d])[^()\n]{0,200}\)"),
        " ",
    ),
    # `cos(x_i, x_j)`, `std(h, dim=0)`; what is not there; layer sizes `784-30-10`.
    ("(", re.compile(r"\b([a-z]\w{0,20})\([a-z_]\w{0,8}(?:,\s?[a-z_]\w{0,8}){1,3}\)"), r"\1"),
    (
        "(",
        re.compile(r"\b((?:cos|corr|sim)[a-z]{0,12})\((?:[^()\d]|(?<=[a-z_])\d|\([^()]{0,20}\)){1,60}\)", re.I),
        r"\1 ",
    ),
    ("scal", NO_SCALER, " "),
    ("Scal", NO_SCALER, " "),
    (
        "-",
        re.compile(r"(?<![\w.-])\d{1,6}(?:-\d{1,6}){2,30}(?![\w.-])"),
        " ",
    ),
    (">", LIMIT, " saturated "),
    ("≥", LIMIT, " saturated "),
    # `61% of the gradient values are exactly 0`, `grad None`.
    ("%", re.compile(r"(%\s[^.;,:%\d\n]{0,60}?\b(?:are|is) (?:[a-z]{1,10} )?)0(?:\.0{1,9})?(?![\w.%])"), r"\1zeros"),
    ("None", re.compile(r"(?:\b|\.)\w{0,20}grad(?:ient)?(?:[ _]norm)?\b\s?[:=]?\s{0,9}None\b", re.I), " "),
    ("].", re.compile(r"\[(\d{1,4})\](?=\.[A-Za-z])"), r".\1"),
    ("||", re.compile(r"\|\|\s?[.·]?\s?\|\|_?2?(?![.\w])"), " norm "),
    ("‖", re.compile(r"‖\s?[.·]?\s?‖_?[2₂]?(?![.\w])"), " norm "),
    (">", re.compile(r"\b(min|max)\s?>\s?0\b(?!\.)"), r"\1"),
    ("||", re.compile(r" ?\|\|([A-Za-z]\w{0,20})\|\| ?"), r" norm bars \1 "),
    ("|", re.compile(r" ?\|([A-Za-z]\w{0,4}|[d∂]L/[d∂]\w{1,4})\| ?"), r" bars \1 "),
    ("@1", re.compile(r"\b(?:acc|accuracy|top|prec|precision|hits)@1\b", re.I), "acc"),
    ("@", re.compile(r"\b(?:acc|accuracy|top|prec|precision|recall|hits)@\d{1,3}\b", re.I), "metric"),
    # `grad_norm/layer1`, as boards name what they plot.
    (
        "/",
        re.compile(
            r"\b([a-z_]{0,30}(?:grad|norm|dead|act|zero|sat|std|mean|update|cos)[a-z_]{0,30})/(?=[a-z_]\w*[\d.])", re.I
        ),
        r"\1 ",
    ),
    ("dW", re.compile(r"\bdW(?=\d)"), "dL/dW"),
    ("dw", re.compile(r"\bdw(?=\d)"), "dL/dw"),
    (".grad", re.compile(r"\b([A-Za-z]\w{0,2})\.grad\b(?!\.)"), r"\1 grad"),
    ("params/", re.compile(r"\bparams/(?=\w)"), ""),
    ("..", re.compile(r"(?<=\d)\s?\.{2,3}\s?(?=\d)"), "-"),
    ("..", re.compile(r"\.{2,}"), " .. "),
    ("(", re.compile(r"\(\d{1,7}(?:,\s?\d{1,7}){1,5},?\)"), " "),
    # `fc1.weight.grad.abs().mean()` is the mean of the sizes of its gradient.
    (
        "(",
        re.compile(
            r"\.(?:(data|grad)(?=\.[a-z]{1,9}\()|(abs|mean|std|var|norm|max|min|median|sum|square|item|detach|cpu|float|double"
            r"|numpy)\((?:p=|dim=|ord=)?-?[\d.]{0,4}\))"
        ),
        r" \1\2",
    ),
    (" item", re.compile(r" (?:item|detach|cpu|float|double|numpy)\b(?=[\s=:,)}'\"]|$)"), ""),
    # The best so far is no measurement of now.
    # `grad norms (first -> last layer): 3e-9, 2e-8, 1e-7` are no ratios.
    (
        "first",
        re.compile(
            r"[(,]?\s?\b(?:from )?(?:the )?first(?: layer)?\s?(?:→|->|to(?: the)?|through)\s?last\b(?: layer)?\)?"
            r"(?=[\s:=]{0,4}\[?\s?[-+]?[\d.]{1,20}(?:e[-+]?\d{1,3})?(?:[\s,;|]{1,4}[-+]?[\d.]{1,20}(?:e[-+]?\d{1,3})?){2})",
            re.I,
        ),
        " per layer ",
    ),
    # Caffe prints each loss once more with its weight, and numbers what it prints.
    ("(*", re.compile(r"\(\*\s?[-+\d.e]{1,24}\s?=\s?[-+\w.]{1,24}\sloss\)"), " "),
    ("#", re.compile(r"\bnet output #\d{1,4}:"), " "),
    ("improve", re.compile(r"\bimproved from \S{1,30} to\b|\bdid(?: not|n't) improve from \S{1,30}"), " "),
    (":data", re.compile(r"\bgrad:(?=data)"), "grad/"),
    ("_norm", re.compile(r"\bgrad_\d(?:\.\d)?_norm"), "grad_norm"),
)
_CODE = re.compile(
    r"\s*(?:[\w.,\[\] ]{1,100}\s?=\s?[\w.]+\(|import |from |def |class |return |for |with |@|#|assert |if .*:$)"
)


_PAIR = re.compile(r"\b(mean|avg|min|max|std|norm)\s?/\s?(mean|std|var|max|min|norm)\b", re.I)
_PAIRED = re.compile(r"(?<![\w./])(-?\d[\d.]*(?:e[-+]?\d{1,3})?)\s?/\s?(-?\d[\d.]*(?:e[-+]?\d{1,3})?)(?![\w/])", re.I)


def without_noise(line: str, title: str = "") -> str:
    """The line, below a headline, without what is no measurement."""
    if "/" in line and (pair := _PAIR.search(line) or _PAIR.search(title)):
        # `mean/std of activations: layer1 0.01/0.9`
        line = _PAIRED.sub(rf"{pair[1]} \1 {pair[2]} \2", line)
    line = unglued(line)
    for mark, pattern, to in _RULES:
        if mark in line:
            line = pattern.sub(to, line)
    return line


def is_code(line: str) -> bool:
    """Whether a line is a statement of a program rather than its output."""
    return _CODE.match(line) is not None and "tensor(" not in line and "array(" not in line

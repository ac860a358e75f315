"""What was measured and by which statistic, from column heads, keys and the words around a number."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Quantity:
    """A kind of number, its statistic over elements, and the data split; "unknown" stays unknown.

    Kinds: weight gradient, activation gradient, gradient, gradient norm (of the whole network), gradient ratio,
    activation, weight, update, update ratio, dead, zero, saturated, cosine, nonfinite, loss, accuracy, metric,
    learning rate, loss scale, clip, growth, unknown.
    """

    kind: str = "unknown"
    statistic: str = "unknown"
    """norm, rms, mean square, variance, std, mean, mean abs, max, min, sum, median, value, unknown."""
    split: str = ""
    """train, val, test, or "" where the text does not say."""
    basis: str = "read"
    """"assumed" where only the place of the number, not its words, says what it is."""

    @property
    def known(self) -> bool:
        """Whether the words said what it is."""
        return self.kind != "unknown"


UNKNOWN = Quantity()

GRADIENTS = ("weight gradient", "activation gradient", "gradient")
PER_LAYER = (*GRADIENTS, "activation", "weight", "update", "update ratio", "dead", "zero", "saturated", "cosine")

# A phrase matches where all of its words are there; the first kind that matches is taken.
_KINDS: tuple[tuple[str, str], ...] = (
    ("update ratio", "update ratio|update weight|update data|updates ratio|grad data|grad weight ratio"),
    ("loss scale", "loss scale|loss scaler|grad scale|grad scaler|scaler|lossscale|gradscaler"),
    ("clip", "clip|clipping|clipped|clipnorm|clipvalue|max norm grad|max grad norm"),
    ("learning rate", "lr|learning rate|learningrate"),
    ("dead", "dead|inactive|dying"),
    ("saturated", "saturated|saturation|sat"),
    ("nonfinite", "nonfinite|nans|infs|isnan|isinf"),
    ("gradient ratio", "grad ratio|first last|last first"),
    ("zero", "zero frac|zero fraction|zeros frac|zeros fraction|zero rate|sparsity"),
    ("cosine", "cosine|cos|cossim"),
    ("loss", "loss|losses|nll|bce|mse|elbo|cost|perplexity grad loss"),
    ("accuracy", "acc|accuracy|correct|top|err"),
    ("weight gradient", "weight grad|weights grad|param grad|params grad|kernel grad|dw|bias grad|w grad"),
    ("activation gradient", "activation grad|activations grad|act grad|output grad|input grad|hidden grad|dx|dh"),
    ("gradient", "grad"),
    ("metric", "ppl|perplexity|bleu|auc|iou|miou|dice|map|mae|rmse|psnr|fid|reward|wer|score|metric"),
    ("update", "update|updates|delta"),
    ("activation", "activation|activations|act|acts|output|outputs|out|hidden|features|logits|preact|signal|forward"),
    ("weight", "weight|weights|param|params|parameter|parameters|kernel"),
)
_STATISTICS: tuple[tuple[str, str], ...] = (
    ("mean square", "second moment|mean square|mean squared|mean sq|msq|meansq"),
    ("mean abs", "mean abs|avg abs|average abs|absmean|meanabs|mean magnitude|mean absolute"),
    ("max", "max|maximum|absmax|maxabs|amax"),
    ("min", "min|minimum|amin"),
    ("rms", "rms"),
    ("variance", "variance|var"),
    ("std", "std|stddev|stdev|sd|sigma|deviation"),
    ("norm", "norm|norms|l2|frobenius|gnorm"),
    ("mean", "mean|avg|average|mu"),
    ("sum", "sum"),
    ("median", "median"),
    ("abs", "abs|magnitude"),
)
_SPLITS = (
    ("val", "val|valid|validation|dev|eval"),
    ("test", "test|testing"),
    ("train", "train|training|tr"),
)
_ALIASES: dict[str, str] = {
    "grads": "grad", "gradient": "grad", "gradients": "grad", "gnorm": "grad gnorm", "gradnorm": "grad norm",
    "wgrad": "weight grad", "accuracies": "acc", "accs": "acc", "acc1": "acc", "error": "err", "ratios": "ratio",
    "means": "mean", "stds": "std", "activ": "act",
}  # fmt: skip
_SYMBOLS = (
    (re.compile(r"E\[\s*\(?\s*(?:dL/d|∂L/∂)[xh]\s*\)?\s*(?:\^|\*\*)?[2²]\s*\]"), " activation grad second moment "),
    (re.compile(r"E\[\s*\(?\s*(?:dL/d|∂L/∂)[wW]\s*\)?\s*(?:\^|\*\*)?[2²]\s*\]"), " weight grad second moment "),
    (re.compile(r"E\[\s*[xh]\s*(?:\^|\*\*)?[2²]\s*\]"), " activation second moment "),
    (re.compile(r"[d∂]L/[d∂][xhaz]\b"), " activation grad "),
    (re.compile(r"[d∂](?:L|loss)/[d∂][wWθ]\w*"), " weight grad "),
    (re.compile(r"[d∂]L/[d∂]\s*$"), " grad "),
    (re.compile(r"‖|\|\|"), " norm "),
    (re.compile(r"\|\s?(\w{1,20})\s?\|"), r" abs \1 "),
    (re.compile(r"∇"), " grad "),
    (re.compile(r"σ²|sigma\^2|std\^2"), " var "),
    (re.compile(r"σ"), " std "),
    (re.compile(r"μ|µ"), " mean "),
    (re.compile(r"\blog[_ ]?(?:loss|lik\w*)"), " nll "),
    (re.compile(r"\b(?:top[-_ @]?[15]|acc@?[15])\b", re.I), " acc "),
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
LONGEST = 120


def words_of(text: str) -> list[str]:
    """The words of a label, camel case and underscores taken apart, symbols written out."""
    text = text[-LONGEST:]
    if not text.isascii() or "|" in text or "/" in text or "[" in text or "@" in text or "log" in text or "op" in text:
        for pattern, words in _SYMBOLS:
            text = pattern.sub(words, text)
    found: list[str] = [word.lower() for word in _WORD.findall(text)]
    return " ".join(_ALIASES.get(word, word) for word in found).split()


@lru_cache(maxsize=4096)
def quantity_of(text: str) -> Quantity:
    """The quantity that a label names, or one of unknown kind."""
    words = words_of(text)
    present = set(words)
    kind = _first("kind", present) or "unknown"
    statistic = _first("statistic", present) or "unknown"
    if kind == "unknown" and (beside := re.search(r"\babs ([hxzgw])\b|\|([hxzgw])\|", text)):
        kind = _LETTERS[beside[1] or beside[2]]
    elif (
        kind == "unknown"
        and (letter := present & (_LETTERS.keys() if "abs" in present else {"h", "g", "z", "w"}))
        and present - letter <= _STATISTIC_WORDS
    ):
        # `|h|`, `g norm`: a letter counts only beside words of statistics.
        kind = _LETTERS[min(letter)]
    split = _first("split", present) or ""
    if kind == "clip" and "norm" in present and "grad" in present and "before" in present:
        kind = "gradient"
    if statistic == "abs":
        statistic = "mean abs"
    if kind != "unknown" and statistic == "unknown" and "ms" in present and kind != "loss":
        statistic = "mean square"
    if kind == "accuracy" and "err" in present and "acc" not in present:
        kind = "metric"
    return Quantity(kind, statistic, split)


def probe_quantity(key: str) -> Quantity | None:
    """The quantity behind a key of our own probe `signal` (probes/signal_probe.py)."""
    return _PROBE.get(key)


def filled(quantity: Quantity, context: Quantity) -> Quantity:
    """What a label leaves open, from the words that stood before it."""
    if quantity.kind == "unknown" and context.known:
        split = quantity.split or context.split
        statistic = context.statistic if quantity.statistic == "unknown" else quantity.statistic
        return Quantity(context.kind, statistic, split, context.basis)
    if quantity.kind == "gradient" and context.kind in GRADIENTS:
        quantity = replace(quantity, kind=context.kind)
    if quantity.kind == context.kind and quantity.statistic == "unknown":
        quantity = replace(quantity, statistic=context.statistic)
    return quantity


def _first(table: str, present: set[str]) -> str:
    for name, phrases in _PARSED[table]:
        if any(phrase <= present for phrase in phrases):
            return name
    return ""


_PARSED = {
    key: [(name, [frozenset(phrase.split()) for phrase in phrases.split("|")]) for name, phrases in table]
    for key, table in (("kind", _KINDS), ("statistic", _STATISTICS), ("split", _SPLITS))
}
_STATISTIC_WORDS = {word for _, phrases in _STATISTICS for word in re.findall(r"\w+", phrases)}
_LETTERS = {"h": "activation", "x": "activation", "z": "activation", "g": "gradient", "w": "weight"}
_PROBE = {
    "second_moment": Quantity("activation", "mean square"),
    "mean": Quantity("activation", "mean"),
    "cosine": Quantity("cosine", "mean"),
    "zero": Quantity("zero", "value"),
    "dead": Quantity("dead", "value"),
    "saturated": Quantity("saturated", "value"),
    "nonfinite": Quantity("nonfinite", "value"),
    "gradient": Quantity("activation gradient", "mean square"),
    "gradient_sum": Quantity("activation gradient", "sum square"),
    "gradient_nonfinite": Quantity("nonfinite", "gradient"),
    "weight_norm": Quantity("weight", "norm"),
    "weight_std": Quantity("weight", "std"),
    "weight_grad_norm": Quantity("weight gradient", "norm"),
}

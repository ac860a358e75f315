"""What was measured and by which statistic, from column heads, keys and the words around a number."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Quantity:
    """A kind of number, its statistic over elements, and the data split; "unknown" stays unknown.

    Kinds: weight gradient, activation gradient, gradient, gradient norm (of the whole network), gradient ratio,
    activation, weight, update, update ratio, dead, zero, gradient zero, saturated, cosine, spread (of one number
    between inputs), nonfinite, underflow and weight underflow (what float16 would lose of a gradient), loss, loss term
    (a part of the loss beside the whole), accuracy, metric, learning rate, loss scale, clip, growth, unknown.
    Of data and outputs: range, and those of `stated`.
    """

    kind: str = "unknown"
    statistic: str = "unknown"
    """norm, rms, mean square, variance, std, mean, mean abs, max, min, sum, median, value, unknown; of underflow: zero
    and subnormal."""
    split: str = ""
    """train, val, test; of layers fp16, bf16 or fp32, where a column is of one precision; "" where nothing says it."""
    basis: str = "read"
    """"assumed" where only the place of the number, not its words, says what it is."""

    @property
    def known(self) -> bool:
        """Whether the words said what it is."""
        return self.kind != "unknown"


UNKNOWN = Quantity()

GRADIENTS = ("weight gradient", "activation gradient", "gradient")
PER_LAYER = (
    *GRADIENTS,
    "activation",
    "weight",
    "update",
    "update ratio",
    "dead",
    "alive",
    "active",
    "nonzero",
    "gradient nonzero",
    "zero",
    "gradient zero",
    "saturated",
    "cosine",
    "spread",
)

# A phrase matches where all of its words are there; the first kind that matches is taken.
_KINDS: tuple[tuple[str, str], ...] = (
    ("update ratio", "update ratio|update weight|update data|updates ratio|grad data ratio|grad weight ratio"),
    ("loss scale", "loss scale|loss scaler|grad scale|grad scaler|scaler|lossscale|gradscaler"),
    (
        "metric",
        "clip coef|clip coefficient|clip factor|factor applied|clip fraction|after clip|after clipping|clipped norm",
    ),
    ("clip", "clip|clipping|clipped|clipnorm|clipvalue|max norm grad|max grad norm"),
    ("learning rate", "lr|learning rate|learningrate"),
    ("dead", "dead|inactive|dying|never active|never fire|never fires|never fired|not active"),
    ("dead", "always zero|always zeros"),
    ("gradient nonzero", "nonzero grad"),
    ("nonzero", "nonzero|nonzeros"),
    ("alive", "alive|active unit|active units|active neuron|active neurons|active channels|active filters"),
    ("active", "active"),
    ("saturated", "saturated|saturation|sat"),
    ("underflow", "underflow|underflows|underflowed"),
    ("nonfinite", "nonfinite|nans|infs|isnan|isinf"),
    ("gradient ratio", "grad ratio|first last|last first"),
    ("gradient zero", "zero grad|zeros grad|grad zero frac|zero frac grad"),
    ("zero", "zero frac|zero fraction|zeros frac|zeros fraction|zero rate|zero share|zeros share|sparsity"),
    ("zero", "zero activation|zero activations|zeros activation|zeros activations|zero outputs|zeros outputs"),
    ("metric", "pearson|spearman|matthews"),
    ("cosine", "cosine|cos|cossim|similarity|corr|correlation"),
    ("metric", "approx kl|best loss|best acc|best accuracy|best val|best score|best metric"),
    ("loss", "loss|losses|nll|bce|mse|elbo|cost|recon|reconstruction|kl|kld"),
    ("loss", "bpb|bpc|bpd|bits per byte|bits per char|bits per character|bits per dim"),
    ("loss", "xent|ce|crossentropy|cross entropy|residual term|boundary term|data term|physics term|penalty term"),
    ("metric", "topfive"),
    ("accuracy", "acc|accuracy|correct|top|err"),
    ("weight gradient", "weight grad|weights grad|param grad|params grad|kernel grad|dw|bias grad|w grad"),
    ("activation gradient", "activation grad|activations grad|act grad|output grad|input grad|hidden grad|dx|dh"),
    ("gradient", "grad"),
    ("metric", "ppl|perplexity|bleu|auc|iou|miou|dice|map|mae|rmse|psnr|fid|reward|wer|score|metric"),
    ("update", "update|updates|delta|change|changes|changed"),
    (
        "activation",
        "activation|activations|act|acts|output|outputs|out|hidden|features|logits|logit|preact|signal|forward",
    ),
    ("activation", "stream|trunk|representation|representations"),
    ("weight", "weight|weights|param|params|parameter|parameters|kernel|data mean|data std|data norm|data abs"),
    ("gradient", "total norm|global norm"),
)
_STATISTICS: tuple[tuple[str, str], ...] = (
    ("mean square", "second moment|mean square|mean squared|mean sq|msq|meansq"),
    ("mean abs", "mean abs|avg abs|average abs|absmean|meanabs|mean magnitude|mean absolute"),
    ("max", "max|maximum|absmax|maxabs|amax"),
    ("min", "min|minimum|amin"),
    ("rms", "rms"),
    ("variance", "variance|var"),
    ("std", "std|stddev|stdev|sd|sigma|deviation"),
    ("mean abs", "mean bars|avg bars|average bars"),
    ("norm", "norm|norms|l2|frobenius|gnorm"),
    ("mean", "mean|avg|average|mu"),
    ("sum", "sum"),
    ("median", "median"),
    ("abs", "abs|magnitude"),
    ("bars", "bars"),
)
_SPLITS = (
    ("val", "val|va|valid|validation|dev|eval"),
    ("test", "test|testing"),
    ("train", "train|training|tr"),
)
_ALIASES: dict[str, str] = {
    "grads": "grad", "gn": "grad norm", "gradient": "grad", "gradients": "grad", "gnorm": "grad gnorm",
    "gradnorm": "grad norm", "wgrad": "weight grad", "accuracies": "acc", "accs": "acc", "acc1": "acc", "error": "err",
    "ratios": "ratio", "means": "mean", "stds": "std", "activ": "act",
}  # fmt: skip
LIMIT = re.compile(
    r"(?:\|\s?(?!grad|g\s?\||d[LW]|err)\w{1,12}(?:\(\w{1,4}\))?\s?\|\s?|\b(?:units|outputs|values|neurons|activations|tanh|sigmoid)"
    r"\s?(?:[<≤]=?\s?0?\.0\d{1,3}\s?(?:or|and|,|/)\s?)?)(?:>=?|≥)\s?0?\.9\d{0,3}(?!\d)"
)
"""`|tanh| > 0.99`: the outputs that lie at a limit of the nonlinearity."""
BETWEEN = re.compile(
    r"\b(?:std|stddev|var|variance|spread|deviation|sd|variation|difference|range|distance)\b[ _]?"
    r"(?:(?:of|in)[ _](?:the )?\w{1,20}[ _])?\(?(?:across|over|between|among|along)"
    r"[ _](?:the |all |two |different |\d{1,6} )?"
    r"(?:batch|sample|input|user|image|example|item|node|token|point|(?!(?:units|channels|neurons|features|dimensions|dims"
    r"|weights|params|parameters|layers|blocks|elements|entries"
    r"|values|heads|positions|steps|epochs|iterations|runs|seeds|updates|filters)\b)[a-z]{3,20}s)\b"
    r"|\bdiff(?:erence)?\b[^;|,]{1,60}?\bvs\b",
    re.I,
)
"""A statistic over inputs, not over units."""
_SYMBOLS = (
    (LIMIT, " saturated "),
    (re.compile(r"\b[xh] (?:after|behind) (?:each |every |the )?(?:block|layer)\b"), " activation "),
    (re.compile(r"(?<!\|)\|([^|\s]{1,20})\|(?!\|)"), r" bars \1 "),
    (re.compile(r"E\[\s*\(?\s*(?:dL/d|∂L/∂)[xh]\s*\)?\s*(?:\^|\*\*)?[2²]\s*\]"), " activation grad second moment "),
    (re.compile(r"E\[\s*\(?\s*(?:dL/d|∂L/∂)[wW]\s*\)?\s*(?:\^|\*\*)?[2²]\s*\]"), " weight grad second moment "),
    (re.compile(r"E\[\s*[xh]\s*(?:\^|\*\*)?[2²]\s*\]"), " activation second moment "),
    (re.compile(r"[d∂]L/[d∂][xhaz]\b"), " activation grad "),
    (re.compile(r"[d∂](?:L|loss)/[d∂][wWθ]\w*"), " weight grad "),
    (re.compile(r"[d∂](?:L|[Ll]oss)/[d∂]\s*$"), " grad "),
    (re.compile(r"[d∂](?:L|[Ll]oss)/[d∂](?:[Pp]aram|[Bb]ias|[Kk]ernel|[Ww]eight|theta)\w*"), " weight grad "),
    (re.compile(r"[d∂](?:L|[Ll]oss)/[d∂][A-Za-z]\w*"), " activation grad "),
    (re.compile(r"(?<=[a-z])[ _/-][lL]2\b(?!\.| loss| reg)|\b[lL]2[ _-]?(?=norm)"), " norm "),
    (re.compile(r"‖|\|\|"), " norm "),
    (re.compile(r"∇"), " grad "),
    (re.compile(r"σ²|sigma\^2|std\^2"), " var "),
    (re.compile(r"σ"), " std "),
    (re.compile(r"μ|µ"), " mean "),
    (re.compile(r"\blog[_ ]?(?:loss|lik\w*)"), " nll "),
    (re.compile(r"\b(?:top[-_ @]?5|acc(?:uracy)?[@_]?5)\b", re.I), " topfive "),
    (re.compile(r"\b(?:top[-_ @]?1|acc@?1)\b", re.I), " acc "),
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_HIDDEN = re.compile(r"\bhidden layers?\b")
"""The name of a place, not of what was measured there."""
LONGEST = 120


def words_of(text: str) -> list[str]:
    """The words of a label, camel case and underscores taken apart, symbols written out."""
    text = text[-LONGEST:]
    if (
        not text.isascii()
        or "|" in text
        or "/" in text
        or "[" in text
        or "@" in text
        or "log" in text
        or "op" in text
        or "after" in text
        or ">" in text
        or text[-1:] in "25"
        or "l2" in text.lower()
    ):
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
    if kind == "activation" and statistic == "unknown" and _HIDDEN.search(text):
        kind = _first("kind", present - {"hidden"}) or "unknown"
    if kind == "unknown" and (beside := re.search(r"\b(?:abs|bars) ([hxzgw])\b|\|([hxzgw])\|", text)):
        kind = _LETTERS[beside[1] or beside[2]]
    elif kind in ("unknown", "activation") and BETWEEN.search(text.replace("_", " ")):
        kind = "spread"
    elif (
        kind == "unknown"
        and (letter := present & (_LETTERS.keys() if present & {"abs", "bars"} else {"h", "g", "z", "w"}))
        and present - letter <= _STATISTIC_WORDS
    ):
        # `|h|`, `g norm`: a letter counts only beside words of statistics.
        kind = _LETTERS[min(letter)]
    split = _first("split", present) or ""
    if "max_norm" in text and "grad" not in present and "weight" not in present:
        return Quantity("clip", "value")
    if kind == "clip" and "norm" in present and "grad" in present:
        # `max_grad_norm` is the clip; `grad_norm max` and the norm before clipping are measured.
        limit = any(word.startswith("clip") for word in words) or words.index("max") < words.index("grad")
        kind = "clip" if limit and "before" not in present else "gradient"
    if kind == "underflow":
        return Quantity(kind, "zero")
    # `|h|` alone is the length of a vector; `mean |h|` is of its numbers.
    statistic = {"abs": "mean abs", "bars": "norm"}.get(statistic, statistic)
    if kind != "unknown" and statistic == "unknown" and "ms" in present and kind != "loss":
        statistic = "mean square"
    if kind == "accuracy" and "err" in present and "acc" not in present:
        kind = "metric"
    if not split and (kind in PER_LAYER) and (precision := _PRECISION.search(text)):
        split = next(name for name, found in precision.groupdict().items() if found)
    return Quantity(kind, statistic, split)


def quantity_of_layer(text: str) -> Quantity:
    """The same for a label that stands beside a layer, where `zeros` alone is a share of zeros."""
    quantity = quantity_of(text)
    return Quantity("zero", "value") if not quantity.known and words_of(text) in (["zero"], ["zeros"]) else quantity


def is_statistic(text: str) -> bool:
    """Whether a label holds words of statistics and splits alone, so that what it measures stands elsewhere."""
    return all(word in _STATISTIC_WORDS or word in _LINKS for word in words_of(text))


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
_LINKS = {word for _, phrases in _SPLITS for word in re.findall(r"\w+", phrases)} | set(
    "ms of the is was a at in value values its their over all per layer batch with and".split()
)
_PRECISION = re.compile(
    r"(?<![A-Za-z])(?:(?P<bf16>bf(?:loat)?16)|(?P<fp16>f(?:p|loat)16|half(?![_ ](?:zero|subnormal)))"
    r"|(?P<fp32>f(?:p|loat)32))(?![A-Za-z0-9])",
    re.I,
)
_LETTERS = {"h": "activation", "x": "activation", "z": "activation", "g": "gradient", "w": "weight"}

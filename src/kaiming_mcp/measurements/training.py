"""How the network is trained: precision, optimizer, rates, loss, classes, from settings, code, flags or prose."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from kaiming_mcp.measurements.record import Setting, Training
from kaiming_mcp.measurements.value import NUMBER, Value, number

LONGEST = 60_000
"""Characters of a text that are searched for settings."""

_RUNNING = re.compile(r"\b(?:epoch|step|iter\w*|depth|update|batch)\b\W{0,3}\d|[\"']epoch", re.I)
_GLUE = r"[\"'`]?\s?(?:(?::\s?(?:float|int)\s?)?[=:]|\bof\b|\bis\b|\s)\s?[\"'`]?"
_CLASSES = {
    "cifar-100": 100, "cifar100": 100, "cifar-10": 10, "cifar10": 10, "fashion-mnist": 10, "fashionmnist": 10,
    "mnist": 10, "svhn": 10, "stl10": 10, "stl-10": 10, "tiny-imagenet": 200, "tiny imagenet": 200, "imagenet-1k": 1000,
    "imagenet": 1000, "imagenette": 10,
    "caltech-101": 101, "food-101": 101, "emnist": 47, "imdb": 2, "sst-2": 2, "sst2": 2, "ag news": 4,
}  # fmt: skip
"""Classes of public data sets, as torchvision.datasets and torchtext document them."""
_VOCABULARIES = {"gpt-2": 50257, "gpt2": 50257, "nanogpt": 50257}
"""Size of the GPT-2 vocabulary (transformers, GPT2Config)."""

_PRECISION = (
    ("bf16", r"\bbf16(?:-mixed|-true)?\b|\bbfloat16\b|--bf16"),
    (
        "fp16",
        r"\bfp16\b|\bfloat16\b|\bhalf precision\b|\.half\(\)|\b16-mixed\b|\b16-true\b"
        r"|precision\s?=\s?[\"']?16\b|--fp16|\bmixed_float16\b",
    ),
    ("amp", r"\bautocast\b|\bamp\b|\bmixed[- _]precision\b|\bO[12]\b"),
    ("tf32", r"\btf32\b"),
    ("fp64", r"\bfloat64\b|\bfp64\b|\bdouble precision\b"),
    ("fp32", r"\bfp32\b|\bfloat32\b|\bfull precision\b|\bsingle precision\b|precision\s?=\s?[\"']?32\b"),
)
_NOT = re.compile(
    r"(?:\b(?:no|not|without|never|lacks?|instead of|disabl\w+|doesn't support"
    r"|(?:no|not) support(?: for)?)\s(?:\w+\s)?)$",
    re.I,
)
_OFF = re.compile(r"[\"']?\s?[=:]\s?(?:False|false|0\b|no\b|off\b|null|None)")
_OPTIMIZER = re.compile(
    r"\b(?:(?:fused|torch\.optim|optim|optimizers?|tf\.keras\.optimizers|keras\.optimizers)[ .])?"
    r"(AdamW|Adamax|Adadelta|Adagrad|NAdam|RAdam|Adam|SGD|RMSprop|LAMB|LARS|Lion|Adafactor"
    r"|L-?BFGS|Muon|Sophia|Shampoo|Novograd|Rprop)\b",
    re.I,
)
_LOSSES = (
    ("cross entropy", r"cross[-_ ]?entropy|\bCrossEntropyLoss\b|\bNLLLoss\b|\bnll\b|\bsoftmax loss\b"),
    ("binary cross entropy", r"\bBCE(?:WithLogits)?(?:Loss)?\b|binary[-_ ]?cross[-_ ]?entropy"),
    ("mse", r"\bMSE(?:Loss)?\b|mean[-_ ]squared[-_ ]error|\bL2 loss\b"),
    ("mae", r"\bL1(?:Loss| loss)\b|\bMAE\b|mean[-_ ]absolute[-_ ]error"),
    ("huber", r"\b(?:Smooth)?Huber(?:Loss)?\b|SmoothL1"),
    ("hinge", r"\bhinge\b"), ("triplet", r"\btriplet\b"), ("ctc", r"\bCTC(?:Loss)?\b"), ("kl", r"\bKL(?:DivLoss)?\b"),
    ("contrastive", r"\bInfoNCE\b|\bcontrastive\b"), ("adversarial", r"\bWGAN\b|\bhinge GAN\b|\badversarial loss\b"),
)  # fmt: skip
_SECOND = re.compile(
    r"\bgradient[- ]penalty\b|\bWGAN-GP\b|\bPINNs?\b|\bphysics[- ]informed\b|\bHessian"
    r"|\bsecond[- ](?:order )?derivatives?\b|create_graph\s?=\s?True"
    r"|\bu_(?:xx|tt|yy)\b|\bR1 (?:penalty|regulari[sz]ation)\b|\bMAML\b"
    r"|\bPDE\b|\bforces?\s?=\s?-\s?d|\bdouble backward\b|\blaplacian\b",
    re.I,
)
_DEVICE = re.compile(
    r"\b(V100|P100|T4|A100|A10G?|A40|H100|H200|B200|L4|L40S?|RTX ?\d{4}(?: ?Ti)?"
    r"|GTX ?\d{4}(?: ?Ti)?|TPU ?v?\d?\w?|MPS|MI\d{3}X?|K80|2080 ?Ti|3090|4090|CPU)\b"
)
_DEPTH = re.compile(
    r"(?<![\w.-])(\d{1,4})(?:-layer\b|[ -](?:hidden |conv\w* |transformer |encoder |residual |dense "
    r"|\w+ )?(?:layers|blocks)\b)"
    r"|\bdepth(?: of)?\s?[=:]?\s?(\d{1,4})\b",
    re.I,
)
_CLASS_COUNT = re.compile(
    r"(?<![\w.])(\d[\d,]{0,8})[ -]?(?:classes|class\b|categories|labels|way\b)"
    r"|\b(?:num|n|nb)_?(?:classes|labels|categories)\b" + _GLUE + r"(\d{1,7})", re.I
)  # fmt: skip
_VOCABULARY = re.compile(r"\b(?:vocab(?:ulary)?(?:[_ ]size)?|n_vocab)\b(?:\s?size)?" + _GLUE + r"(\d[\d,]{1,9})", re.I)
_CLIP = re.compile(
    r"clip_grad_(?P<kind>norm|value)_?\(.{0,200}?(?:max_norm\s?=\s?|clip_value\s?=\s?|,\s?)(?P<a>[\d.][\d.e-]*)"
    r"|\b(?P<word>clipnorm|clipvalue|global_clipnorm|gradient_clip_val|grad_clip|clip_grad|max_grad_norm|gradient_clipping"
    r"|clip[-_]norm|grad(?:ient)?[ _-](?:norm[ _-])?clip(?:ping|ped)?(?:[ _]value|[ _]norm)?"
    r"|clip(?:ping|ped)?(?:\s(?:at|to|norm|value|gradients? (?:at|to)))?)\b"
    + _GLUE + r"(?:at |to |norm |value |max_norm=)?(?P<b>[\d.][\d.]*(?:e[-+]?\d+)?)",
    re.I,
)  # fmt: skip
_NUMBERS: tuple[tuple[str, str], ...] = (
    (
        "learning_rate",
        r"(?<![\w.])(?:(?:base|init|initial|peak|max|start)[_-]?)?(?:learning[-_ ]?rate|lr|eta)(?:[_-]init)?\b",
    ),
    ("warmup", r"(?:lr[_-])?warm[-_ ]?up(?:[_-]?(?:steps|iters|updates|epochs|ratio))?\b"),
    ("batch", r"(?:(?:per_device_)?train_)?(?:mini)?[-_]?batch[-_ ]?size\b|\bbatch\b(?! ?norm)|\bbs\b"),
    ("epochs", r"(?:num_(?:train_)?|n_|max_)?epochs\b"),
    ("weight_decay", r"weight[-_ ]?decay\b|\bwd\b"),
    (
        "loss_scale",
        r"(?:init(?:ial)?[-_ ])?(?:loss[-_ ])?scale(?:[-_ ]power)?\b(?=[\"']?\s?[=:])|\binitial loss scale\b",
    ),
    ("seed", r"(?:random_?)?seed\b"),
    ("depth", r"(?:num_(?:hidden_)?layers|n_?layers?|num_blocks)\b"),
)
_COMPILED = [(name, re.compile(rf"(?:{words}){_GLUE}(?={NUMBER.pattern})", re.I)) for name, words in _NUMBERS]
_COUNTED = (
    ("epochs", re.compile(r"(?<![\w.])(\d{1,6}) epochs\b", re.I)),
    ("warmup", re.compile(r"(?<![\w.])(\d[\d,.k]{0,8}) (?:steps?|iterations|epochs?) (?:of )?warm-?up", re.I)),
)


def training(own: str, others: str = "") -> Training:
    """The settings that the texts state; those of `own` before those of `others`."""
    chosen: dict[str, Setting] = {}
    for text in (own[:LONGEST], others[:LONGEST]):
        for setting in _settings(text, prose=text is own or not text):
            chosen.setdefault(setting.name, setting)
    return _training(chosen)


def _settings(text: str, prose: bool) -> Iterator[Setting]:
    for find in _FINDERS:
        for setting in find(text):
            # A log repeats its running rate, and a table of depths its depths: those are measurements.
            if prose or setting.name not in ("depth", "learning_rate", "batch") or not _RUNNING.search(setting.text):
                yield setting


def _training(chosen: dict[str, Setting]) -> Training:
    def value(name: str) -> Value | None:
        return chosen[name].number if name in chosen else None

    def whole(name: str) -> int | None:
        found = value(name)
        return int(found.x) if found and found.finite and abs(found.x) < 1e12 else None

    def word(name: str) -> str | None:
        return chosen[name].value if name in chosen else None

    return Training(
        precision=word("precision"),
        scaler={"True": True, "False": False}.get(word("scaler") or ""),
        device=word("device"),
        optimizer=word("optimizer"),
        learning_rate=value("learning_rate"),
        warmup=value("warmup"),
        batch=whole("batch"),
        epochs=whole("epochs"),
        loss=word("loss"),
        classes=whole("classes"),
        dataset=word("dataset"),
        weight_decay=value("weight_decay"),
        clip=value("clip"),
        clip_kind=word("clip_kind"),
        loss_scale=value("loss_scale"),
        second_derivatives="second_derivatives" in chosen,
        seed=whole("seed"),
        depth=whole("depth"),
        settings=tuple(chosen.values()),
    )


def _around(text: str, begin: int, end: int) -> str:
    start, stop = text.rfind("\n", 0, begin) + 1, text.find("\n", end)
    return text[max(start, begin - 200) : min(stop if stop >= 0 else len(text), end + 200)].strip()


def _precision(text: str) -> Iterator[Setting]:
    found: list[tuple[int, str, str]] = []
    for rank, (name, pattern) in enumerate(_PRECISION):
        for match in re.finditer(pattern, text, re.I):
            before, after = text[max(0, match.start() - 30) : match.start()], text[match.end() : match.end() + 20]
            if (
                not _NOT.search(before)
                and not _OFF.match(after)
                and not re.match(r"\s(?:has|works|is fine|removes|gives|trains|was fine)", after)
            ):
                found.append((rank, name, _around(text, match.start(), match.end())))
                break
    if found:
        _, name, context = min(found)
        yield Setting("precision", name, None, context)
    if match := re.search(
        r"\bGradScaler\b|\bloss[-_ ]scal|\bscaler\.(?:scale|step|unscale_)|--fp16\b|\bapex\b|\bdynamic loss scal",
        text,
        re.I,
    ):
        off = re.search(r"enabled\s?=\s?False|\b(?:no|without)(?: a)? (?:Grad)?[Ss]caler", text)
        yield Setting("scaler", str(not off), None, _around(text, match.start(), match.end()))
    elif match := re.search(r"\b(?:no|without)(?: a)? (?:grad[ -]?)?scaler", text, re.I):
        yield Setting("scaler", "False", None, _around(text, match.start(), match.end()))


def _pattern(name: str, pattern: re.Pattern[str]) -> Callable[[str], Iterator[Setting]]:
    def find(text: str) -> Iterator[Setting]:
        if match := pattern.search(text):
            yield Setting(
                name, match[1] if match.re.groups else match[0], None, _around(text, match.start(), match.end())
            )

    return find


def _loss(text: str) -> Iterator[Setting]:
    hits = [(m.start(), name, m) for name, pattern in _LOSSES if (m := re.search(pattern, text, re.I))]
    names = {name for _, name, _ in hits}
    if "binary cross entropy" in names:
        hits = [h for h in hits if h[1] != "cross entropy"]
    if hits:
        _, name, match = min(hits, key=lambda h: h[0])
        yield Setting("loss", name, None, _around(text, match.start(), match.end()))


def _classes(text: str) -> Iterator[Setting]:
    lower = text.lower()
    named = next((name for name in _CLASSES if re.search(rf"(?<![\w]){re.escape(name)}(?![\w])", lower)), None)
    if named:
        at = lower.index(named)
        yield Setting("dataset", text[at : at + len(named)], None, _around(text, at, at + len(named)))
    for pattern in (_CLASS_COUNT, _VOCABULARY):
        for match in pattern.finditer(text):
            found = number(next(g for g in match.groups() if g))
            if found and found.x >= 2:
                yield Setting("classes", f"{found.x:.0f}", found, _around(text, match.start(), match.end()))
                return
    for table in (_CLASSES, _VOCABULARIES):
        for name, count in table.items():
            if match := re.search(rf"(?<![\w]){re.escape(name)}(?![\w])", lower):
                found = Value(count, count, count, str(count))
                yield Setting("classes", str(count), found, _around(text, match.start(), match.end()), "assumed")
                return


def _clip(text: str) -> Iterator[Setting]:
    for match in _CLIP.finditer(text):
        found = number((match["a"] or match["b"] or "").rstrip("."))
        if not found or not found.x > 0:
            continue
        context = _around(text, match.start(), match.end())
        words = (match["kind"] or match["word"] or "").lower()
        kind = (
            "value"
            if "value" in words.replace("clip_val", "").replace("_value_", "") or match["kind"] == "value"
            else "norm"
        )
        by_name = "norm" in words or "value" in words
        yield Setting("clip", found.text, found, context)
        yield Setting("clip_kind", kind, None, context, "read" if by_name else "assumed")
        return


def _numbers(text: str) -> Iterator[Setting]:
    for name, pattern in _COMPILED:
        if (match := pattern.search(text)) and (found := NUMBER.match(text, match.end())):
            value = number(found[0])
            if value and value.finite:
                yield Setting(name, value.text, value, _around(text, match.start(), found.end()))
    for name, pattern in _COUNTED:
        if match := pattern.search(text):
            value = number(match[1])
            if value:
                yield Setting(name, value.text, value, _around(text, match.start(), match.end()))


def _depth(text: str) -> Iterator[Setting]:
    found = list(_DEPTH.finditer(text))
    if found and len({m[1] or m[2] for m in found}) == 1:
        match = found[0]
        value = number(match[1] or match[2])
        if value:
            yield Setting("depth", value.text, value, _around(text, match.start(), match.end()))


_FINDERS: tuple[Callable[[str], Iterator[Setting]], ...] = (
    _precision,
    _pattern("device", _DEVICE),
    _pattern("optimizer", _OPTIMIZER),
    _loss,
    _classes,
    _clip,
    _numbers,
    _pattern("second_derivatives", _SECOND),
    _depth,
)

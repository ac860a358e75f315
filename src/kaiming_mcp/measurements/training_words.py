"""The words by which settings of a training are known: data sets, precisions, losses, flags of scripts."""

from __future__ import annotations

import re

from kaiming_mcp.measurements.value import NUMBER

GLUE = r"[\"'`]?\s?(?:(?::\s?(?:float|int)\s?)?[=:]|\bof\b|\bis\b|\s)\s?[\"'`]?"
CLASSES = {
    "cifar-100": 100, "cifar100": 100, "cifar-10": 10, "cifar10": 10, "fashion-mnist": 10, "fashionmnist": 10,
    "mnist": 10, "svhn": 10, "stl10": 10, "stl-10": 10, "tiny-imagenet": 200, "tiny imagenet": 200, "imagenet-1k": 1000,
    "imagenet": 1000, "imagenette": 10,
    "caltech-101": 101, "food-101": 101, "emnist": 47, "imdb": 2, "sst-2": 2, "sst2": 2, "ag news": 4,
}  # fmt: skip
"""Classes of public data sets, as torchvision.datasets and torchtext document them."""
VOCABULARIES = {"gpt-2": 50257, "gpt2": 50257, "nanogpt": 50257}
"""Size of the GPT-2 vocabulary (transformers, GPT2Config)."""

PRECISION = (
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
HINTS: dict[str, tuple[str, ...]] = {
    "bf16": ("bf16", "bfloat16"), "fp16": ("fp16", "float16", "half", "16-mixed", "16-true", "precision"),
    "amp": ("autocast", "amp", "mixed", "o1", "o2"), "tf32": ("tf32",), "fp64": ("float64", "fp64", "double"),
    "fp32": ("fp32", "float32", "full", "single", "precision"), "scaler": ("scal", "--fp16", "apex"),
    "gaussian likelihood": ("gaussian",), "cross entropy": ("entropy", "nll", "softmax"),
    "binary cross entropy": ("bce", "binary"), "mse": ("mse", "squared", "l2"), "mae": ("l1", "mae", "absolute"),
    "huber": ("huber", "smoothl1"), "hinge": ("hinge",), "triplet": ("triplet",), "ctc": ("ctc",), "kl": ("kl",),
    "contrastive": ("infonce", "contrastive"), "adversarial": ("wgan", "hinge", "adversarial"),
    "second_derivatives": (
        "penalty", "wgan", "pinn", "physics", "hessian", "derivative", "create_graph", "u_", "r1", "maml", "pde",
        "euler", "''", "force", "backward", "laplacian",
    ),
}  # fmt: skip
"""In lower case, words of which a text holds one wherever the pattern of that name matches."""
NOT = re.compile(
    r"(?:\b(?:no|not|without|never|lacks?|instead of|disabl\w+|doesn't support"
    r"|(?:no|not) support(?: for)?)\s(?:\w+\s)?)$",
    re.I,
)
OFF = re.compile(r"[\"']?\s?[=:]\s?(?:False|false|0\b|no\b|off\b|null|None)")
OPTIMIZER = re.compile(
    r"\b(?:(?:fused|torch\.optim|optim|optimizers?|tf\.keras\.optimizers|keras\.optimizers)[ .])?"
    r"(AdamW|Adamax|Adadelta|Adagrad|NAdam|RAdam|Adam|SGD|RMSprop|LAMB|LARS|Lion|Adafactor"
    r"|L-?BFGS|Muon|Sophia|Shampoo|Novograd|Rprop)\b",
    re.I,
)
LOSSES = (
    ("gaussian likelihood", r"gaussian[-_ ]?(?:nll|negative log[- ]likelihood)|\bGaussianNLLLoss\b"),
    ("cross entropy", r"cross[-_ ]?entropy|\bCrossEntropyLoss\b|\bNLLLoss\b|(?<!gaussian )\bnll\b|\bsoftmax loss\b"),
    ("binary cross entropy", r"\bBCE(?:WithLogits)?(?:Loss)?\b|binary[-_ ]?cross[-_ ]?entropy"),
    ("mse", r"\bMSE(?:Loss)?\b|mean[-_ ]squared[-_ ]error|\bL2 loss\b"),
    ("mae", r"\bL1(?:Loss| loss)\b|\bMAE\b|mean[-_ ]absolute[-_ ]error"),
    ("huber", r"\b(?:Smooth)?Huber(?:Loss)?\b|SmoothL1"),
    ("hinge", r"\bhinge\b"), ("triplet", r"\btriplet\b"), ("ctc", r"\bCTC(?:Loss)?\b"), ("kl", r"\bKL(?:DivLoss)?\b"),
    ("contrastive", r"\bInfoNCE\b|\bcontrastive\b"), ("adversarial", r"\bWGAN\b|\bhinge GAN\b|\badversarial loss\b"),
)  # fmt: skip
SECOND = re.compile(
    r"\bgradient[- ]penalty\b|\bWGAN-GP\b|\bPINNs?\b|\bphysics[- ]informed\b|\bHessian"
    r"|\bsecond[- ](?:order )?derivatives?\b|create_graph\s?=\s?True"
    r"|\bu_(?:xx|tt|yy)\b|\bR1 (?:penalty|regulari[sz]ation)\b|\bMAML\b"
    r"|\bPDE\b|\bphysics (?:loss|residual)\b|\bEuler[- ]Bernoulli\b|\b[a-z]'{2,4}(?:\([a-z]\))?\s?[-+=]"
    r"|\bforces?\s?=\s?-\s?d|\bdouble backward\b|\blaplacian\b",
    re.I,
)
DEVICE = re.compile(
    r"\b(V100|P100|T4|A100|A10G?|A40|H100|H200|B200|L4(?![ \t]?[:=]?[ \t]?-?\d)|L40S?|RTX ?\d{4}(?: ?Ti)?"
    r"|GTX ?\d{4}(?: ?Ti)?|TPU ?v?\d?\w?|MPS|MI\d{3}X?|K80|2080 ?Ti|3090|4090|CPU)\b"
)
DEPTH = re.compile(
    r"(?<![\w.-])(\d{1,4})(?:-layer\b|[ -](?:hidden |conv\w* |transformer |encoder |residual |dense "
    r"|\w+ )?(?:layers|blocks)\b)"
    r"|\bdepth(?: of)?\s?[=:]?\s?(\d{1,4})\b",
    re.I,
)
CLASS_COUNT = re.compile(
    r"(?<![\w.])(\d[\d,]{0,8})[ -]?(?:classes|class\b|categories|labels|way\b|sided\b|logits\b|(?:token|cell) types\b"
    r"|(?:emotions|sentiments|species|breeds|genres|languages|topics|intents|gestures|activities|phonemes|diagnoses|digits"
    r"|symbols)\b)"
    r"|\b(?:num|n|nb)_?(?:classes|labels|categories)\b" + GLUE + r"(\d{1,7})", re.I
)  # fmt: skip
VOCABULARY = re.compile(r"\b(?:vocab(?:ulary)?(?:[_ ]size)?|n_vocab)\b(?:\s?size)?" + GLUE + r"(\d[\d,]{0,8}\d)", re.I)
CLIP = re.compile(
    r"clip_grad_(?P<kind>norm|value)_?\(.{0,200}?(?:max_norm\s?=\s?|clip_value\s?=\s?|,\s?)(?P<a>[\d.][\d.e-]*)"
    r"|(?<!before )(?<!after )(?<!pre-)(?<!post-)\b(?P<word>max_norm|clipnorm|clipvalue|global_clipnorm"
    r"|gradient_clip_val|grad_clip|clip[-_ ]grad(?:ient)?(?:[-_ ]norm_?)?|max_grad_norm|gradient_clipping"
    r"|clip[-_]norm|grad(?:ient)?[ _-](?:norm[ _-])?clip(?:ping|ped)?(?:[ _]value|[ _]norm)?"
    r"|clip(?:ping|ped)?(?:\s(?:at|to|norm|value|gradients? (?:at|to)))?)\b"
    + GLUE + r"(?:at |to |norm |value |max_norm=)?(?P<b>[\d.][\d.]*(?:e[-+]?\d+)?)",
    re.I,
)  # fmt: skip
NUMBERS: tuple[tuple[str, str], ...] = (
    (
        "learning_rate",
        r"(?<![\w.])(?:(?:base|init|initial|peak|max|start)[_-]?)?(?:learning[-_ ]?rate|lr|(?-i:eta))(?:[_-]init)?\b",
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
COMPILED = [(name, re.compile(rf"(?:{words}){GLUE}(?={NUMBER.pattern})", re.I)) for name, words in NUMBERS]
COUNTED = (
    ("epochs", re.compile(r"(?<![\w.])(\d{1,6}) epochs\b", re.I)),
    ("warmup", re.compile(r"(?<![\w.])(\d[\d,.k]{0,8}) (?:steps?|iterations|epochs?) (?:of )?warm-?up", re.I)),
)

SCALER = re.compile(
    r"\bGradScaler\b|\bloss[-_ ]scal|\bscaler\.(?:scale|step|unscale_)|--fp16\b|\bapex\b|\bdynamic loss scal", re.I
)
_SCALING = r"(?:(?:dynamic |static |any |a |the )?(?:loss|grad(?:ient)?)[-_ ]?scal(?:ing|er|e)|scaler|scaling)\b"
NO_SCALER = re.compile(
    rf"\b(?:no|without|not using|never|disabled?|lacks?|missing)(?: a| any)? {_SCALING}"
    rf"|\b{_SCALING}\s?(?:[:=]\s?|is |was )?(?:off|disabled|none|null|false|not used)\b"
    r"|GradScaler\([^()]{0,80}enabled\s?=\s?False",
    re.I,
)
FOOTER = re.compile(r"(?m)^(?:Name: .{0,80}, )?(?:Length: \d{1,9}, )?dtype: (?:float(?:32|64)|object|int64)[ \t]*$")
"""What pandas prints below a series; it is the type of the printed column, not of the training."""

"""What each loss expects of the last layer, and the least loss that a bounded output leaves.

Sources: torch.nn (CrossEntropyLoss takes logits, NLLLoss their log-softmax, BCELoss a probability,
BCEWithLogitsLoss a logit), keras.losses (probabilities unless from_logits), optax (logits).
"""

from __future__ import annotations

import math
import re
from typing import Literal

Wanted = Literal["logits", "logit", "log_probabilities", "probability", "probabilities", "number"]

_WANTED: dict[str, Wanted] = {
    "crossentropy": "logits",
    "softmaxcrossentropy": "logits",
    "softmaxcrossentropywithintegerlabels": "logits",
    "bcewithlogits": "logit",
    "binarycrossentropywithlogits": "logit",
    "sigmoidbinarycrossentropy": "logit",
    "multilabelsoftmargin": "logit",
    "softmargin": "logit",
    "nll": "log_probabilities",
    "bce": "probability",
    "binarycrossentropy": "probability",
    "categoricalcrossentropy": "probabilities",
    "sparsecategoricalcrossentropy": "probabilities",
    "mse": "number",
    "meansquarederror": "number",
    "l1": "number",
    "mae": "number",
    "meanabsoluteerror": "number",
    "smoothl1": "number",
    "huber": "number",
}

_RAW: dict[Wanted, Wanted] = {"probability": "logit", "probabilities": "logits"}

RANGES: dict[str, tuple[float, float]] = {
    "sigmoid": (0, 1),
    "hardsigmoid": (0, 1),
    "softmax": (0, 1),
    "tanh": (-1, 1),
    "hardtanh": (-1, 1),
    "softsign": (-1, 1),
    "sin": (-1, 1),
    "relu6": (0, 6),
    "relu": (0, math.inf),
    "relu2": (0, math.inf),
    "softplus": (0, math.inf),
    "log_softmax": (-math.inf, 0),
    "logsigmoid": (-math.inf, 0),
}
"""Values that a nonlinearity can have, where they are bounded on a side."""


def wanted(loss: str) -> Wanted | None:
    """What a loss takes, by the name of its class or function; None for a loss that is not known here."""
    name = re.sub(r"[^a-z0-9]", "", loss.lower().split("(")[0].rpartition(".")[2])
    kind = _WANTED.get(name.removesuffix("loss"))
    raw = "from_logits=true" in loss.lower().replace(" ", "")
    return _RAW.get(kind, kind) if raw and kind else kind


def least_cross_entropy(low: float, high: float, classes: int) -> float:
    """-ln of the largest softmax when every logit lies in [low, high]."""
    return math.log1p((classes - 1) * math.exp(low - high))


def least_binary(low: float, high: float) -> tuple[float, float]:
    """-ln sigmoid(high) for a positive example, -ln(1 - sigmoid(low)) for a negative one."""
    return _softplus(-high), _softplus(low)


def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))

"""The oracle's 63 networks as networks of the IR, with what was measured and what the engine predicts."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

from kaiming_mcp.architecture.ir import (
    Activation,
    Attention,
    Layer,
    Linear,
    Network,
    Node,
    Norm,
    Repeat,
    Residual,
    Sequence,
    Shape,
)
from kaiming_mcp.signal.initialization_words import parse_initialization
from kaiming_mcp.signal.trace import Trace, trace

ORACLE = json.loads((Path(__file__).parents[1] / "data" / "oracle.json").read_text(encoding="utf-8"))
NAMES: dict[str, str] = {
    "pytorch_default": "pytorch",
    "pytorch_default_nobias": "pytorch without bias",
    "xavier_gain5/3": "xavier gain 5/3",
    "std0.01": "std 0.01",
    "xavier_uniform_all": "xavier",
    "gpt2_std0.02": "gpt2",
}
NORMS: dict[str, tuple[Layer, ...]] = {
    "none": (),
    "ln": (Layer(Norm("layer", 256)),),
    "bn": (Layer(Norm("batch", 256)),),
}


class Place(NamedTuple):
    """One place of a row: predicted q, ln of the gradient relative to the output, ln of the weight gradient's norm."""

    name: str
    q: float
    log_g: float
    log_w: float | None
    measured_q: float
    measured_g: float
    measured_w: float


def network(row: dict[str, Any]) -> Network:
    """The network of a row."""
    if row["family"] == "transformer_encoder":
        return _transformer(row)
    width, depth = row["width"], row["L"]
    linear = Layer(Linear(width, width))
    body: Node
    match row["family"]:
        case "plain_mlp":
            body = Sequence((linear, Layer(Activation(row["activation"]))))
        case "plain_mlp_norm":
            bare = Layer(Linear(width, width, bias=False))
            body = Sequence((bare, *NORMS[row["norm"]], Layer(Activation(row["activation"]))))
        case _:
            first, relu = NORMS[row["norm"]], Layer(Activation("relu"))
            second = first if row["norm"] == "bn" else ()
            scale = 0.0 if row["zero_init_last"] else {"1": 1.0, "1/sqrt(L)": depth**-0.5}[row["branch_scale"]]
            body = Residual(Sequence((*first, relu, linear, *second, relu, linear)), None, scale)
    return Network("oracle", Repeat(depth, body), Shape(width))


def _transformer(row: dict[str, Any]) -> Network:
    d, norm = row["d_model"], Layer(Norm("layer", row["d_model"]))
    attention = Layer(Attention(d, row["heads"], packed=True))
    mlp = (Layer(Linear(d, row["ff"])), Layer(Activation("relu")), Layer(Linear(row["ff"], d)))
    if row["norm"].startswith("pre"):
        layer = Sequence((Residual(Sequence((norm, attention))), Residual(Sequence((norm, *mlp)))))
        root = Sequence((Repeat(row["L"], layer), norm))
    else:
        root = Repeat(row["L"], Sequence((Residual(attention), norm, Residual(Sequence(mlp)), norm)))
    return Network("oracle", root, Shape(d, (row["seq"],)))


def followed(row: dict[str, Any]) -> Trace:
    """The trace of a row."""
    return trace(network(row), parse_initialization(NAMES.get(row["init"]) or str(row["init"])), row["batch"])


def predicted(row: dict[str, Any]) -> list[Place]:
    """Every measured place of a row."""
    stations = followed(row).stations
    measured = row["measured"]
    transformer = row["family"] == "transformer_encoder"
    sums = [s for s in stations if s.kind == "sum"]
    chosen = sums[1::2] if transformer else sums or list(stations)
    weighted = [s for s in stations if s.log_w is not None]
    heads = weighted[1::2] if transformer else weighted[::2] if sums else weighted
    elements = row["d_model"] * row["seq"] if transformer else 1
    moments = measured.get("x_ms") or measured.get("h_ms") or measured["z_ms"]
    after_norm = transformer and row["norm"].startswith("post")
    places = list[Place]()
    for name, value in moments.items():
        i = int(name[2:]) - 1
        station, head = chosen[i], heads[i]
        # Behind the norm of a post-norm layer q is 1 and the gradient is that of the sum times its q.
        scale = station.state.log_q if after_norm or row["family"] == "plain_mlp_norm" else 0.0
        log_g = station.log_g + scale
        q = 1.0 if after_norm or row["family"] == "plain_mlp_norm" else math.exp(station.state.log_q)
        total = 0.5 * math.log(elements if transformer else row["width"])
        log_w = None if head.log_w is None else head.log_w / 2 + total - 0.5 * math.log(row["batch"])
        places.append(
            Place(
                name,
                q,
                log_g,
                log_w,
                value["mean"],
                measured["act_grad_ms"][name]["geomean"],
                measured["weight_grad_norm"][name]["geomean"],
            )
        )
    return places

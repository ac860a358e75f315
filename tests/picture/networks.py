"""Networks that the picture is tested on, and their pictures."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from kaiming_mcp.picture.model import Picture
from kaiming_mcp.replies import draw
from kaiming_mcp.scaffold import Scaffold

TEXTS = Path(__file__).parents[1] / "data" / "model_texts"
PRINTED = {path.stem: path for path in sorted(TEXTS.glob("*.txt"))}
PLAIN = "repeat 20 { linear 64 64 ; relu }"
RESIDUAL = "input 64x16x16\nrepeat 12 { residual { conv 64 64 k3 ; relu ; conv 64 64 k3 } } ; globalpool ; linear 64 10"
POST_NORM = (
    "input tokens 32 x 64\nrepeat 6 { residual { attention 64 heads 4 } ; layernorm 64 ; "
    "residual { linear 64 256 ; relu ; linear 256 64 } ; layernorm 64 }"
)
SIGMOID = "repeat 20 { linear 64 64 ; sigmoid }"
BATCH_NORMED = "repeat 20 { linear 64 64 ; batchnorm 64 ; relu }"
GELU = "repeat 30 { linear 128 128 ; gelu }"
TRACED: dict[str, dict[str, Any]] = {
    "plain": {"architecture": PLAIN},
    "residual": {"architecture": RESIDUAL, "initialization": "he"},
    "post-norm": {"architecture": POST_NORM},
    "sigmoid": {"architecture": SIGMOID},
    "batch norm": {"architecture": BATCH_NORMED, "batch": 64},
    "gelu": {"architecture": GELU, "initialization": "he"},
    "resnet": {"architecture": PRINTED["03_repr_resnet18"].read_text("utf-8"), "input": "3x224x224"},
    "encoder": {"architecture": PRINTED["09_repr_torch_transformer_encoder12"].read_text("utf-8")},
}
DECAY = "layer,output grad norm\n" + "\n".join(f"{2 * i},{0.1 * 0.41 ** (19 - i):.2e}" for i in range(20))


def named_by_a_script() -> str:
    """Measurements by our probe of layers one of which has a name that a page would run."""
    names = ["fc1", "<script>alert(1)</script>", "fc3", "--><b>"]
    layers = [
        {"name": n, "type": "Linear", "gradient": 1e-6 * 10**i, "weight_grad_norm": 1.0} for i, n in enumerate(names)
    ]
    return json.dumps({"probe": "signal", "version": 1, "model": "Net", "samples": 8, "layers": layers})


@cache
def traced(name: str) -> tuple[Scaffold, Picture]:
    """The scaffold of a trace and its picture."""
    return drawn("trace_signal", **TRACED[name])


def drawn(tool: str, **arguments: Any) -> tuple[Scaffold, Picture]:
    """A scaffold and its picture, which there must be."""
    scaffold, picture = draw(tool, arguments)
    assert picture is not None
    return scaffold, picture

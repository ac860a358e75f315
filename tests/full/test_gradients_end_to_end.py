"""A real network with a planted fault, the probe, the diagnosis, its first change made, and the probe again.

What the change is must stand in the answer before it is applied, and the second measurement must show what the answer
predicted, the number itself where it gives one.
"""

from __future__ import annotations

import copy
import importlib.util
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest

from kaiming_mcp.library import library
from kaiming_mcp.probes import probe_source
from kaiming_mcp.scaffold import Scaffold
from kaiming_mcp.tools.gradients import diagnose_text

pytestmark = pytest.mark.full
torch = pytest.importorskip("torch")
nn: Any = torch.nn
CLASSES = "cross entropy, 10 classes"
WITHIN = 4.0
"""Factor between a predicted ratio over the depth and the one of a single seed at width 32 to 64."""


@pytest.fixture(scope="module")
def measure(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("probe") / "signal_probe.py"
    path.write_text(probe_source("signal"), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("signal_probe", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.measure


@dataclass
class Case:
    """A model with its batch: everything that the probe is given."""

    model: Any
    x: Any
    y: Any
    loss: Any
    training: str = CLASSES


@dataclass(frozen=True)
class Fault:
    name: str
    make: Callable[[], Case]
    mechanisms: tuple[str, ...]
    change: str
    """Pattern that the first change must match."""
    apply: Callable[[Case], Case]
    shown: Callable[[dict[str, Any], dict[str, Any], Scaffold], None]
    """Asserts that the second document shows the predicted effect."""


def data(inputs: int = 32) -> tuple[Any, Any]:
    y = torch.arange(64) % 10
    return (torch.randn(10, inputs)[y] + 0.6 * torch.randn(64, inputs)) / 1.17, y


def scattered() -> tuple[Any, Any]:
    """Inputs without clusters, many enough to tell a dead unit from a rare one."""
    return torch.randn(512, 32), torch.arange(512) % 10


def mlp(depth: int, width: int, act: Any = nn.ReLU, outputs: int = 10, bias: bool = True, inputs: int = 32) -> Any:
    sizes = [inputs] + [width] * depth
    pieces = [m for a, b in pairwise(sizes) for m in (nn.Linear(a, b, bias=bias), act())]
    return nn.Sequential(*pieces, nn.Linear(width, outputs, bias=bias))


def drawn(model: Any, std: float | None = None, gain: float | None = None) -> Any:
    """He's initialization, or N(0, std^2), or Xavier's with a gain; biases 0."""
    for m in model.modules():
        if isinstance(m, nn.Linear):
            if gain:
                nn.init.xavier_normal_(m.weight, gain)
            else:
                nn.init.normal_(m.weight, 0, std or math.sqrt(2 / m.in_features))
            if m.bias is not None:
                nn.init.zeros_(m.bias)
    return model


def case(model: Any) -> Case:
    return Case(model, *data(), nn.CrossEntropyLoss())


class Residual(nn.Module):
    """h + scale W2 f(norm(W1 f(norm(h)))), or without norms h + scale W2 f(W1 h)."""

    def __init__(self, width: int, act: Any, norm: Any = None) -> None:
        super().__init__()
        first = [norm(width), act()] if norm else []
        middle = [norm(width), act()] if norm else [act()]
        self.branch = nn.Sequential(*first, nn.Linear(width, width), *middle, nn.Linear(width, width))
        self.scale = 1.0

    def forward(self, h: Any) -> Any:
        return h + self.scale * self.branch(h)


def residual(blocks: int, width: int, act: Any, norm: Any = None) -> Any:
    trunk = [Residual(width, act, norm) for _ in range(blocks)]
    return nn.Sequential(nn.Linear(32, width), *trunk, nn.Linear(width, 10))


def batchnorm(depth: int, width: int) -> Any:
    sizes = [32] + [width] * depth
    pieces = [m for a, b in pairwise(sizes) for m in (nn.Linear(a, b), nn.BatchNorm1d(b), nn.ReLU())]
    return nn.Sequential(*pieces, nn.Linear(width, 10))


def with_bias(model: Any, place: int, value: float) -> Any:
    nn.init.constant_(model[place].bias, value)
    return model


def with_zero_head(model: Any) -> Any:
    nn.init.zeros_(model[-1].weight)
    return model


def large_inputs() -> Case:
    x, y = data()
    return Case(mlp(2, 64), (x + 4) * 250, y, nn.CrossEntropyLoss(), CLASSES + ", features not scaled")


def large_targets() -> Case:
    x, _ = data()
    return Case(mlp(2, 64, outputs=1), x, 2.5e5 * (0.5 * x[:, :1]).exp(), nn.MSELoss(), "MSELoss, prices in dollars")


def half() -> Case:
    x, y = data()

    def small(out: Any, target: Any) -> Any:
        return nn.functional.cross_entropy(out.float(), target) * 4e-7

    return Case(drawn(mlp(5, 48)).half(), x.half(), y, small, "model.half(), no scaler")


def scaled_branches(before: Case) -> Case:
    model = copy.deepcopy(before.model)
    blocks = [m for m in model if isinstance(m, Residual)]
    for block in blocks:
        block.scale = 1 / math.sqrt(len(blocks))
    return Case(model, before.x, before.y, before.loss)


def standardized(before: Case) -> Case:
    return Case(before.model, (before.x - before.x.mean(0)) / before.x.std(0), before.y, before.loss)


def standardized_targets(before: Case) -> Case:
    return Case(before.model, before.x, (before.y - before.y.mean()) / before.y.std(), before.loss)


def one_step(before: Case) -> Case:
    optimizer = torch.optim.SGD(before.model.parameters(), 0.1)
    before.loss(before.model(before.x), before.y).backward()
    optimizer.step()
    return before


def anew(make: Callable[[Any], Any]) -> Callable[[Case], Case]:
    """The same batch and loss with another model made from the first."""
    return lambda before: Case(make(before.model), before.x, before.y, before.loss)


def amplitude(document: dict[str, Any], key: str, first: int, last: int) -> float:
    """Ratio of amplitudes between two weighted layers."""
    rows = [r for r in document["layers"] if r["type"] == "Linear"]
    return math.sqrt(rows[first][key] / rows[last][key])


def gradient_as_predicted(before: dict[str, Any], after: dict[str, Any], answer: Scaffold) -> None:
    effect = " ".join([answer.first_change, *(f.predicted_effect for f in answer.findings[:1])])
    said = re.search(r"gradient amplitude first/last \S+ -> (\d\S*?),? ", effect)
    assert said is not None, effect
    was, now = (amplitude(d, "gradient", 0, -2) for d in (before, after))
    assert float(said[1]) / WITHIN < now < float(said[1]) * WITHIN, (was, now, said[1])


def signal_level(before: dict[str, Any], after: dict[str, Any], _: Scaffold) -> None:
    was, now = (amplitude(d, "second_moment", -2, 0) for d in (before, after))
    assert not 0.01 < was < 100
    assert 1 / WITHIN < now < WITHIN, (was, now)


def trunk_level(before: dict[str, Any], after: dict[str, Any], _: Scaffold) -> None:
    levels = [[r["second_moment"] for r in d["layers"] if r["name"].endswith("branch.2")] for d in (before, after)]
    assert math.sqrt(levels[0][-1] / levels[0][0]) > 100
    assert math.sqrt(levels[1][-1] / levels[1][0]) < WITHIN


def nearly_none_dead(before: dict[str, Any], after: dict[str, Any], _: Scaffold) -> None:
    was, now = ([r["dead"] for r in d["layers"] if r["type"] == "ReLU"] for d in (before, after))
    assert max(was) == 1
    assert max(now) < 0.1, now


def nearly_none_saturated(before: dict[str, Any], after: dict[str, Any], _: Scaffold) -> None:
    was, now = ([r["saturated"] for r in d["layers"] if "saturated" in r] for d in (before, after))
    assert max(was) > 0.7
    assert max(now) < 0.1, now


def at_ln_c(before: dict[str, Any], after: dict[str, Any], _: Scaffold) -> None:
    assert before["loss"] > 10
    assert abs(after["loss"] - math.log(10)) < 0.3
    assert 0.2 < after["layers"][0]["second_moment"] < 2


def near_one(before: dict[str, Any], after: dict[str, Any], _: Scaffold) -> None:
    assert before["loss"] > 1e9
    assert 0.3 < after["loss"] < 3


def no_zero_left(before: dict[str, Any], after: dict[str, Any], _: Scaffold) -> None:
    was, now = ([r["weight_grad_norm"] for r in d["layers"] if "weight_grad_norm" in r] for d in (before, after))
    assert was.count(0) >= 3
    assert min(now) > 0


FAULTS = (
    Fault(
        "relu of torch's default",
        lambda: case(mlp(20, 64)),
        ("bias_floor", "true_decay_backward"),
        r"\bhe\b.*biases 0",
        anew(lambda m: drawn(copy.deepcopy(m))),
        gradient_as_predicted,
    ),
    Fault(
        "weights too small, no biases",
        lambda: case(drawn(mlp(16, 64, bias=False), 0.05)),
        ("true_decay_forward", "true_decay_backward"),
        r"\bhe\b",
        anew(lambda m: drawn(copy.deepcopy(m))),
        signal_level,
    ),
    Fault(
        "weights too large",
        lambda: case(drawn(mlp(14, 64), 0.5)),
        ("growth",),
        r"\bhe\b",
        anew(lambda m: drawn(copy.deepcopy(m))),
        signal_level,
    ),
    Fault(
        "deep sigmoids",
        lambda: case(mlp(12, 64, nn.Sigmoid)),
        ("true_decay_backward", "bias_floor"),
        r"residual blocks with LayerNorm first",
        anew(lambda _: residual(6, 64, nn.Sigmoid, nn.LayerNorm)),
        gradient_as_predicted,
    ),
    Fault(
        "batch norm without skips",
        lambda: case(batchnorm(40, 48)),
        ("growth",),
        r"residual blocks with LayerNorm first",
        anew(lambda _: residual(20, 48, nn.ReLU, nn.LayerNorm)),
        gradient_as_predicted,
    ),
    Fault(
        "residual sums without a norm",
        lambda: case(drawn(residual(24, 32, nn.ReLU))),
        ("growth",),
        r"branch by 1/sqrt\(24\)",
        scaled_branches,
        trunk_level,
    ),
    Fault(
        "a layer of dead units",
        lambda: Case(with_bias(drawn(mlp(4, 64)), 4, -8.0), *scattered(), nn.CrossEntropyLoss()),
        ("dead_relu",),
        r"biases 0",
        anew(lambda m: drawn(copy.deepcopy(m))),
        nearly_none_dead,
    ),
    Fault(
        "saturated tanh",
        lambda: case(drawn(mlp(5, 100, nn.Tanh), 1.0)),
        ("saturation",),
        r"(?i)xavier.*5/3",
        anew(lambda m: drawn(copy.deepcopy(m), gain=5 / 3)),
        nearly_none_saturated,
    ),
    Fault("inputs of thousands", large_inputs, ("input_scale",), r"(?i)standardi[sz]e", standardized, at_ln_c),
    Fault(
        "targets of hundred thousands",
        large_targets,
        ("target_scale",),
        r"(?i)standardi[sz]e the targets",
        standardized_targets,
        near_one,
    ),
    Fault(
        "float16 without a loss scale",
        half,
        ("underflow_half",),
        r"GradScaler",
        lambda before: Case(before.model, before.x, before.y, lambda out, y: 2.0**16 * before.loss(out, y)),
        no_zero_left,
    ),
    Fault(
        "a head that starts at zero",
        lambda: case(with_zero_head(drawn(mlp(4, 48)))),
        ("structural_zero",),
        r"one optimizer step",
        one_step,
        no_zero_left,
    ),
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.name)
def test_the_first_change_has_the_predicted_effect(measure: Any, fault: Fault) -> None:
    torch.manual_seed(0)
    planted = fault.make()
    before = measure(planted.model, planted.x, planted.loss, planted.y)
    answer = diagnose_text(library(), "it does not train", str(planted.model), json.dumps(before), planted.training)
    assert answer.mechanism in fault.mechanisms, answer.verdict
    assert re.search(fault.change, answer.first_change), answer.first_change
    changed = fault.apply(planted)
    after = measure(changed.model, changed.x, changed.loss, changed.y)
    fault.shown(before, after, answer)

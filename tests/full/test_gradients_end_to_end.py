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
from kaiming_mcp.replies.gradients import diagnose_text
from kaiming_mcp.scaffold import Scaffold

pytestmark = pytest.mark.full
torch = pytest.importorskip("torch")
nn: Any = torch.nn
CLASSES = "cross entropy, 10 classes"
SEEDS = 12
PLAIN, RESIDUAL = 1.7, 1.5
"""Factor between a predicted ratio and the mean of SEEDS networks: the signal engine is held to x2 at 50 plain layers
and x1.5 with residual sums. ln of one ratio scatters by sqrt(5 L / (4 width)), 0.6 at 20 layers of 64 units."""


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
    shown: Callable[[dict[str, Any], list[dict[str, Any]], Scaffold], None]
    """Asserts that the documents after the change, one a seed, show the predicted effect."""


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


def mean(ratios: list[float]) -> float:
    return math.exp(sum(math.log(r) for r in ratios) / len(ratios))


def mean_of_squares(ratios: list[float]) -> float:
    """What theory predicts of a second moment; the geometric mean lies below it by exp(-5 L / (4 width))."""
    return math.sqrt(sum(r * r for r in ratios) / len(ratios))


def said(answer: Scaffold, what: str) -> tuple[float, float]:
    """Before and after of a ratio in the answer's first change."""
    found = re.search(rf"{what} (\S+) -> ([\d.e+-]+)", answer.first_change)
    assert found is not None, answer.first_change
    return float(found[1].rstrip(",")), float(found[2].rstrip(".,"))


def gradient_as_predicted(
    before: dict[str, Any], after: list[dict[str, Any]], answer: Scaffold, within: float = PLAIN
) -> None:
    was, predicted = said(answer, "gradient amplitude first/last")
    rows = [r["gradient_sum"] for r in before["layers"] if r["type"] == "Linear"]
    assert was == pytest.approx(math.sqrt(rows[0] / rows[-1]), rel=0.01)
    now = mean([amplitude(d, "gradient_sum", 0, -2) for d in after])
    assert predicted / within < now < predicted * within, (now, predicted)


def gradient_of_sums_as_predicted(before: dict[str, Any], after: list[dict[str, Any]], answer: Scaffold) -> None:
    gradient_as_predicted(before, after, answer, RESIDUAL)


def signal_as_predicted(before: dict[str, Any], after: list[dict[str, Any]], answer: Scaffold) -> None:
    was, predicted = said(answer, "activation amplitude last/first")
    assert was == pytest.approx(amplitude(before, "second_moment", -1, 0), rel=0.01)
    assert not 0.01 < was < 100
    now = mean_of_squares([amplitude(d, "second_moment", -2, 0) for d in after])
    assert predicted / PLAIN < now < predicted * PLAIN, (now, predicted)


def trunk_as_predicted(before: dict[str, Any], after: list[dict[str, Any]], answer: Scaffold) -> None:
    def growth(document: dict[str, Any]) -> float:
        levels = [r["second_moment"] for r in document["layers"] if r["name"].endswith("branch.2")]
        return math.sqrt(levels[-1] / levels[0])

    assert growth(before) > 100
    # A branch sees the trunk before its own sum, so that 23 of the 24 sums lie between the first and the last.
    _, predicted = said(answer, "activation amplitude last/first")
    now = mean([growth(d) for d in after])
    assert predicted / RESIDUAL < now < predicted * RESIDUAL, (now, predicted)


def nearly_none_dead(before: dict[str, Any], after: list[dict[str, Any]], answer: Scaffold) -> None:
    assert max(r["dead"] for r in before["layers"] if r["type"] == "ReLU") == 1
    assert "below about 10 %" in answer.first_change
    for document in after:
        assert max(r["dead"] for r in document["layers"] if r["type"] == "ReLU") < 0.1
        assert min(r["weight_grad_norm"] for r in document["layers"] if "weight_grad_norm" in r) > 0


def nearly_none_saturated(before: dict[str, Any], after: list[dict[str, Any]], answer: Scaffold) -> None:
    was = max(r["saturated"] for r in before["layers"] if "saturated" in r)
    assert f"saturated share {was:.0%} -> below 10 %" in answer.first_change
    for document in after:
        assert max(r["saturated"] for r in document["layers"] if "saturated" in r) < 0.1


def at_ln_c(before: dict[str, Any], after: list[dict[str, Any]], answer: Scaffold) -> None:
    assert before["loss"] > 10
    assert "E[x²] of the input becomes 1" in answer.first_change
    for document in after:
        assert abs(document["loss"] - math.log(10)) < 0.1
        # PyTorch's default keeps 1/3 of a unit input, and its bias adds 1/(3 fan_in).
        assert document["layers"][0]["second_moment"] == pytest.approx(1 / 3 + 1 / 96, rel=0.2)


def near_one(before: dict[str, Any], after: list[dict[str, Any]], answer: Scaffold) -> None:
    assert before["loss"] > 1e9
    assert "the first loss is near 1" in answer.first_change
    for document in after:
        assert document["loss"] == pytest.approx(1, abs=0.2)


def lifted(before: dict[str, Any], after: list[dict[str, Any]], answer: Scaffold) -> None:
    """The scaled gradients are those of float32: the digits came back, not numbers of some kind."""
    assert "2^16" in answer.first_change
    assert [r["weight_grad_norm"] for r in before["layers"] if "weight_grad_norm" in r].count(0) >= 3
    half, single = after
    pairs = list(zip(half["layers"], single["layers"], strict=True))
    for row, exact in pairs:
        if "weight_grad_norm" in row:
            assert row["weight_grad_norm"] / 2**16 == pytest.approx(exact["weight_grad_norm"], rel=0.01)


def no_zero_left(before: dict[str, Any], after: list[dict[str, Any]], answer: Scaffold) -> None:
    was = [r["weight_grad_norm"] for r in before["layers"] if "weight_grad_norm" in r]
    assert was.count(0) == len(was) - 1
    assert "the gradients before it are above 0" in answer.first_change
    for document in after:
        assert min(r["weight_grad_norm"] for r in document["layers"] if "weight_grad_norm" in r) > 0


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
        signal_as_predicted,
    ),
    Fault(
        "weights too large",
        lambda: case(drawn(mlp(14, 64), 0.5)),
        ("growth",),
        r"\bhe\b",
        anew(lambda m: drawn(copy.deepcopy(m))),
        signal_as_predicted,
    ),
    Fault(
        "deep sigmoids",
        lambda: case(mlp(12, 64, nn.Sigmoid)),
        ("true_decay_backward", "bias_floor"),
        r"sigmoids by tanh with xavier gain 1\.667, biases 0",
        anew(lambda _: drawn(mlp(12, 64, nn.Tanh), gain=5 / 3)),
        gradient_as_predicted,
    ),
    Fault(
        "batch norm without skips",
        lambda: case(batchnorm(40, 48)),
        ("growth",),
        r"residual blocks with LayerNorm first",
        anew(lambda _: residual(20, 48, nn.ReLU, nn.LayerNorm)),
        gradient_of_sums_as_predicted,
    ),
    Fault(
        "residual sums without a norm",
        lambda: case(drawn(residual(24, 32, nn.ReLU))),
        ("growth",),
        r"branch by 1/sqrt\(24\)",
        scaled_branches,
        trunk_as_predicted,
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
        lifted,
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
    if fault.shown is lifted:
        scaled = fault.apply(planted)
        single = Case(copy.deepcopy(planted.model).float(), planted.x.float(), planted.y, planted.loss)
        after = [measure(c.model, c.x, c.loss, c.y) for c in (scaled, single)]
    else:
        after = [again(measure, fault, seed) for seed in range(SEEDS)]
    fault.shown(before, after, answer)


def again(measure: Any, fault: Fault, seed: int) -> dict[str, Any]:
    """The probe on the fault planted anew and the change made."""
    torch.manual_seed(seed)
    changed = fault.apply(fault.make())
    return measure(changed.model, changed.x, changed.loss, changed.y)

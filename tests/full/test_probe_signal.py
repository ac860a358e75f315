"""The signal probe on real torch models: it runs as a user runs it, and agrees with the engine."""

from __future__ import annotations

import importlib.util
import json
import math
from typing import Any

import pytest

from kaiming_mcp.architecture.notation import read_notation
from kaiming_mcp.probes import probe_source
from kaiming_mcp.signal.initialization import PYTORCH_DEFAULT
from kaiming_mcp.signal.trace import trace

pytestmark = pytest.mark.full
torch = pytest.importorskip("torch")
nn = torch.nn
SEEDS = 6


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("probe") / "signal_probe.py"
    path.write_text(probe_source("signal"), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("signal_probe", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _mlp(depth: int = 10, width: int = 256) -> Any:
    layers = [piece for _ in range(depth) for piece in (nn.Linear(width, width), nn.ReLU(inplace=True))]
    return nn.Sequential(*layers, nn.Linear(width, 64))


MODELS: list[tuple[str, str, Any, tuple[int, ...]]] = [
    ("mlp", "repeat 10 { linear 256 256 ; relu } ; linear 256 64", _mlp, (256,)),
    (
        "conv with batch norm",
        "input 16x16x16 ; repeat 6 { conv 16 16 k3 nobias ; batchnorm ; tanh } ; globalpool ; linear 16 16",
        lambda: nn.Sequential(
            *[
                m
                for _ in range(6)
                for m in (nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.Tanh())
            ],
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(16, 16),
        ),
        (16, 16, 16),
    ),
    (
        "layer norm",
        "repeat 8 { linear 128 128 ; layernorm ; gelu } ; linear 128 128",
        lambda: nn.Sequential(
            *[m for _ in range(8) for m in (nn.Linear(128, 128), nn.LayerNorm(128), nn.GELU())], nn.Linear(128, 128)
        ),
        (128,),
    ),
]


@pytest.mark.parametrize(("name", "text", "make", "size"), MODELS, ids=[m[0] for m in MODELS])
def test_the_probe_agrees_with_the_engine(probe: Any, name: str, text: str, make: Any, size: tuple[int, ...]) -> None:
    stations = trace(read_notation(text).networks[0], PYTORCH_DEFAULT, 64).stations
    runs = []
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        model = make()
        layers = probe.measure(model, torch.randn(64, *size), seed=seed)["layers"]
        runs.append([row for row in layers if row["type"] in {"Linear", "Conv2d"}])
    assert all(len(run) == len(stations) for run in runs)
    for i, station in enumerate(stations):
        q = sum(run[i]["second_moment"] for run in runs) / SEEDS
        log_g = sum(math.log(run[i]["gradient_sum"]) for run in runs) / SEEDS
        assert math.exp(station.state.log_q) == pytest.approx(q, rel=0.25), (name, i)
        assert abs(station.log_g - log_g) < math.log(1.6), (name, i)
        assert station.log_w is not None
        log_w = sum(math.log(run[i]["weight_grad_norm"]) for run in runs) / SEEDS
        assert abs(station.log_w / 2 + math.log(64) / 2 - log_w) < math.log(1.6), (name, i)


def test_the_probe_puts_everything_back(probe: Any) -> None:
    model = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Dropout(0.5)).eval()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    state = torch.random.get_rng_state()
    probe.measure(model, torch.randn(16, 8, generator=torch.Generator().manual_seed(1)))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert not model.training
    assert all(p.grad is None for p in model.parameters())


def test_dead_and_saturated_units_zeros_and_infinities_are_counted(probe: Any) -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.Tanh())
    with torch.no_grad():
        model[0].bias.fill_(-100.0)
        model[2].bias.fill_(100.0)
    rows = {row["type"] + str(row["name"]): row for row in probe.measure(model, torch.randn(32, 4))["layers"]}
    assert rows["ReLU1"]["dead"] == 1.0
    assert rows["Tanh3"]["saturated"] == 1.0
    with torch.no_grad():
        model[0].bias.fill_(math.inf)
    text = json.dumps(probe.measure(model, torch.randn(32, 4)), allow_nan=False)
    assert json.loads(text)["layers"][0]["nonfinite"] == 128


def test_a_loss_is_measured_with_its_gradient(probe: Any) -> None:
    torch.manual_seed(0)
    model, target = nn.Linear(8, 5), torch.randint(0, 5, (64,))
    result = probe.measure(model, torch.randn(64, 8), nn.functional.cross_entropy, target)
    assert result["cotangent"] == "loss"
    assert result["loss"] == pytest.approx(math.log(5), abs=0.5)
    assert result["layers"][0]["weight_grad_norm"] > 0


def _small() -> tuple[Any, Any, Any]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 5))
    return model, torch.randn(32, 8), torch.randint(0, 5, (32,))


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_steps_put_weights_buffers_gradients_optimizer_and_random_state_back(probe: Any, kind: str) -> None:
    model, batch, target = _small()
    optimizer = getattr(torch.optim, kind)(model.parameters(), lr=0.05, **({"momentum": 0.9} if kind == "SGD" else {}))
    nn.functional.cross_entropy(model(batch), target).backward()
    optimizer.step()
    model.eval()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    grads = [p.grad.clone() for p in model.parameters()]
    moments = {(p, k): torch.as_tensor(v).clone() for p, s in optimizer.state.items() for k, v in s.items()}
    groups = [{k: v for k, v in g.items() if k != "params"} for g in optimizer.param_groups]
    random = torch.random.get_rng_state()
    result = probe.measure(model, batch, nn.functional.cross_entropy, target, steps=4, optimizer=optimizer)
    assert result["optimizer"] == kind
    assert result["run"]["loss"][-1] < result["run"]["loss"][0]
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert all(torch.equal(p.grad, g) for p, g in zip(model.parameters(), grads, strict=True))
    after = {(p, k): torch.as_tensor(v) for p, s in optimizer.state.items() for k, v in s.items()}
    assert after.keys() == moments.keys()
    assert all(torch.equal(v, moments[key]) for key, v in after.items())
    assert [{k: v for k, v in g.items() if k != "params"} for g in optimizer.param_groups] == groups
    assert torch.equal(torch.random.get_rng_state(), random)
    assert not any(m.training for m in model.modules())


def test_everything_is_put_back_also_when_the_loss_fails(probe: Any) -> None:
    model, batch, _ = _small()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    calls: list[int] = []

    def fails_at_the_second(output: Any, _: Any) -> Any:
        calls.append(1)
        if len(calls) > 1:
            raise RuntimeError("no more")
        return output.pow(2).mean()

    with pytest.raises(RuntimeError, match="no more"):
        probe.measure(model, batch, fails_at_the_second, steps=3)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert not any(m._forward_hooks for m in model.modules())


def test_the_update_ratio_of_sgd_is_rate_times_gradient_over_weight(probe: Any) -> None:
    model, batch, target = _small()
    result = probe.measure(model, batch, nn.functional.cross_entropy, target, steps=1, lr=0.03)
    (first, last) = result["times"]
    assert (first["step"], last["step"]) == (0, 1)
    assert first["layers"] == result["layers"]
    for row, later in zip(first["layers"], last["layers"], strict=True):
        if "weight_norm" in row:
            expected = 0.03 * row["weight_grad_norm"] / row["weight_norm"]
            assert row["update_ratio"] == pytest.approx(expected, rel=1e-3)
            # One step only: the last update is the first.
            assert later["update_ratio"] == row["update_ratio"]
            assert later["weight_norm"] != row["weight_norm"]


def test_both_times_are_those_of_training_by_hand(probe: Any) -> None:
    model, batch, target = _small()
    del model[3]
    result = probe.measure(model, batch, nn.functional.cross_entropy, target, steps=5, lr=0.1)
    optimizer, losses = torch.optim.SGD(model.parameters(), lr=0.1), []
    for _ in range(6):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(batch), target)
        loss.backward()
        losses.append(loss.item())
        norms = [p.grad.norm().item() for p in model.parameters()]
        optimizer.step()
    assert result["run"]["loss"] == pytest.approx(losses, rel=1e-4)
    assert result["run"]["gradient_norm"][-1] == pytest.approx(math.hypot(*norms), rel=1e-4)
    assert result["times"][1]["layers"][0]["weight_grad_norm"] == pytest.approx(norms[0], rel=1e-4)


class _Norm(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.pow(2).sum(1, keepdim=True).sqrt()


def test_the_first_tensor_that_is_not_finite_is_located(probe: Any) -> None:
    model, batch, target = _small()
    model.insert(3, _Norm())
    zeros = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), _Norm(), nn.Linear(1, 5))
    with torch.no_grad():
        zeros[0].weight.zero_()
        zeros[0].bias.fill_(-1.0)
    loss = nn.functional.cross_entropy
    backward = probe.measure(zeros, batch, loss, target)["first_nonfinite"]
    assert (backward["pass"], backward["name"], backward["value"]) == ("backward", "1", "nan")
    assert backward["after"] == "gradient of the output of 2"
    overflow = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 5)).double()
    big = probe.measure(overflow, batch.double(), loss, target, steps=4, lr=1e300)["first_nonfinite"]
    assert big["step"] >= 1
    plain = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 5))
    with torch.no_grad():
        plain[0].weight.fill_(3e38)
    forward = probe.measure(plain, batch, loss, target, steps=1)["first_nonfinite"]
    assert (forward["step"], forward["pass"], forward["name"]) == (0, "forward", "0")
    logged = probe.measure(plain[1:], batch, lambda output, _: (output * 0).log().mean())["first_nonfinite"]
    assert logged["name"] == "(loss)"
    batch[0, 0] = math.nan
    assert probe.measure(plain, batch, loss, target)["first_nonfinite"]["name"] == "(batch)"


def test_frozen_zero_detached_and_forgotten_parameters_are_named(probe: Any) -> None:
    class Detached(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cut, self.frozen, self.head = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 5)
            self.unused, self.branch = nn.Linear(8, 8), nn.Linear(8, 8)
            nn.init.zeros_(self.branch.weight)
            self.frozen.weight.requires_grad_(False)

        def forward(self, x: Any) -> Any:
            x = self.frozen(self.cut(x).detach())
            return self.head(x + self.branch(x))

    torch.manual_seed(0)
    model, batch, target = Detached(), torch.randn(32, 8), torch.randint(0, 5, (32,))
    optimizer = torch.optim.SGD([*model.head.parameters(), *model.frozen.parameters()], lr=0.1)
    result = probe.measure(model, batch, nn.functional.cross_entropy, target, steps=2, optimizer=optimizer)
    assert result["frozen"] == ["frozen.weight"]
    assert result["zero_initialized"] == ["branch.weight"]
    assert set(result["no_gradient"]) == {"cut.weight", "cut.bias", "unused.weight", "unused.bias"}
    assert {"branch.weight", "cut.weight"} <= set(result["unchanged"])
    assert "head.weight" not in result["unchanged"]


def test_the_share_of_gradients_that_float16_loses_follows_the_loss_scale(probe: Any) -> None:
    model, batch, target = _small()

    def loss(output: Any, target: Any) -> Any:
        return nn.functional.cross_entropy(output, target) * 1e-5

    plain, scaled = (probe.measure(model, batch, loss, target, loss_scale=s)["layers"][0] for s in (1.0, 2.0**20))
    assert plain["half_subnormal"] == 1.0
    assert plain["weight_half_zero"] > 0.05
    assert scaled["half_zero"] < 0.01
    assert scaled["weight_half_subnormal"] < plain["weight_half_subnormal"]


def test_a_parametrized_layer_an_lstm_and_attention_have_rows_with_weights(probe: Any) -> None:
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(8, 8))
    rows = probe.measure(nn.Sequential(layer, nn.ReLU()), torch.randn(4, 8))["layers"]
    assert [row["type"] for row in rows] == ["ParametrizedLinear", "ReLU"]
    assert rows[0]["weight_norm"] > 0
    (lstm,) = probe.measure(nn.LSTM(8, 4, batch_first=True), torch.randn(4, 6, 8))["layers"]
    assert lstm["weight_grad_norm"] > 0


def test_steps_without_a_loss_are_refused(probe: Any) -> None:
    with pytest.raises(ValueError, match="steps need a loss"):
        probe.measure(nn.Linear(4, 4), torch.randn(4, 4), steps=2)

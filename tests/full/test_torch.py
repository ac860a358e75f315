"""The reader and the engine against real torch modules: printed, counted, and run at initialization."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from kaiming_mcp.architecture.account import account
from kaiming_mcp.architecture.notation import parse_shape
from kaiming_mcp.architecture.torch_reader import read_torch_repr
from kaiming_mcp.signal.initialization_words import parse_initialization
from kaiming_mcp.signal.trace import trace

pytestmark = pytest.mark.full
torch = pytest.importorskip("torch")
nn: Any = torch.nn if torch else None
SEEDS = 8


def _basic_block(width: int) -> Any:
    class BasicBlock(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
            self.bn1 = nn.BatchNorm2d(width)
            self.relu = nn.ReLU()
            self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
            self.bn2 = nn.BatchNorm2d(width)

        def forward(self, x: Any) -> Any:
            return self.relu(x + self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))))

    return BasicBlock()


def _linear_stack(depth: int, width: int, *between: Any) -> Any:
    return nn.Sequential(*[m for _ in range(depth) for m in (nn.Linear(width, width), *[b() for b in between])])


MODELS: dict[str, Any] = {
    "mlp": lambda: _linear_stack(6, 48, nn.ReLU),
    "conv": lambda: nn.Sequential(
        nn.Conv2d(3, 8, 3, groups=1), nn.BatchNorm2d(8), nn.PReLU(8), nn.ConvTranspose2d(8, 4, 2)
    ),
    "encoder": lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(32, 4, 64), 3, enable_nested_tensor=False),
    "blocks": lambda: nn.Sequential(_basic_block(8), _basic_block(8)),
    "lstm": lambda: nn.Sequential(nn.Embedding(50, 16), nn.LSTM(16, 24, num_layers=2, bidirectional=True)),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_real_printout_has_the_parameters_that_torch_counts(name: str) -> None:
    model = MODELS[name]()
    (network,) = read_torch_repr(str(model)).networks
    assert account(network).total == sum(p.numel() for p in model.parameters())
    assert network.modules == sum(1 for _ in model.modules())


def _measure(model: Any, x: Any, kind: Any) -> tuple[list[float], list[float]]:
    """Second moment and summed squared gradient at the output of every module of a kind."""
    seen: list[Any] = []

    def keep(module: Any, inputs: Any, output: Any) -> None:
        del module, inputs
        output.retain_grad()
        seen.append(output)

    hooks = [m.register_forward_hook(keep) for m in model.modules() if isinstance(m, kind)]
    y = model(x)
    y.backward(torch.randn_like(y))
    for hook in hooks:
        hook.remove()
    return [float(h.detach().pow(2).mean()) for h in seen], [float(h.grad.pow(2).sum()) for h in seen]


def _initialise(model: Any, name: str) -> None:
    for m in model.modules():
        if isinstance(m, nn.Linear | nn.Conv2d):
            if name == "he":
                nn.init.kaiming_normal_(m.weight, nonlinearity="relu")
            elif name == "xavier":
                nn.init.xavier_normal_(m.weight)
            if name != "pytorch default" and m.bias is not None:
                nn.init.zeros_(m.bias)


NETWORKS: dict[str, tuple[Any, tuple[int, ...], str, str]] = {
    "relu, default": (lambda: _linear_stack(12, 256, nn.ReLU), (128, 256), "256", "pytorch default"),
    "tanh, xavier": (lambda: _linear_stack(15, 256, nn.Tanh), (128, 256), "256", "xavier"),
    "silu, he": (lambda: _linear_stack(8, 256, nn.SiLU), (128, 256), "256", "he"),
    "batch norm": (
        lambda: nn.Sequential(*[m for _ in range(12) for m in (nn.Linear(256, 256), nn.BatchNorm1d(256), nn.ReLU())]),
        (128, 256),
        "256",
        "he",
    ),
    "padded convolutions": (
        lambda: nn.Sequential(*[m for _ in range(10) for m in (nn.Conv2d(64, 64, 3, padding=1), nn.ReLU())]),
        (8, 64, 16, 16),
        "64x16x16",
        "he",
    ),
    "strided convolutions": (
        lambda: nn.Sequential(
            *[
                m
                for _ in range(3)
                for m in (nn.Conv2d(64, 64, 3, 2, 1), nn.ReLU(), nn.Conv2d(64, 64, 3, 1, 1), nn.ReLU())
            ]
        ),
        (8, 64, 64, 64),
        "64x64x64",
        "pytorch default",
    ),
}


def test_a_residual_tower_read_from_its_printout_agrees_with_the_measured_one() -> None:
    """Eight basic blocks at 32 x 32, batch 32, He: q 1.51, 4.44, 6.91 and a gradient ratio of 18.6 measured."""
    logs_q: list[list[float]] = []
    ratios: list[float] = []
    printed = ""
    for seed in range(4):
        torch.manual_seed(seed)
        blocks = [_basic_block(64) for _ in range(8)]
        stem = [nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
        model = nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))
        printed = str(model)
        _initialise(model, "he")
        trunk = _sums(model, blocks, torch.randn(32, 3, 32, 32))
        logs_q.append([math.log(float(s.detach().pow(2).mean())) for s in trunk])
        ratios.append(math.log(float(trunk[0].grad.pow(2).sum() / trunk[-1].grad.pow(2).sum())))
    network = replace(read_torch_repr(printed).networks[0], input=parse_shape("3x32x32"))
    path = trace(network, parse_initialization("he"), 32).main_path()
    assert len(path) == 8
    for i, station in enumerate(path):
        assert station.state.log_q == pytest.approx(sum(row[i] for row in logs_q) / 4, abs=math.log(1.05))
    assert path[0].log_g - path[-1].log_g == pytest.approx(sum(ratios) / 4, abs=math.log(1.3))


def _sums(model: Any, blocks: list[Any], x: Any) -> list[Any]:
    """The residual sums of the blocks, with their gradients."""
    seen: list[Any] = []

    def keep(module: Any, inputs: Any) -> None:
        del module
        inputs[0].retain_grad()
        seen.append(inputs[0])

    for block in blocks:
        block.relu.register_forward_pre_hook(keep)
    y = model(x)
    y.backward(torch.randn_like(y))
    return seen[1::2]  # each block calls its ReLU twice: inside the branch, then on the sum


@pytest.mark.parametrize("name", NETWORKS)
def test_the_trace_of_a_printout_agrees_with_the_measured_network(name: str) -> None:
    make, size, shape, init = NETWORKS[name]
    logs_q, logs_g = [], []
    text = str(make())
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        model = make().double()
        _initialise(model, init)
        q, g = _measure(model, torch.randn(*size, dtype=torch.float64), (nn.Linear, nn.Conv2d))
        logs_q.append([math.log(v) for v in q])
        logs_g.append([math.log(a) - math.log(g[-1]) for a in g])
    network = replace(read_torch_repr(text).networks[0], input=parse_shape(shape))
    followed = trace(network, parse_initialization(init), size[0])
    assert len(followed.stations) == len(logs_q[0])
    for i, station in enumerate(followed.stations):
        measured = sum(row[i] for row in logs_q) / SEEDS
        allowed = math.log(1.2) + followed.log_q_spread**2
        assert abs(station.state.log_q - measured) < allowed, (i, station.state.log_q, measured)
        gradient = sum(row[i] for row in logs_g) / SEEDS
        assert abs(station.log_g - followed.stations[-1].log_g - gradient) < math.log(1.5), (i, gradient)

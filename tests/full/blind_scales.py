"""Blind runs: inputs and targets of the wrong scale."""

# ruff: noqa: E501  (a log line stays in one piece)

from __future__ import annotations

import math
from typing import Any

import torch
from blind_logs import every, frame, jsonl, lightning, loop, tqdm, trainer
from blind_run import Row, case, clusters, cosine, expect, fit, stack
from torch import Tensor, nn
from torch.nn import functional


def _targets(
    seed: int, scale: float, shift: float, steps: int = 120, lr: float = 1e-3
) -> tuple[list[Row], Tensor, Tensor]:
    torch.manual_seed(seed)
    net = stack([10, 64, 64, 1], nn.ReLU)
    x, y = cosine(400, 10)
    y = y * scale + shift
    rows = fit(net, lambda _: functional.mse_loss(net(x), y), torch.optim.Adam(net.parameters(), lr), steps)
    return rows, y, net(x).detach()


@case("input_scale", also=("saturation",))
def raw_pixels() -> dict[str, Any]:
    torch.manual_seed(171)
    unit, y = clusters(256, 64, 4, spread=3.0)
    x = (unit * 25 + 128).clamp(0, 255).round()
    net = stack([64, 64, 64, 4], nn.Tanh)
    start = {k: v.clone() for k, v in net.state_dict().items()}
    rows = fit(net, lambda _: functional.cross_entropy(net(x), y), torch.optim.SGD(net.parameters(), 0.05), 250)
    net.load_state_dict(start)
    sat = (net[1](net[0](x)).abs() > 0.99).double().mean().item()
    better = fit(
        net, lambda _: functional.cross_entropy(net((x - 128) / 80), y), torch.optim.SGD(net.parameters(), 0.05), 250
    )
    expect(sat > 0.8 and rows[-1].loss > 1.8 * better[-1].loss, (sat, rows[-1].loss, better[-1].loss))
    return {
        "symptom": "vanishing gradients after tanh",
        "measurements": f"batch: dtype uint8->float32, min {x.min():.0f} max {x.max():.0f} mean {x.mean():.1f} std {x.std():.1f}\ntanh_1 saturated {sat:.2f}\n"
        + "\n".join(f"ep {r.step} loss {r.loss:.3f}" for r in every(rows, 25)),
        "training": "no Normalize / ToTensor, SGD 0.05",
    }


@case("input_scale")
def described() -> dict[str, Any]:
    torch.manual_seed(172)
    age, income, rooms = 20 + 50 * torch.rand(500), 2e4 + 2e5 * torch.rand(500), torch.randint(1, 7, (500,)).float()
    x = torch.stack([age, income, rooms], 1)
    y = ((age > 45) ^ (rooms > 3)).float()
    net = stack([3, 32, 32, 1], nn.ReLU)
    rows = fit(
        net,
        lambda _: functional.binary_cross_entropy_with_logits(net(x)[:, 0], y),
        torch.optim.Adam(net.parameters(), 1e-3),
        80,
    )
    expect(rows[0].loss > 50 and rows[-1].loss > 0.6)
    table = "            age         income      rooms\n" + "\n".join(
        f"{n:<6}{f(age):>10.3f}  {f(income):>13.3f}  {f(rooms):>9.3f}"
        for n, f in (("mean", torch.mean), ("std", torch.std), ("min", torch.min), ("max", torch.max))
    )
    return {
        "symptom": "exploding gradients on tabular data",
        "measurements": "df.describe()\n" + table + "\n" + trainer(every(rows, 12)),
        "training": "raw features, BCE, Adam 1e-3",
    }


@case("input_scale")
def micro_volts() -> dict[str, Any]:
    torch.manual_seed(173)
    x, y = clusters(300, 32, 3)
    x = x * 4e-6
    net = stack([32, 48, 48, 3], nn.ReLU, bias=False)
    rows = fit(net, lambda _: functional.cross_entropy(net(x), y), torch.optim.SGD(net.parameters(), 0.1), 100)
    unit = stack([32, 48, 48, 3], nn.ReLU, bias=False)
    expect(
        fit(
            unit, lambda _: functional.cross_entropy(unit(x / x.std()), y), torch.optim.SGD(unit.parameters(), 0.1), 100
        )[-1].loss
        < 0.3
    )
    first, last = (list(r.grads.values()) for r in (rows[0], rows[-1]))
    expect(abs(rows[-1].loss - math.log(3)) < 1e-3 and max(last) < 1e-4)
    return {
        "symptom": "EEG net does not learn, gradients vanish",
        "measurements": f"x.mean() {x.mean():.2e} x.std() {x.std():.2e} x.abs().max() {x.abs().max():.2e}  (volts)\nloss {rows[0].loss:.4f} ... {rows[-1].loss:.4f}\n"
        + loop(dict(zip(("fc1", "fc2", "fc3"), first, strict=True)), "{n}.weight.grad.norm() {v:.2e}"),
        "training": "SGD 0.1, 3 classes",
    }


@case("input_scale")
def timestamps() -> dict[str, Any]:
    torch.manual_seed(174)
    t = 1.7e9 + 3600 * torch.arange(400, dtype=torch.float64)
    x = torch.stack([t.float(), torch.sin(torch.arange(400) / 9.0)], 1)
    y = torch.cos(torch.arange(400) / 9.0)[:, None]
    net = stack([2, 64, 64, 1], nn.ReLU)
    rows = fit(net, lambda _: functional.mse_loss(net(x), y), torch.optim.Adam(net.parameters(), 1e-3), 100)
    expect(rows[0].loss > 1e10)
    return {
        "symptom": "mse astronomical, exploding",
        "measurements": frame(
            {
                "feature": ["unix_time", "sin"],
                "mean": [x[:, 0].mean().item(), x[:, 1].mean().item()],
                "max": [x[:, 0].max().item(), 1.0],
            },
            "{:.4g}",
        )
        + f"\ntarget mean {y.mean():.3f} std {y.std():.3f}\n"
        + tqdm(every(rows, 20), 100),
        "training": "features fed as they are",
    }


@case("target_scale")
def houses() -> dict[str, Any]:
    rows, y, p = _targets(181, 9e4, 2.4e5)
    expect(rows[-1].loss > 0.98 * rows[0].loss)
    return {
        "symptom": "house prices: gradients explode",
        "measurements": f"y_train mean {y.mean():.0f} std {y.std():.0f}\npredictions mean {p.mean():.2f}\n"
        + "\n".join(f"Epoch {r.step}: mse={r.loss:.4e} grad_norm={r.norm:.3e}" for r in every(rows, 20)),
        "training": "MSELoss, Adam 1e-3, features standardized, prices in dollars",
    }


@case("target_scale")
def tiny() -> dict[str, Any]:
    rows, y, p = _targets(182, 3e-6, 0.0, 40, 1e-5)
    expect(p.double().std() > 50 * y.double().std())
    return {
        "symptom": "r2 is hugely negative although mse is only 0.03",
        "measurements": f"targets: mean {y.mean():.1e} std {y.std():.1e} (currents in ampere)\npreds: mean {p.mean():.2e} std {p.std():.2e}\n"
        + jsonl([{"epoch": r.step, "mse": r.loss} for r in every(rows, 8)]),
        "training": "mse, Adam 1e-5",
    }


@case("target_scale")
def returns() -> dict[str, Any]:
    rows, y, p = _targets(183, 3000.0, 12000.0, 150, 3e-4)
    expect(rows[-1].loss > 0.95 * rows[0].loss)
    return {
        "symptom": "PPO value function never fits, is gamma wrong?",
        "measurements": "\n".join(f"| value_loss | {r.loss:.3g} | grad_norm | {r.norm:.3g} |" for r in every(rows, 25))
        + f"\n| returns_mean | {y.mean():.0f} | returns_std | {y.std():.0f} | values_mean | {p.mean():.2f} |",
        "training": "critic Adam 3e-4, rewards not normalized",
    }


@case("target_scale")
def pascal() -> dict[str, Any]:
    rows, y, p = _targets(184, 2500.0, 101325.0, 100)
    expect(rows[-1].loss > 0.98 * rows[0].loss)
    return {
        "symptom": "surrogate for pressure field is stuck",
        "measurements": lightning(every(rows, 15), 25, "val_mse")
        + f"\npressure target range {y.min():.0f} .. {y.max():.0f} Pa, network output range {p.min():.2f} .. {p.max():.2f}",
        "training": "Adam 1e-3, MSE, inputs in [-1, 1]",
    }

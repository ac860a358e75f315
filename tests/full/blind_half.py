"""Blind runs: gradients below the range of float16."""

# ruff: noqa: E501  (a log line stays in one piece)

from __future__ import annotations

from typing import Any

import torch
from blind_logs import frame, jsonl
from blind_run import case, clusters, expect, images, stack, weights
from torch import Tensor, nn
from torch.nn import functional

init = nn.init


def _half(net: nn.Module, x: Tensor, y: Tensor, factor: float = 1.0) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The same gradients in float32 and in float16; cross entropy times a factor."""
    (functional.cross_entropy(net(x), y) * factor).backward()
    full = {n: p.grad.double().clone() for n, p in net.named_parameters() if p.dim() > 1}
    net.zero_grad()
    half = net.half()
    (functional.cross_entropy(half(x.half()), y) * factor).backward()
    return full, {n: p.grad.clone() for n, p in half.named_parameters() if p.dim() > 1}


def _share(g: Tensor) -> float:
    return (g == 0).double().mean().item()


@case("underflow_half")
def zero_shares() -> dict[str, Any]:
    torch.manual_seed(81)
    net = weights(stack([40] + [64] * 5 + [10], nn.Tanh), lambda w: init.xavier_normal_(w, 0.5))
    full, half = _half(net, *clusters(256, 40, 10), factor=1e-4)
    expect(_share(half["0.weight"]) > 0.5 and all(_share(g) < 0.01 for g in full.values()))
    table = frame(
        {
            "param": list(half),
            "dtype": ["torch.float16"] * 6,
            "frac_zero_grad": [_share(g) for g in half.values()],
            "frac_zero_fp32_copy": [_share(g) for g in full.values()],
        },
        "{:.4f}",
    )
    return {
        "symptom": "vanishing gradients, deeper layers worse",
        "measurements": table,
        "training": "model.half(), SGD, loss weight 1e-4, no GradScaler",
    }


@case("underflow_half")
def pairs() -> dict[str, Any]:
    torch.manual_seed(82)
    net = nn.Sequential(
        *[m for k in range(5) for m in (nn.Conv2d(3 if not k else 16, 16, 3, padding=1), nn.ReLU())],
        nn.Flatten(),
        nn.Linear(16 * 64, 5),
    )
    full, half = _half(net, *images(64, 3, 8, 5), factor=2e-5)
    expect(sum(_share(g) for g in half.values()) / 6 > 0.4)
    lines = [
        f"{n}: fp32 |g| mean {full[n].abs().mean():.2e} | fp16 zeros {100 * _share(g):.0f}%, |g| max {g.abs().max():.2e}"
        for n, g in half.items()
    ]
    return {
        "symptom": "fp32 run learns, amp run does not",
        "measurements": "\n".join(lines),
        "training": "autocast float16 but loss.backward() without scaler",
    }


@case("underflow_half")
def grid() -> dict[str, Any]:
    torch.manual_seed(83)
    net = stack([20, 100, 100, 100, 4], nn.ReLU)
    _, half = _half(net, *clusters(512, 20, 4), factor=5e-4)
    lines = []
    for n, g in half.items():
        values = g.float().abs().unique()[:4].tolist()
        lines.append(
            f"{n}: smallest distinct |grad| values {', '.join(f'{v:.3g}' for v in values)}; exactly zero {100 * _share(g):.1f} %"
        )
    expect(_share(half["0.weight"]) > 0.15 and half["0.weight"].float().abs().unique()[1].item() < 6.5e-8)
    return {
        "symptom": "gradients look quantized",
        "measurements": "\n".join(lines),
        "training": "dtype torch.float16, static loss scale 1",
    }


@case("underflow_half", also=("nan_origin",))
def adam_eps() -> dict[str, Any]:
    torch.manual_seed(84)
    w = nn.Parameter(torch.randn(300).half())
    g = torch.randn(300) * 2e-5
    v = (1e-3 * g.double() ** 2).half()
    eps = torch.tensor(1e-8).half()
    expect(eps.item() == 0.0 and _share(v) == 1.0)
    step = g.half() / (v.sqrt() + eps)
    expect(not step.isfinite().all())
    text = f"w dtype {w.dtype}\ngrad abs mean {g.abs().mean():.2e}\nexp_avg_sq (float16): fraction zero {_share(v):.3f}\neps as float16: {eps.item()}\nupdate: inf {step.isinf().sum()} of 300, nan {step.isnan().sum()}"
    return {
        "symptom": "weights are inf right after the first optimizer step",
        "measurements": text,
        "training": "everything in fp16, Adam eps 1e-8",
    }


@case("underflow_half")
def half_zero() -> dict[str, Any]:
    torch.manual_seed(85)
    net = stack([32, 64, 64, 64, 64, 2], nn.GELU)
    full, half = _half(net, *clusters(128, 32, 2), factor=1e-6)
    norms = {n: g.double().norm().item() for n, g in half.items()}
    expect(norms["0.weight"] == 0 and full["0.weight"].norm() > 1e-9)
    items = [{"param": n, "grad_norm_fp16": norms[n], "grad_norm_fp32": full[n].norm().item()} for n in half]
    return {
        "symptom": "first layers frozen?",
        "measurements": jsonl(items),
        "training": "half precision, auxiliary loss weight 1e-6",
    }

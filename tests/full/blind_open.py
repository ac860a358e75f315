"""Blind runs that cannot be decided from what was sent, and those where two answers are right."""

from __future__ import annotations

from typing import Any

import torch
from blind_logs import loop, tqdm
from blind_run import case, clusters, expect, fit, stack
from torch import nn
from torch.nn import functional


@case("cannot_tell")
def words_only() -> dict[str, Any]:
    return {"symptom": "My gradients vanish. Why?", "measurements": "", "training": "Adam"}


@case("cannot_tell")
def one_line() -> dict[str, Any]:
    torch.manual_seed(301)
    net = stack([10, 20, 7], nn.ReLU)
    x, y = clusters(50, 10, 7)
    rows = fit(net, lambda _: functional.cross_entropy(net(x), y) * 0.83, torch.optim.Adam(net.parameters(), 1e-3), 2)
    return {
        "symptom": "model explodes later on, the log got lost",
        "measurements": f"step 0 loss {rows[0].loss:.4f}\nstep 1 loss {rows[1].loss:.4f}",
        "training": "",
    }


@case("cannot_tell", also=("print_zeros",))
def bare_zeros() -> dict[str, Any]:
    torch.manual_seed(302)
    net = stack([16] + [32] * 7 + [3], nn.Tanh)
    x, y = clusters(80, 16, 3)
    rows = fit(net, lambda _: functional.cross_entropy(net(x), y) * 1e-4, torch.optim.SGD(net.parameters(), 1e-3), 1)
    expect(0 < max(rows[0].grads.values()) < 5e-4)
    return {"symptom": "all zero", "measurements": loop(rows[0].grads, "{n}: {v:.3f}"), "training": ""}


@case("cannot_tell", also=("true_decay_backward",))
def two_layers_of_many() -> dict[str, Any]:
    torch.manual_seed(303)
    net = stack([16] + [48] * 10 + [3], nn.ReLU)
    x, y = clusters(80, 16, 3)
    rows = fit(net, lambda _: functional.cross_entropy(net(x), y), torch.optim.SGD(net.parameters(), 1e-3), 1)
    g = list(rows[0].grads.values())
    return {
        "symptom": "early layer has a smaller gradient",
        "measurements": f"layer 3 grad norm {g[3]:.4f}\nlayer 8 grad norm {g[8]:.4f}",
        "training": "",
    }


@case("cannot_tell", also=("nothing_wrong",))
def only_norms() -> dict[str, Any]:
    torch.manual_seed(304)
    net = stack([16, 32, 3], nn.ReLU)
    x, y = clusters(80, 16, 3)
    rows = fit(net, lambda _: functional.cross_entropy(net(x), y), torch.optim.SGD(net.parameters(), 0.1), 30)
    return {
        "symptom": "total gradient norm declines, vanishing?",
        "measurements": "\n".join(f"step {r.step} grad_norm {r.norm:.4f}" for r in rows[::5]),
        "training": "",
    }


@case("cannot_tell", also=("stuck_at_chance",))
def flat_without_scale() -> dict[str, Any]:
    torch.manual_seed(305)
    net = stack([16, 32, 1], nn.ReLU)
    x = torch.randn(300, 16)
    y = torch.randn(300, 1) * 0.61 + 0.2
    rows = fit(net, lambda _: functional.l1_loss(net(x), y), torch.optim.SGD(net.parameters(), 1e-4), 60)
    expect(abs(rows[-1].loss - rows[0].loss) < 0.02)
    return {
        "symptom": "custom objective is flat",
        "measurements": tqdm([r.__class__(r.step, r.loss, r.norm, r.lr, {}) for r in rows[::12]], 60),
        "training": "own loss function",
    }


@case("cannot_tell", also=("nan_origin",))
def nan_only() -> dict[str, Any]:
    return {"symptom": "training crashed over night", "measurements": "loss: nan", "training": ""}


@case("cannot_tell", also=("nothing_wrong",))
def architecture_only() -> dict[str, Any]:
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 10),
    )
    return {
        "symptom": "gradients explode, please find out why",
        "measurements": "",
        "architecture": str(net),
        "training": "Adam",
    }

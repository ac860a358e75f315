"""Blind runs: losses on second derivatives of networks that have none."""

# ruff: noqa: E501  (a log line stays in one piece)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from blind_logs import csv_long, every, nanogpt, tqdm
from blind_run import case, expect, fit, stack
from torch import Tensor, nn


def laplacian(net: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """u and the sum of its second derivatives by autograd."""
    x = x.requires_grad_(True)
    u = net(x)
    du = torch.autograd.grad(u.sum(), x, create_graph=True)[0]
    if not du.requires_grad:
        return u, torch.zeros(len(x))
    second = [
        torch.autograd.grad(du[:, i].sum(), x, create_graph=True, allow_unused=True)[0] for i in range(x.shape[1])
    ]
    zero = torch.zeros(len(x))
    return u, sum((s[:, i] if s is not None else zero for i, s in enumerate(second)), zero)


def _poisson(
    act: Callable[[], nn.Module], steps: int, seed: int, width: int = 48
) -> tuple[nn.Sequential, list[Any], Tensor]:
    torch.manual_seed(seed)
    net = stack([1, width, width, width, 1], act)
    x = torch.linspace(0, 1, 64)[:, None]
    force = 9.87 * torch.sin(3.1416 * x[:, 0])

    def loss(_: int) -> Tensor:
        return (laplacian(net, x.clone())[1] + force).square().mean() + 10 * net(
            torch.tensor([[0.0], [1.0]])
        ).square().mean()

    rows = fit(net, loss, torch.optim.Adam(net.parameters(), 1e-3), steps)
    return net, rows, laplacian(net, x.clone())[1].detach().double()


@case("second_derivative")
def poisson() -> dict[str, Any]:
    net, rows, uxx = _poisson(nn.ReLU, 300, 71)
    expect(uxx.abs().max().item() == 0.0 and rows[-1].loss > 0.9 * 9.87**2 / 2)
    return {
        "symptom": "PINN loss stuck near 48, gradients vanish",
        "measurements": tqdm(every(rows, 50), 300) + f"\nu_xx: min {uxx.min():.1f} max {uxx.max():.1f}",
        "architecture": str(net),
        "training": "Poisson equation u_xx = -f, Adam 1e-3",
    }


@case("second_derivative")
def heat() -> dict[str, Any]:
    net, rows, uxx = _poisson(lambda: nn.LeakyReLU(0.01), 150, 72, 24)
    expect(uxx.abs().max().item() == 0.0)
    x = torch.linspace(0, 1, 64)[:, None].requires_grad_(True)
    at = net(x)
    slope = torch.autograd.grad(at.sum(), x)[0].double().abs().mean().item()
    text = nanogpt(every(rows, 25)) + f"\nmean |u| {at.abs().mean():.4f}\nmean |u_x| {slope:.4f}\nmean |u_xx| 0.0"
    _, rows2, smooth = _poisson(nn.Tanh, 150, 72, 24)
    expect(smooth.abs().max() > 0.1 and rows2[-1].loss < rows[-1].loss)
    return {
        "symptom": "physics informed net for steady heat flow ignores the conduction term, learning rate too low?",
        "measurements": text,
        "training": "3 hidden layers LeakyReLU, loss = mean (k u_xx + q)^2 by autograd + boundary",
    }


@case("second_derivative")
def hessian_energy() -> dict[str, Any]:
    torch.manual_seed(73)
    net = stack([6, 64, 64, 1], nn.ReLU)
    x = torch.randn(80, 6)
    _, trace = laplacian(net, x.clone())
    expect(trace.abs().max().item() == 0.0)
    loss = (trace - 1.5).square().mean()
    text = f"target trace of Hessian 1.5, predicted min {trace.min().item()} max {trace.max().item()}\nhessian loss {loss.item():.4f} at epoch 0, 1, 2, 10, 50"
    zero = {n: 0.0 for n, _ in net.named_parameters()}
    return {
        "symptom": "interatomic potential: forces are learned, force constants (Hessian) get zero gradient",
        "measurements": text + "\n" + "\n".join(f"d(hessian loss)/d {n}: {v}" for n, v in zero.items()),
        "architecture": "energy = Linear(6, 64) ReLU; Linear(64, 64) ReLU; Linear(64, 1)",
        "training": "second derivatives of the energy with torch.autograd.grad twice",
    }


@case("second_derivative")
def score_energy() -> dict[str, Any]:
    torch.manual_seed(74)
    net = stack([2, 40, 40, 1], nn.ReLU)

    def loss(step: int) -> Tensor:
        x = torch.randn(128, 2, generator=torch.Generator().manual_seed(step)).requires_grad_(True)
        s = -torch.autograd.grad(net(x).sum(), x, create_graph=True)[0]
        return 0.5 * s.square().sum(1).mean() + laplacian(net, x.detach())[1].mean()

    rows = fit(net, loss, torch.optim.Adam(net.parameters(), 1e-2), 120)
    expect(laplacian(net, torch.randn(50, 2))[1].abs().max().item() == 0.0 and rows[-1].loss < 0.3 * rows[0].loss)
    text = (
        csv_long({str(r.step): r.loss for r in every(rows, 20)}, "iter,score_matching_loss")
        + "\ntrace(Hessian of log p) = 0.0 for all samples; score norm -> 0"
    )
    return {
        "symptom": "score matching converges to a flat energy",
        "measurements": text,
        "training": "implicit score matching 0.5|s|^2 + tr(ds/dx), energy network with ReLU",
        "architecture": str(net),
    }

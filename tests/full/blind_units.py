"""Blind runs: units that saturate or die."""

# ruff: noqa: E501  (a log line stays in one piece)

from __future__ import annotations

from typing import Any

import torch
from blind_logs import csv_long, jsonl, logging_lines, loop
from blind_run import Attention, case, clusters, cosine, expect, fit, grads, images, outputs, stack, weights
from torch import nn
from torch.nn import functional

init = nn.init


@case("saturation", layers=("body.1", "body.3", "body.0"))
def pinned_tanh() -> dict[str, Any]:
    torch.manual_seed(31)
    net = weights(stack([30] + [90] * 5 + [2], nn.Tanh), lambda w: init.normal_(w, std=1.0))
    x, y = clusters(128, 30, 2)
    seen = outputs(net, x, (nn.Tanh,))
    share = {f"body.{n}": (h.double().abs() > 0.99).double().mean().item() for n, h in seen.items()}
    functional.cross_entropy(net(x), y).backward()
    expect(min(share.values()) > 0.6)
    return {
        "symptom": "slow learning, I suspect vanishing because of depth",
        "measurements": loop(share, "{n}: fraction |tanh|>0.99 = {v:.1%}")
        + "\n"
        + loop(grads(net), "body.{n} grad {v:.3g}"),
        "training": "torch.nn.init.normal_(w) everywhere, 5 hidden layers",
    }


@case("saturation", layers=("fc2", "fc1", "fc3"))
def quantiles() -> dict[str, Any]:
    torch.manual_seed(32)
    net = weights(stack([50, 64, 64, 64, 64, 3], nn.Sigmoid), lambda w: init.normal_(w, std=6.0))
    h = list(outputs(net, torch.randn(200, 50), (nn.Sigmoid,)).values())
    q = torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95])
    rows = [
        [f"fc{k + 1}.sigmoid"] + [f"{v:.4f}" for v in torch.quantile(a.flatten(), q).tolist()] for k, a in enumerate(h)
    ]
    expect(all(((a < 0.02) | (a > 0.98)).double().mean() > 0.7 for a in h))
    return {
        "symptom": "units seem binary",
        "measurements": "activation      q05     q25     q50     q75     q95\n" + "\n".join("  ".join(r) for r in rows),
        "training": "sigmoid, rmsprop",
    }


@case("saturation", layers=("lstm", "gate"))
def gates() -> dict[str, Any]:
    torch.manual_seed(33)
    cell = weights(nn.LSTMCell(16, 40), lambda w: init.normal_(w, std=3.0))
    h = c = torch.zeros(64, 40)
    lines = []
    for t in range(6):
        x = torch.randn(64, 16)
        z = (x @ cell.weight_ih.T + h @ cell.weight_hh.T).chunk(4, 1)
        share = [
            ((s := g.double().sigmoid()) < 0.01).double().mean().item() + (s > 0.99).double().mean().item()
            for g in (z[0], z[1], z[3])
        ]
        expect(min(share) > 0.6)
        lines.append(
            f"t={t} input_gate saturated {share[0]:.2f} forget_gate saturated {share[1]:.2f} output_gate saturated {share[2]:.2f}"
        )
        h, c = cell(x, (h, c))
    return {
        "symptom": "gradients through the recurrent net vanish",
        "measurements": "\n".join(lines) + "\n(saturated = sigmoid <0.01 or >0.99)",
        "architecture": "LSTMCell(16, 40)",
    }


@case("saturation", layers=("attn", "attention", "softmax"))
def scores() -> dict[str, Any]:
    torch.manual_seed(34)
    att = Attention(256, scale=1.0)
    weights(att, lambda w: init.normal_(w, std=0.08))
    x = torch.randn(8, 32, 256)
    att(x).square().mean().backward()
    p = att.scores.double().softmax(-1)
    entropy = -(p * p.clamp_min(1e-300).log()).sum(-1).mean().item()
    expect(p.max(-1).values.mean() > 0.9)
    g = att.qkv.weight.grad.double().chunk(3)
    text = f"attn logits: std {att.scores.std():.1f} min {att.scores.min():.0f} max {att.scores.max():.0f}\nattn softmax: mean max prob {p.max(-1).values.mean():.4f}, entropy {entropy:.4f} of ln 32 = 3.466\n"
    return {
        "symptom": "q and k projections hardly get gradients",
        "measurements": text + "\n".join(f"attn.{n} grad norm {v.norm():.2e}" for n, v in zip("qkv", g, strict=True)),
        "training": "attention without the 1/sqrt(d) factor, head dim 256",
    }


@case("saturation", layers=("actor", "action", "tanh"))
def actor() -> dict[str, Any]:
    torch.manual_seed(35)
    net = stack([11, 64, 64, 3], nn.ReLU)
    obs = torch.randn(256, 11)
    opt = torch.optim.Adam(net.parameters(), 3e-2)
    lines = []
    for step in range(61):
        a = net(obs).tanh()
        loss = -(a * torch.tensor([1.0, -1.0, 1.0]) * 5).mean()
        opt.zero_grad()
        loss.backward()
        if step % 12 == 0:
            lines.append(
                f"update {step}: actor_loss {loss.item():.4f} actor.tanh |a|>0.99 {(a.abs() > 0.99).double().mean():.3f} actor_grad_norm {sum(p.grad.norm() ** 2 for p in net.parameters()) ** 0.5:.2e}"
            )
        opt.step()
    expect((net(obs).tanh().abs() > 0.99).double().mean() > 0.95)
    return {
        "symptom": "SAC actor stopped learning, gradient vanishes after some updates",
        "measurements": "\n".join(lines),
        "training": "actor lr 3e-2, tanh squashed actions",
    }


@case("dead_relu", layers=("block2",))
def killed_step() -> dict[str, Any]:
    torch.manual_seed(41)
    net = stack([40, 128, 128, 128, 128, 8], nn.ReLU)
    x, y = clusters(256, 40, 8)
    fit(net, lambda _: functional.cross_entropy(net(x), y), torch.optim.SGD(net.parameters(), 30.0), 4)
    seen = outputs(net, x, (nn.ReLU,))
    dead = {f"block{k + 1}": (h.double() <= 0).all(0).double().mean().item() for k, h in enumerate(seen.values())}
    expect(dead["block2"] > 0.6 and dead["block1"] < 0.1, dead)
    return {
        "symptom": "weights do not change any more",
        "measurements": loop(dead, "{n}.relu units never active on the batch: {v:.1%}"),
        "training": "SGD lr 30, cross entropy 8 classes",
    }


@case("dead_relu", layers=("conv2", "features.2", "relu2"))
def negative_bias() -> dict[str, Any]:
    torch.manual_seed(42)
    net = nn.Sequential(*[m for k in range(4) for m in (nn.Conv2d(3 if not k else 32, 32, 3, padding=1), nn.ReLU())])
    with torch.no_grad():
        net[2].bias.fill_(-6.0)
    x, _ = images(32, 3, 16, 2)
    active = [(h > 0).double().mean().item() for h in outputs(net, x, (nn.ReLU,)).values()]
    expect(active[1] < 0.01 < active[0])
    return {
        "symptom": "vanishing gradient in first conv",
        "measurements": csv_long({f"conv{k + 1}": 100 * a for k, a in enumerate(active)}, "layer,percent_active"),
    }


@case("dead_relu", layers=("hidden_2", "relu_2"))
def counts() -> dict[str, Any]:
    torch.manual_seed(43)
    net = stack([64, 256, 256, 256, 1], nn.ReLU)
    x, y = cosine(300, 64)
    with torch.no_grad():
        net[2].weight.sub_(0.2)
    seen = outputs(net, x, (nn.ReLU,))
    dead = [int((h <= 0).all(0).sum()) for h in seen.values()]
    expect(dead[1] > 240 and dead[0] < 60, dead)
    functional.mse_loss(net(x), y).backward()
    g = grads(net)
    lines = [f"INFO:monitor:hidden_{k + 1} dead {d}/256" for k, d in enumerate(dead)]
    return {
        "symptom": "regressor predicts a constant",
        "measurements": "\n".join(lines)
        + "\n"
        + logging_lines(
            dict(zip(("hidden_1", "hidden_2", "hidden_3", "out"), g.values(), strict=True)), "grad_of_weight"
        ),
        "architecture": "MLP(\n"
        + "".join(
            f"  (hidden_{k + 1}): Linear(in_features={64 if not k else 256}, out_features=256, bias=True)\n"
            for k in range(3)
        )
        + "  (act): ReLU()\n  (out): Linear(in_features=256, out_features=1, bias=True)\n)",
    }


@case("dead_relu", layers=("decoder.relu_1", "decoder.4", "decoder.1", "relu_1"))
def exact_zeros() -> dict[str, Any]:
    torch.manual_seed(44)
    net = stack([24, 48, 48, 48, 24], nn.ReLU)
    x = torch.randn(200, 24)
    with torch.no_grad():
        net[2].bias.fill_(-4.0)
    functional.mse_loss(net(x), x).backward()
    seen = outputs(net, x, (nn.ReLU,))
    top = {f"decoder.relu_{k}": h.max().item() for k, h in enumerate(seen.values())}
    expect(top["decoder.relu_1"] == 0.0 and all(v == 0 for n, v in grads(net).items() if n in ("0.weight", "2.weight")))
    every_grad = {f"decoder.{n}": v for n, v in grads(net, weights_only=False).items()}
    return {
        "symptom": "grad of early layers 0, vanishing",
        "measurements": loop(top, "{n} output max {v:.6f}") + "\n" + loop(every_grad, "{n}.grad.norm() = {v!r}"),
        "training": "mse, Adam 3e-4",
    }


@case("dead_relu", layers=("q.relu2", "q.2", "relu2"))
def dormant() -> dict[str, Any]:
    torch.manual_seed(45)
    net = stack([8, 120, 120, 4], nn.ReLU)
    s = torch.randn(512, 8)
    items = []
    opt = torch.optim.Adam(net.parameters(), 0.05)
    for step in range(0, 200):
        q = net(s).gather(1, torch.randint(4, (512, 1)))
        loss = functional.mse_loss(q, torch.randn(512, 1) * 40 - 200 * (step > 20))
        opt.zero_grad()
        loss.backward()
        opt.step()
        if step % 33 == 0 or step == 199:
            seen = list(outputs(net, s, (nn.ReLU,)).values())
            items.append(
                {
                    "step": step,
                    "td_loss": loss.item(),
                    **{
                        f"q.relu{k + 1}/dead_fraction": (h <= 0).all(0).double().mean().item()
                        for k, h in enumerate(seen)
                    },
                }
            )
    expect(items[-1]["q.relu2/dead_fraction"] > 0.8, items[-1])
    return {"symptom": "DQN plateaus, is the discount wrong?", "measurements": jsonl(items), "training": "Adam lr 0.05"}

"""Blind runs: signals that grow, and nodes and tokens that become alike."""

# ruff: noqa: E501  (a log line stays in one piece)

from __future__ import annotations

from typing import Any

import torch
from blind_logs import every, frame, jsonl, loop, numpy_array, trainer
from blind_run import (
    Attention,
    Block,
    case,
    clusters,
    expect,
    fit,
    grads,
    likeness,
    outputs,
    rate,
    stack,
    weights,
)
from torch import nn
from torch.nn import functional

init = nn.init


def _graph(nodes: int = 60) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(7)
    y = torch.arange(nodes) % 3
    a = torch.rand(nodes, nodes, generator=g) < torch.where(y[:, None] == y[None], 0.25, 0.05)
    a = (a | a.T | torch.eye(nodes, dtype=torch.bool)).float()
    d = a.sum(1).rsqrt()
    return d[:, None] * a * d[None], y


@case("growth")
def no_norm_residual() -> dict[str, Any]:
    torch.manual_seed(51)
    net = nn.Sequential(
        nn.Linear(20, 64),
        *[Block(weights(stack([64, 64, 64], nn.ReLU), init.kaiming_normal_)) for _ in range(24)],
        nn.Linear(64, 5),
    )
    seen = outputs(net, torch.randn(64, 20), (Block,))
    std = [h.double().std().item() for h in seen.values()]
    expect(1.2 < rate(std) < 2 and std[-1] > 100)
    return {
        "symptom": "loss starts at 900 instead of 1.6, vanishing?",
        "measurements": frame({"block": list(range(1, 25)), "stream_std": std}, "{:.4g}"),
        "architecture": "input 20; linear 20 64; repeat 24 { residual { linear 64 64; relu; linear 64 64 } }; linear 64 5",
        "initialization": "he",
    }


@case("growth")
def norm_no_skip() -> dict[str, Any]:
    torch.manual_seed(52)
    parts: list[nn.Module] = []
    for k in range(30):
        parts += [nn.Linear(32 if not k else 128, 128, bias=False), nn.BatchNorm1d(128), nn.ReLU()]
    net = nn.Sequential(*parts, nn.Linear(128, 10))
    x, y = clusters(256, 32, 10)
    functional.cross_entropy(net(x), y).backward()
    g = grads(net)
    expect(rate(list(g.values())[:-1]) < 0.9)
    return {
        "symptom": "batchnorm everywhere so it cannot be exploding; training is unstable",
        "measurements": loop(g, "{n:<10} {v:.4f}"),
        "training": "30 x (Linear no bias, BatchNorm1d, ReLU), SGD 0.1, batch 256",
    }


@case("growth")
def loud_init() -> dict[str, Any]:
    torch.manual_seed(53)
    net = weights(stack([100] + [300] * 9 + [10], nn.ReLU), lambda w: init.normal_(w, std=0.3))
    x, y = clusters(128, 100, 10)
    seen = outputs(net, x, (nn.Linear,))
    std = [h.double().std().item() for h in seen.values()]
    loss = functional.cross_entropy(net(x), y).item()
    expect(rate(std) > 3)
    return {
        "symptom": "nan soon?",
        "measurements": f"initial loss {loss:.1f}\nlayer output stds (input side first): {numpy_array(std, 2)}",
        "training": "10 fully connected relu layers, weights normal std 0.3",
    }


@case("growth")
def rnn_explodes() -> dict[str, Any]:
    torch.manual_seed(54)
    u, v = nn.Linear(6, 40), nn.Linear(40, 40, bias=False)
    init.orthogonal_(v.weight, 1.25)
    x, h, states = torch.randn(20, 50, 6) * 0.01, torch.zeros(20, 40), []
    for t in range(50):
        h = u(x[:, t]) + v(h)
        h.retain_grad()
        states.append(h)
    h.mean().backward()
    g = [s.grad.double().norm().item() for s in states]
    expect(rate(g) < 0.85)
    return {
        "symptom": "recurrent net forgets, so the gradient must vanish",
        "measurements": "\n".join(f"grad wrt h[{t}] = {g[t]:.5e}" for t in range(0, 50, 3)),
        "training": "linear recurrence h_t = W h_{t-1} + U x_t, loss on h[49]",
    }


@case("growth")
def bare_transformer() -> dict[str, Any]:
    torch.manual_seed(55)
    blocks = [
        m
        for _ in range(14)
        for m in (
            Block(Attention(48)),
            Block(weights(stack([48, 192, 48], nn.GELU), lambda w: init.xavier_normal_(w, 1.6))),
        )
    ]
    net = nn.Sequential(nn.Embedding(40, 48), *blocks, nn.Linear(48, 40))
    ids = torch.randint(40, (8, 17))
    seen = outputs(net, ids[:, :-1], (Block,))
    std = [h.double().std().item() for h in seen.values()][1::2]
    rows = fit(
        net,
        lambda _: functional.cross_entropy(net(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten()),
        torch.optim.Adam(net.parameters(), 1e-3),
        30,
    )
    expect(rate(std) > 1.3)
    return {
        "symptom": "loss is in the thousands",
        "measurements": trainer(every(rows, 6))
        + "\nresidual stream std after block:\n"
        + "\n".join(f"blocks.{k} {s:.3g}" for k, s in enumerate(std)),
        "training": "14 block transformer, no layernorm anywhere",
    }


@case("over_smoothing")
def deep_gcn() -> dict[str, Any]:
    torch.manual_seed(61)
    a, _ = _graph()
    h, lines = torch.randn(60, 32), []
    for k in range(24):
        h = (a @ h @ init.xavier_normal_(torch.empty(32, 32), 2**0.5)).relu()
        if k % 3 == 2:
            lines.append(
                f"GCNConv {k + 1:>2}: mean pairwise cosine of node features {likeness(h):.5f}, mean norm {h.double().norm(dim=1).mean():.3e}"
            )
    expect(likeness(h) > 0.99)
    return {
        "symptom": "deeper GCN is worse, vanishing gradients",
        "measurements": "\n".join(lines),
        "architecture": "24 GCNConv layers, width 32, relu, symmetric normalized adjacency with self loops",
    }


@case("over_smoothing")
def dirichlet() -> dict[str, Any]:
    torch.manual_seed(62)
    a, y = _graph()
    a = a / a.sum(1, keepdim=True)
    ws = [nn.Linear(16 if not k else 24, 24) for k in range(16)]
    head, x = nn.Linear(24, 3), torch.randn(60, 16) + functional.one_hot(y, 16) * 2.0
    params = [p for m in (*ws, head) for p in m.parameters()]
    opt, lines = torch.optim.Adam(params, 5e-3), []
    for epoch in range(81):
        h, energy = x, []
        for w in ws:
            h = w(a @ h).relu()
            energy.append(
                ((h[:, None] - h[None]).double().pow(2).sum(-1).mean() / h.double().pow(2).sum(1).mean()).item()
            )
        loss = functional.cross_entropy(head(h), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        if epoch % 20 == 0:
            lines.append(
                f"epoch {epoch}: train_loss={loss.item():.4f} train_acc={(head(h).argmax(1) == y).double().mean():.3f}"
            )
        if epoch == 0:
            lines += [f"  layer {k} relative Dirichlet energy {e:.3e}" for k, e in enumerate(energy)]
            expect(energy[-1] < 1e-3)
    return {
        "symptom": "GraphSAGE mean aggregator on 3 communities, nothing learned",
        "measurements": "\n".join(lines),
        "training": "16 message passing layers, Adam 5e-3, 3 classes",
    }


@case("over_smoothing", also=("bias_floor",))
def rank_collapse() -> dict[str, Any]:
    torch.manual_seed(63)
    x, items = torch.randn(4, 24, 64), []
    for k in range(10):
        x = weights(Attention(64), init.xavier_normal_)(x)
        items.append(
            {
                "layer": f"attn{k}",
                "token_cosine": sum(likeness(s) for s in x) / 4,
                "token_std": x.double().std(1).mean().item(),
            }
        )
    expect(items[-1]["token_cosine"] > 0.99)
    return {
        "symptom": "all tokens end up with the same embedding",
        "measurements": jsonl(items),
        "training": "10 self-attention layers without skip connections or MLP",
    }


@case("over_smoothing")
def node_rows() -> dict[str, Any]:
    torch.manual_seed(64)
    a, _ = _graph(40)
    a = a / a.sum(1, keepdim=True)
    h, spread = torch.randn(40, 12), []
    for _ in range(32):
        h = (a @ h) @ init.orthogonal_(torch.empty(12, 12))
        spread.append((h.double().std(0).norm() / h.double().norm(dim=1).mean()).item())
    expect(spread[-1] < 1e-3)
    torch.set_printoptions(precision=4, sci_mode=False, linewidth=120)
    text = (
        "node spread / feature norm after hop 1..32:\n"
        + numpy_array(spread, 2)
        + "\nfinal node embeddings (first 3 nodes):\n"
        + str(h[:3, :5] / h.norm(dim=1).mean())
    )
    torch.set_printoptions(profile="default")
    return {"symptom": "node classification, gnn output the same for all nodes, feature scaling?", "measurements": text}

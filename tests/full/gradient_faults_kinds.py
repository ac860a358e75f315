"""Planted faults of special kinds of network, and texts that cannot decide (torch)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import gradient_formats as fmt
import torch
from gradient_networks import (
    CE,
    CharTransformer,
    LSTMClassifier,
    SmallResNet,
    adam,
    characters,
    clusters,
    gradients,
    images,
    mlp,
    train,
)
from gradient_run import Run
from torch import nn

X, Y = clusters()
IMAGES, LABELS = images()
TEXT, NEXT = characters()


def shallow() -> Iterator[Run]:
    """Two or three layers with small gradients."""
    kind, fine = "too_shallow", ("nothing_wrong",)
    m = mlp(2, 64, nn.Sigmoid)
    g = [(n, t) for n, t in fmt.weights(gradients(m, X[:64], Y[:64])) if t is not None]
    yield Run("sigmoid2 print", kind, fmt.printed(g), str(m), "SGD 0.01", also=fine)
    m = mlp(2, 128, nn.Tanh)
    g = [(n, t) for n, t in gradients(m, X[:64], Y[:64], lambda o, t: CE(o, t) / 32) if t is not None]
    yield Run("tanh2 accumulated table", kind, fmt.statistics(g), str(m), "batch 64, 32 accumulation steps", also=fine)
    m = mlp(1, 32, nn.Sigmoid)
    yield Run(
        "sigmoid1 csv",
        kind,
        fmt.csv(fmt.norms(fmt.weights(gradients(m, X[:64], Y[:64]))), ["grad_norm"]),
        str(m),
        "",
        also=fine,
    )


def post_norm() -> Iterator[Run]:
    """A deep post-norm transformer without warm-up."""
    kind = "post_norm_warmup"
    source = (
        "class Block(nn.Module):\n    def __init__(self, d, h):\n        super().__init__()\n"
        "        self.attn = nn.MultiheadAttention(d, h, batch_first=True)\n        self.ln_1 = nn.LayerNorm(d)\n"
        "        self.mlp = nn.Sequential(nn.Linear(d, 4 * d), nn.GELU(), nn.Linear(4 * d, d))\n"
        "        self.ln_2 = nn.LayerNorm(d)\n    def forward(self, x):\n"
        "        x = self.ln_1(x + self.attn(x, x, x)[0])\n        return self.ln_2(x + self.mlp(x))\n\n"
        "class Model(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.wte = nn.Embedding(27, 32)\n"
        "        self.h = nn.Sequential(*[Block(32, 4) for _ in range(LAYERS)])\n"
        "        self.ln_f = nn.LayerNorm(32)\n        self.lm_head = nn.Linear(32, 27, bias=False)\n"
        "    def forward(self, x):\n        return self.lm_head(self.ln_f(self.h(self.wte(x))))\n"
    )
    for layers, lr, say, words in (
        (12, 1e-2, fmt.nanogpt, "AdamW lr 1e-2 constant from step 0, no warmup"),
        (14, 1.5e-2, fmt.trainer, "lr 1.5e-2, warmup_steps=0"),
        (10, 3e-2, fmt.steps, "Adam, lr=0.03, no learning rate warm-up, post-LN like the 2017 paper"),
    ):
        torch.manual_seed(layers)
        m = CharTransformer(layers, pre=False)
        log = train(m, TEXT, NEXT, 60, adam(m, lr), every=5, batch=32)
        torch.manual_seed(layers)
        slow = CharTransformer(layers, pre=False)
        optimizer = adam(slow, 1e-3)

        def warm(step: int, optimizer: Any = optimizer) -> None:
            optimizer.param_groups[0]["lr"] = 1e-3 * min(1.0, (step + 1) / 40)

        better = train(slow, TEXT, NEXT, 60, optimizer, every=5, batch=32, before=warm)
        assert log[-1]["loss"] > 2.9, (layers, log[-1])
        assert better[-1]["loss"] < 2.3, (layers, better[-1])
        yield Run(
            f"post-norm {layers} lr {lr:g}",
            kind,
            say(log),
            source.replace("LAYERS", str(layers)),
            words,
            also=("stuck_at_chance",),
            notes="vocabulary 27: ln 27 = 3.30",
        )


def second() -> Iterator[Run]:
    """A network of ReLU whose second derivative the loss needs."""
    kind = "second_derivative"
    for name, act, depth, words in (
        ("poisson relu", nn.ReLU, 3, "PINN for u'' = -pi^2 sin(pi x), Adam 1e-3"),
        ("helmholtz leaky", nn.LeakyReLU, 4, "physics-informed network, Helmholtz residual u_xx + k^2 u, Adam"),
        ("beam relu6", nn.ReLU, 5, "PINN, loss_pde uses u_xx from torch.autograd.grad twice"),
    ):
        m = mlp(depth, 32, act, inputs=1, outputs=1)
        optimizer = adam(m)
        lines = []
        for step in range(101):
            x = torch.linspace(0, 1, 64)[:, None].requires_grad_()
            u = m(x)
            slope = torch.autograd.grad(u.sum(), x, create_graph=True)[0]
            curve = torch.autograd.grad(slope.sum(), x, create_graph=True)[0]
            assert curve.abs().max() == 0
            pde = (curve + math.pi**2 * torch.sin(math.pi * x)).pow(2).mean()
            edge = m(torch.tensor([[0.0], [1.0]])).pow(2).mean()
            optimizer.zero_grad()
            (pde + edge).backward()
            optimizer.step()
            if step % 20 == 0:
                said = f"step {step} loss_pde {pde.item():.4f} loss_bc {edge.item():.3e}"
                lines.append(said + (f" u_xx max {curve.abs().max().item():.1f}" if depth != 4 else ""))
        yield Run(name, kind, "\n".join(lines), str(m), words)


def smoothing() -> Iterator[Run]:
    """Graph convolutions that make all nodes alike."""
    kind = "over_smoothing"
    n = 60
    g = torch.Generator().manual_seed(3)
    edges = (torch.rand(n, n, generator=g) < 0.08).float()
    a = ((edges + edges.T) > 0).float() + torch.eye(n)
    a = a / a.sum(1).sqrt()[:, None] / a.sum(1).sqrt()[None]
    x = torch.randn(n, 24, generator=g)
    for name, depth, residual in (
        ("gcn16 csv", 16, False),
        ("gcn24 table", 24, False),
        ("gcn10 markdown residual", 32, True),
    ):
        rows, h = [], x
        for i in range(depth):
            w = torch.randn(24, 24, generator=g) * math.sqrt(2 / 24)
            new = torch.relu(a @ h @ w)
            h = 0.1 * h + new if residual else new
            h = h / h.norm(dim=1, keepdim=True).mean()
            unit = nn.functional.normalize(h, dim=1)
            similar = ((unit @ unit.T).sum() - n) / (n * (n - 1))
            rows.append((f"gcn.{i}", [similar.item()]))
        assert rows[-1][1][0] > 0.98
        columns = ["mean_cosine_between_nodes"]
        say = {"c": fmt.csv, "t": fmt.table, "m": fmt.markdown}[name.split()[1][0]]
        text = say(rows, columns)
        source = f"GCN, {depth} x (GCNConv(24, 24) + ReLU), then Linear(24, 7); node classification"
        yield Run(name, kind, text, source if residual else "", "node classification, 7 classes, GCNConv")


def unknown() -> Iterator[Run]:
    """Texts that cannot decide."""
    kind = "cannot_tell"
    yield Run("nothing", kind)
    yield Run("architecture alone", kind, "", str(SmallResNet(3)), "AdamW")
    yield Run("one loss", kind, "final loss 0.83", "", "regression")
    yield Run("words", kind, "the loss looks odd and sometimes it is higher than before", str(LSTMClassifier()), "")


def runs() -> Iterator[Run]:
    """All of them."""
    for kind in (shallow, post_norm, second, smoothing, unknown):
        yield from kind()

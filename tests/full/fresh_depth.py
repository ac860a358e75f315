"""Runs whose depth fails in other ways: post-norm without warm-up, second derivatives, over-smoothing."""

from __future__ import annotations

from collections.abc import Callable

import torch
from blind_run import (
    Attention,
    Block,
    Row,
    case,
    expect,
    fit,
    likeness,
    sequences,
    stack,
)
from fresh_signal import Run, rms, run
from torch import Tensor, nn
from torch.nn import functional


def post_norm(
    seed: int, depth: int, lr: float, steps: int, warm: int, before: bool = False
) -> tuple[nn.Sequential, list[Row]]:
    """A transformer that continues a sequence; the norms behind the additions, or before the branches."""
    torch.manual_seed(seed)
    parts: list[nn.Module] = [nn.Embedding(24, 32)]
    for _ in range(depth):
        for body in (Attention(32), stack([32, 128, 32], nn.ReLU)):
            norm = nn.LayerNorm(32)
            parts.append(Block(body, pre=norm) if before else Block(body, post=norm))
    net, seqs = nn.Sequential(*parts, nn.Linear(32, 24)), sequences(2000, 9, 24)
    place = torch.randn(8, 32, generator=torch.Generator().manual_seed(0))

    def loss(k: int) -> Tensor:
        part = seqs[torch.randint(2000, (32,), generator=torch.Generator().manual_seed(k))]
        return functional.cross_entropy(net[1:](net[0](part[:, :8]) + place)[:, -1], part[:, 8])

    opt = torch.optim.Adam(net.parameters(), lr, betas=(0.9, 0.98))
    return net, fit(net, loss, opt, steps, lr=lambda k: lr * min(1.0, (k + 1) / max(warm, 1)))


def last(rows: list[Row]) -> float:
    return sum(r.loss for r in rows[-20:]) / 20


@case("post_norm_warmup")
def two_schedules() -> Run:
    (_, cold), (_, warm) = post_norm(1, 10, 1e-2, 160, 0), post_norm(1, 10, 1e-2, 160, 100)
    expect(last(cold) > 3.0 and last(warm) < 0.5)
    return run(
        "It only trains with NoamLR style ramp. Bug in my Adam, or vanishing gradients w/o the ramp?",
        "loss, no ramp:   "
        + " ".join(f"{r.loss:.2f}" for r in cold[::16])
        + "\nloss, 100 ramp:  "
        + " ".join(f"{r.loss:.2f}" for r in warm[::16])
        + "\n(every 16 updates, same seed)",
        "encoder with 10 layers, x = norm(x + sublayer(x)), Adam 1e-2 betas (.9,.98), 24 token types",
    )


@case("post_norm_warmup")
def annotated_transformer() -> Run:
    (_, cold), (_, other) = post_norm(2, 14, 7e-3, 150, 0), post_norm(2, 14, 7e-3, 150, 0, before=True)
    expect(last(cold) > 3.0 and last(other) < 0.8, (last(cold), last(other)))
    return run(
        "transformer from scratch, loss goes nowhere. With 4 layers it did learn. Gradients vanish?",
        "\n".join(f"| {r.step} | {r.loss:.3f} | {r.norm:.2f} | {r.lr:.0e} |" for r in cold[::10]),
        "columns step, loss, total grad norm, lr. 14 layers, norm_first=False (LayerNorm after the residual), "
        "constant lr "
        "7e-3, no warmup, Adam, vocab 24, fp32",
    )


@case("post_norm_warmup")
def torch_encoder() -> Run:
    def train(first: bool) -> tuple[nn.Module, list[Row]]:
        torch.manual_seed(3)
        layer = nn.TransformerEncoderLayer(32, 2, 128, 0.0, batch_first=True, norm_first=first)
        body = nn.TransformerEncoder(layer, 12, enable_nested_tensor=False)
        net = nn.ModuleList([nn.Embedding(24, 32), body, nn.Linear(32, 24)])
        seqs = sequences(2000, 9, 24)
        place = torch.randn(8, 32, generator=torch.Generator().manual_seed(0))

        def loss(k: int) -> Tensor:
            part = seqs[torch.randint(2000, (32,), generator=torch.Generator().manual_seed(k))]
            return functional.cross_entropy(net[2](net[1](net[0](part[:, :8]) + place)[:, -1]), part[:, 8])

        return net, fit(net, loss, torch.optim.Adam(net.parameters(), 8e-3), 130)

    (made, cold), (_, other) = train(False), train(True)
    expect(last(cold) > 3.0 and last(other) < 1.0, (last(cold), last(other)))
    return run(
        "nn.TransformerEncoder stays at the same loss for hours",
        "\n".join(f"INFO step={r.step} loss={r.loss:.3f} grad_norm={r.norm:.3f} lr=0.008" for r in cold[::10]),
        "Adam(lr=8e-3) from the first step on, norm_first left at its default, next token of 24",
        str(made),
    )


Derivative = Callable[[Tensor], Tensor]


def physics(net: nn.Module, residual: Callable[[Derivative, Tensor], Tensor], dims: int) -> tuple[list[Row], float]:
    """Train on a residual alone; also the largest second derivative that the net has."""
    x = torch.rand(200, dims, requires_grad=True)

    def slope(u: Tensor) -> Tensor:
        found = torch.autograd.grad(u.sum(), x, create_graph=True, allow_unused=True)[0] if u.requires_grad else None
        return torch.zeros_like(x) if found is None else found

    def loss(_: int) -> Tensor:
        return residual(slope, net(x)).pow(2).mean() + 0 * net(x).sum()

    rows = fit(net, loss, torch.optim.Adam(net.parameters(), 1e-3), 61)
    return rows, slope(slope(net(x))[:, :1]).abs().max().item()


@case("second_derivative")
def poisson_relu() -> Run:
    torch.manual_seed(61)
    net = stack([2, 50, 50, 1], nn.ReLU)
    rows, bend = physics(net, lambda d, u: d(d(u)[:, :1])[:, :1] + d(d(u)[:, 1:])[:, 1:] + 9.87, 2)
    expect(bend == 0 and rows[0].loss == rows[-1].loss)
    return run(
        "PDE loss constant to all digits, gradient zero: vanishing gradients in my PINN. More layers? ResNet?",
        "Step   Train loss\n"
        + "\n".join(f"{r.step:<6} [{r.loss:.2e}]" for r in rows[::10])
        + f"\ntotal grad norm {rows[-1].norm}\nmax |u_xx| on 200 points: {bend}",
        "dde.nn.FNN([2] + [50]*2 + [1], 'relu', 'Glorot uniform'), Poisson u_xx + u_yy = -9.87, boundary is a "
        "hard constraint",
    )


@case("second_derivative")
def beam_leaky() -> Run:
    torch.manual_seed(62)
    net = stack([1, 40, 40, 40, 1], lambda: nn.LeakyReLU(0.2))
    rows, bend = physics(net, lambda d, u: d(d(d(d(u)))) - 1.5, 1)
    expect(bend == 0 and rows[0].loss == rows[-1].loss == 2.25)
    return run(
        "Euler-Bernoulli beam w'''' = q. The physics loss is 2.25 = q^2 forever, no matter which lr",
        "\n".join(f"epoch {r.step:4d}: physics {r.loss:.4f}, grad {r.norm:.1e}" for r in rows[::12]),
        "LeakyReLU(0.2) because I heard tanh saturates. 3 hidden layers of 40, float32",
    )


@case("second_derivative")
def schroedinger_relu() -> Run:
    torch.manual_seed(63)
    net = stack([3, 64, 64, 1], nn.ReLU)
    rows, bend = physics(net, lambda d, u: -0.5 * sum(d(d(u)[:, [k]])[:, [k]] for k in range(3)) - 1.0, 3)
    expect(bend == 0 and rows[-1].norm == 0)
    return run(
        "variational energy of my neural wavefunction: kinetic term is identically 0.0?",
        f"-0.5*laplacian(psi): min 0.0 max 0.0 mean 0.0\nloss[0] {rows[0].loss:.4f} loss[60] {rows[-1].loss:.4f}\n"
        "grad of every parameter: 0.0",
        "psi = MLP(3-64-64-1) with relu, laplacian by two autograd.grad calls with create_graph=True",
        str(net),
    )


def graph(n: int, seed: int) -> Tensor:
    """The normalized adjacency of a random graph with self-loops."""
    g = torch.Generator().manual_seed(seed)
    a = (torch.rand(n, n, generator=g) < 6 / n).float()
    a = ((a + a.T + torch.eye(n)) > 0).float()
    d = a.sum(1).rsqrt()
    return d[:, None] * a * d[None]


@case("over_smoothing")
def gcn_cosine() -> Run:
    torch.manual_seed(64)
    a, h, seen = graph(150, 1), torch.randn(150, 32), []
    for _ in range(12):
        h = functional.relu(a @ h @ nn.init.kaiming_normal_(torch.empty(32, 32)))
        seen.append((likeness(h), rms(h)))
    expect(seen[-1][0] > 0.98 and seen[0][0] < 0.7, seen)
    return run(
        "12 layer GCN gives the same class for all nodes, 2 layers were fine. I suppose vanishing gradients with depth",
        "layer  mean pairwise cosine of node embeddings   rms\n"
        + "\n".join(f"GCNConv {k:>2}   {c:.4f}   {s:.3f}" for k, (c, s) in enumerate(seen, 1)),
        "GCNConv + relu, kaiming init, no residual",
    )


@case("over_smoothing")
def dirichlet_energy() -> Run:
    torch.manual_seed(65)
    a, h, energy, size = graph(120, 2), torch.randn(120, 24) + 0.7, [], []
    for _ in range(16):
        h = torch.tanh(a @ h @ nn.init.orthogonal_(torch.empty(24, 24)) * 1.5)
        energy.append(((h[:, None] - h[None]).pow(2).sum(-1) * a).sum().item() / 120)
        size.append(rms(h))
    expect(energy[-1] < 0.2 * energy[0] and size[-1] > 0.2, (energy, size))
    return run(
        "node classification on a citation graph collapses when I stack more message passing",
        "\n".join(
            f"k={k}: Dirichlet energy {e:.3e}, feature rms {s:.3f}"
            for k, (e, s) in enumerate(zip(energy, size, strict=True), 1)
        ),
        "16 rounds of normalized-adjacency message passing, tanh, nodes become indistinguishable",
    )


@case("over_smoothing")
def attention_rank() -> Run:
    torch.manual_seed(66)
    h, seen = torch.randn(1, 64, 48), []
    for _ in range(10):
        h = functional.layer_norm(Attention(48)(h), (48,)).detach()
        seen.append(likeness(h[0]))
    expect(seen[-1] > 0.99, seen)
    return run(
        "ViT without the skip connections (for an ablation): all patch tokens become the same vector?",
        "cosine similarity between patch tokens (64 tokens, one image): "
        + ", ".join(f"L{k} {c:.3f}" for k, c in enumerate(seen, 1))
        + "\nnorm of the tokens is constant (LayerNorm)",
        "attention-only blocks, LN, no residual, no MLP",
    )

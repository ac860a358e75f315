"""Blind runs: nothing is wrong with these kinds of network, however it looks."""

# ruff: noqa: E501  (a log line stays in one piece)

from __future__ import annotations

from typing import Any

import torch
from blind_logs import every, fairseq, frame, keras, tensorboard, trainer
from blind_run import (
    case,
    classify,
    clusters,
    cosine,
    expect,
    fit,
    grads,
    likeness,
    outputs,
    rate,
    sequences,
    stack,
    weights,
)
from torch import Tensor, nn
from torch.nn import functional

init = nn.init

HARMLESS = ("cannot_tell", "too_shallow")


@case("nothing_wrong", also=HARMLESS)
def gan() -> dict[str, Any]:
    torch.manual_seed(216)
    g, d = stack([8, 32, 32, 2], nn.ReLU), stack([2, 32, 32, 1], lambda: nn.LeakyReLU(0.2))
    og, od = torch.optim.Adam(g.parameters(), 1e-3, (0.5, 0.99)), torch.optim.Adam(d.parameters(), 1e-3, (0.5, 0.99))
    lines = []
    for step in range(601):
        real = torch.randn(128, 2) * 0.5 + torch.tensor([1.0, -1.0])
        fake = g(torch.randn(128, 8))
        ld = functional.softplus(-d(real)).mean() + functional.softplus(d(fake.detach())).mean()
        od.zero_grad()
        ld.backward()
        od.step()
        lg = functional.softplus(-d(fake)).mean()
        og.zero_grad()
        lg.backward()
        if step % 50 == 0:
            lines.append(
                f"[{step}/600] Loss_D: {ld.item():.4f} Loss_G: {lg.item():.4f} D(x): {d(real).sigmoid().mean():.4f} D(G(z)): {d(fake).sigmoid().mean():.4f} grad_G {sum(p.grad.norm() ** 2 for p in g.parameters()) ** 0.5:.4f} grad_D {sum(p.grad.norm() ** 2 for p in d.parameters()) ** 0.5:.4f}"
            )
        og.step()
    made = g(torch.randn(2000, 8)).double()
    expect(
        (made.mean(0) - torch.tensor([1.0, -1.0])).norm() < 0.5 and made.std(0).min() > 0.15,
        (made.mean(0), made.std(0)),
    )
    return {
        "symptom": "GAN losses do not go down",
        "measurements": "\n".join(lines),
        "training": "non-saturating GAN, samples look right",
    }


@case("nothing_wrong", also=HARMLESS)
def fine_tuning() -> dict[str, Any]:
    torch.manual_seed(217)
    net, _ = classify(217, [32, 64, 64, 6], nn.ReLU, 150, 2e-3)
    x, y = clusters(600, 32, 6)
    rows = fit(net, lambda _: functional.cross_entropy(net(x + 0.3), y), torch.optim.AdamW(net.parameters(), 2e-4), 100)
    expect(rows[-1].loss < 0.8 * rows[0].loss)
    return {
        "symptom": "fine-tuning: loss starts at a tiny value and gradients are small",
        "measurements": trainer(every(rows, 10)),
        "training": "fine-tuning from a checkpoint, AdamW 2e-4",
    }


@case("nothing_wrong", also=HARMLESS)
def lstm_ok() -> dict[str, Any]:
    torch.manual_seed(218)
    emb, lstm, head = nn.Embedding(16, 24), nn.LSTM(24, 48, batch_first=True), nn.Linear(48, 16)
    model = nn.ModuleDict({"emb": emb, "lstm": lstm, "head": head})

    def loss(step: int) -> Tensor:
        ids = sequences(32, 16, 16, step)
        return functional.cross_entropy(head(lstm(emb(ids[:, :-1]))[0]).flatten(0, 1), ids[:, 1:].flatten())

    rows = fit(model, loss, torch.optim.Adam(model.parameters(), 5e-3), 120, clip=5.0)
    expect(rows[-1].loss < 0.3 * rows[0].loss)
    return {
        "symptom": "perplexity falls but I read that LSTMs vanish",
        "measurements": fairseq(every(rows, 12)),
        "training": "LSTM, clip-norm 5.0, Adam 5e-3",
    }


@case("nothing_wrong", also=HARMLESS)
def unet() -> dict[str, Any]:
    torch.manual_seed(219)
    down, mid, up = nn.Conv2d(1, 12, 3, 2, 1), nn.Conv2d(12, 12, 3, padding=1), nn.ConvTranspose2d(12, 12, 2, 2)
    out = nn.Conv2d(13, 1, 3, padding=1)
    net = nn.ModuleDict({"down": down, "mid": mid, "up": up, "out": out})
    x = functional.avg_pool2d(torch.randn(24, 1, 32, 32), 2)

    def loss(step: int) -> Tensor:
        noisy = x + 0.5 * torch.randn(x.shape, generator=torch.Generator().manual_seed(step))
        h = up(mid(down(noisy).relu()).relu()).relu()
        return functional.mse_loss(out(torch.cat([h, noisy], 1)), x)

    rows = fit(net, loss, torch.optim.Adam(net.parameters(), 3e-3), 200)
    expect(rows[-1].loss < 0.6 * rows[0].loss)
    return {
        "symptom": "denoiser: inner layers get ten times smaller gradients than the last",
        "measurements": frame({"param": list(rows[40].grads), "grad_norm": list(rows[40].grads.values())})
        + "\n"
        + "\n".join(f"epoch {r.step} mse {r.loss:.4f}" for r in every(rows, 25)),
        "training": "Adam 3e-3",
    }


@case("nothing_wrong", also=HARMLESS)
def value_net() -> dict[str, Any]:
    torch.manual_seed(220)
    x, y = cosine(600, 8)
    y = 10 * y
    net = stack([8, 64, 64, 1], nn.Tanh)
    rows = fit(
        net,
        lambda s: functional.smooth_l1_loss(
            net(x), y + 4 * torch.randn(y.shape, generator=torch.Generator().manual_seed(s))
        ),
        torch.optim.Adam(net.parameters(), 3e-3),
        400,
    )
    expect(rows[-1].loss < 0.65 * rows[0].loss)
    return {
        "symptom": "critic loss never reaches zero",
        "measurements": "\n".join(
            f"| time/iterations {r.step} | train/value_loss {r.loss:.3f} | train/grad_norm {r.norm:.3f} |"
            for r in every(rows, 40)
        ),
        "training": "huber, Adam 3e-3, noisy returns",
    }


@case("nothing_wrong", also=HARMLESS)
def good_signal() -> dict[str, Any]:
    torch.manual_seed(221)
    net = weights(stack([64] + [128] * 8 + [10], nn.ReLU), init.kaiming_normal_)
    x, y = clusters(256, 64, 10)
    seen = outputs(net, x, (nn.ReLU,))
    rms = [h.double().pow(2).mean().sqrt().item() for h in seen.values()]
    for h in seen.values():
        h.retain_grad()
    functional.cross_entropy(net[-1](h), y).backward()
    g, back = list(grads(net).values())[:-1], [h.grad.double().norm().item() for h in seen.values()]
    alike = likeness(h)
    expect(0.85 < rate(rms) < 1.2 and 0.85 < rate(back) < 1.2 and alike < 0.95, (rate(rms), rate(back), alike))
    return {
        "symptom": "is the init wrong?",
        "measurements": frame(
            {
                "layer": [f"fc{k}" for k in range(8)],
                "act_rms": rms,
                "grad_norm": g,
                "dead": [(h <= 0).all(0).double().mean().item() for h in seen.values()],
            },
            "{:.3f}",
        ),
        "training": "kaiming_normal_, 9 layers, step 0",
    }


@case("nothing_wrong", also=HARMLESS)
def half_active() -> dict[str, Any]:
    net, rows = classify(222, [40, 100, 100, 100, 5], nn.ReLU, 200, 1e-3)
    x, _ = clusters(1000, 40, 5)
    seen = outputs(net, x, (nn.ReLU,))
    dead = [(h <= 0).all(0).double().mean().item() for h in seen.values()]
    zero = [(h <= 0).double().mean().item() for h in seen.values()]
    expect(max(dead) < 0.25 and min(zero) > 0.3, (dead, zero))
    return {
        "symptom": "half of my relu activations are zero: dying relu",
        "measurements": "\n".join(
            f"relu{k + 1}: zeros {z:.2%}, units never active {d:.2%}"
            for k, (z, d) in enumerate(zip(zero, dead, strict=True))
        )
        + "\n"
        + "\n".join(f"epoch {k} loss {r.loss:.3f}" for k, r in enumerate(every(rows, 30))),
        "architecture": str(net),
    }


@case("nothing_wrong", also=HARMLESS)
def imbalanced() -> dict[str, Any]:
    torch.manual_seed(223)
    x = torch.randn(4000, 12)
    y = ((x[:, 0] + 0.5 * x[:, 1] + 0.7 * torch.randn(4000)) > 2.0).float()
    net = stack([12, 48, 1], nn.ReLU)

    def loss(step: int) -> Tensor:
        part = torch.randint(4000, (256,), generator=torch.Generator().manual_seed(step))
        return functional.binary_cross_entropy_with_logits(net(x[part])[:, 0], y[part])

    rows = fit(net, loss, torch.optim.Adam(net.parameters(), 2e-3), 300)
    score = net(x)[:, 0].double()
    auc = (score[y == 1][:, None] > score[y == 0][None]).double().mean().item()
    expect(rows[-1].loss < 0.3 and auc > 0.85)
    return {
        "symptom": "loss flattens out, plateau means dead network?",
        "measurements": tensorboard(every(rows, 20)),
        "training": f"BCE, {y.mean():.0%} positives, AUC {auc:.2f}, Adam 2e-3",
    }


@case("nothing_wrong", also=HARMLESS)
def contrastive() -> dict[str, Any]:
    torch.manual_seed(224)
    net = stack([24, 64, 16], nn.ReLU)
    x, _ = clusters(2000, 24, 50)

    def loss(step: int) -> Tensor:
        g = torch.Generator().manual_seed(step)
        part = x[torch.randint(2000, (64,), generator=g)]
        a, b = (functional.normalize(net(part + 0.6 * torch.randn(part.shape, generator=g)), dim=1) for _ in range(2))
        return functional.cross_entropy(a @ b.T / 0.2, torch.arange(64))

    rows = fit(net, loss, torch.optim.Adam(net.parameters(), 2e-3), 200)
    expect(rows[-1].loss < 0.6 * rows[0].loss)
    return {
        "symptom": "InfoNCE flattens at 1.1, stuck?",
        "measurements": "\n".join(
            f"{{'it': {r.step}, 'info_nce': {r.loss:.4f}, 'grad': {r.norm:.4f}}}" for r in every(rows, 20)
        ),
        "training": "batch 64, temperature 0.2",
    }


@case("nothing_wrong", also=HARMLESS)
def vae() -> dict[str, Any]:
    torch.manual_seed(225)
    enc, dec = stack([20, 48, 8], nn.ReLU), stack([4, 48, 20], nn.ReLU)
    model = nn.ModuleDict({"enc": enc, "dec": dec})
    x, _ = clusters(800, 20, 4, spread=0.5)

    def loss(step: int) -> Tensor:
        mu, logvar = enc(x).chunk(2, 1)
        z = mu + (0.5 * logvar).exp() * torch.randn(mu.shape, generator=torch.Generator().manual_seed(step))
        return ((dec(z) - x) ** 2).sum(1).mean() * 0.5 - 0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1).mean()

    rows = fit(model, loss, torch.optim.Adam(model.parameters(), 3e-3), 200)
    expect(rows[-1].loss < 0.5 * rows[0].loss)
    return {
        "symptom": "ELBO still large, posterior collapse / vanishing?",
        "measurements": keras(rows, 8, 25),
        "training": "VAE, sum over 20 pixels, Adam 3e-3",
    }

"""Blind runs: signals that stay alive and forget their input."""

from __future__ import annotations

from typing import Any

import torch
from blind_logs import frame, jsonl
from blind_run import case, clusters, expect, fit, images, likeness, outputs, stack, weights
from torch import nn
from torch.nn import functional

init = nn.init


@case("bias_floor")
def cosines() -> dict[str, Any]:
    torch.manual_seed(21)
    net = weights(
        stack([50] + [200] * 36 + [5], nn.ReLU), lambda w: init.kaiming_normal_(w, nonlinearity="linear"), bias=0.1
    )
    x, y = clusters(400, 50, 5)
    seen = outputs(net, x, (nn.ReLU,))
    cos = {k: likeness(h) for k, h in enumerate(seen.values())}
    rms = [h.double().pow(2).mean().sqrt().item() for h in seen.values()]
    expect(cos[35] > 0.9999 and rms[-1] > 0.02 * rms[0], (cos[35], rms[-1]))
    rows = fit(net, lambda _: functional.cross_entropy(net(x), y), torch.optim.SGD(net.parameters(), 0.01), 60)
    expect(rows[-1].loss > 1.58, rows[-1].loss)
    lines = [f"relu {k:>2}: rms {rms[k]:.3f}   mean cos(x_i, x_j) {cos[k]:.5f}" for k in range(0, 36, 3)]
    return {
        "symptom": "norms look perfect, still no learning",
        "measurements": "\n".join(lines),
        "training": "kaiming_normal_(nonlinearity='linear'), 36 relu layers width 200, bias 0.1",
    }


@case("bias_floor")
def floor_table() -> dict[str, Any]:
    torch.manual_seed(22)
    net = stack([30] + [100] * 20 + [4], nn.ReLU)
    seen = outputs(net, torch.randn(256, 30), (nn.Linear,))
    size = [h.double().abs().mean().item() for h in seen.values()]
    spread = [h.double().std(0).mean().item() for h in seen.values()]
    expect(spread[-1] < 1e-3 * size[-1] and size[-1] > 0.1 * size[1], (size, spread))
    return {
        "symptom": "vanishing gradients in a 20 layer relu net",
        "architecture": str(net),
        "measurements": frame({"layer": list(seen), "mean_abs": size, "std_over_batch": spread}, "{:.2e}"),
    }


@case("bias_floor")
def same_answer() -> dict[str, Any]:
    torch.manual_seed(23)
    net = nn.Sequential(
        *[
            m
            for k in range(7)
            for m in (nn.Conv2d(1 if not k else 10, 10, 3, stride=1 + (k < 2), padding=1), nn.Sigmoid())
        ],
        nn.Flatten(),
        nn.Linear(10 * 49, 3),
    )
    x, _ = images(128, 1, 28, 3)
    with torch.no_grad():
        seen = outputs(net, x, (nn.Sigmoid,))
        p = net(x)[:4].softmax(-1)
    spread = {n: h.double().std(0).mean().item() for n, h in seen.items()}
    mean = {n: h.double().mean().item() for n, h in seen.items()}
    expect(list(spread.values())[-1] < 1e-4)
    text = "\n".join(f"{n} mean {mean[n]:.4f} std across samples {spread[n]:.3e}" for n in seen)
    return {
        "symptom": "predictions for 4 different pictures are identical, probably overfitting",
        "measurements": text + "\nprobs:\n" + str(p).replace(", grad_fn=<SoftmaxBackward0>", ""),
    }


@case("bias_floor")
def loud_bias() -> dict[str, Any]:
    torch.manual_seed(24)
    net = weights(stack([12] + [64] * 12 + [1], nn.Tanh), lambda w: init.xavier_normal_(w, 0.8))
    for n, p in net.named_parameters():
        if n.endswith("bias"):
            init.normal_(p, std=0.8)
    seen = outputs(net, torch.randn(128, 12), (nn.Tanh,))
    items = [
        {
            "layer": k,
            "rms": h.double().pow(2).mean().sqrt().item(),
            "batch_std": h.double().std(0).mean().item(),
            "cos_between_samples": likeness(h),
        }
        for k, h in enumerate(seen.values())
    ]
    expect(items[-1]["batch_std"] < 0.02 * items[-1]["rms"])
    return {
        "symptom": "policy gives one action whatever the observation",
        "measurements": jsonl(items),
        "training": "tanh policy, bias ~ N(0, 0.8)",
    }


@case("bias_floor")
def ranker() -> dict[str, Any]:
    torch.manual_seed(25)
    emb = nn.Embedding(500, 16)
    net = weights(stack([32] + [128] * 40 + [1], nn.ReLU), lambda w: init.xavier_uniform_(w, 1.2), bias=0.05)
    ids = torch.randint(500, (200, 2))
    x = emb(ids).flatten(1)
    seen = outputs(net, x, (nn.ReLU,))
    cos = [likeness(h) for h in seen.values()]
    out = net(x).double()
    expect(cos[-1] > 0.999 and out.std() < 0.1 * out.mean().abs(), (cos[-1], out.std(), out.mean()))
    lines = ["depth  similarity of two users  |h|"] + [
        f"{k + 1:>4}   {c:.4f}   {h.double().norm(dim=1).mean():.2f}"
        for k, (c, h) in enumerate(zip(cos, seen.values(), strict=True))
        if k % 5 == 0
    ]
    return {
        "symptom": "recommender ranks everybody alike",
        "measurements": "\n".join(lines) + f"\nscores: mean {out.mean():.5f} std over users {out.std():.5f}",
        "training": "BCE, 40 relu layers",
    }

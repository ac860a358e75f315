"""Blind runs: nothing is wrong, however it looks."""

# ruff: noqa: E501  (a log line stays in one piece)

from __future__ import annotations

import math
from typing import Any

import torch
from blind_logs import (
    csv_steps,
    every,
    jsonl,
    keras,
    lightning,
    logging_lines,
    loop,
    mmcv,
    nanogpt,
    tensorboard,
    tensors,
    tqdm,
    trainer,
)
from blind_run import Attention, Block, case, classify, clusters, cosine, expect, fit, images, sequences, stack
from torch import Tensor, nn
from torch.nn import functional

init = nn.init

HARMLESS = ("cannot_tell", "too_shallow")


@case("nothing_wrong", also=HARMLESS)
def plain_mlp() -> dict[str, Any]:
    net, rows = classify(201, [40, 128, 128, 10], nn.ReLU, 200, 1e-3)
    return {
        "symptom": "do my gradients vanish? they look small",
        "measurements": tensors(rows[-1].grads)
        + "\n"
        + "\n".join(f"iter {r.step}, loss = {r.loss:.3f}" for r in every(rows, 25)),
        "architecture": str(net),
        "training": "Adam 1e-3, 10 classes",
    }


@case("nothing_wrong", also=HARMLESS)
def residual_image() -> dict[str, Any]:
    torch.manual_seed(202)
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        *[Block(nn.Sequential(nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1))) for _ in range(6)],
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 4),
    )
    x, y = images(160, 3, 12, 4)
    rows = fit(net, lambda _: functional.cross_entropy(net(x), y), torch.optim.Adam(net.parameters(), 3e-3), 60)
    expect(rows[-1].loss < 0.6 * rows[0].loss)
    return {
        "symptom": "gradients explode with depth",
        "measurements": csv_steps(every(rows, 15)),
        "training": "pre-activation resnet, Adam 3e-3, 4 classes",
    }


@case("nothing_wrong", also=HARMLESS)
def sigmoid_three() -> dict[str, Any]:
    _, rows = classify(203, [20, 40, 40, 3], nn.Sigmoid, 400, 5e-3)
    return {
        "symptom": "sigmoid network: vanishing gradient problem, should I switch to relu?",
        "measurements": logging_lines(rows[50].grads, "grad") + "\n" + lightning(every(rows, 50), 50),
        "architecture": "linear 20 40; sigmoid; linear 40 40; sigmoid; linear 40 3",
    }


@case("nothing_wrong", also=HARMLESS)
def pre_norm_gpt() -> dict[str, Any]:
    torch.manual_seed(204)
    blocks = [
        m
        for _ in range(4)
        for m in (Block(Attention(32), nn.LayerNorm(32)), Block(stack([32, 128, 32], nn.GELU), nn.LayerNorm(32)))
    ]
    net = nn.Sequential(nn.Embedding(20, 32), *blocks, nn.LayerNorm(32), nn.Linear(32, 20))

    def loss(step: int) -> Tensor:
        ids = sequences(32, 12, 20, step)
        return functional.cross_entropy(net(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())

    rows = fit(
        net, loss, torch.optim.AdamW(net.parameters(), 3e-3), 150, clip=1.0, lr=lambda s: 3e-3 * min(1.0, (s + 1) / 30)
    )
    expect(rows[-1].loss < 0.7 * rows[0].loss)
    return {
        "symptom": "it does not move during the first iterations",
        "measurements": nanogpt(every(rows, 10)),
        "training": "warmup_iters=30, learning_rate=3e-3, grad_clip=1.0, vocab 20, pre-norm",
    }


@case("nothing_wrong", also=HARMLESS)
def label_smoothing() -> dict[str, Any]:
    _, rows = classify(205, [32, 128, 10], nn.ReLU, 300, 2e-3, 0.6, smooth=0.1)
    floor = -(0.91 * math.log(0.91) + 9 * 0.01 * math.log(0.01))
    late = sum(r.loss for r in rows[-20:]) / 20
    expect(abs(late - floor) < 0.05, (late, floor))
    return {
        "symptom": "loss is stuck at 0.5 and refuses to go lower",
        "measurements": keras(rows, 10, 63),
        "training": "CategoricalCrossentropy(label_smoothing=0.1), 10 classes, Adam 2e-3",
    }


@case("nothing_wrong", also=HARMLESS)
def large_units() -> dict[str, Any]:
    torch.manual_seed(206)
    x, y = cosine(400, 6)
    net = stack([6, 64, 64, 1], nn.ReLU)
    rows = fit(
        net,
        lambda _: functional.mse_loss(net(x) * 5e4 + 2e5, y * 5e4 + 2e5),
        torch.optim.Adam(net.parameters(), 3e-3),
        300,
    )
    expect(rows[-1].loss < 0.1 * rows[0].loss)
    return {
        "symptom": "huge loss, exploding?",
        "measurements": tensorboard(every(rows, 25)),
        "training": "MSE in dollars^2, outputs rescaled by y_std and y_mean, Adam 3e-3",
    }


@case("nothing_wrong", also=HARMLESS)
def rare_clip() -> dict[str, Any]:
    _, rows = classify(207, [48, 96, 96, 8], nn.ReLU, 240, 2e-3, 3.0, clip=2.0)
    bound = [r for r in rows if r.norm > 2.0]
    shown = [r for r in rows if r.step % 12 == 0 or r in bound[:2]]
    expect(2 <= len(bound) < 80, len(bound))
    return {
        "symptom": "gradient norm sometimes is larger than the clip",
        "measurements": mmcv(shown, 240),
        "training": "clip_grad_norm 2.0, Adam 2e-3, 8 classes",
    }


@case("nothing_wrong", also=(*HARMLESS, "amp_calibrating"))
def scaler_start() -> dict[str, Any]:
    net, rows = classify(208, [32, 64, 64, 6], nn.GELU, 150, 2e-3)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**20)
    opt = torch.optim.SGD(net.parameters(), 0.0)
    x, y = clusters(64, 32, 6)
    lines = []
    for k in range(6):
        scaler.scale(functional.cross_entropy(net(x), y) + 0.5).backward()
        for p in net.parameters():
            p.grad = p.grad.half().float() * (4 if k < 2 else 1)
        norm = (sum(p.grad.double().pow(2).sum() for p in net.parameters()) ** 0.5 / scaler.get_scale()).item()
        if k < 2:
            norm = float("inf")
            next(net.parameters()).grad[0, 0] = float("inf")
        old = scaler.get_scale()
        scaler.step(opt)
        scaler.update()
        opt.zero_grad()
        lines.append(f"{k}: loss={rows[max(0, k - 2)].loss:.4f} scale={old:.0f} grad={norm:.3f}")
    lines += [
        f"{r.step}: loss={r.loss:.4f} scale={scaler.get_scale():.0f} grad={r.norm:.3f}" for r in every(rows[10:], 20)
    ]
    return {
        "symptom": "inf gradient at the beginning of mixed precision training",
        "measurements": "\n".join(lines),
        "training": "torch.amp fp16, GradScaler, Adam 2e-3",
    }


@case("nothing_wrong", also=(*HARMLESS, "structural_zero"))
def zero_gamma() -> dict[str, Any]:
    torch.manual_seed(209)
    body = [nn.Sequential(nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 24)) for _ in range(6)]
    for b in body:
        init.zeros_(b[2].weight)
    net = nn.Sequential(nn.Linear(10, 24), *[Block(b) for b in body], nn.Linear(24, 3))
    x, y = clusters(200, 10, 3)
    rows = fit(net, lambda _: functional.cross_entropy(net(x), y), torch.optim.Adam(net.parameters(), 2e-3), 60)
    expect(rows[-1].loss < 0.5 * rows[0].loss and min(rows[5].grads.values()) > 0)
    pick = {n: rows[5].grads[n] for n in list(rows[5].grads)[:7]}
    return {
        "symptom": "zero-init residual branches: are they dead?",
        "measurements": "grad at step 5\n"
        + loop(pick, "net.{n}: {v:.4e}")
        + "\nloss "
        + " ".join(f"{r.loss:.3f}" for r in every(rows, 6)),
        "training": "zero-init last layer of each branch",
    }


@case("nothing_wrong", also=(*HARMLESS, "structural_zero"))
def lora_running() -> dict[str, Any]:
    torch.manual_seed(210)
    base, a, b = nn.Linear(24, 24), nn.Parameter(torch.randn(4, 24) * 0.2), nn.Parameter(torch.zeros(24, 4))
    base.requires_grad_(False)
    x, y = clusters(300, 24, 24, spread=0.5)
    opt, lines, losses = torch.optim.Adam([a, b], 2e-2), [], []
    for step in range(80):
        loss = functional.cross_entropy(base(x) + x @ a.T @ b.T, y)
        opt.zero_grad()
        loss.backward()
        losses.append(loss.item())
        if step in (0, 1, 10, 79):
            lines.append(
                f"step {step}: loss {loss.item():.4f} lora_A.weight {a.grad.norm():.3e} lora_B.weight {b.grad.norm():.3e}"
            )
        opt.step()
    expect(losses[-1] < 0.7 * losses[0])
    return {
        "symptom": "lora_A has zero gradient!",
        "measurements": "\n".join(lines),
        "training": "LoRA rank 4, B initialized with zeros, Adam 2e-2",
    }


@case("nothing_wrong", also=HARMLESS)
def slow_fine() -> dict[str, Any]:
    _, rows = classify(211, [30, 64, 5], nn.Tanh, 400, 3e-5, to=0.97)
    return {
        "symptom": "learning is terribly slow, gradients must vanish",
        "measurements": tqdm(every(rows, 40), 400)
        + f"\nmean loss of the first 50 steps {sum(r.loss for r in rows[:50]) / 50:.3f}, of the last 50 {sum(r.loss for r in rows[-50:]) / 50:.3f}",
        "training": "Adam 3e-5, 5 classes",
    }


@case("nothing_wrong", also=(*HARMLESS, "print_zeros"))
def small_weighted() -> dict[str, Any]:
    _, rows = classify(212, [20, 64, 64, 4], nn.ReLU, 200, 2e-3, weight=1e-3)
    return {
        "symptom": "gradients around 1e-5, that is vanishing",
        "measurements": loop(rows[100].grads, "{n} {v:.2e}")
        + "\n"
        + jsonl([{"step": r.step, "loss": r.loss} for r in every(rows, 25)]),
        "training": "loss weighted by 0.001, Adam 2e-3",
    }


@case("nothing_wrong", also=HARMLESS)
def spike_recovers() -> dict[str, Any]:
    torch.manual_seed(213)
    net = stack([16, 64, 64, 4], nn.ReLU)
    x, y = clusters(2000, 16, 4)

    def loss(step: int) -> Tensor:
        part = torch.randint(2000, (64,))
        return functional.cross_entropy(
            net(x[part] * (12 if step in (90, 150) else 1)), y[part] if step not in (90, 150) else y[part].flip(0)
        )

    rows = fit(net, loss, torch.optim.Adam(net.parameters(), 1e-3), 240, clip=1.0)
    expect(rows[-1].loss < 0.4 and rows[90].loss > 3)
    return {
        "symptom": "loss exploded at step 90",
        "measurements": "\n".join(
            f"step {r.step:>3} | loss {r.loss:7.4f} | gnorm {r.norm:8.3f}"
            for r in rows
            if r.step % 15 == 0 or r.step == 239
        ),
        "training": "clip 1.0, Adam 1e-3, 4 classes",
    }


@case("nothing_wrong", also=HARMLESS)
def noisy() -> dict[str, Any]:
    _, rows = classify(214, [12, 48, 3], nn.ReLU, 300, 3e-3, 2.5)
    text = trainer(every(rows, 15))
    return {
        "symptom": "loss jumps up and down all the time, unstable?",
        "measurements": text,
        "training": "per_device_train_batch_size=4, 3 classes",
    }


@case("nothing_wrong", also=HARMLESS)
def warm_up() -> dict[str, Any]:
    _, rows = classify(215, [24, 64, 64, 10], nn.SiLU, 200, 3e-3, schedule=lambda s: 3e-3 * min(1.0, (s + 1) / 100))
    return {
        "symptom": "loss stays near ln 10 in the first hundred steps",
        "measurements": jsonl(
            [{"step": r.step, "lr": r.lr, "loss": r.loss, "grad_norm": r.norm} for r in every(rows, 12)]
        ),
        "training": "linear warmup 100 steps, 10 classes",
    }

"""Blind runs: a loss scaler that finds its scale."""

from __future__ import annotations

from typing import Any

import torch
from blind_logs import every, trainer
from blind_run import Row, case, clusters, expect, stack
from torch import nn
from torch.nn import functional


def _scaled(seed: int, start: float, steps: int, blow: float = 1.0) -> tuple[list[Row], list[float], list[bool]]:
    """Training with float16 gradients and a GradScaler that starts too high."""
    torch.manual_seed(seed)
    net, scaler = stack([32, 96, 96, 8], nn.ReLU), torch.amp.GradScaler("cpu", init_scale=start, growth_interval=500)
    x, y = clusters(512, 32, 8)
    opt, rows, scales, skipped = torch.optim.Adam(net.parameters(), 1e-3), list[Row](), list[float](), list[bool]()
    for step in range(steps):
        opt.zero_grad()
        loss = functional.cross_entropy(net(x), y)
        scaler.scale(loss * blow).backward()
        for p in net.parameters():
            p.grad = p.grad.half().float()
        before = scaler.get_scale()
        scaler.unscale_(opt)
        norm = sum(p.grad.double().pow(2).sum().item() for p in net.parameters()) ** 0.5 / blow
        scaler.step(opt)
        scaler.update()
        rows.append(Row(step, loss.item(), norm, 1e-3, {}))
        scales.append(before)
        skipped.append(scaler.get_scale() < before)
    expect(
        any(skipped[:4]) and not any(skipped[12:]) and rows[-1].loss < 0.6 * rows[0].loss, (skipped[:15], rows[-1].loss)
    )
    return rows, scales, skipped


@case("amp_calibrating", also=("nothing_wrong",))
def own_loop() -> dict[str, Any]:
    rows, scales, skipped = _scaled(119, 2.0**22, 50)
    text = "\n".join(
        f"step {r.step} scale {s:g} grad_norm {r.norm:.4g} loss {r.loss:.4f}{'  <- step skipped' if k else ''}"
        for r, s, k in list(zip(rows, scales, skipped, strict=True))[:12]
    )
    text += "\n" + "\n".join(
        f"step {r.step} scale {scales[r.step]:g} grad_norm {r.norm:.4g} loss {r.loss:.4f}" for r in rows[19::10]
    )
    return {
        "symptom": "inf gradients: exploding! should I clip?",
        "measurements": text,
        "training": "fp16 autocast, GradScaler",
    }


@case("amp_calibrating", also=("nothing_wrong",))
def apex() -> dict[str, Any]:
    rows, scales, skipped = _scaled(112, 2.0**22, 80)
    lines = []
    for r, s, k in zip(rows, scales, skipped, strict=True):
        if k:
            lines.append(f"Gradient overflow.  Skipping step, loss scaler 0 reducing loss scale to {s / 2}")
        elif r.step % 10 == 9:
            lines.append(f"Epoch: [0][{r.step + 1}/80]  Loss {r.loss:.4f}  Prec@1 n/a")
    return {
        "symptom": "Gradient overflow messages, vanishing or exploding?",
        "measurements": "\n".join(lines),
        "training": "apex amp O2",
    }


@case("amp_calibrating", also=("nothing_wrong",))
def deepspeed() -> dict[str, Any]:
    rows, scales, skipped = _scaled(113, 2.0**21, 50, 3.0)
    lines = []
    for r, s, k in zip(rows, scales, skipped, strict=True):
        if k:
            lines.append(
                f"[deepspeed] OVERFLOW! Rank 0 Skipping step. Attempted loss scale: {s:g}, reducing to {s / 2:g}"
            )
        elif r.step % 8 == 0:
            lines.append(f"step={r.step}, skipped={sum(skipped[: r.step])}, lr=[0.001], loss={r.loss:.3f}")
    return {"symptom": "deepspeed keeps overflowing", "measurements": "\n".join(lines)}


@case("amp_calibrating", also=("nothing_wrong",))
def hf_inf() -> dict[str, Any]:
    rows, _, skipped = _scaled(114, 2.0**23, 70)
    kept = [*rows[:8], *every(rows[8:], 10)]
    warn = "UserWarning: Detected call of `lr_scheduler.step()` before `optimizer.step()`.\n" if skipped[0] else ""
    return {
        "symptom": "grad_norm inf in the first logs, lower the learning rate?",
        "measurements": warn + trainer(kept),
        "training": "TrainingArguments(fp16=True, logging_steps=1)",
    }

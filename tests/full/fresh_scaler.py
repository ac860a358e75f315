"""Runs that calibrate a loss scale, clip at what never comes, or are too short to vanish."""

from __future__ import annotations

import copy

import torch
from blind_run import case, classify, clusters, cosine, expect, fit, grads, images, outputs, stack, total
from fresh_signal import Run, back, rms, run
from torch import Tensor, nn
from torch.nn import functional


def scaled_run(seed: int, scale: float, steps: int) -> list[tuple[int, float, float, bool]]:
    """A float16 run with a loss scale: step, loss, scale after it, skipped or not; it must learn."""
    torch.manual_seed(seed)
    net = stack([32, 96, 96, 6], nn.ReLU)
    opt, (x, y), out = torch.optim.Adam(net.parameters(), 2e-3), clusters(2000, 32, 6, spread=1.5), []
    for step in range(steps):
        part = torch.randint(2000, (128,))
        half = copy.deepcopy(net).half()
        loss = functional.cross_entropy(half(x[part].half()).float(), y[part])
        (scale * loss).backward()
        bad = any(not torch.isfinite(p.grad).all() for p in half.parameters())
        for p, q in zip(net.parameters(), half.parameters(), strict=True):
            p.grad = q.grad.float() / scale
        if not bad:
            opt.step()
        scale = scale / 2 if bad else scale
        out.append((step, loss.item(), scale, bad))
    expect(out[0][3] and not any(b for *_, b in out[20:]) and out[-1][1] < 0.6 * out[0][1], out[-1])
    return out


@case("amp_calibrating")
def apex_overflow() -> Run:
    out = scaled_run(30, 2.0**26, 120)
    lines = [
        f"Gradient overflow.  Skipping step, loss scaler 0 reducing loss scale to {s}"
        if b
        else f"iter {k}: lm loss {v:.4f}"
        for k, v, s, b in out
        if b or k % 15 == 0 or k < 12
    ]
    return run("Gradients explode right at the start!! Lower the lr?", "\n".join(lines), "apex O2, Adam 2e-3")


@case("amp_calibrating")
def deepspeed_rank() -> Run:
    out = scaled_run(31, 2.0**32, 90)
    lines = [
        f"[2026-03-02 10:11:{k % 60:02d},{137 + k}] [INFO] [loss_scaler.py:190:update_scale] [deepspeed] "
        f"OVERFLOW! Rank 0 "
        f"Skipping step. Attempted loss scale: {2 * s:.0f}, reducing to {s:.0f}"
        if b
        else f"{{'loss': {v:.4f}, 'learning_rate': 0.002, 'epoch': {k / 30:.2f}}}"
        for k, v, s, b in out
        if b or k % 10 == 0
    ]
    return run(
        "OVERFLOW messages at startup, is my model unstable?",
        "\n".join(lines),
        "DeepSpeed fp16, initial_scale_power 32",
    )


@case("amp_calibrating")
def trainer_inf_norm() -> Run:
    out = scaled_run(32, 2.0**24, 60)
    lines = [
        f"{k:4d}  loss={v:.3f}  grad_norm={'inf' if b else 'ok'}  scaler.get_scale()={s:.0f}"
        for k, v, s, b in out
        if k < 14 or k % 12 == 0
    ]
    return run(
        "why is grad_norm inf for the first iterations? nan debugging found nothing",
        "\n".join(lines),
        "torch AMP float16",
    )


@case("clip_never_binds", also=["nothing_wrong"])
def clip_hundred() -> Run:
    torch.manual_seed(33)
    net, (x, y) = stack([20, 64, 64, 4], nn.ReLU), clusters(2000, 20, 4, spread=2.0)

    def loss(_: int) -> Tensor:
        part = torch.randint(2000, (16,))
        return functional.cross_entropy(net(x[part]), y[part])

    rows = fit(net, loss, torch.optim.Adam(net.parameters(), 2e-2), 200, clip=100.0)
    expect(max(r.norm for r in rows) < 40)
    return run(
        "Loss is jumpy. I added clip_grad_norm_(…, 100) and it changed nothing at all, same curve to the last digit",
        "\n".join(f"{r.step:>4} loss {r.loss:6.3f} total_norm {r.norm:7.3f}" for r in rows[::14])
        + f"\nlargest total_norm of the whole run: {max(r.norm for r in rows):.2f}",
        "Adam lr 2e-2, batch 16, clip_grad_norm 100",
    )


@case("clip_never_binds", also=["nothing_wrong"])
def clipvalue_keras() -> Run:
    net, rows = classify(34, [24, 48, 48, 6], nn.ReLU, 240, 5e-3)
    top = max(p.grad.abs().max().item() for p in net.parameters())
    expect(max(r.norm for r in rows) < 5)
    return run(
        "with and without clipvalue: identical loss. Does keras ignore it?",
        "\n".join(
            f"Epoch {k + 1}/6 - loss: {rows[40 * k + 39].loss:.4f} - grad_norm: {rows[40 * k + 39].norm:.4f}"
            for k in range(6)
        )
        + f"\nmax |g| over all weights, last step: {top:.4f}; largest norm ever: {max(r.norm for r in rows):.3f}",
        "keras.optimizers.Adam(5e-3, clipvalue=5.0)",
    )


@case("clip_never_binds", also=["nothing_wrong"])
def yaml_clip() -> Run:
    _, rows = classify(35, [40, 100, 100, 10], nn.GELU, 200, 3e-3)
    expect(max(r.norm for r in rows) < 12)
    return run(
        "tried grad clip 25, 50, 75: no effect on my noisy loss, so the gradient explosion must be elsewhere",
        "\n".join(f"{r.step}\t{r.loss:.4f}\t{r.norm:.3f}\t25.0\t{min(1.0, 25 / r.norm):.1f}" for r in rows[::20]),
        "columns: step, loss, grad norm before clipping, gradient_clip_val, factor applied",
    )


@case("too_shallow", also=["nothing_wrong", "cannot_tell"])
def three_sigmoids() -> Run:
    _, rows = classify(36, [16, 32, 32, 3], nn.Sigmoid, 300, 5e-3)
    r = rows[0]
    expect(r.grads["0.weight"] > 1e-3 * r.grads["4.weight"])
    return run(
        "vanishing gradient!! layer 1 gets so much less than layer 3, as in the textbook. Thinking of adding skip "
        "connections",
        "layer 1: {:.5f}\nlayer 2: {:.5f}\nlayer 3: {:.5f}".format(*r.grads.values()),
        "sigmoid MLP with 3 weight layers, first minibatch",
    )


@case("too_shallow", also=["nothing_wrong", "cannot_tell"])
def lenet() -> Run:
    torch.manual_seed(37)
    net = nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 3), nn.Tanh(), nn.Flatten(), nn.Linear(256, 10)
    )
    loss = back(net, *images(64, 1, 16, 10))
    g = grads(net)
    expect(0.01 < g["0.weight"] / g["6.weight"] < 10)
    return run(
        "conv2 gets the least gradient (mean abs!), tanh is known to kill gradients",
        f"loss {loss:.3f}\n"
        + "\n".join(f"{n} mean|g| {p.grad.abs().mean().item():.2e}" for n, p in net.named_parameters() if p.dim() > 1),
        "SGD, default init",
        str(net),
    )


@case("too_shallow", also=["nothing_wrong", "cannot_tell"])
def two_layers() -> Run:
    torch.manual_seed(38)
    net, (x, y) = stack([10, 25, 1], nn.Tanh), cosine(500, 10)
    functional.mse_loss(net(x), y).backward()
    g = grads(net)
    expect(rms(outputs(net, x, (nn.Tanh,))["1"]) > 0.1 and total(net) > 0)
    return run(
        "Do the gradients vanish here? W1 0.0x W2 0.x",
        f"dL/dW1 = {g['0.weight']:.4f}, dL/dW2 = {g['2.weight']:.4f} (Frobenius). Before any step.",
        "one hidden tanh layer, 25 units, MSE",
    )

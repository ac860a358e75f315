"""Healthy runs of all sorts that look alarming to a beginner."""

from __future__ import annotations

import copy

import torch
from blind_run import Block, case, classify, clusters, cosine, expect, fit, outputs, stack
from blind_run import weights as draw
from fresh_depth import last, post_norm
from fresh_loss import lines, mean
from fresh_signal import Run, run
from torch import Tensor, nn
from torch.nn import functional

FINE = ["cannot_tell", "too_shallow"]


@case("nothing_wrong", also=FINE)
def slow_ramp() -> Run:
    _, rows = post_norm(71, 6, 3e-3, 200, 150, before=True)
    expect(last(rows) < 0.3 * rows[0].loss)
    return run(
        "Is it dead? For the first steps nothing happened at all",
        lines(rows, 15, "iter {step}: loss {loss:.4f}, lr {lr:.1e}, time 31.2ms, mfu -100.00%"),
        "pre-LN, 6 layers, linear warmup 150, vocab 24",
    )


@case("nothing_wrong", also=FINE)
def small_first_layer() -> Run:
    torch.manual_seed(72)
    body = [Block(nn.Sequential(nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 64))) for _ in range(10)]
    net, (x, y) = nn.Sequential(nn.Linear(30, 64), *body, nn.Linear(64, 6)), clusters(1000, 30, 6)
    rows = fit(net, lambda _: functional.cross_entropy(net(x), y), torch.optim.SGD(net.parameters(), 0.02), 80)
    expect(rows[-1].loss < 0.4 * rows[0].loss)
    return run(
        "look how uneven the gradients are, layer to layer. I am going to lose the early layers, no?",
        "\n".join(f"{n.replace('.body.2', '')}: {v:.4f}" for n, v in rows[40].grads.items())
        + f"\n\nloss at steps 0/20/40/79: {rows[0].loss:.3f} {rows[20].loss:.3f} {rows[40].loss:.3f} "
        f"{rows[79].loss:.3f}",
        "10 residual blocks with batchnorm, grad norms at step 40",
    )


@case("nothing_wrong", also=FINE)
def clipped_in_the_beginning() -> Run:
    torch.manual_seed(73)
    net, (x, y) = stack([25, 128, 128, 5], nn.ReLU), clusters(1500, 25, 5, spread=1.5)
    draw(net, nn.init.kaiming_normal_)
    net[4].weight.data *= 6
    rows = fit(
        net, lambda _: functional.cross_entropy(net(x), y), torch.optim.Adam(net.parameters(), 2e-3), 100, clip=1.0
    )
    expect(rows[0].norm > 3 and rows[-1].norm < 1 and rows[-1].loss < 0.2 * rows[0].loss, rows[0])
    return run(
        "exploding gradients in the first steps! grad norm way above the clip",
        lines(rows, 8, "step={step} loss={loss:.3f} grad_norm_before_clip={norm:.2f}"),
        "clip 1.0, Adam 2e-3, 5 classes",
    )


@case("nothing_wrong", also=FINE)
def one_spike() -> Run:
    _, rows = classify(
        74, [20, 64, 64, 4], nn.ReLU, 300, 1e-3, spread=1.0, schedule=lambda k: 0.4 if k == 150 else 1e-3
    )
    top = max(r.loss for r in rows[150:160])
    expect(top > 2 * mean([r.loss for r in rows[130:150]]) and mean([r.loss for r in rows[-20:]]) < 0.3, top)
    return run(
        "loss spike in the middle of training. Diverging??",
        lines(rows[:150], 25, "{step:>4} {loss:.4f}")
        + "\n"
        + lines(rows[150:158], 1, "{step:>4} {loss:.4f}")
        + "\n"
        + lines(rows[175:], 25, "{step:>4} {loss:.4f}"),
        "step, loss. 4 classes",
    )


@case("nothing_wrong", also=FINE)
def summed_loss() -> Run:
    torch.manual_seed(75)
    net, (x, y) = stack([12, 64, 1], nn.GELU), cosine(2048, 12)
    rows = fit(
        net, lambda _: functional.mse_loss(net(x), y, reduction="sum"), torch.optim.Adam(net.parameters(), 5e-3), 200
    )
    expect(rows[-1].loss < 0.3 * rows[0].loss)
    return run(
        "loss is in the thousands and gradients too, clearly exploding",
        lines(rows, 20, "[{step:03d}] loss: {loss:,.1f}   ||g||: {norm:,.1f}"),
        "MSELoss(reduction='sum'), batch 2048, Adam",
    )


@case("nothing_wrong", also=FINE)
def kl_wakes_up() -> Run:
    torch.manual_seed(76)
    enc, dec, (x, _) = stack([20, 64, 8], nn.ReLU), stack([4, 64, 20], nn.ReLU), clusters(1000, 20, 5)
    x, both, seen = x / 1.4, nn.ModuleList([enc, dec]), []

    def loss(_: int) -> Tensor:
        mu, logvar = enc(x).chunk(2, 1)
        out = dec(mu + torch.randn_like(mu) * (logvar / 2).exp())
        kl = -0.5 * (1 + logvar - mu.pow(2) - logvar.exp()).sum(1).mean()
        seen.append((functional.mse_loss(out, x).item() * 20, kl.item()))
        return 20 * functional.mse_loss(out, x) + 0.3 * kl

    rows = fit(both, loss, torch.optim.Adam(both.parameters(), 3e-3), 240)
    expect(seen[-1][0] < 0.8 * seen[0][0] and seen[-1][1] > 5 * seen[0][1], (seen[0], seen[-1]))
    return run(
        "KL starts around zero (posterior collapse?) and then EXPLODES",
        "\n".join(
            f"ep{k // 20:02d} total {rows[k].loss:.2f} rec {seen[k][0]:.2f} kl {seen[k][1]:.3f}"
            for k in range(0, 240, 20)
        ),
        "VAE, beta 0.3, Adam 3e-3",
    )


@case("nothing_wrong", also=FINE)
def adversarial_balance() -> Run:
    torch.manual_seed(77)
    g, d = stack([4, 32, 1], nn.ReLU), stack([1, 32, 1], nn.LeakyReLU)
    og, od = torch.optim.Adam(g.parameters(), 2e-3, (0.5, 0.9)), torch.optim.Adam(d.parameters(), 4e-3, (0.5, 0.9))
    told, bce = [], functional.binary_cross_entropy_with_logits
    for k in range(900):
        real, fake = 4 + torch.randn(128, 1), g(torch.randn(128, 4))
        ld = bce(d(real), torch.ones(128, 1)) + bce(d(fake.detach()), torch.zeros(128, 1))
        od.zero_grad(), ld.backward(), od.step()
        lg = bce(d(fake), torch.ones(128, 1))
        og.zero_grad(), lg.backward(), og.step()
        if k % 75 == 0:
            told.append(f"{k}: D {ld.item():.3f} G {lg.item():.3f} sample mean {fake.mean().item():+.2f}")
    expect(abs(g(torch.randn(2000, 4)).mean().item() - 4) < 0.8, told)
    return run(
        "GAN: neither loss goes down, D hangs around 1.386. Stuck?",
        "\n".join(told) + "\n(real data mean 4.00, the samples look right to me)",
        "non-saturating GAN, Adam betas 0.5/0.9",
    )


@case("nothing_wrong", also=FINE)
def negative_likelihood() -> Run:
    torch.manual_seed(78)
    net, (x, y) = stack([6, 64, 2], nn.Tanh), cosine(1500, 6)
    y = 0.05 * y + 0.05 * torch.randn(1500, 1)

    def loss(_: int) -> Tensor:
        m, s = net(x).chunk(2, 1)
        return functional.gaussian_nll_loss(m, y, s.exp())

    rows = fit(net, loss, torch.optim.Adam(net.parameters(), 2e-3), 250)
    expect(rows[-1].loss < -1 and max(r.norm for r in rows) < 20, rows[-1].loss)
    return run(
        "loss below zero!! overflow?", lines(rows, 18, "{step};{loss:.4f};{norm:.3f}"), "step;gaussian nll;grad norm"
    )


@case("nothing_wrong", also=[*FINE, "amp_calibrating"])
def scale_doubles() -> Run:
    torch.manual_seed(79)
    net, (x, y), told, scale = stack([30, 80, 80, 8], nn.ReLU), clusters(3000, 30, 8, spread=1.5), [], 4096.0
    opt = torch.optim.Adam(net.parameters(), 2e-3)
    for k in range(200):
        half, i = copy.deepcopy(net).half(), torch.randint(3000, (64,))
        loss = functional.cross_entropy(half(x[i].half()).float(), y[i])
        (scale * loss).backward()
        expect(all(p.grad.isfinite().all().item() for p in half.parameters()), "no step is skipped")
        for p, q in zip(net.parameters(), half.parameters(), strict=True):
            p.grad = q.grad.float() / scale
        opt.step()
        told.append((k, loss.item(), scale))
        scale *= 2 if k % 50 == 49 else 1
    expect(told[-1][1] < 0.5 * told[0][1])
    return run(
        "amp scale keeps growing without bound, will it overflow?",
        "\n".join(f"step {k:>4}  loss {v:.3f}  scale {c:.0f}  skipped 0" for k, v, c in told[::20]),
        "GradScaler(init_scale=4096, growth_interval=50), float16",
    )


@case("nothing_wrong", also=FINE)
def half_are_zero() -> Run:
    net, rows = classify(80, [32, 128, 128, 128, 6], nn.ReLU, 150, 1e-3)
    acts = outputs(net, clusters(512, 32, 6)[0], (nn.ReLU,))
    zero = {n: (a == 0).float().mean().item() for n, a in acts.items()}
    dead = {n: (a == 0).all(0).float().mean().item() for n, a in acts.items()}
    expect(min(zero.values()) > 0.25 and max(zero.values()) < 0.85 and max(dead.values()) < 0.15, (zero, dead))
    return run(
        "up to half of the activations are zero, dying relu?!",
        "".join(
            f"relu {n}: zeros {100 * zero[n]:.0f}%, never active on 512 samples {100 * dead[n]:.1f}%\n" for n in zero
        )
        + lines(rows, 30, "step {step} loss {loss:.3f}"),
        "6 classes, Adam 1e-3",
    )


@case("nothing_wrong", also=FINE)
def smoothing_floor() -> Run:
    net, rows = classify(81, [40, 128, 10], nn.ReLU, 400, 2e-3, spread=1.0, smooth=0.2)
    x, y = clusters(4000, 40, 10, spread=1.0)
    right = (net(x).argmax(1) == y).float().mean().item()
    expect(right > 0.97)
    return run(
        "Loss refuses to go under 0.9 whatever I do",
        lines(rows, 40, "{step:>5}  {loss:.3f}") + f"\ntrain accuracy at the end {100 * right:.1f}%",
        "CrossEntropyLoss(label_smoothing=0.2), 10 classes",
    )


@case("nothing_wrong", also=FINE)
def noise_floor() -> Run:
    torch.manual_seed(82)
    net, (x, y) = stack([5, 64, 1], nn.ReLU), cosine(4000, 5)
    y = y + 0.5 * torch.randn(4000, 1)
    rows = fit(net, lambda _: functional.mse_loss(net(x), y), torch.optim.Adam(net.parameters(), 5e-3), 400)
    expect(abs(rows[-1].loss - 0.25) < 0.05 and rows[0].loss > 0.9, rows[-1].loss)
    return run(
        "stalls at 0.25, gradient goes to 0.01. Vanishing gradients with just 2 layers?",
        lines(rows, 40, "epoch {step} - mse {loss:.4f} - |grad| {norm:.4f}"),
        "sensor data: label noise has std 0.5 according to the data sheet",
    )

"""Runs full of zeros and near-zeros: by structure, by printing, by the range of float16."""

from __future__ import annotations

import copy

import torch
from blind_run import case, classify, clusters, cosine, expect, fit, grads, stack
from blind_run import weights as draw
from fresh_signal import Run, back, run
from torch import Tensor, nn
from torch.nn import functional


class LowRank(nn.Module):
    """A frozen matrix and its low-rank change, B at zero."""

    def __init__(self, width: int, rank: int) -> None:
        super().__init__()
        self.base = nn.Linear(width, width).requires_grad_(False)
        self.lora_A, self.lora_B = nn.Parameter(torch.randn(rank, width) / rank), nn.Parameter(torch.zeros(width, rank))

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + 2 * x @ self.lora_A.T @ self.lora_B.T


@case("structural_zero", layers=["lora_A"])
def lora_first_step() -> Run:
    torch.manual_seed(21)
    net = nn.Sequential(*[m for _ in range(4) for m in (LowRank(48, 8), nn.GELU())])
    back(net, *clusters(64, 48, 48))
    g = grads(net)
    expect(all((v == 0) == ("lora_A" in n) for n, v in g.items()), g)
    return run(
        "half of my adapters get EXACTLY zero grad right after loss.backward(), vanishing through the frozen base??",
        "\n".join(f"layers.{n:<14} grad={v:.6f}" for n, v in g.items()),
        "LoRA r=8 alpha=16, bf16 off, first batch",
    )


@case("structural_zero", layers=["encoder"])
def detached_codes() -> Run:
    torch.manual_seed(22)
    enc, dec = nn.Linear(20, 12), nn.Linear(12, 20)
    x = torch.randn(64, 20)
    opt = torch.optim.Adam([*enc.parameters(), *dec.parameters()], 1e-2)
    before, losses = enc.weight.clone(), []
    for _ in range(60):
        z = torch.round(enc(x)).detach()
        loss = functional.mse_loss(dec(z), x)
        opt.zero_grad()
        loss.backward()
        opt.step()
        losses.append(loss.item())
    expect(enc.weight.grad is None and torch.equal(before, enc.weight))
    return run(
        "Quantised autoencoder; decoder learns a bit, encoder does nothing. Do gradients die in the rounding?",
        "".join(f"step {k}: mse {losses[k]:.4f}\n" for k in (0, 20, 40, 59))
        + f"encoder.weight.grad -> None\nencoder.bias.grad -> None\ndecoder.weight.grad.norm() -> "
        f"{dec.weight.grad.norm().item():.4f}\n(encoder.weight before == after): True",
        "z = torch.round(encoder(x)).detach(); loss = mse(decoder(z), x)",
    )


@case("structural_zero")
def zero_conv() -> Run:
    torch.manual_seed(23)
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.SiLU(), nn.Conv2d(8, 8, 3), nn.SiLU(), nn.Conv2d(8, 8, 1))
    nn.init.zeros_(net[4].weight), nn.init.zeros_(net[4].bias)
    x, main = torch.randn(16, 3, 12, 12), torch.randn(16, 8, 8, 8)
    rows = fit(net, lambda _: (main + net(x) - 1).pow(2).mean(), torch.optim.SGD(net.parameters(), 0.5), 3)
    expect(rows[0].grads["0.weight"] == 0 and rows[0].grads["4.weight"] > 0 and rows[2].grads["0.weight"] > 0)
    return run(
        "control branch is dead on the first iteration. should I reinitialise the zero_conv with kaiming?",
        "\n".join(f"iter {r.step}  " + "  ".join(f"{n} {v:.3e}" for n, v in r.grads.items()) for r in rows[:1])
        + "\n(only logged the first iter, then killed it)",
        "ControlNet style: last 1x1 conv is zero-initialised and its output is added to the frozen trunk's features",
        str(net),
    )


@case("print_zeros", also=["too_shallow", "nothing_wrong"])
def four_decimals() -> Run:
    _, rows = classify(24, [32, 64, 64, 5], nn.ReLU, 300, 1e-3, weight=1e-5)
    expect(all(0 < v < 5e-5 for r in rows for v in r.grads.values()))
    lines = [
        f"ep {r.step // 60}: loss*1e5 {1e5 * r.loss:.3f}, grads [{', '.join(f'{v:.4f}' for v in r.grads.values())}]"
        for r in rows[::60]
    ]
    return run(
        "all gradients 0.0000 in every epoch. but loss goes down?? is autograd broken",
        "\n".join(lines),
        "Adam 1e-3, loss is multiplied by 1e-5 because of the other heads, fp32",
    )


@case("print_zeros", also=["nothing_wrong", "too_shallow"])
def tensor_minus_zeros() -> Run:
    torch.manual_seed(25)
    net = stack([12, 40, 1], nn.Tanh)
    x, y = cosine(4096, 12)
    rows = fit(net, lambda _: 1e-3 * functional.mse_loss(net(x), y), torch.optim.Adam(net.parameters(), 3e-3), 200)
    expect(rows[-1].loss < 0.7 * rows[0].loss)
    torch.set_printoptions(sci_mode=False, precision=4)
    shown = str(net[0].weight.grad[:4, :6])
    torch.set_printoptions(profile="default")
    expect("-0.0000" in shown and (net[0].weight.grad != 0).all().item())
    return run(
        "gradient of fc1 is a matrix of zeros (some are minus zero lol)",
        f">>> torch.set_printoptions(sci_mode=False, precision=4)\n>>> fc1.weight.grad[:4, :6]\n{shown}\n"
        f">>> losses[::50]\n{[float(f'{r.loss:.3e}') for r in rows[::50]]}",
        "loss = 1e-3 * mse, Adam",
    )


@case("print_zeros", also=["nothing_wrong", "too_shallow"])
def rounded_dashboard() -> Run:
    _, rows = classify(26, [50, 80, 80, 80, 9], nn.GELU, 300, 2e-3, weight=1e-5)
    expect(all(v > 0 for v in rows[-1].grads.values()) and max(rows[-1].grads.values()) < 5e-4)
    table = "\n".join(
        f"{r.step},{r.loss / 1e-5:.3f}," + ",".join(f"{v:.3f}" for v in r.grads.values()) for r in rows[::50]
    )
    return run(
        "dashboard export, grad columns are flat zero since the beginning",
        f"step,ce,{','.join('gnorm/' + n for n in rows[0].grads)}\n{table}\n# the tooltip on the last point of "
        f"gnorm/0.weight "
        f"says {rows[250].grads['0.weight']:.3g}",
        "multi-task weighting 1e-5 on this head",
    )


def halves(seed: int, scale: float, depth: int = 6) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """Norms in float32, norms in float16, and the share of zeros in float16."""
    torch.manual_seed(seed)
    net = draw(stack([64, *[64] * depth, 8], nn.ReLU), nn.init.kaiming_normal_)
    x, y = clusters(256, 64, 8)
    half = copy.deepcopy(net).half()
    (scale * functional.cross_entropy(net(x), y)).backward()
    (scale * functional.cross_entropy(half(x.half()), y)).backward()
    zero = {n: (p.grad == 0).float().mean().item() for n, p in half.named_parameters() if p.dim() > 1}
    full = {n: (p.grad == 0).float().mean().item() for n, p in net.named_parameters() if p.dim() > 1}
    expect(max(zero[n] - full[n] for n in zero) > 0.5, (zero, full))
    return grads(net), grads(half), zero


@case("underflow_half")
def side_by_side() -> Run:
    full, half, zero = halves(27, 1e-5)
    return run(
        "same seed, same batch. float32 learns, .half() doesn't. Vanishing gradients only on my new GPU?",
        "param        fp32 |g|     fp16 |g|    zeros in fp16\n"
        + "\n".join(f"{n:<10} {full[n]:.4e}   {half[n]:.4e}   {100 * zero[n]:5.1f}%" for n in full),
        "model.half(), no GradScaler, per-token loss divided by total token count",
    )


@case("underflow_half")
def smallest_number() -> Run:
    torch.manual_seed(28)
    net = draw(stack([32, 128, 128, 128, 1], nn.ReLU), nn.init.kaiming_normal_).half()
    x = torch.randn(512, 32).half()
    (1e-5 * net(x).float().pow(2).mean()).backward()
    seen = {
        n: (p.grad.abs().max().item(), (p.grad == 0).float().mean().item())
        for n, p in net.named_parameters()
        if p.dim() > 1
    }
    expect(max(z for _, z in seen.values()) > 0.8 and all(m > 0 for m, _ in seen.values()), seen)
    return run(
        "grad.abs().max() gives strange repeated values such as 5.96e-08, is that a bug in relu backward?",
        "".join(f"{n}: dtype=torch.float16 max={m:.3g} share exactly zero={z:.2f}\n" for n, (m, z) in seen.items()),
        "pure float16 training, SGD, no loss scaling, loss weight 1e-5",
    )


@case("underflow_half")
def autocast_without_scaler() -> Run:
    full, half, zero = halves(29, 1e-5, 4)
    return run(
        "loss is constant when I pass --precision 16, falls with --precision 32",
        "After one backward, --precision 16:\n"
        + "\n".join(f"- `{n}`: {100 * z:.0f}% of the entries are 0.0, norm {half[n]:.2e}" for n, z in zero.items())
        + "\n\nAnd --precision 32 (no zeros): "
        + "; ".join(f"`{n}` {v:.2e}" for n, v in full.items()),
        "fp16 autocast copied from a blog, I left out the scaler part because it looked optional",
    )

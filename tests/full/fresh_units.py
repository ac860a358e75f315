"""Runs whose units saturate, die or grow, and depth of other kinds: post-norm, second derivatives, over-smoothing."""

from __future__ import annotations

import math

import torch
from blind_run import (
    Attention,
    case,
    clusters,
    expect,
    fit,
    grads,
    images,
    outputs,
    rate,
    stack,
)
from blind_run import weights as draw
from fresh_signal import Run, back, rms, run
from torch import nn
from torch.nn import functional


@case("saturation")
def percent_tanh() -> Run:
    torch.manual_seed(10)
    net = draw(stack([100, *[200] * 5, 7], nn.Tanh), lambda p: nn.init.normal_(p, 0, 1))
    x, y = clusters(512, 100, 7)
    acts = list(outputs(net, x, (nn.Tanh,)).values())
    share = [100 * (a.abs() > 0.98).float().mean().item() for a in acts]
    expect(min(share) > 70, share)
    return run(
        "Weights from np.random.randn, activations look super strong so it can't be vanishing, right?",
        "share of tanh outputs with |a| > 0.98: "
        + ", ".join(f"layer {k} {s:.0f} %" for k, s in enumerate(share, 1))
        + f". Loss at step 0: {back(net, x, y):.2f}. typical pre-activation is around "
        f"{rms(outputs(net, x, (nn.Linear,))['2']):.0f} in absolute value.",
        "5 tanh layers of 200, std 1 init, SGD 0.01, inputs standardized",
    )


@case("saturation")
def entropy_attention() -> Run:
    torch.manual_seed(12)
    att = draw(Attention(128, scale=1.0), lambda p: nn.init.normal_(p, 0, 0.15))
    x = torch.randn(4, 40, 128)
    att(x)
    p = att.scores.softmax(-1)
    entropy = -(p * p.clamp_min(1e-30).log()).sum(-1).mean().item()
    expect(p.max(-1).values.mean() > 0.94 and entropy < 0.2, (entropy, p.max(-1).values.mean()))
    return run(
        "wq and wk basically get no gradient compared with wv. Learning rate too small for them?",
        f"scores: std {att.scores.std().item():.1f}, max {att.scores.max().item():.0f}\n"
        f"softmax: mean top probability {p.max(-1).values.mean().item():.4f}, entropy {entropy:.4f} nats (uniform "
        f"would be "
        f"ln 40 = {math.log(40):.3f})\nLayerNorm before attention is on, inputs have std 1.00",
        "scores = q @ k.transpose(-1, -2), then softmax. head dim 128",
    )


@case("saturation")
def output_sigmoid() -> Run:
    torch.manual_seed(13)
    net = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 1), nn.Sigmoid())
    net[2].bias.data.fill_(-19.0)
    x = torch.randn(256, 16)
    z = net[2](net[1](net[0](x)))
    out = z.sigmoid()
    (out - (x[:, :1] > 0).float()).pow(2).mean().backward()
    expect((out * (1 - out)).max() < 1e-6)
    g = grads(net)
    return run(
        "binary classifier with MSE after sigmoid; predictions are all 0 and nothing moves",
        f"before sigmoid: mean {z.mean().item():.2f}  min {z.min().item():.2f}  max {z.max().item():.2f}\n"
        f"after sigmoid:  mean {out.mean().item():.2e}  max {out.max().item():.2e}\n"
        f"0.weight grad norm {g['0.weight']:.2e}\n2.weight grad norm {g['2.weight']:.2e}",
        "MSE on sigmoid(logit), Adam 1e-3. Output bias was initialised from a rare-event prior",
        str(net),
    )


@case("dead_relu")
def after_big_step() -> Run:
    torch.manual_seed(5)
    net = stack([30, 64, 64, 1], nn.ReLU)
    x = torch.rand(512, 30)
    y = 5 + x[:, :1]
    rows = fit(net, lambda _: functional.mse_loss(net(x), y), torch.optim.SGD(net.parameters(), 0.17), 36)
    zero = {n: (a == 0).all(0).float().mean().item() for n, a in outputs(net, x, (nn.ReLU,)).items()}
    expect(zero["3"] == 1.0 and rows[-1].grads["2.weight"] == 0, zero)
    return run(
        "someone in the channel said 'just raise the lr'. Now flat as a board, predicts the mean of y for every row",
        "\n".join(f"it {r.step} | mse {r.loss:.4g} | gnorm {r.norm:.3g}" for r in rows[::5])
        + "\n\nunits that are 0 for the whole batch of 512: "
        + ", ".join(f"relu({n}) {100 * v:.1f}%" for n, v in zero.items()),
        "SGD lr 0.17, MSE",
    )


@case("dead_relu")
def negative_bias_cnn() -> Run:
    torch.manual_seed(15)
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 64, 9)
    )
    net[2].bias.data.fill_(-8.0)
    x, y = images(64, 1, 12, 9)
    loss = back(net, x, y)
    acts = outputs(net, x, (nn.ReLU,))
    expect((acts["3"] == 0).all().item())
    g = grads(net, weights_only=False)
    return run(
        "conv weights frozen by themselves (requires_grad is True everywhere)",
        f"loss={loss:.4f}\n"
        + "".join(
            f"fraction of zeros after relu @ {n}: {(a == 0).float().mean().item():.3f}\n" for n, a in acts.items()
        )
        + "\n".join(f"{n:10s} |g|={v:.3e}" for n, v in g.items()),
        "9 classes; biases come from an old Caffe checkpoint",
        str(net),
    )


@case("dead_relu")
def black_decoder() -> Run:
    torch.manual_seed(16)
    net = nn.Sequential(nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, 64), nn.ReLU())
    net[2].bias.data.fill_(-2.5)
    x = torch.rand(128, 64)
    out = net(x)
    pre = outputs(net, x, (nn.Linear,))["2"]
    (out - x).pow(2).mean().backward()
    expect(pre.max() < 0 and all(v == 0 for v in grads(net, weights_only=False).values()))
    return run(
        "Autoencoder gives black images. Final relu because pixels are >= 0. grads are zero so: vanishing?",
        f"reconstruction: min 0.0 max 0.0 (all {out.numel()} values exactly 0)\nbefore the last relu: "
        f"min {pre.min().item():.3f} mean {pre.mean().item():.3f} max {pre.max().item():.3f}\n"
        + "\n".join(f"{n}.grad.abs().sum() = {v}" for n, v in grads(net, weights_only=False).items()),
        "MSE, batch 128",
        str(net),
    )


@case("growth")
def residual_doubling() -> Run:
    torch.manual_seed(17)
    h, sizes = torch.randn(64, 96), []
    for _ in range(26):
        body = draw(stack([96, 96, 96], nn.ReLU, bias=False), nn.init.kaiming_normal_)
        h = h + body(h).detach()
        sizes.append(rms(h))
    expect(1.2 < rate(sizes) < 1.8, rate(sizes))
    return run(
        "26 skip blocks, NO normalisation because batch size is 1. Skips prevent this kind of thing I thought?",
        "std of the stream after block 1..26: " + " ".join(f"{s:.4g}" for s in sizes),
        "x = x + W2 relu(W1 x), kaiming_normal_",
    )


@case("growth")
def batchnorm_no_skip() -> Run:
    torch.manual_seed(18)
    parts: list[nn.Module] = []
    for k in range(32):
        parts += [nn.Linear(32 if k == 0 else 80, 80), nn.BatchNorm1d(80), nn.ReLU()]
    net = nn.Sequential(*parts, nn.Linear(80, 10))
    loss = back(net, *clusters(128, 32, 10))
    g = grads(net)
    v = list(g.values())
    expect(v[1] / v[-2] > 30, v)
    return run(
        "BN after every layer so the activations are perfect (mean 0 std 1), yet it blows up with depth 32",
        f"step 0, loss {loss:.3f}\n"
        + "\n".join(f"{n:<12}{x:>12.4f}" for n, x in reversed(g.items()))
        + "\n(gradient norms, output side first)",
        "Linear-BN-ReLU x 32, no skips, SGD 0.1",
    )


@case("growth")
def log_ten_conv() -> Run:
    torch.manual_seed(19)
    h, logs = torch.randn(4, 64, 8, 8), []
    for _ in range(15):
        h = functional.relu(functional.conv2d(h, 0.12 * torch.randn(64, 64, 3, 3), padding=1))
        logs.append(math.log10(rms(h)))
    expect((logs[-1] - logs[0]) / 14 > 0.2)
    return run(
        "inf in the loss on step 2; friend says clip the gradients",
        "log10(rms activation):\n"
        + "\n".join(f"  conv_{k + 1}: {logs[k]:+.2f}" for k in range(15) if k not in (4, 7, 8)),
        "plain 15-layer conv/relu stack, 64 channels 3x3, weights ~ N(0, 0.12^2), fp32",
    )

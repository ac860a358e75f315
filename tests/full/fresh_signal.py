"""Runs whose signal or gradient decays, or ends on the floor of the biases. Every number was measured."""

from __future__ import annotations

import json
import math

import torch
from blind_run import case, clusters, expect, grads, images, likeness, outputs, rate, stack
from blind_run import weights as draw
from torch import Tensor, nn
from torch.nn import functional

Run = dict[str, str]


def run(symptom: str, measurements: str, training: str = "", architecture: str = "") -> Run:
    """What somebody sends."""
    return {"symptom": symptom, "architecture": architecture, "measurements": measurements, "training": training}


def rms(t: Tensor) -> float:
    return t.detach().double().pow(2).mean().sqrt().item()


def back(net: nn.Module, x: Tensor, y: Tensor) -> float:
    """Loss of one batch, its gradients left on the parameters."""
    net.zero_grad()
    loss = functional.cross_entropy(net(x), y)
    loss.backward()
    return loss.item()


@case("true_decay_backward", also=["bias_floor"])
def slack_sigmoid() -> Run:
    torch.manual_seed(11)
    net = draw(stack([40, *[96] * 13, 6], nn.Sigmoid), nn.init.xavier_normal_)
    loss = back(net, *clusters(256, 40, 6))
    g = list(grads(net).values())
    expect(g[12] / g[1] > 1e6, g)
    return run(
        "anyone awake? colleague's net does not move, he says it's the learning rate and wants to sweep it",
        f"ok so I dumped the weight grads after ONE backward (loss {loss:.3f}):\n"
        f"the head gets {g[13]:.1e}, the hidden layer right below it {g[12]:.1e}, two below {g[11]:.1e}, then\n\n"
        + "\n".join(f"  hidden {k + 1:>2} → {g[k]:.1e}" for k in (8, 6, 4, 2, 1, 0))
        + "\n\nsorry skipped a few, you get the idea :sweat_smile:",
        "MLP 40 → 13 hidden layers of 96 units, logistic activation each → 6 logits",
        "SGD 0.05, xavier, float32, CE over 6 classes",
    )


@case("true_decay_backward")
def rnn_notebook() -> Run:
    torch.manual_seed(3)
    rnn = nn.RNNCell(12, 48)
    nn.init.orthogonal_(rnn.weight_hh)
    rnn.weight_hh.data *= 0.7
    x, h, states = torch.randn(32, 50, 12), torch.zeros(32, 48), []
    for t in range(50):
        h = rnn(x[:, t], h)
        h.retain_grad()
        states.append(h)
    nn.Linear(48, 3)(h).pow(2).mean().backward()
    g = [s.grad.double().norm().item() for s in states]
    expect(1 / rate(g) < 0.7 and rms(states[2]) > 0.5 * rms(states[-1]), rate(g))
    rows = "\n".join(f"{t:4d} {rms(states[t]):10.4f} {g[t]:14.6g}" for t in range(1, 50, 6))
    return run(
        "The recurrent model only remembers the last handful of tokens. Is my hidden state dying out?",
        "In [17]: for t, s in enumerate(states): ...\nOut[17]:\n   t    rms(h_t)     |dL/dh_t|\n" + rows,
        "nn.RNNCell, tanh, 50 steps unrolled, fp32",
    )


@case("true_decay_backward")
def injected_equilibrium() -> Run:
    torch.manual_seed(5)
    w, u = nn.Linear(64, 64, bias=False), nn.Linear(64, 64)
    nn.init.orthogonal_(w.weight)
    w.weight.data *= 0.5
    x, h, kept = torch.randn(128, 64), torch.zeros(128, 64), []
    for _ in range(22):
        h = torch.tanh(w(h) + u(x))
        h.retain_grad()
        kept.append(h)
    functional.cross_entropy(nn.Linear(64, 8)(h), torch.randint(8, (128,))).backward()
    g = [rms(k.grad) for k in kept]
    expect(
        1 / rate(g) < 0.5 and likeness(kept[-1]) < 0.5 and 0.7 < rms(kept[3]) / rms(kept[-1]) < 1.4,
        (rate(g), likeness(kept[-1]), rms(kept[3]) / rms(kept[-1])),
    )
    rows = "\n".join(
        f"{k};{rms(s):.4f};{likeness(s):.3f};{v:.3e}" for k, (s, v) in enumerate(zip(kept, g, strict=True))
    )
    return run(
        "unrolled DEQ-ish net, 22 iterations, h_{k+1} = tanh(W h_k + U x). Early iterations get no gradient?",
        "iteration;rms_h;cos_between_samples;rms_grad_h\n" + rows,
        "adam 3e-4, float32",
    )


@case("true_decay_forward")
def cs231n_print() -> Run:
    torch.manual_seed(1)
    net = draw(stack([300, *[300] * 9, 10], nn.Tanh), lambda p: nn.init.normal_(p, 0, 0.01))
    x = torch.randn(500, 300)
    acts = list(outputs(net, x, (nn.Tanh,)).values())
    expect(rate(rms(a) for a in acts) < 0.25)
    return run(
        "All my histograms collapse into one bar. Someone told me to use ReLU.",
        f"Input layer had mean {x.mean().item():.6f} and std {x.std().item():.6f}\n"
        + "\n".join(
            f"hidden layer {k} had mean {a.mean().item():.6f} and std {a.std().item():.3g}"
            for k, a in enumerate(acts, 1)
        ),
        "weights drawn as 0.01 * np.random.randn(fan_in, fan_out), biases 0, tanh",
    )


@case("true_decay_forward")
def audio_decibel() -> Run:
    torch.manual_seed(2)
    parts: list[nn.Module] = []
    for k in range(14):
        parts += [nn.Conv1d(1 if k == 0 else 32, 32, 9, padding=4, bias=False), nn.ELU()]
    net = nn.Sequential(*parts)
    x = torch.randn(8, 1, 400)
    acts = list(outputs(net, x, (nn.ELU,)).values())
    net(x).pow(2).mean().backward()
    level = [20 * math.log10(rms(a)) for a in acts]
    expect(level[-1] < level[0] - 60 and likeness(acts[-1]) < 0.99, level)
    rows = "\n".join(
        f"conv{k:<3}{v:8.1f} dB    rms {rms(a):.2e}" for k, (v, a) in enumerate(zip(level, acts, strict=True), 1)
    )
    return run(
        "My vocoder outputs silence. I checked levels per layer like I would on a mixing desk",
        f"input   {20 * math.log10(rms(x)):6.1f} dB\n{rows}\n(that is about {(level[-1] - level[0]) / 13:.1f} "
        "dB per layer, no biases anywhere)",
        "PyTorch default init, ELU, fp32, before any update",
    )


@case("true_decay_forward", also=["bias_floor"])
def one_liner_silu() -> Run:
    torch.manual_seed(4)
    net = draw(stack([64, *[192] * 11, 4], nn.SiLU), lambda p: nn.init.normal_(p, 0, 0.02))
    acts = outputs(net, torch.randn(256, 64), (nn.SiLU,))
    sizes = {f"net.{n}": float(f"{a.detach().abs().mean().item():.3g}") for n, a in acts.items()}
    expect(rate(sizes.values()) < 0.3)
    return run(
        "x.abs().mean() per layer, first batch, see json. Loss is at 1.386 and not moving. Dying units?",
        json.dumps({"abs_mean": sizes, "loss": round(back(net, *clusters(64, 64, 4)), 6)}),
        'swish MLP, init copied from GPT-2 ("normal 0.02", zero bias), no residuals, AdamW 1e-4, 4 classes',
    )


@case("bias_floor")
def two_pictures() -> Run:
    torch.manual_seed(6)
    parts: list[nn.Module] = []
    for k in range(12):
        parts += [nn.Conv2d(3 if k == 0 else 24, 24, 3, padding=1), nn.ReLU()]
    net = nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 5))
    x, y = images(32, 3, 12, 5)
    acts = outputs(net, x, (nn.ReLU,))
    expect(likeness(list(acts.values())[-1]) > 0.9999)
    rows = "\n".join(
        f"| {n} | {a.detach().mean().item():.4f} | {(a[0] - a[1]).detach().abs().max().item():.2e} |"
        for n, a in acts.items()
    )
    z = net(x[:2]).tolist()
    return run(
        "**Describe the bug** model returns the same logits for every image. Dataloader is fine, I checked twice",
        f"| relu | mean activation | max difference cat.png vs. truck.png |\n|---|---|---|\n{rows}\n\n"
        f"logits cat   {[round(v, 5) for v in z[0]]}\nlogits truck {[round(v, 5) for v in z[1]]}\nloss "
        f"{back(net, x, y):.4f}",
        "12 convs + ReLU, no batchnorm, everything default, Adam, CE 5 classes",
    )


@case("bias_floor")
def pandas_cosine() -> Run:
    torch.manual_seed(8)
    net = stack([50, *[128] * 24, 10], nn.ReLU)
    acts = list(outputs(net, torch.randn(64, 50), (nn.ReLU,)).values())
    expect(likeness(acts[-1]) > 0.99999)
    rows = "\n".join(
        f"{k:<3} {rms(a):9.5f} {a.detach().std(0).mean().item():14.3e} {likeness(a):10.6f}"
        for k, a in enumerate(acts)
        if k % 3 == 0 or k == 23
    )
    return run(
        "24 hidden layers. Activations do NOT vanish (see rms), so why does it predict one class for all rows?",
        "          rms   std_over_batch     cosine\nlayer\n" + rows,
        "nn.Linear defaults, ReLU, fp32",
    )


@case("bias_floor", also=["true_decay_forward"])
def sigmoid_spread() -> Run:
    torch.manual_seed(9)
    net = stack([20, *[64] * 16, 3], nn.Sigmoid)
    acts = list(outputs(net, torch.randn(200, 20), (nn.Sigmoid,)).values())
    spread = [a.detach().double().std(0).mean().item() for a in acts]
    expect(spread[-1] < 1e-6 and rms(acts[-1]) > 0.3, spread)
    return run(
        "output does not depend on the input at all?! std across the batch goes to nothing",
        "\n".join(
            f"[act-stats] sigmoid_{k:02d}  mean={a.detach().mean().item():.3f}  std_across_batch={s:.2e}"
            for k, (a, s) in enumerate(zip(acts, spread, strict=True))
        ),
        "default initialisation, 16 sigmoid layers, 3 classes",
    )

"""Blind runs: signals that shrink, forward or backward."""

# ruff: noqa: E501  (a log line stays in one piece)

from __future__ import annotations

from typing import Any

import torch
from blind_logs import csv_long, csv_steps, frame, jsonl, logging_lines, loop, numpy_array
from blind_run import case, clusters, cosine, expect, fit, grads, images, outputs, rate, stack, weights
from torch import nn
from torch.nn import functional

init = nn.init


@case("true_decay_forward")
def trunk() -> dict[str, Any]:
    torch.manual_seed(1)
    net = weights(stack([96] * 13 + [3], nn.Tanh), lambda w: init.normal_(w, std=0.02))
    x, _ = clusters(128, 96, 3)
    seen = outputs(net, x, (nn.Linear,))
    expect(rate(h.double().std().item() for h in seen.values()) < 0.3)
    text = "\n".join(f"[hook] {n:<3} out.mean={h.mean():+.2e} out.std={h.std():.2e}" for n, h in seen.items())
    return {
        "symptom": "I think it explodes, the loss does not move at all",
        "architecture": str(net),
        "measurements": text,
        "training": "Adam 1e-3, cross entropy, 3 classes, weights N(0, 0.02)",
    }


@case("true_decay_forward")
def speech() -> dict[str, Any]:
    torch.manual_seed(2)
    net = nn.Sequential(
        *[m for k in range(14) for m in (nn.Conv1d(1 if not k else 24, 24, 5, padding=2, bias=False), nn.ReLU())]
    )
    for m in net:
        if isinstance(m, nn.Conv1d):
            init.normal_(m.weight, std=0.05)
    seen = outputs(net, torch.randn(16, 1, 200), (nn.Conv1d,))
    rms = [h.double().pow(2).mean().sqrt().item() for h in seen.values()]
    expect(rate(rms) < 0.5)
    table = frame({"layer": [f"conv1d_{k}" for k in range(14)], "rms_out": rms, "shape": ["(16,24,200)"] * 14})
    return {
        "symptom": "speech model outputs the same blank for everything, is it the learning rate?",
        "measurements": table,
        "training": "RMSprop lr 3e-4, relu, 14 conv1d layers no norm, init random normal stddev 0.05",
    }


@case("true_decay_forward")
def volumes() -> dict[str, Any]:
    torch.manual_seed(3)
    net = nn.Sequential(
        *[m for k in range(10) for m in (nn.Conv3d(1 if not k else 8, 8, 3, padding=1, bias=False), nn.ReLU())]
    )
    seen = outputs(net, torch.randn(2, 1, 12, 12, 12), (nn.ReLU,))
    rms = [h.double().pow(2).mean().sqrt().item() for h in seen.values()]
    expect(rate(rms) < 0.6)
    items = [
        {"module": f"enc.{k}.relu", "act_rms": r, "act_max": h.max().item()}
        for k, (r, h) in enumerate(zip(rms, seen.values(), strict=True))
    ]
    return {
        "symptom": "MRI segmentation, dead network?",
        "architecture": str(net),
        "measurements": jsonl(items),
        "training": "default init",
    }


@case("true_decay_forward")
def code_layer() -> dict[str, Any]:
    torch.manual_seed(4)
    net = weights(
        stack([64, 64, 56, 48, 40, 32, 40, 48, 56, 64, 64], lambda: nn.LeakyReLU(0.1)),
        lambda w: init.xavier_normal_(w, gain=0.35),
    )
    x = torch.randn(256, 64)
    seen = outputs(net, x, (nn.Linear,))
    std = [h.double().std().item() for h in seen.values()]
    expect(rate(std) < 0.45)
    rows = fit(net, lambda _: functional.mse_loss(net(x), x), torch.optim.SGD(net.parameters(), 1e-2), 60)
    expect(rows[-1].loss > 0.97 * rows[0].loss)
    text = f"recon loss @0 {rows[0].loss:.5f} @60 {rows[-1].loss:.5f}\nstd of layer outputs, first to last:\n{numpy_array(std)}"
    return {
        "symptom": "autoencoder reconstructs only the mean",
        "measurements": text,
        "training": "SGD 1e-2, MSE on standardized data, leaky relu 0.1, xavier gain 0.35, zero bias",
    }


@case("true_decay_forward")
def generator() -> dict[str, Any]:
    torch.manual_seed(5)
    net = weights(stack([32] + [128] * 9 + [64], nn.ReLU), lambda w: init.normal_(w, std=0.02))
    seen = outputs(net, torch.randn(64, 32), (nn.ReLU,))
    std = {f"G.body.{k}": h.double().std().item() for k, h in enumerate(seen.values())}
    expect(rate(std.values()) < 0.4)
    return {
        "symptom": "mode collapse: every sample of the generator is grey",
        "measurements": "wandb run summary\n" + "\n".join(f"wandb: act_std/{n} {v:.5g}" for n, v in std.items()),
        "architecture": "input 32; linear 32 128; relu; repeat 8 { linear 128 128; relu }; linear 128 64",
        "training": "DCGAN init N(0,0.02), Adam 2e-4 betas 0.5 0.999, no batchnorm",
    }


@case("true_decay_backward", ("bias_floor",))
def dense_sigmoid() -> dict[str, Any]:
    torch.manual_seed(11)
    net = weights(stack([40] + [80] * 9 + [6], nn.Sigmoid), init.xavier_uniform_)
    x, y = clusters(256, 40, 6)
    rows = fit(net, lambda _: functional.cross_entropy(net(x), y), torch.optim.Adam(net.parameters(), 1e-3), 3)
    g = list(rows[0].grads.values())
    expect(rate(g) > 3)
    names = ["dense", *(f"dense_{k}" for k in range(1, 10))]
    return {
        "symptom": "keras model stays at 17% accuracy",
        "measurements": loop({f"{n}/kernel:0": v for n, v in zip(names, g, strict=True)}, "{n:<18} |grad| {v:.2e}"),
        "training": "Adam(0.001), glorot_uniform, sparse_categorical_crossentropy, activation='sigmoid', 6 classes",
    }


@case("true_decay_backward")
def rnn_time() -> dict[str, Any]:
    torch.manual_seed(12)
    cell = nn.RNNCell(8, 48)
    init.orthogonal_(cell.weight_hh)
    cell.weight_hh.data *= 0.7
    x, h, states = torch.randn(32, 40, 8), torch.zeros(32, 48), []
    for t in range(40):
        h = cell(x[:, t], h)
        h.retain_grad()
        states.append(h)
    functional.mse_loss(h.mean(1), torch.randn(32)).backward()
    g = {str(t): s.grad.double().norm().item() for t, s in enumerate(states)}
    expect(1.3 < rate(g.values()) < 2.2)
    return {
        "symptom": "RNN only remembers the last few steps",
        "measurements": csv_long(g, "timestep,dL_dh_norm"),
        "architecture": "RNN(8, 48, tanh) over 40 steps, head on the last hidden state",
    }


@case("true_decay_backward")
def gru_words() -> dict[str, Any]:
    torch.manual_seed(13)
    emb, gru, head = nn.Embedding(30, 24), nn.GRU(24, 32, batch_first=True), nn.Linear(32, 2)
    e = emb(torch.randint(30, (16, 64)))
    e.retain_grad()
    functional.cross_entropy(head(gru(e)[0][:, -1]), torch.randint(2, (16,))).backward()
    g = e.grad.double().pow(2).sum((0, 2)).sqrt()
    expect(rate(g.tolist()) > 1.4)
    return {
        "symptom": "sentiment of long reviews is learned from the last words only; exploding gradients?",
        "architecture": "ReviewNet(\n  (emb): Embedding(30, 24)\n  (gru): GRU(24, 32, batch_first=True)\n  (head): Linear(in_features=32, out_features=2, bias=True)\n)",
        "measurements": "norm of dLoss/dEmbedding at position 0, 1, ... 63:\n" + numpy_array(g.tolist(), 2),
    }


@case("true_decay_backward", ("bias_floor",))
def plain_tanh() -> dict[str, Any]:
    torch.manual_seed(14)
    net = stack([20] + [64] * 16 + [1], nn.Tanh)
    x, y = cosine(256, 20)
    rows = fit(net, lambda _: functional.mse_loss(net(x), y), torch.optim.Adam(net.parameters(), 1e-3), 2)
    expect(rate(rows[0].grads.values()) > 1.4)
    named = {f"body.{n}": v for n, v in rows[0].grads.items()}
    return {
        "symptom": "loss curve is a flat line",
        "measurements": logging_lines(named, "grad_l2", "probe"),
        "architecture": "16 hidden layers of 64 with tanh, pytorch default init",
    }


@case("true_decay_backward", ("bias_floor",))
def wide_export() -> dict[str, Any]:
    torch.manual_seed(15)
    net = nn.Sequential(
        *[m for k in range(9) for m in (nn.Conv2d(3 if not k else 12, 12, 3, padding=1), nn.Sigmoid())],
        nn.Flatten(),
        nn.Linear(12 * 64, 4),
    )
    x, y = images(64, 3, 8, 4)
    rows = fit(net, lambda _: functional.cross_entropy(net(x), y), torch.optim.SGD(net.parameters(), 0.01), 5)
    expect(rate(list(rows[0].grads.values())[:-1]) > 2)
    return {
        "symptom": "exported the gradient panel; what is wrong",
        "measurements": csv_steps(rows),
        "training": "SGD 0.01, 4 classes",
    }


@case("true_decay_backward", ("bias_floor", "underflow_half"))
def below_float() -> dict[str, Any]:
    torch.manual_seed(16)
    net = weights(stack([16] + [24] * 54 + [2], nn.Sigmoid), lambda w: init.xavier_normal_(w, 0.6))
    x, y = clusters(64, 16, 2)
    functional.cross_entropy(net(x), y).backward()
    g = grads(net)
    expect(0.0 in g.values() and rate([v for v in g.values() if v > 1e-30]) > 5)
    return {
        "symptom": "the first layers are exactly zero, did I freeze them?",
        "measurements": loop({k: v for k, v in g.items() if int(k.split(".")[0]) % 6 == 0}, "{n:>10}: {v:.6g}"),
        "training": "float32, 55 linear layers with sigmoid",
    }

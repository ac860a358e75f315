"""Blind runs: networks too shallow to vanish, and clips that never bind."""

from __future__ import annotations

from typing import Any

import torch
from blind_logs import csv_long, csv_steps, every, lightning, logging_lines, loop, mmcv, tensors, trainer
from blind_run import case, clusters, cosine, expect, fit, images, sequences, stack
from torch import Tensor, nn
from torch.nn import functional


@case("too_shallow", also=("nothing_wrong",))
def three_sigmoids() -> dict[str, Any]:
    torch.manual_seed(121)
    net = stack([30, 50, 50, 4], nn.Sigmoid)
    x, y = clusters(400, 30, 4)
    rows = fit(net, lambda _: functional.cross_entropy(net(x), y), torch.optim.Adam(net.parameters(), 3e-3), 100)
    expect(rows[-1].loss < 0.3 * rows[0].loss)
    return {
        "symptom": "sigmoid vanishing gradient! first layer grads are 10x smaller",
        "measurements": tensors(rows[0].grads)
        + "\n"
        + "\n".join(f"epoch {r.step} loss {r.loss:.3f}" for r in every(rows, 20)),
        "architecture": str(net),
    }


@case("too_shallow", also=("nothing_wrong",))
def two_layers() -> dict[str, Any]:
    torch.manual_seed(122)
    net = stack([784, 100, 10], nn.Sigmoid)
    x, y = images(256, 1, 28, 10)
    rows = fit(
        net, lambda _: functional.cross_entropy(net(x.flatten(1)), y), torch.optim.SGD(net.parameters(), 0.05), 40
    )
    expect(0.02 < rows[0].grads["0.weight"] / rows[0].grads["2.weight"] < 50 and rows[-1].loss < 0.9 * rows[0].loss)
    return {
        "symptom": "hidden layer vanishing on MNIST-like data",
        "measurements": csv_long(rows[0].grads, "param,grad_norm"),
        "architecture": "input 784; linear 784 100; sigmoid; linear 100 10",
        "training": "SGD 0.05",
    }


@case("too_shallow", also=("nothing_wrong",))
def four_tanh() -> dict[str, Any]:
    torch.manual_seed(123)
    net = stack([8, 40, 40, 40, 1], nn.Tanh)
    x, y = cosine(300, 8)
    rows = fit(net, lambda _: functional.mse_loss(net(x), y), torch.optim.Adam(net.parameters(), 1e-3), 150)
    expect(rows[-1].loss < 0.7 * rows[0].loss)
    return {
        "symptom": "is this the vanishing gradient problem?",
        "measurements": logging_lines(rows[0].grads, "norm")
        + f"\nloss {rows[0].loss:.3f} -> {rows[-1].loss:.3f} after 150 steps",
        "architecture": "4 linear layers with tanh",
    }


@case("too_shallow", also=("nothing_wrong",))
def small_conv() -> dict[str, Any]:
    torch.manual_seed(124)
    net = nn.Sequential(
        nn.Conv2d(1, 6, 5),
        nn.Sigmoid(),
        nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.Sigmoid(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(256, 10),
    )
    x, y = images(128, 1, 28, 10)
    rows = fit(net, lambda _: functional.cross_entropy(net(x), y), torch.optim.Adam(net.parameters(), 5e-3), 60)
    expect(rows[-1].loss < 0.5 * rows[0].loss)
    return {
        "symptom": "LeNet conv1 gradient shrinks",
        "measurements": csv_steps([rows[0], rows[20], rows[59]]),
        "architecture": str(net),
    }


@case("clip_never_binds")
def clip_ten() -> dict[str, Any]:
    torch.manual_seed(131)
    net = stack([20, 64, 64, 5], nn.ReLU)
    start = {k: v.clone() for k, v in net.state_dict().items()}
    x, y = clusters(300, 20, 5, spread=6.0)
    a = fit(net, lambda _: functional.cross_entropy(net(x), y), torch.optim.SGD(net.parameters(), 0.02), 80, clip=10.0)
    net.load_state_dict(start)
    b = fit(net, lambda _: functional.cross_entropy(net(x), y), torch.optim.SGD(net.parameters(), 0.02), 80)
    expect(max(r.norm for r in a) < 5 and [r.loss for r in a] == [r.loss for r in b])
    lines = [
        f"{p.step:>3}  clip=10: loss {p.loss:.5f} norm {p.norm:.3f}   no clip: loss {q.loss:.5f} norm {q.norm:.3f}"
        for p, q in zip(every(a, 10), every(b, 10), strict=True)
    ]
    return {
        "symptom": "gradient clipping makes no difference",
        "measurements": "\n".join(lines),
        "training": "clip_grad_norm_(max_norm=10), SGD 0.02",
    }


def _spiky(seed: int, lr: float, clip: float) -> list[Any]:
    """A language model whose loss jumps about although the gradients stay below the clip."""
    torch.manual_seed(seed)
    emb, gru, head = nn.Embedding(24, 32), nn.GRU(32, 48, batch_first=True), nn.Linear(48, 24)
    model = nn.ModuleList([emb, gru, head])

    def loss(step: int) -> Tensor:
        ids = sequences(8, 24, 24, step)
        return functional.cross_entropy(head(gru(emb(ids[:, :-1]))[0]).flatten(0, 1), ids[:, 1:].flatten())

    rows = fit(model, loss, torch.optim.Adam(model.parameters(), lr), 200, clip=clip)
    expect(max(r.norm for r in rows) < clip, max(r.norm for r in rows))
    return rows


@case("clip_never_binds")
def hf_clip() -> dict[str, Any]:
    rows = _spiky(132, 0.15, 50.0)
    return {
        "symptom": "I clip at 50 but loss still jumps around",
        "measurements": trainer(every(rows, 12)),
        "training": "max_grad_norm=50, Adam lr 0.15",
    }


@case("clip_never_binds")
def gpt_clip() -> dict[str, Any]:
    rows = _spiky(133, 0.1, 100.0)
    text = "\n".join(
        f"iter {r.step}: loss {r.loss:.4f}, gnorm {r.norm:.3f}, time 51.{r.step % 10}0ms" for r in every(rows, 10)
    )
    return {
        "symptom": "exploding gradients in spite of clipping; tighten warmup?",
        "measurements": text + f"\nmax gnorm over the run: {max(r.norm for r in rows):.2f}",
        "training": "grad_clip = 100.0, learning_rate = 0.1",
    }


@case("clip_never_binds")
def mm_clip() -> dict[str, Any]:
    rows = _spiky(134, 0.12, 35.0)
    return {
        "symptom": "loss unstable, clipping set to 35 as in the reference config",
        "measurements": "optim_wrapper=dict(clip_grad=dict(max_norm=35, norm_type=2))\n" + mmcv(every(rows, 14), 200),
        "training": "Adam lr=0.12",
    }


@case("clip_never_binds")
def value_clip() -> dict[str, Any]:
    rows = _spiky(135, 0.2, 200.0)
    largest = max(v for r in rows for v in r.grads.values())
    expect(largest < 200)
    return {
        "symptom": "spikes in the loss, Lightning clips though",
        "measurements": lightning(every(rows, 15), 31)
        + "\n"
        + loop({f"step {r.step}": r.norm for r in every(rows, 15)}, "{n} grad_2.0_norm_total {v:.4f}"),
        "training": "Trainer(gradient_clip_val=200, gradient_clip_algorithm='norm'), Adam 0.2",
    }

"""Blind runs: losses that never move, and losses that die."""

from __future__ import annotations

import math
from typing import Any

import torch
from blind_logs import every, jsonl, keras, lightning, mmcv, nanogpt, tensorboard, tqdm
from blind_run import Row, case, clusters, expect, fit, sequences, stack
from torch import Tensor, nn
from torch.nn import functional


def _crash(seed: int, classes: int, steps: int = 500, blow: float = 0.3, decay: float = 0.0) -> list[Row]:
    """Learns from fresh batches; ten steps at a huge learning rate, or a weight decay, then kill it."""
    torch.manual_seed(seed)
    net = stack([32] + [32] * 6 + [max(classes, 1)], nn.ReLU)
    x, y = clusters(20000, 32, max(classes, 2), spread=3.0 if classes > 1 else 1.0)
    linear = x @ torch.linspace(-1, 1, 32)[:, None]
    target = (linear - linear.mean()) / linear.std() if classes == 1 else y
    opt = torch.optim.Adam(net.parameters(), 5e-3)

    def loss(step: int) -> Tensor:
        opt.param_groups[0]["weight_decay"] = decay if step >= 150 else 0.0
        part = torch.randint(20000, (64,))
        return (
            functional.mse_loss(net(x[part]), target[part])
            if classes == 1
            else functional.cross_entropy(net(x[part]), y[part])
        )

    rows = fit(net, loss, opt, steps, lr=lambda s: blow if blow and 150 <= s < 160 else 5e-3)
    chance = target.double().var().item() if classes == 1 else math.log(classes)
    late = sum(r.loss for r in rows[-50:]) / 50
    expect(
        min(r.loss for r in rows[:150]) < 0.75 * chance and abs(late - chance) < 0.06 * chance,
        (rows[149].loss, late, chance),
    )
    return rows


@case("stuck_at_chance")
def shuffled() -> dict[str, Any]:
    torch.manual_seed(141)
    net, hits = stack([64, 64, 10], nn.ReLU), list[float]()

    def loss(step: int) -> Tensor:
        x, _ = clusters(256, 64, 10, seed=step)
        y, out = torch.randint(10, (256,)), net(x)
        hits.append((out.argmax(1) == y).double().mean().item())
        return functional.cross_entropy(out, y)

    rows = fit(net, loss, torch.optim.Adam(net.parameters(), 3e-4), 160)
    late = sum(r.loss for r in rows[-40:]) / 40
    expect(abs(late - math.log(10)) < 0.03)
    return {
        "symptom": "model.fit does not improve, vanishing gradients?",
        "measurements": keras(rows, 8, 391, [sum(hits[k : k + 20]) / 20 for k in range(0, 160, 20)]),
        "training": "keras, adam(3e-4), sparse_categorical_crossentropy, 10 classes",
    }


@case("stuck_at_chance")
def wrong_optimizer() -> dict[str, Any]:
    torch.manual_seed(142)
    net, other = stack([40, 80, 1], nn.Tanh), stack([40, 80, 1], nn.Tanh)
    net[2].weight.data *= 0.05
    x, y = clusters(2000, 40, 2)

    def loss(step: int) -> Tensor:
        part = slice(50 * (step % 40), 50 * (step % 40) + 50)
        return functional.binary_cross_entropy_with_logits(net(x[part])[:, 0], y[part].float())

    rows = fit(net, loss, torch.optim.Adam(other.parameters(), 1e-3), 200)
    expect(all(abs(r.loss - math.log(2)) < 0.02 for r in rows))
    return {
        "symptom": "spam classifier does nothing",
        "measurements": tensorboard(every(rows, 15)),
        "training": "binary cross entropy, balanced, Adam 1e-3",
    }


@case("stuck_at_chance")
def characters() -> dict[str, Any]:
    torch.manual_seed(143)
    emb, lstm, head = nn.Embedding(65, 32), nn.LSTM(32, 64, batch_first=True), nn.Linear(64, 65)
    model = nn.ModuleList([emb, lstm, head])
    head.weight.data *= 0.1
    head.bias.data.zero_()

    def loss(step: int) -> Tensor:
        ids = sequences(16, 24, 65, step)
        return functional.cross_entropy(head(lstm(emb(ids[:, :-1]))[0]).flatten(0, 1), ids[:, 1:].flatten())

    rows = fit(model, loss, torch.optim.SGD(model.parameters(), 1e-7), 100)
    expect(all(abs(r.loss - math.log(65)) < 0.02 for r in rows))
    return {
        "symptom": "char model has overfit or so",
        "measurements": nanogpt(every(rows, 10)),
        "training": "vocab_size = 65, learning_rate = 1e-7",
    }


@case("stuck_at_chance")
def blank_images() -> dict[str, Any]:
    torch.manual_seed(144)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)
    )
    y = torch.arange(100) % 5
    rows = fit(
        net,
        lambda _: functional.cross_entropy(net(torch.zeros(100, 3, 16, 16)), y),
        torch.optim.Adam(net.parameters(), 1e-2),
        120,
    )
    expect(abs(rows[-1].loss - math.log(5)) < 1e-3 and rows[0].loss < 1.75)
    return {
        "symptom": "5 flower classes, loss 1.609",
        "measurements": mmcv(every(rows, 15), 120),
        "training": "CrossEntropyLoss, Adam 1e-2",
    }


@case("died_after_learning", also=("dead_relu",))
def lightning_death() -> dict[str, Any]:
    rows = _crash(1, 10)
    return {
        "symptom": "never learned anything?",
        "measurements": lightning(every(rows, 25), 63),
        "training": "10 classes, SGD one-cycle",
    }


@case("died_after_learning", also=("dead_relu",))
def json_death() -> dict[str, Any]:
    rows = _crash(1, 4)
    return {
        "symptom": "loss plateau at 1.386",
        "measurements": jsonl([{"step": r.step, "train_loss": r.loss, "lr": r.lr} for r in every(rows, 12)]),
        "training": "4 classes",
    }


@case("died_after_learning")
def binary_death() -> dict[str, Any]:
    rows = _crash(153, 2, 450, 0.0, 0.5)
    return {
        "symptom": "click model stuck at ln 2, dataset too hard",
        "measurements": "\n".join(f"[train] batch {r.step * 100:>6} logloss {r.loss:.4f}" for r in every(rows, 10)),
        "training": "binary cross entropy",
    }


@case("died_after_learning")
def critic_death() -> dict[str, Any]:
    rows = _crash(1, 1, 480, 0.0, 0.5)
    return {
        "symptom": "regression loss 1.0 = variance of the labels, underfitting",
        "measurements": tqdm(every(rows, 30), 480),
        "training": "MSE, standardized targets",
    }

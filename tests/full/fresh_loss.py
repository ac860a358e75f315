"""Runs whose fault shows in the loss alone: at chance since the start, or dead after learning."""

from __future__ import annotations

import math

import torch
from blind_run import Row, case, clusters, expect, fit, stack
from fresh_signal import Run, run
from torch import Tensor, nn
from torch.nn import functional


def lines(rows: list[Row], every: int, form: str) -> str:
    """One line for each kept step; `form` holds step, loss, norm and lr."""
    return "\n".join(form.format(step=r.step, loss=r.loss, norm=r.norm, lr=r.lr) for r in rows[::every])


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


@case("stuck_at_chance")
def labels_from_elsewhere() -> Run:
    torch.manual_seed(41)
    net, (x, _), y = stack([30, 64, 64, 7], nn.ReLU), clusters(20000, 30, 7), torch.randint(7, (20000,))

    def loss(k: int) -> Tensor:
        return functional.cross_entropy(net(x[128 * k : 128 * k + 128]), y[128 * k : 128 * k + 128])

    rows = fit(net, loss, torch.optim.Adam(net.parameters(), 1e-3), 150)
    expect(abs(mean([r.loss for r in rows]) - math.log(7)) < 0.03)
    return run(
        "Emotion classifier never gets better than a coin (well, a 7-sided one). Vanishing gradients in the backbone?",
        lines(rows, 15, "[train] it={step:>3} ce={loss:.3f} |g|={norm:.3f}"),
        "Adam 1e-3, 7 emotions, CSV with labels was sorted separately from the images (?)",
    )


@case("stuck_at_chance")
def optimizer_of_another_model() -> Run:
    torch.manual_seed(42)
    net, other, (x, y) = stack([10, 32, 4], nn.ReLU), stack([10, 32, 4], nn.ReLU), clusters(600, 10, 4)
    nn.init.zeros_(net[2].weight), nn.init.zeros_(net[2].bias)
    rows = fit(net, lambda _: functional.cross_entropy(net(x), y), torch.optim.SGD(other.parameters(), 0.1), 40)
    expect(all(abs(r.loss - math.log(4)) < 1e-4 for r in rows) and rows[-1].norm > 0.05)
    return run(
        "not a single digit of the loss changes",
        lines(
            rows,
            5,
            f"Epoch {{step}}: train loss {{loss:.6f}}, grad norm {{norm:.6f}}, acc "
            f"{(y == 0).float().mean().item():.4f}",
        ),
        "4 classes, SGD 0.1. model = Net().to(dev) is called again after optimizer = SGD(model.parameters())",
    )


@case("stuck_at_chance")
def binary_constant_inputs() -> Run:
    torch.manual_seed(43)
    net, x, y = stack([12, 32, 1], nn.ReLU), torch.zeros(4000, 12), (torch.rand(4000, 1) > 0.5).float()

    def loss(_: int) -> Tensor:
        i = torch.randint(4000, (256,))
        return functional.binary_cross_entropy_with_logits(net(x[i]), y[i])

    rows = fit(net, loss, torch.optim.Adam(net.parameters(), 1e-3), 120)
    expect(all(abs(r.loss - math.log(2)) < 0.02 for r in rows[10:]))
    return run(
        "BCE hovers around 0.69 since the first minute, tried 5 learning rates + deeper + shallower",
        "".join(f"{k // 12 + 1}/10  bce {rows[k].loss:.4f}\n" for k in range(0, 120, 12)),
        "balanced binary task, BCEWithLogitsLoss. Input: uint8 // 256",
    )


@case("died_after_learning", also=["dead_relu"])
def spike_then_flat() -> Run:
    torch.manual_seed(44)
    net, (x, y) = stack([40, 100, 100, 10], nn.ReLU), clusters(4000, 40, 10, spread=1.5)
    x = x + 3

    def loss(_: int) -> Tensor:
        i = torch.randint(4000, (128,))
        return functional.cross_entropy(net(x[i]), y[i])

    rows = fit(
        net,
        loss,
        torch.optim.SGD(net.parameters(), 0.02),
        300,
        lr=lambda k: 0.02 if k < 150 else 4.0 if k < 153 else 0.3,
    )
    expect(rows[149].loss < 1.0 and abs(mean([r.loss for r in rows[-40:]]) - math.log(10)) < 0.1, rows[-1].loss)
    return run(
        "was so happy with my run until I came back from lunch",
        lines(rows, 12, "{step:5d} | {loss:.4f} | {lr:g}")
        + "\n(step | loss | lr; yes the scheduler did something silly)",
        "SGD, 10 classes",
    )


@case("died_after_learning", also=["dead_relu"])
def cyclic_peak() -> Run:
    torch.manual_seed(45)
    net, (x, y) = stack([20, 64, 64, 5], nn.ReLU), clusters(3000, 20, 5, spread=1.5)
    x, right = x + 4, []

    def loss(_: int) -> Tensor:
        i = torch.randint(3000, (100,))
        out = net(x[i])
        right.append((out.argmax(1) == y[i]).float().mean().item())
        return functional.cross_entropy(out, y[i])

    rows = fit(net, loss, torch.optim.SGD(net.parameters(), 0.01), 320, lr=lambda k: 0.02 if k % 200 < 197 else 5.0)
    expect(right[185] > 0.7 and mean(right[-40:]) < 0.3, (right[185], mean(right[-40:])))
    return run(
        "accuracy drops from good to chance in one epoch and never recovers. Gradient vanished over night?",
        "".join(
            f"Epoch {k // 20}: accuracy: {mean(right[k : k + 20]):.4f} - loss: "
            f"{mean([r.loss for r in rows[k : k + 20]]):.4f}\n"
            for k in range(0, 320, 20)
        ),
        "cyclical LR with a peak, SGD, 5 classes, fp32",
    )


@case("died_after_learning", also=["dead_relu"])
def binary_relapse() -> Run:
    torch.manual_seed(46)
    net, (x, y) = stack([16, 48, 48, 2], nn.ReLU), clusters(2000, 16, 2, spread=1.5)
    x = x + 4
    rows = fit(
        net,
        lambda _: functional.cross_entropy(net(x), y),
        torch.optim.SGD(net.parameters(), 0.02),
        260,
        lr=lambda k: 0.02 if k < 130 else 15.0 if k < 134 else 0.02,
    )
    expect(rows[129].loss < 0.35 and abs(rows[-1].loss - math.log(2)) < 0.02, (rows[129].loss, rows[-1].loss))
    return run(
        "spam filter: training went fine, then it un-learned everything",
        "loss every 10 updates: " + " ".join(f"{r.loss:.3f}" for r in rows[::10]),
        "2 classes balanced, SGD; I restored the optimizer from another job around update 130",
    )

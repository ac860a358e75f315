"""More healthy runs that look alarming, and six reports that nobody could decide."""

from __future__ import annotations

import math

import torch
from blind_run import Block, Row, case, classify, clusters, cosine, expect, fit, grads, outputs, rate, stack
from blind_run import weights as draw
from fresh_depth import last
from fresh_loss import lines, mean
from fresh_signal import Run, back, rms, run
from torch import Tensor, nn
from torch.nn import functional

FINE = ["cannot_tell", "too_shallow"]

FINE = ["cannot_tell", "too_shallow"]


@case("nothing_wrong", also=FINE)
def flat_profile() -> Run:
    torch.manual_seed(83)
    body = [Block(nn.Sequential(nn.LayerNorm(48), stack([48, 96, 48], nn.GELU))) for _ in range(20)]
    net, (x, y) = nn.Sequential(nn.Linear(20, 48), *body, nn.LayerNorm(48), nn.Linear(48, 5)), clusters(256, 20, 5)
    rows = fit(net, lambda _: functional.cross_entropy(net(x), y), torch.optim.Adam(net.parameters(), 5e-4), 40)
    g = [v for n, v in rows[0].grads.items() if n.endswith("1.2.weight")]
    expect(0.2 < g[-1] / g[0] < 5 and rows[-1].loss < 0.3 * rows[0].loss, g)
    return run(
        "20 blocks deep, surely the early ones vanish? please confirm",
        "|g| of the second linear, block 1 → 20: "
        + ", ".join(f"{v:.3f}" for v in g)
        + "\nloss "
        + " ".join(f"{r.loss:.3f}" for r in rows[::5]),
        "pre-norm residual MLP, AdamW 5e-4",
    )


@case("nothing_wrong", also=FINE)
def tiny_but_learning() -> Run:
    _, rows = classify(84, [20, 64, 64, 64, 6], nn.ReLU, 250, 1e-3, weight=1e-5)
    return run(
        "gradients around 1e-6 everywhere = vanished",
        "\n".join(
            f"{r.step}: " + " ".join(f"{v:.1e}" for v in r.grads.values()) + f"  loss {r.loss:.2e}" for r in rows[::25]
        ),
        "four weight matrices; loss has a factor 1e-5 (multi-task), Adam 1e-3",
    )


@case("nothing_wrong", also=FINE)
def rising_norm() -> Run:
    torch.manual_seed(85)
    net, (x, y) = stack([30, 200, 200, 9], nn.ReLU), clusters(3000, 30, 9, spread=2.5)
    x = x / 5

    def loss(_: int) -> Tensor:
        i = torch.randint(3000, (32,))
        return functional.cross_entropy(net(x[i]), y[i])

    rows = fit(net, loss, torch.optim.Adam(net.parameters(), 1e-3), 240)
    expect(
        mean([r.norm for r in rows[100:]]) > 2 * rows[0].norm and last(rows) < 0.6 * rows[0].loss,
        (rows[0].norm, last(rows)),
    )
    return run(
        "gradient norm goes UP over time, explosion coming?",
        "step,train_loss,grad_norm\n" + lines(rows, 20, "{step},{loss:.3f},{norm:.3f}"),
        "Adam 1e-3, batch 32",
    )


@case("nothing_wrong", also=FINE)
def nan_metric() -> Run:
    _, rows = classify(86, [16, 48, 3], nn.ReLU, 200, 2e-3)
    return run(
        "NaN in every epoch! which layer produces it?",
        "\n".join(
            f"Epoch {k + 1}: train_loss={mean([r.loss for r in rows[20 * k : 20 * k + 20]]):.4f} val_auc=nan"
            for k in range(10)
        )
        + "\nUndefinedMetricWarning: Only one class is present in y_true. ROC AUC score is not defined in that case.",
        "fp32, 3 classes",
    )


@case("nothing_wrong", also=FINE)
def warm_restarts() -> Run:
    _, rows = classify(
        87,
        [30, 64, 64, 8],
        nn.ReLU,
        330,
        1e-2,
        spread=2.0,
        schedule=lambda k: 1e-2 * (1 + math.cos(math.pi * (k % 110) / 110)) / 2 + 1e-5,
    )
    return run(
        "loss jumps up periodically",
        lines(rows, 15, "{step:>4} loss {loss:.3f} lr {lr:.5f}"),
        "CosineAnnealingWarmRestarts T_0=110, 8 classes",
    )


@case("nothing_wrong", also=FINE)
def starts_at_chance() -> Run:
    torch.manual_seed(88)
    net, (x, y) = stack([30, 64, 12], nn.ReLU), clusters(2000, 30, 12)
    nn.init.zeros_(net[2].weight), nn.init.zeros_(net[2].bias)
    rows = fit(net, lambda _: functional.cross_entropy(net(x), y), torch.optim.SGD(net.parameters(), 0.1), 200)
    expect(abs(rows[0].loss - math.log(12)) < 1e-4 and rows[-1].loss < 0.5)
    return run(
        "first loss is exactly 2.4849 on every seed, suspicious. Classifier broken?",
        lines(rows, 18, "s{step} {loss:.4f}"),
        "12 classes, zero-init head, SGD 0.1",
    )


@case("nothing_wrong", also=FINE)
def orthogonal_rnn() -> Run:
    torch.manual_seed(89)
    cell, x, h, states = nn.RNNCell(8, 64), 0.05 * torch.randn(16, 60, 8), 0.05 * torch.randn(16, 64), []
    nn.init.orthogonal_(cell.weight_hh)
    cell.bias_hh.data.zero_(), cell.bias_ih.data.zero_()
    for t in range(60):
        h = cell(x[:, t], h)
        h.retain_grad()
        states.append(h)
    nn.Linear(64, 4)(h).pow(2).mean().backward()
    g = [s.grad.norm().item() for s in states]
    expect(0.97 < rate(g) < 1.05, rate(g))
    return run(
        "does my RNN vanish over 60 steps?",
        "t, |dL/dh_t|\n" + "\n".join(f"{t}, {g[t]:.3e}" for t in range(59, -1, -7)),
        "orthogonal recurrent matrix, tanh, small inputs",
    )


@case("nothing_wrong", also=FINE)
def keras_bars() -> Run:
    torch.manual_seed(90)
    net, (x, y) = stack([50, 128, 10], nn.ReLU), clusters(2000, 50, 10, spread=3.0)
    right = []

    def loss(_: int) -> Tensor:
        out = net(x)
        right.append((out.argmax(1) == y).float().mean().item())
        return functional.cross_entropy(out, y)

    rows = fit(net, loss, torch.optim.Adam(net.parameters(), 5e-3), 60, lr=lambda k: 1e-5 if k < 6 else 5e-3)
    expect(right[0] < 0.2 and right[-1] > 0.8)
    return run(
        "accuracy 10 % at first = random. Why?",
        "".join(
            f"Epoch {k + 1}/60\n63/63 ━━━━━━━━━━━━━━━━━━━━ 1s 9ms/step - accuracy: {right[k]:.4f} - loss: "
            f"{rows[k].loss:.4f}\n"
            for k in (0, 3, 5, 8, 12, 20, 30, 45, 59)
        ),
        "10 classes, LearningRateScheduler: 1e-5 for 6 epochs, then 5e-3",
    )


@case("nothing_wrong", also=[*FINE, "structural_zero"])
def sparse_rows() -> Run:
    torch.manual_seed(91)
    table, head = nn.Embedding(5000, 16), nn.Linear(16, 2)
    ids, net = torch.randint(5000, (64,)), nn.ModuleList([table, head])
    y = (ids % 2).long()
    rows = fit(
        net, lambda _: functional.cross_entropy(head(table(ids)), y), torch.optim.Adam(net.parameters(), 1e-2), 60
    )
    share = (table.weight.grad == 0).all(1).float().mean().item()
    expect(share > 0.98 and rows[-1].loss < 0.2)
    return run(
        "almost every row of the embedding gradient is zero",
        f"rows with zero gradient: {100 * share:.1f}% of 5000\nids in the batch: 64\n"
        + lines(rows, 12, "step {step} loss {loss:.3f}"),
        "nn.Embedding(5000, 16)",
    )


@case("nothing_wrong", also=FINE)
def eight_tanh() -> Run:
    torch.manual_seed(92)
    net, (x, y) = draw(stack([64, *[64] * 8, 5], nn.Tanh), nn.init.xavier_normal_), clusters(600, 64, 5)
    acts = [rms(a) for a in outputs(net, x, (nn.Tanh,)).values()]
    back(net, x, y)
    g = list(grads(net).values())
    rows = fit(net, lambda _: functional.cross_entropy(net(x), y), torch.optim.Adam(net.parameters(), 1e-3), 60)
    expect(acts[-1] > 0.2 * acts[0] and 0.2 < g[0] / g[7] < 5 and rows[-1].loss < 0.3 * rows[0].loss, (acts, g))
    return run(
        "activations shrink from layer to layer, that's vanishing isn't it",
        "rms(tanh): "
        + ", ".join(f"{a:.3f}" for a in acts)
        + "\n|dW|: "
        + ", ".join(f"{v:.3f}" for v in g)
        + "\nloss: "
        + ", ".join(f"{r.loss:.3f}" for r in rows[::10]),
        "8 tanh layers, xavier, Adam 1e-3",
    )


@case("cannot_tell")
def words_alone() -> Run:
    return run(
        "My 8-layer state space model doesn't learn but 4 layers do. I tried more data, other lr. Gradients?",
        "",
        "",
        "",
    )


@case("cannot_tell")
def one_number() -> Run:
    _, rows = classify(93, [20, 32, 4], nn.ReLU, 60, 3e-3)
    expect(rows[-1].norm > 0)
    return run("is this vanishing?", f"grad norm {rows[-1].norm:.3f}", "")


@case("cannot_tell", also=["nothing_wrong"])
def three_losses() -> Run:
    torch.manual_seed(94)
    net, (x, y) = stack([5, 32, 1], nn.ReLU), cosine(1000, 5)
    rows: list[Row] = fit(net, lambda _: functional.l1_loss(net(x), y), torch.optim.Adam(net.parameters(), 3e-3), 300)
    return run(
        "it stays there. mAP is bad too",
        f"total loss {rows[290].loss:.3f} {rows[294].loss:.3f} {rows[299].loss:.3f}",
        "focal + giou + l1",
    )


@case("cannot_tell")
def arguments_only() -> Run:
    return run(
        "training fails, log was on the other machine",
        "",
        '{"per_device_train_batch_size": 8, "learning_rate": 5e-5, "warmup_ratio": 0.03, '
        '"max_grad_norm": 1.0, "bf16": true}',
    )


@case("cannot_tell")
def screenshot() -> Run:
    return run(
        "See the attached screenshot of the gradient histogram. Left part is spiky, right part is broad. What is "
        "wrong?",
        "![hist](grad.png)",
        "",
    )


@case("cannot_tell", also=["nothing_wrong"])
def reward_flat() -> Run:
    return run(
        "DQN never learns MountainCar",
        "episode 0 reward -200\nepisode 50 reward -200\nepisode 100 reward -200\nepisode 150 reward -200",
        "Adam 5e-4, target update 500, eps 1.0→0.05",
    )

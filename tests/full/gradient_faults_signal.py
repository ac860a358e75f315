"""Planted faults of the signal: decay, floor, saturation, dead units, growth (torch)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gradient_formats as fmt
import torch
from gradient_networks import (
    CE,
    ConvNet,
    Functional,
    ResidualMLP,
    clusters,
    cosine,
    gradients,
    images,
    mlp,
    outputs,
    started,
    train,
)
from gradient_run import Run, measure, present
from torch import Tensor, nn

X, Y = clusters()
IMAGES, LABELS = images()
DECAYS = ("true_decay_forward", "true_decay_backward", "growth")


def checked(run: Run, model: Any, x: Tensor = X, y: Tensor = Y) -> Run:
    """The run with every decay that is really there; a planted one must be."""
    found = present(measure(model, x[:64], CE, y[:64]))
    assert run.mechanism in found or run.mechanism not in DECAYS, (run.name, found)
    return replace(run, also=tuple(sorted({*run.also, *found} - {run.mechanism})))


def backward() -> Iterator[Run]:
    """The gradient falls on its way to the first layers."""
    kind = "true_decay_backward"
    m = mlp(18, 48, nn.Sigmoid)
    g = gradients(m, X[:64], Y[:64])
    yield checked(Run("sigmoid18 print", kind, fmt.printed(g), str(m), "SGD lr 0.1, batch 64, cross entropy"), m)
    m = Functional(26, 80, torch.tanh)
    g = gradients(m, X[:64], Y[:64])
    text = fmt.table(fmt.norms(fmt.weights(g)), ["grad_norm"])
    yield checked(Run("tanh26 functional pandas", kind, text, str(m), "Adam, lr=1e-3"), m)
    m = ConvNet(14, 12)
    g = gradients(m, IMAGES[:32], LABELS[:32])
    text = fmt.csv(fmt.norms(fmt.weights(g)), ["grad_norm"])
    yield checked(Run("conv14 default csv", kind, text, "", "fp32"), m, IMAGES, LABELS)
    m = mlp(30, 64, nn.ReLU)
    text = fmt.probe(measure(m, X[:64], CE, Y[:64]))
    yield checked(Run("relu30 probe", kind, text, str(m), "SGD"), m)
    m = mlp(12, 40, nn.Sigmoid)
    log = train(m, X, Y, 60, torch.optim.SGD(m.parameters(), 0.05), every=10)
    text = fmt.wandb(fmt.weights(gradients(m, X[:64], Y[:64])), log)
    yield checked(Run("sigmoid12 wandb after training", kind, text, "", "SGD 0.05, 10 classes"), m)
    m = mlp(22, 50, nn.Tanh)
    g = fmt.weights(gradients(m, X[:64], Y[:64]))[::-1]
    yield checked(Run("tanh22 reversed statistics", kind, fmt.statistics(g), "", "cross entropy, 10 classes"), m)
    m = nn.Sequential(*[p for _ in range(9) for p in (nn.Linear(32, 32), nn.ReLU())])
    started(m, -1)
    tail = nn.Sequential(*[p for _ in range(11) for p in (nn.Linear(32, 32), nn.Sigmoid())])
    m = nn.Sequential(*m, *tail, nn.Linear(32, 10))
    text = fmt.markdown(fmt.norms(fmt.weights(gradients(m, X[:64], Y[:64]))), ["grad norm"])
    names = tuple(str(i) for i in range(18, 39))
    yield checked(
        Run("relu9 then sigmoid11 markdown", kind, text, str(m), "", layers=names, notes="falls in 18..38 only"), m
    )


def forward() -> Iterator[Run]:
    """The signal falls on its way to the output; there is no bias that holds it."""
    kind = "true_decay_forward"
    m = mlp(20, 64, nn.ReLU, bias=False, std=0.05)
    text = fmt.hooked(list(outputs(m, X[:64])), fmt.mean_std)
    yield checked(Run("relu20 std0.05 hooks", kind, text, str(m), "weights N(0, 0.05^2)"), m)
    m = mlp(16, 128, nn.Tanh, bias=False, std=0.02)
    rows = [(n, [o.mean().item(), o.std().item()]) for n, _, o in outputs(m, X[:64], nn.Tanh)]
    yield checked(Run("tanh16 std0.02 pandas", kind, fmt.table(rows, ["act_mean", "act_std"]), ""), m)
    m = ConvNet(12, 16, std=0.02)
    text = fmt.probe(measure(m, IMAGES[:32], CE, LABELS[:32]))
    yield checked(Run("conv12 dcgan init probe", kind, text, str(m), "normal_(0, 0.02), biases 0"), m, IMAGES, LABELS)
    m = mlp(10, 100, nn.ReLU, std=0.01)
    rows = [(f"relu{i + 1}", [o.pow(2).mean().item()]) for i, (_, _, o) in enumerate(outputs(m, X[:64], nn.ReLU))]
    source = (
        "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.fcs = nn.ModuleList("
        "[nn.Linear(32 if i == 0 else 100, 100) for i in range(10)])\n        self.head = nn.Linear(100, 10)\n"
        "        for m in self.modules():\n            if isinstance(m, nn.Linear):\n"
        "                nn.init.normal_(m.weight, std=0.01)\n                nn.init.zeros_(m.bias)\n\n"
        "    def forward(self, x):\n        for f in self.fcs:\n            x = torch.relu(f(x))\n"
        "        return self.head(x)\n"
    )
    yield checked(Run("relu10 std0.01 csv source", kind, fmt.csv(rows, ["second_moment"]), source), m)


def floor() -> Iterator[Run]:
    """Outputs do not depend on the input although they are alive."""
    kind = "bias_floor"
    m = mlp(24, 64, nn.ReLU)
    rows = [(n, [o.pow(2).mean().sqrt().item(), cosine(o)]) for n, _, o in outputs(m, X[:32], nn.ReLU)]
    text = fmt.table(rows, ["rms", "cosine_between_inputs"])
    yield checked(Run("relu24 default cosine", kind, text, str(m), "10 classes"), m)
    m = mlp(14, 48, nn.Sigmoid)
    rows = [(n, [o.mean().item(), o.std(0).mean().item(), cosine(o)]) for n, _, o in outputs(m, X[:64], nn.Sigmoid)]
    text = fmt.csv(rows, ["mean", "std_over_batch", "cosine"])
    yield checked(Run("sigmoid14 csv cosine", kind, text, "", "default init"), m)
    m = ConvNet(16, 12)
    document = measure(m, IMAGES[:32], None, None)
    for row in document["layers"]:
        for key in ("gradient", "gradient_sum", "weight_grad_norm"):
            row.pop(key, None)
    text = fmt.probe(document)
    yield checked(Run("conv16 default probe forward part", kind, text, str(m)), m, IMAGES, LABELS)
    m = mlp(12, 64, nn.Tanh, std=0.04)
    for layer in m[::2]:
        nn.init.normal_(layer.bias, 0, 0.7)
    rows = [(n, [o.pow(2).mean().sqrt().item(), cosine(o)]) for n, _, o in outputs(m, X[:64], nn.Tanh)]
    text = fmt.markdown(rows, ["rms", "cosine similarity between samples"], ".5f")
    yield checked(Run("tanh12 large biases markdown", kind, text, ""), m)


def saturation() -> Iterator[Run]:
    """Activations sit at their limits."""
    kind = "saturation"
    m = mlp(5, 100, nn.Tanh, std=1.0)
    rows = [(n, [(o.abs() > 0.98).float().mean().item()]) for n, _, o in outputs(m, X[:64], nn.Tanh)]
    yield Run("tanh5 std1 fractions", kind, fmt.table(rows, ["saturated"], ".4f"), str(m), "weights randn")
    m = mlp(4, 64, nn.Sigmoid, inputs=32)
    x = X * 400
    text = fmt.probe(measure(m, x[:64], CE, Y[:64]))
    yield Run("sigmoid4 inputs x400 probe", kind, text, str(m), also=("input_scale",), layers=("0", "1"))
    m = mlp(3, 60, nn.Tanh, std=2.0)
    text = fmt.hooked(
        list(outputs(m, X[:64], nn.Tanh)),
        lambda o: (
            f"mean={o.mean():.3f} std={o.std():.3f} saturated (|x|>0.97): {100 * (o.abs() > 0.97).float().mean():.1f}%"
        ),
    )
    yield Run("tanh3 std2 hooks", kind, text, "", "lr 0.01")
    m = mlp(6, 64, nn.Tanh, std=0.15)
    nn.init.normal_(m[6].weight, 0, 3.0)
    text = fmt.probe(measure(m, X[:64], CE, Y[:64]))
    assert (measure(m, X[:64], CE, Y[:64])["layers"][7]["saturated"]) > 0.8
    yield Run(
        "tanh6 one wide layer probe", kind, text, str(m), layers=("6", "7"), notes="only layer 6 is drawn too wide"
    )


def dead() -> Iterator[Run]:
    """Units of a ReLU that are zero for every input."""
    kind = "dead_relu"
    m, lr = _killed(5, 64)
    document = measure(m, X[:64].abs(), CE, Y[:64])
    yield Run("relu5 after a huge rate probe", kind, fmt.probe(document), str(m), f"Adam lr {lr:g}, after 60 steps")
    m = mlp(6, 64, nn.ReLU, std=-1)
    nn.init.constant_(m[4].bias, -8.0)
    rows = [(n, [(o > 0).any(0).float().mean().item()]) for n, _, o in outputs(m, X[:64], nn.ReLU)]
    text = fmt.table(rows, ["fraction_of_active_units"], ".4f")
    yield Run("relu6 bias -8 active fraction", kind, text, str(m), layers=("4", "5"))
    m = ConvNet(5, 12, std=-1)
    nn.init.constant_(m.features[6].bias, -20.0)
    text = fmt.hooked(
        list(outputs(m, IMAGES[:32], nn.ReLU)), lambda o: f"zeros {100 * (o == 0).float().mean():.2f}% of outputs"
    )
    yield Run("conv5 bias -20 hook zeros", kind, text, str(m), layers=("features.6", "features.7"))
    m, lr = _killed(4, 48)
    rows = [
        (n, [(o == 0).all(0).float().mean().item(), o.pow(2).mean().item()])
        for n, _, o in outputs(m, X[:64].abs(), nn.ReLU)
    ]
    yield Run(
        "relu4 after a huge rate csv", kind, fmt.csv(rows, ["dead_fraction", "mean_square"]), "", f"Adam(lr={lr:g})"
    )


def _killed(depth: int, width: int) -> tuple[Any, float]:
    """A network of positive inputs that a too large learning rate has killed."""
    for lr in (0.3, 1.0, 3.0):
        m = mlp(depth, width, nn.ReLU, std=-1)
        train(m, X.abs(), Y, 60, torch.optim.Adam(m.parameters(), lr))
        last = [o for _, _, o in outputs(m, X[:64].abs(), nn.ReLU)][-1]
        if (last == 0).all(0).float().mean() > 0.95:
            return m, lr
    raise AssertionError("no learning rate kills this network")


def growth() -> Iterator[Run]:
    """Signal or gradient grows from layer to layer."""
    kind = "growth"
    m = mlp(14, 64, nn.ReLU, std=0.5)
    text = fmt.hooked(list(outputs(m, X[:64], nn.ReLU)), fmt.mean_std)
    yield checked(Run("relu14 std0.5 hooks", kind, text, str(m), "normal_(std=0.5)"), m)
    m = ResidualMLP(24, 32, norm=False)
    rows = [(f"blocks.{i}", [o.pow(2).mean().item()]) for i, o in enumerate(_trunk(m, X[:64]))]
    assert rows[-1][1][0] > 1e4 * rows[0][1][0]
    yield Run("residual24 without norm csv", kind, fmt.csv(rows, ["second_moment"]), str(m), "He init")
    m = nn.Sequential(
        *[p for i in range(40) for p in (nn.Linear(32 if i == 0 else 48, 48), nn.BatchNorm1d(48), nn.ReLU())],
        nn.Linear(48, 10),
    )
    started(m, -1)
    g = [(n, t) for n, t in fmt.weights(gradients(m, X[:128], Y[:128])) if t is not None and t.ndim > 1]
    yield checked(Run("batchnorm40 without skips", kind, fmt.labelled(g), str(m), "batch 128, step 0"), m)
    m = ConvNet(10, 16, std=0.4)
    text = fmt.probe(measure(m, IMAGES[:32], CE, LABELS[:32]))
    yield checked(Run("conv10 std0.4 probe", kind, text, str(m)), m, IMAGES, LABELS)
    m = mlp(12, 80, nn.ReLU, std=0.45)
    log = train(m, X, Y, 6, torch.optim.SGD(m.parameters(), 0.01))
    text = (
        fmt.steps(log) + "\n\n" + fmt.table(fmt.norms(gradients(mlp(12, 80, std=0.45), X[:64], Y[:64])), ["grad_norm"])
    )
    yield checked(Run("relu12 std0.45 log and table", kind, text, str(m), "SGD 0.01"), mlp(12, 80, std=0.45))


def _trunk(m: Any, x: Tensor) -> Iterator[Tensor]:
    x = m.stem(x)
    for block in m.blocks:
        x = block(x)
        yield x


def runs() -> Iterator[Run]:
    """All of them."""
    for kind in (backward, forward, floor, saturation, dead, growth):
        yield from kind()

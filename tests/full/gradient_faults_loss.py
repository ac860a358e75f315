"""Planted faults that the loss shows: chance, death, nan, scales, a clip that never binds (torch)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import gradient_formats as fmt
import torch
from gradient_networks import (
    CE,
    CharTransformer,
    ConvNet,
    ResidualMLP,
    adam,
    characters,
    clusters,
    gradients,
    images,
    mlp,
    sgd,
    train,
)
from gradient_run import Run, measure
from torch import Tensor, nn

X, Y = clusters()
IMAGES, LABELS = images()
TEXT, NEXT = characters()


def at_chance() -> Iterator[Run]:
    """The loss stands at ln C from the first step."""
    kind = "stuck_at_chance"
    m = ConvNet(18, 8)
    log = train(m, IMAGES, LABELS, 60, sgd(m, 0.01), every=6, batch=32)
    also = ("true_decay_backward", "bias_floor")
    assert all(abs(e["loss"] - math.log(10)) < 0.1 for e in log)
    yield Run("conv18 loop", kind, fmt.loop(log), str(m), "SGD lr 0.01, CrossEntropyLoss, 10 classes", also=also)
    x, y = clusters(classes=5)
    m = mlp(20, 32, nn.Sigmoid, outputs=5)
    log = train(m, x, y, 60, sgd(m, 0.01), every=8)
    assert all(abs(e["loss"] - math.log(5)) < 0.15 for e in log)
    yield Run(
        "sigmoid20 five classes keras", kind, fmt.keras(log), "", "5 classes, sparse_categorical_crossentropy, SGD 0.01"
    )
    m = CharTransformer(2)
    m.lm_head.weight.data.mul_(0.1)
    log = [{"step": i * 10, "loss": CE(m(TEXT[i : i + 64]), NEXT[i : i + 64].flatten()).item()} for i in range(9)]
    yield Run(
        "transformer no steps nanogpt",
        kind,
        fmt.nanogpt(log),
        "",
        "vocab_size = 27, AdamW, lr 1e-3 (the optimizer holds other parameters)",
    )
    y2 = (Y > 4).float()[:, None]
    m = mlp(16, 40, nn.Tanh, outputs=1)
    bce = nn.BCEWithLogitsLoss()
    log = train(m, X, y2[torch.randperm(512)], 60, sgd(m, 0.02), bce, every=6)
    assert all(abs(e["loss"] - math.log(2)) < 0.06 for e in log)
    yield Run(
        "binary random labels steps",
        kind,
        fmt.steps(log),
        str(m),
        "BCEWithLogitsLoss, 2 classes, labels balanced",
        also=("true_decay_backward",),
    )


def died() -> Iterator[Run]:
    """It learned, then something killed it."""
    kind = "died_after_learning"

    def spike(optimizer: Any, at: int, lr: float, length: int = 2) -> Callable[[int], None]:
        usual = optimizer.param_groups[0]["lr"]

        def before(step: int) -> None:
            optimizer.param_groups[0]["lr"] = lr if at <= step < at + length else usual

        return before

    for name, say, at in (("loop", fmt.loop, 90), ("lightning", fmt.lightning, 60), ("csv", fmt.log_csv, 110)):
        for seed in range(20):
            torch.manual_seed(seed)
            m = mlp(4 if at < 100 else 6, 64, nn.ReLU, std=-1)
            optimizer = adam(m, 1e-3)
            log = train(m, X.abs(), Y, 200, optimizer, every=10, before=spike(optimizer, at, 0.3, 8))
            tail = [e["loss"] for e in log[-4:]]
            if log[at // 10 - 1]["loss"] < 1.2 and all(2.2 < v < 2.6 for v in tail):
                break
        else:
            raise AssertionError(name)
        yield Run(f"spike {name}", kind, say(log), str(m) if at == 60 else "", "Adam, 10 classes, cross entropy")
    m = mlp(5, 64, nn.ReLU, std=-1)
    optimizer = sgd(m, 0.1)
    log = train(m, X, Y, 120, optimizer, every=6, before=spike(optimizer, 80, 60.0, 8))
    assert math.isnan(log[-1]["loss"])
    assert log[12]["loss"] < 1
    yield Run("spike to nan trainer", kind, fmt.trainer(log), "", "SGD, fp32, no clipping")


def anomaly(make: Callable[[], Tensor]) -> str:
    """What anomaly mode says of this loss."""
    with torch.autograd.set_detect_anomaly(True), warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        try:
            make().backward()
        except RuntimeError as error:
            return str(error)
    raise AssertionError("no nan")


def nans() -> Iterator[Run]:
    """A nan that one operation makes."""
    kind = "nan_origin"
    m = mlp(2, 32, nn.ReLU, outputs=10, std=-1)

    def logarithm() -> Tensor:
        p = torch.softmax(m(X[:64]) * 300, -1)
        return -(p * torch.log(p)).sum(-1).mean()

    said = anomaly(logarithm)
    trace = (
        "UserWarning: Error detected in LogBackward0. Traceback of forward call that caused the error:\n"
        '  File "train.py", line 41, in entropy\n    return -(p * torch.log(p)).sum(-1).mean()\n'
    )
    yield Run(
        "log of zero anomaly",
        kind,
        f"{trace}RuntimeError: {said}",
        str(m),
        "entropy bonus, fp32",
        layers=("Log", "log"),
    )

    def root() -> Tensor:
        out = m(X[:64])
        return (out - out.detach()).pow(2).sum(-1).sqrt().mean()

    said = anomaly(root)
    text = "step 0 loss 0.0000\nstep 1 loss nan\nRuntimeError: " + said
    yield Run(
        "sqrt of zero anomaly",
        kind,
        text,
        "",
        "loss = ((a-b)**2).sum(-1).sqrt().mean(), clip_grad_norm_ 1.0",
        layers=("Sqrt", "sqrt", "Pow", "pow"),
    )
    scores = torch.randn(4, 6, 6)
    mask = torch.ones(6, 6, dtype=torch.bool)
    mask[3] = False
    weights = scores.masked_fill(~mask, -math.inf).softmax(-1)
    rows = "\n".join(f"attn row {i}: {weights[0, i].sum().item():.4f}" for i in range(6))
    text = f"{rows}\nloss: nan\nattention weights: {int(weights.isnan().sum())} nan of {weights.numel()}"
    yield Run(
        "fully masked row",
        kind,
        text,
        "",
        "padding mask, masked_fill(-inf) then softmax; fp32",
        layers=("row", "softmax", "mask"),
    )
    big = torch.full((8, 8), 300.0).half()
    product = big @ big * 2
    soft = product.softmax(-1)[0, 0].item()
    text = f"out.dtype float16\nmax of q @ k.T: {product.max().item()}\nsoftmax: {soft}\nloss: nan"
    yield Run("half range attention", kind, text, "", "model.half(), no bf16 on this card")
    x = X.clone()
    x[17, 3] = math.nan
    m = mlp(2, 32, nn.ReLU)
    log = train(m, x, Y, 24, sgd(m, 0.01), every=1)
    assert math.isnan(log[-1]["loss"])
    text = f"torch.isnan(x).sum() = {int(x.isnan().sum())}\n" + fmt.steps(log)
    yield Run("nan in the data", kind, text, "", "SGD 0.01, standardized table")


def scales() -> Iterator[Run]:
    """Inputs or targets of another size."""
    m = mlp(3, 64, nn.ReLU, inputs=16, outputs=10)
    x, y = clusters(inputs=16)
    x = x * 3e4 + 5e4
    log = train(m, x, y, 40, sgd(m, 0.01), every=4)
    text = f"x mean {x.mean():.1f} std {x.std():.1f} min {x.min():.1f} max {x.max():.1f}\n" + fmt.steps(log)
    yield Run("inputs 5e4 steps", "input_scale", text, str(m), "SGD lr 0.01, raw features")
    x, y = images()
    x = (x * 60 + 128).clamp(0, 255).round()
    m = ConvNet(4, 16, std=-1)
    log = train(m, x, y, 30, adam(m), every=3)
    text = f"images: min={x.min():.0f} max={x.max():.0f} mean={x.mean():.1f}\n" + fmt.loop(log)
    yield Run(
        "images 0..255 loop", "input_scale", text, str(m), "Adam 1e-3, cross entropy 10 classes, no normalization"
    )
    x, y = clusters(inputs=8)
    x = (x + 4) * 250
    m = mlp(2, 64, nn.ReLU, inputs=8)
    text = fmt.probe(measure(m, x[:64], CE, y[:64]))
    yield Run("inputs 0..1000 probe", "input_scale", text, str(m), "features are uniform in [0, 1000], not scaled")
    kind = "target_scale"
    target = 2.5e5 * (0.5 * X[:, :1]).exp()
    mse = nn.MSELoss()
    m = mlp(2, 64, nn.ReLU, outputs=1)
    log = train(m, X, target, 80, adam(m), mse, every=8)
    stat = f"y mean {target.mean():.0f} std {target.std():.0f} min {target.min():.0f} max {target.max():.0f}\n"
    yield Run("prices steps", kind, stat + fmt.steps(log), str(m), "MSELoss, Adam 1e-3, house prices in dollars")
    m = mlp(3, 32, nn.Tanh, outputs=1)
    log = train(m, X, target * 10, 60, adam(m), mse, every=6)
    yield Run("targets 1e6 keras", kind, fmt.keras(log), "", "loss mse, targets of some millions, Adam default")
    m = mlp(2, 48, nn.ReLU, outputs=1)
    out = m(X[:64])
    text = (
        f"pred mean {out.mean():.4f} std {out.std():.4f}\ntarget mean {target.mean():.4g} std {target.std():.4g}\n"
        f"loss {mse(out, target[:64]):.4g}\n" + fmt.labelled(gradients(m, X[:64], target[:64], mse))
    )
    yield Run("targets 3e5 gradients", kind, text, "", "regression, MSELoss")


def clips() -> Iterator[Run]:
    """A clip far above every norm."""
    kind = "clip_never_binds"
    mse, fine = nn.MSELoss(), ("nothing_wrong",)
    m = mlp(3, 48, nn.Tanh, outputs=1)
    log = train(m, X, X[:, :1] * 0.05, 80, sgd(m, 0.01), mse, clip=1.0, every=8)
    assert max(e["grad_norm"] for e in log) < 0.3
    yield Run("regression clip 1 steps", kind, fmt.steps(log), str(m), "MSELoss, SGD 0.01, clip_grad_norm_(1.0)")
    m = mlp(4, 64, nn.ReLU, outputs=1)
    log = train(m, X, 0.02 * torch.randn(512, 1), 80, sgd(m, 0.02), mse, clip=0.5, every=8)
    assert max(e["grad_norm"] for e in log) < 0.45
    yield Run("regression clip 0.5 trainer", kind, fmt.trainer(log), "", "max_grad_norm=0.5, SGD, MSE", also=fine)
    m = CharTransformer(2)
    log = train(m, TEXT, NEXT, 60, adam(m), clip=25.0, every=6)
    assert max(e["grad_norm"] for e in log) < 8
    yield Run("transformer clip 25 trainer", kind, fmt.trainer(log), "", "max_grad_norm=25, AdamW, lr 1e-3", also=fine)
    m = ResidualMLP(3, 48, norm=True)
    log = train(m, X, Y, 60, adam(m), clip=100.0, every=6)
    yield Run("residual clip 100 csv", kind, fmt.log_csv(log), str(m), "gradient_clip_val=100, Adam", also=fine)


def runs() -> Iterator[Run]:
    """All of them."""
    for kind in (at_chance, died, nans, scales, clips):
        yield from kind()

"""Zeros and infinities that are none: float16, print formats, structure, a scaler that calibrates (torch)."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from typing import Any

import gradient_formats as fmt
import torch
from gradient_networks import (
    CE,
    ConvNet,
    ResidualMLP,
    SmallResNet,
    adam,
    characters,
    clusters,
    gradients,
    images,
    mlp,
    train,
)
from gradient_run import Run, measure
from torch import Tensor, nn

X, Y = clusters()
IMAGES, LABELS = images()
TEXT, NEXT = characters()


def underflow() -> Iterator[Run]:
    """Gradients that float16 rounds to zero and float32 holds."""
    kind = "underflow_half"
    for name, m in (("mlp6 half print", mlp(6, 64, nn.Tanh, std=0.15)), ("conv4 half table", ConvNet(4, 16, std=-1))):
        x, y = (X, Y) if name[0] == "m" else (IMAGES, LABELS)
        rows = _halved(m, x[:64], y[:64])
        text = fmt.table(rows, ["grad_norm_fp16", "grad_norm_fp32", "zero_fraction_fp16"], ".3e")
        if name[0] == "m":
            text = "\n".join(f"{n} grad norm {v[0]:.3e} zeros {100 * v[2]:.1f}%" for n, v in rows)
        yield Run(
            name, kind, text, str(m), "model.half(), pure fp16, no GradScaler, loss divided by accumulation steps"
        )
    m, document = _partly_lost()
    yield Run("mlp5 half probe", kind, fmt.probe(document), str(m), "float16 weights, no loss scaling")
    m = mlp(8, 40, nn.Tanh, std=0.15)
    for scale in (1e-5 * 0.8**i for i in range(20)):
        half = gradients(copy.deepcopy(m).half(), X[:64].half(), Y[:64], lambda o, t, s=scale: CE(o.float(), t) * s)
        g = [(n, t) for n, t in fmt.weights(half) if t is not None]
        if max((t == 0).float().mean() for _, t in g) > 0.5:
            break
    lines = [f"{n} max={t.abs().max().item():.4g} zeros={100 * (t == 0).float().mean():.0f}%" for n, t in g]
    assert max((t == 0).float().mean() for _, t in g) > 0.5
    assert all(t.any() for _, t in g)
    yield Run(
        "mlp8 half denormal maxima",
        kind,
        "largest |grad|\n" + "\n".join(lines),
        "",
        "dtype float16 everywhere, no scaler, SGD",
    )


def _partly_lost() -> tuple[Any, dict[str, Any]]:
    """A network in float16 and a loss so small that some weights have no gradient left, and others have."""
    for _ in range(20):
        m = mlp(5, 48, nn.ReLU, std=-1).half()
        for scale in (1e-3 * 0.8**i for i in range(40)):
            document = measure(m, X[:64].half(), lambda o, t, s=scale: CE(o.float(), t) * s, Y[:64])
            zeros = [r["weight_grad_norm"] == 0 for r in document["layers"] if "weight_grad_norm" in r]
            if all(zeros):
                break
            if sum(zeros) >= 2:
                return m, document
    raise AssertionError("float16 loses all of it at once")


def _halved(m: Any, x: Tensor, y: Tensor) -> list[tuple[str, list[float]]]:
    """Norms in float16 and in float32, and the fraction of zeros, at a loss so small that float16 loses most."""
    for scale in (3e-4, 1e-4, 3e-5, 1e-5, 3e-6):

        def small(out: Tensor, target: Tensor, scale: float = scale) -> Tensor:
            return CE(out.float(), target) * scale

        full = fmt.weights(gradients(m, x, y, small))
        half = fmt.weights(gradients(copy.deepcopy(m).half(), x.half(), y, small))
        rows = [
            (n, [h.float().norm().item(), f.norm().item(), (h == 0).float().mean().item()])
            for (n, h), (_, f) in zip(half, full, strict=True)
            if h is not None and f is not None
        ]
        if max(v[2] for _, v in rows) > 0.8:
            assert all((f == 0).float().mean() < 0.2 for _, f in full if f is not None)
            return rows
    raise AssertionError("float16 holds all of it")


def print_zeros() -> Iterator[Run]:
    """Zeros of the print format: the network learns."""
    kind = "print_zeros"
    m = ResidualMLP(6, 64, norm=True)
    log = train(m, X, Y, 120, adam(m), every=12)
    g = [(n, t.abs().mean().item()) for n, t in gradients(m, X[:64], Y[:64]) if t is not None and t.ndim > 1]
    assert all(0 < v < 5e-3 for _, v in g)
    text = fmt.loop(log) + "\n" + "\n".join(f"{n}: mean |grad| {v:.2f}" for n, v in g)
    yield Run("residual6 learned .2f", kind, text, "", "Adam 1e-3")
    m = mlp(3, 256, nn.ReLU, std=-1)
    log = train(m, X, Y, 40, adam(m), every=5)
    rows = [(n, [t.abs().mean().item()]) for n, t in fmt.weights(gradients(m, X[:64], Y[:64])) if t is not None]
    assert all(0 < v[0] < 5e-3 for _, v in rows)
    text = fmt.table(rows, ["mean_abs_grad"], ".2f") + "\n\n" + fmt.steps(log, norm=False)
    yield Run("mlp3 mean abs .2f", kind, text, str(m), "Adam(1e-3), 10 classes")
    m = ConvNet(4, 24, norm=True)
    log = train(m, IMAGES, LABELS, 40, adam(m, 3e-3), every=4)
    rows = [
        (n, [t.mean().item(), t.abs().mean().item()])
        for n, t in fmt.weights(gradients(m, IMAGES[:64], LABELS[:64]))
        if t is not None
    ]
    text = fmt.keras(log) + "\n\n" + fmt.markdown(rows, ["grad mean", "grad mean abs"], ".1f")
    yield Run("conv4 learned .1f markdown", kind, text, str(m), "")


class LoRA(nn.Module):
    def __init__(self, base: nn.Linear, rank: int) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.lora_A = nn.Linear(base.in_features, rank, bias=False)
        self.lora_B = nn.Linear(rank, base.out_features, bias=False)
        nn.init.zeros_(self.lora_B.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + self.lora_B(self.lora_A(x))


class Detached(nn.Module):
    """The trunk is cut from the loss by a detach()."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = mlp(2, 48, nn.ReLU, outputs=48, std=-1)
        self.decoder = mlp(2, 48, nn.ReLU, inputs=48, std=-1)

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x).detach())


def structural() -> Iterator[Run]:
    """Exact zeros that the structure makes."""
    kind = "structural_zero"
    m: Any = nn.Sequential(
        LoRA(nn.Linear(32, 64), 8), nn.GELU(), LoRA(nn.Linear(64, 64), 8), nn.GELU(), LoRA(nn.Linear(64, 10), 8)
    )
    g = [(n, t) for n, t in gradients(m, X[:64], Y[:64]) if "lora" in n]
    yield Run("lora rank8 print", kind, fmt.printed(g), str(m), "step 0, LoRA r=8", layers=("lora_A", "lora_B"))
    m = SmallResNet(4, zero=True)
    g = fmt.norms(fmt.weights(gradients(m, IMAGES[:32], LABELS[:32])))
    yield Run(
        "resnet zero gamma csv",
        kind,
        fmt.csv(g, ["grad_norm"]),
        str(m),
        "zero_init_residual=True, before the first step",
        layers=("bn2", "conv", "layer1"),
    )
    m = nn.Sequential(mlp(2, 64, nn.ReLU, outputs=64, std=-1), nn.ReLU(), nn.Linear(64, 10))
    m[0].requires_grad_(False)
    yield Run(
        "frozen backbone none",
        kind,
        fmt.labelled(gradients(m, X[:64], Y[:64])),
        "",
        "fine-tuning, only the head has requires_grad",
        layers=("0",),
    )
    m = Detached()
    log = train(m, X, Y, 40, adam(m), every=8)
    text = fmt.printed(gradients(m, X[:64], Y[:64])) + "\n\n" + fmt.steps(log)
    source = (
        "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.encoder = "
        "nn.Sequential(nn.Linear(32, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, 48))\n"
        "        self.decoder = "
        "nn.Sequential(nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, 10))\n"
        "    def forward(self, x):\n        z = self.encoder(x).detach()\n        return self.decoder(z)\n"
    )
    yield Run("detached encoder print source", kind, text, source, "Adam", layers=("encoder",))
    m = ResidualMLP(8, 48, norm=True, zero=True)
    text = fmt.wandb(fmt.weights(gradients(m, X[:64], Y[:64])))
    yield Run(
        "residual zero init wandb",
        kind,
        text,
        str(m),
        "fc2 of each block starts at zero; step 0",
        layers=("fc1", "fc2", "blocks"),
    )
    m = mlp(4, 48, nn.ReLU, std=-1)
    nn.init.zeros_(m[-1].weight)
    text = fmt.probe(measure(m, X[:64], CE, Y[:64]))
    yield Run("zero head probe", kind, text, str(m), "the last layer is initialised to zero", layers=("8",))


def calibrating() -> Iterator[Run]:
    """A GradScaler that looks for its scale, and finds it."""
    kind = "amp_calibrating"
    styles: tuple[tuple[str, float, Callable[[int, float, float, float], str]], ...] = (
        (
            "get_scale lines",
            2.0**22,
            lambda i, loss, norm, s: f"step {i} loss {loss:.4f} grad_norm {norm:.4f} scale {s}",
        ),
        (
            "apex lines",
            2.0**24,
            lambda i, loss, norm, s: (
                f"iter {i}: loss {loss:.4f}"
                if math.isfinite(norm)
                else f"Gradient overflow.  Skipping step, loss scaler 0 reducing loss scale to {s}"
            ),
        ),
        (
            "trainer dicts",
            2.0**20,
            lambda i, loss, norm, s: str(
                {"loss": round(loss, 4), "grad_norm": norm, "learning_rate": 1e-3, "loss_scale": s, "epoch": i / 50}
            ),
        ),
        (
            "deepspeed lines",
            2.0**23,
            lambda i, loss, norm, s: (
                f"step={i}, skipped=0, lr=[0.001], loss={loss:.4f}, loss_scale={s:g}"
                if math.isfinite(norm)
                else "[deepspeed] fp16 dynamic loss scale overflow! Skipping step."
                f" Attempted loss scale: {2 * s:g}, reducing to {s:g}"
            ),
        ),
    )
    for n, (name, start, say) in enumerate(styles):
        torch.manual_seed(20 + n)
        m = mlp(3 + n, 64, nn.ReLU, std=-1)
        optimizer = adam(m)
        lines, bad = [], 0
        scaler = torch.amp.GradScaler("cpu", init_scale=start, growth_interval=2000)
        for i in range(26):
            with torch.autocast("cpu", dtype=torch.float16):
                loss = CE(m(X[(i * 64) % 448 :][:64]).float(), Y[(i * 64) % 448 :][:64]) * 1.0
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            norm = nn.utils.clip_grad_norm_(m.parameters(), 1e9).item()
            scaler.step(optimizer)
            scaler.update()
            bad += not math.isfinite(norm)
            lines.append(say(i, loss.item(), norm, scaler.get_scale()))
        assert 2 <= bad <= 12, (name, bad)
        yield Run(
            f"scaler {name}",
            kind,
            "\n".join(lines),
            str(m) if n % 2 else "",
            "fp16 autocast with GradScaler, Adam 1e-3",
        )


def runs() -> Iterator[Run]:
    """All of them."""
    for kind in (underflow, print_zeros, structural, calibrating):
        yield from kind()

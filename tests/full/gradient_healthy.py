"""Healthy runs of many architectures, early and late in training, and what people print of them (torch)."""

from __future__ import annotations

from collections.abc import Iterator

import gradient_formats as fmt
import torch
from gradient_networks import (
    CE,
    CharTransformer,
    ConvNet,
    LSTMClassifier,
    ResidualMLP,
    SmallResNet,
    adam,
    characters,
    clusters,
    gradients,
    images,
    mlp,
    outputs,
    sgd,
    train,
)
from gradient_run import Run, measure
from torch import nn

KIND = "nothing_wrong"
SHALLOW = ("too_shallow",)
PARTIAL = ("cannot_tell",)
"""Flat norms of weight gradients, or activations alone, are no proof of health: to say so is right as well."""
X, Y = clusters()
IMAGES, LABELS = images()
TEXT, NEXT = characters()


def learns(log: list[dict[str, float]]) -> list[dict[str, float]]:
    """The log of a run that learned."""
    assert log[-1]["loss"] < 0.8 * log[0]["loss"], (log[0], log[-1])
    return log


def feedforward() -> Iterator[Run]:
    """Multilayer perceptrons."""
    m = mlp(3, 64, nn.ReLU, std=-1)
    log = learns(train(m, X, Y, 60, sgd(m, 0.05), every=6))
    yield Run("mlp3 loop", KIND, fmt.loop(log), str(m), "SGD 0.05, 10 classes", also=SHALLOW)
    m = mlp(8, 96, nn.ReLU, std=-1)
    text = fmt.probe(measure(m, X[:64], CE, Y[:64]))
    yield Run("mlp8 he probe", KIND, text, str(m), "kaiming_normal_, step 0")
    m = mlp(6, 80, nn.Tanh, std=0.115)
    text = fmt.printed(gradients(m, X[:64], Y[:64]))
    yield Run("tanh6 print", KIND, text, str(m), "weights N(0, 1/fan_in)", also=PARTIAL)
    m = mlp(10, 128, nn.ReLU, std=-1)
    log = learns(train(m, X, Y, 50, adam(m), every=5))
    text = fmt.table(fmt.norms(fmt.weights(gradients(m, X[:64], Y[:64]))), ["grad_norm"])
    yield Run("mlp10 after training pandas", KIND, fmt.steps(log) + "\n\n" + text, "", "Adam 1e-3, cross entropy")
    m = mlp(5, 64, nn.GELU, std=-1)
    rows = [(n, [o.mean().item(), o.std().item()]) for n, _, o in outputs(m, X[:64], nn.GELU)]
    yield Run("gelu5 activations csv", KIND, fmt.csv(rows, ["mean", "std"]), str(m), "", also=PARTIAL)
    m = mlp(2, 32, nn.Sigmoid)
    log = learns(train(m, X, Y, 200, adam(m, 1e-2), every=20))
    yield Run("sigmoid2 keras", KIND, fmt.keras(log), "", "Adam 0.01, 10 classes", also=SHALLOW)
    m = mlp(3, 64, nn.ReLU, outputs=1)
    log = learns(train(m, X, X[:, :1] * X[:, 1:2], 150, adam(m, 3e-3), nn.MSELoss(), every=15))
    yield Run(
        "regression steps", KIND, fmt.steps(log), str(m), "MSELoss, standardized inputs and targets", also=SHALLOW
    )
    m = mlp(4, 64, nn.ReLU, std=-1)
    text = fmt.hooked(
        list(outputs(m, X[:64], nn.ReLU)), lambda o: f"zeros {100 * (o == 0).float().mean():.1f}% of outputs"
    )
    yield Run(
        "mlp4 half of relu outputs zero",
        KIND,
        text,
        str(m),
        "",
        notes="half of the outputs of a ReLU are zero",
        also=PARTIAL,
    )


def convolutional() -> Iterator[Run]:
    """Convolutional networks."""
    m = ConvNet(6, 16, norm=True)
    log = learns(train(m, IMAGES, LABELS, 40, adam(m, 3e-3), every=4))
    yield Run("convbn6 lightning", KIND, fmt.lightning(log), str(m), "Adam 3e-3")
    g = fmt.weights(gradients(m, IMAGES[:32], LABELS[:32]))
    yield Run("convbn6 statistics", KIND, fmt.statistics(g), str(m), "after 40 steps", also=PARTIAL)
    m = SmallResNet(6)
    g = [(n, t) for n, t in fmt.weights(gradients(m, IMAGES[:64], LABELS[:64])) if t is not None and t.ndim > 1]
    yield Run(
        "resnet6 csv", KIND, fmt.csv(fmt.norms(g), ["grad_norm"]), str(m), "SGD momentum 0.9, step 0", also=PARTIAL
    )
    log = learns(train(m, IMAGES, LABELS, 60, adam(m, 3e-3), every=6))
    yield Run("resnet6 tensorboard", KIND, fmt.tensorboard(log), "", "Adam 3e-3")
    m = SmallResNet(4)
    yield Run("resnet4 probe", KIND, fmt.probe(measure(m, IMAGES[:32], CE, LABELS[:32])), str(m), "")
    m = ConvNet(5, 24, std=-1)
    g = gradients(m, IMAGES[:32], LABELS[:32])
    yield Run(
        "conv5 he markdown", KIND, fmt.markdown(fmt.norms(fmt.weights(g)), ["grad norm"]), str(m), "", also=PARTIAL
    )
    log = learns(train(m, IMAGES, LABELS, 60, adam(m), every=6))
    yield Run("conv5 log csv", KIND, fmt.log_csv(log), "", "Adam 1e-3, 10 classes")


def sequences() -> Iterator[Run]:
    """Transformers, recurrent and residual networks."""
    m = CharTransformer(4)
    g = fmt.weights(gradients(m, TEXT[:32], NEXT[:32]))
    yield Run(
        "transformer4 start print", KIND, fmt.labelled(g), str(m), "AdamW, warmup 100 steps, step 0", also=PARTIAL
    )
    log = learns(train(m, TEXT, NEXT, 70, adam(m), clip=1.0, every=7, batch=32))
    assert sum(e["grad_norm"] > 1 for e in log) > 7
    yield Run("transformer4 clip always binds trainer", KIND, fmt.trainer(log), "", "max_grad_norm=1.0, AdamW 1e-3")
    m = CharTransformer(6)
    log = learns(train(m, TEXT, NEXT, 60, adam(m), every=5, batch=32))
    yield Run("transformer6 nanogpt", KIND, fmt.nanogpt(log), str(m), "pre-norm, vocab_size 27")
    g = [(n, t) for n, t in fmt.weights(gradients(m, TEXT[:32], NEXT[:32])) if t is not None and t.ndim > 1]
    yield Run("transformer6 wandb", KIND, fmt.wandb(g, log), "", "bf16, AdamW")
    m = CharTransformer(3)
    yield Run("transformer3 probe", KIND, fmt.probe(measure(m, TEXT[:16], CE, NEXT[:16].flatten())), "", "pre-norm GPT")
    x = torch.randint(0, 40, (512, 12), generator=torch.Generator().manual_seed(1))
    y = (x[:, -1] // 10).long()
    m = LSTMClassifier()
    log = learns(train(m, x, y, 120, adam(m, 1e-2), every=12))
    yield Run("lstm lightning", KIND, fmt.lightning(log), str(m), "4 classes, Adam 0.01")
    g = gradients(m, x[:64], y[:64])
    yield Run("lstm print", KIND, fmt.printed(g), str(m), "after 120 steps", also=(*SHALLOW, *PARTIAL))
    m = ResidualMLP(12, 48, norm=True)
    rows = fmt.norms(fmt.weights(gradients(m, X[:64], Y[:64])))
    yield Run("prenorm residual12 table", KIND, fmt.table(rows, ["grad_norm"], ".4f"), str(m), "step 0", also=PARTIAL)
    log = learns(train(m, X, Y, 40, adam(m), every=4))
    yield Run("prenorm residual12 wandb", KIND, fmt.wandb([], log), "", "Adam 1e-3")


def precision() -> Iterator[Run]:
    """Mixed precision that has found its scale, and bfloat16."""
    m = mlp(4, 64, nn.ReLU, std=-1)
    optimizer = adam(m)
    scaler = torch.amp.GradScaler("cpu", init_scale=4096.0)
    lines = []
    for i in range(40):
        pick = torch.randint(0, 512, (64,))
        with torch.autocast("cpu", dtype=torch.float16):
            loss = CE(m(X[pick]).float(), Y[pick])
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        norm = nn.utils.clip_grad_norm_(m.parameters(), 1e9).item()
        scaler.step(optimizer)
        scaler.update()
        if i % 4 == 0:
            lines.append(f"step {i} loss {loss.item():.4f} grad_norm {norm:.4f} loss_scale {scaler.get_scale():.0f}")
    assert scaler.get_scale() == 4096
    yield Run("amp settled", KIND, "\n".join(lines), str(m), "fp16 autocast, GradScaler, Adam")
    m = ResidualMLP(5, 48, norm=True)
    optimizer = adam(m)
    log = []
    for i in range(60):
        pick = torch.randint(0, 512, (64,))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            out = m(X[pick])
        loss = CE(out.float(), Y[pick])
        optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(m.parameters(), 1e9).item()
        optimizer.step()
        right = (out.argmax(-1) == Y[pick]).float().mean().item()
        log.append({"step": i, "loss": loss.item(), "acc": right, "grad_norm": norm, "lr": 1e-3})
    yield Run("bf16 steps", KIND, fmt.steps(learns(log[::6])), "", "bf16 autocast, no scaler needed")


def runs() -> Iterator[Run]:
    """All of them."""
    for kind in (feedforward, convolutional, sequences, precision):
        yield from kind()

"""How people print gradients, activations and logs: the formats of make_gradient_runs.py (torch)."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

Grads = Sequence[tuple[str, Tensor | None]]
Rows = Sequence[tuple[str, Sequence[float]]]
Log = Sequence[dict[str, float]]


def weights(grads: Grads) -> Grads:
    """Without biases."""
    return [(n, g) for n, g in grads if n.endswith("weight")]


def printed(grads: Grads) -> str:
    """`print(name, p.grad.norm())`."""
    return "\n".join(f"{n} {None if g is None else g.norm()}" for n, g in grads)


def labelled(grads: Grads, style: str = ".3e") -> str:
    """A line with a label for each parameter."""
    return "\n".join(
        f"{n:<28} | grad: None" if g is None else f"{n:<28} | grad norm: {g.norm().item():{style}}" for n, g in grads
    )


def statistics(grads: Grads, style: str = ".2e") -> str:
    """Mean of |g|, standard deviation and largest."""
    return "\n".join(
        f"[grad] {n}: mean_abs={g.abs().mean().item():{style}} std={g.std().item():{style}}"
        f" max={g.abs().max().item():{style}}"
        for n, g in grads
        if g is not None and g.numel() > 1
    )


def table(rows: Rows, columns: Sequence[str], style: str = ".6e") -> str:
    """A pandas-like table."""
    cells = [["", "layer", *columns]] + [
        [str(i), name, *(f"{v:{style}}" for v in values)] for i, (name, values) in enumerate(rows)
    ]
    widths = [max(len(row[j]) for row in cells) for j in range(len(cells[0]))]
    return "\n".join("  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in cells)


def csv(rows: Rows, columns: Sequence[str]) -> str:
    return "\n".join([",".join(["layer", *columns]), *(",".join([n, *(f"{v:.8g}" for v in vs)]) for n, vs in rows)])


def markdown(rows: Rows, columns: Sequence[str], style: str = ".3g") -> str:
    head = "| layer | " + " | ".join(columns) + " |\n|" + "---|" * (len(columns) + 1)
    return head + "".join(f"\n| {n} | " + " | ".join(f"{v:{style}}" for v in vs) + " |" for n, vs in rows)


def norms(grads: Grads) -> list[tuple[str, list[float]]]:
    """Rows of gradient norms."""
    return [(n, [g.norm().item()]) for n, g in grads if g is not None]


def wandb(grads: Grads, log: Log = ()) -> str:
    """Lines of a W&B history export."""
    head: dict[str, Any] = {"_step": int(log[-1]["step"]) if log else 0}
    head |= {f"gradients/{n}": g.norm().item() for n, g in grads if g is not None}
    lines = [{"_step": int(e["step"]), "train/loss": e["loss"], "train/grad_norm": e["grad_norm"]} for e in log]
    return "\n".join(json.dumps(line) for line in [*lines, *([head] if grads else [])])


def tensorboard(log: Log, key: str = "loss") -> str:
    """The CSV that TensorBoard downloads for one tag."""
    begin = 1751881000.123
    return f"# tag: train/{key}\nWall time,Step,Value\n" + "\n".join(
        f"{begin + 0.37 * i:.3f},{int(e['step'])},{e[key]:.6g}" for i, e in enumerate(log)
    )


def loop(log: Log, epochs: int = 10) -> str:
    """The tutorial's training loop."""
    return "\n".join(
        f"Epoch [{i + 1}/{epochs}], Loss: {e['loss']:.4f}, Acc: {100 * e['acc']:.2f}%" for i, e in enumerate(log)
    )


def steps(log: Log, norm: bool = True) -> str:
    return "\n".join(
        f"step {int(e['step']):5d} | loss {e['loss']:.6g}" + (f" | grad norm {e['grad_norm']:.4g}" if norm else "")
        for e in log
    )


def lightning(log: Log) -> str:
    bar = "█" * 10
    return "\n".join(
        f"Epoch {i}: 100%|{bar}| 16/16 [00:00<00:00, {201.3 + 7 * (i % 3):.2f}it/s, v_num=3,"
        f" train_loss={_three(e['loss'])},"
        f" train_acc={e['acc']:.3f}]"
        for i, e in enumerate(log)
    )


def _three(x: float) -> str:
    """Three significant digits as a Lightning bar shows them."""
    text = f"{x:.3g}"
    return text if "e" in text or "n" in text else text.ljust(4, "0") if "." in text else text + ".0"


def keras(log: Log) -> str:
    n = len(log)
    return "\n".join(
        f"Epoch {i + 1}/{n}\n16/16 ━━━━━━━━━━━━━━━━━━━━ 0s {3 + i % 2}ms/step - "
        + ("" if math.isnan(e["acc"]) else f"accuracy: {e['acc']:.4f} - ")
        + f"loss: {e['loss']:.4f}"
        for i, e in enumerate(log)
    )


def trainer(log: Log, per_epoch: int = 100) -> str:
    """What the Hugging Face Trainer prints."""
    return "\n".join(
        str(
            {
                "loss": round(e["loss"], 4),
                "grad_norm": e["grad_norm"],
                "learning_rate": e["lr"],
                "epoch": round((e["step"] + 1) / per_epoch, 2),
            }
        )
        for e in log
    )


def nanogpt(log: Log) -> str:
    return "\n".join(
        f"iter {int(e['step'])}: loss {e['loss']:.4f}, time {18.2 + i % 5:.2f}ms, mfu 1.{i % 9}%"
        for i, e in enumerate(log)
    )


def log_csv(log: Log) -> str:
    return "step,loss,accuracy,grad_norm\n" + "\n".join(
        f"{int(e['step'])},{e['loss']:.6g},{e['acc']:.4f},{e['grad_norm']:.6g}" for e in log
    )


def hooked(rows: Sequence[tuple[str, Any, Tensor]], say: Callable[[Tensor], str]) -> str:
    """Lines that a forward hook prints."""
    return "\n".join(f"{n} ({type(m).__name__}): {say(out)}" for n, m, out in rows)


def mean_std(x: Tensor) -> str:
    return f"mean={x.mean().item():.3e} std={x.std().item():.3e}"


def probe(document: dict[str, Any]) -> str:
    """Our probe's document, numbers cut to 6 digits."""

    def cut(x: Any) -> Any:
        if isinstance(x, float):
            return float(f"{x:.6g}")
        if isinstance(x, dict):
            return {k: cut(v) for k, v in x.items()}
        return [cut(v) for v in x] if isinstance(x, list) else x

    return json.dumps(cut(document))
